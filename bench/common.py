"""What the benchmarks share: arguments, data, progress, and a report that can be traced back."""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from motiongpt3.data.dataset import read_manifest
from motiongpt3.data.folder import data_folder
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import MotionGPTError
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.checkpoint import SHIPPED
from motiongpt3.model.loading import load
from motiongpt3.model.motiongpt import MotionGPT

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("motion5h", "motion_extra")
_EVERY_SECONDS = 15.0

BANDAI, REST, REST_5H, ALL_5H, ALL = (
    "Bandai-Namco",
    "the rest",
    "the rest of motion5h",
    "all of motion5h",
    "all",
)
_REST_5H_SOURCES = ("accad", "cmu", "hdm05")


def groups(source: str) -> tuple[str, ...]:
    """The rows of a table that a clip of this source counts in, besides its own.

    The baselines in the project's targets were measured on motion5h, hence its own rows.
    """
    if source == "bandai_namco":
        return BANDAI, ALL_5H, ALL
    return (REST, REST_5H, ALL_5H, ALL) if source in _REST_5H_SOURCES else (REST, ALL)


def arguments(description: str) -> argparse.ArgumentParser:
    """The arguments every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped one)")
    parser.add_argument(
        "--data", type=Path, help="processed set (default: prepared/, made of motion5h and extra)"
    )
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--limit", type=int, help="only so many clips, spread over the split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here")
    return parser


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what a user did wrong becomes one line and an exit code."""
    try:
        main()
    except MotionGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def open_model(options: argparse.Namespace) -> MotionGPT:
    """The model to measure."""
    return load(options.model)


def open_set(options: argparse.Namespace) -> Path:
    """The processed set to measure on, made of the development data if there is none yet."""
    folder = options.data or ROOT / "prepared"
    if options.data is None and not (folder / "manifest.json").is_file():
        print(f"preparing {folder.name}/", file=sys.stderr)
        prepare([data_folder() / name for name in SOURCES], folder)
    read_manifest(folder)
    return folder


def grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each source and each group, by their "source"."""
    members: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for name in (row["source"], *groups(row["source"])):
            members.setdefault(name, []).append(row)
    last = [name for name in (BANDAI, REST, REST_5H, ALL_5H, ALL) if name in members]
    return {name: members[name] for name in [*sorted(members.keys() - set(last)), *last]}


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The number of clips of each source and group, and the mean of every figure over them."""
    keys = [key for key in rows[0] if key not in ("id", "source")] if rows else []
    return {
        name: {
            "clips": len(members),
            **{key: float(np.mean([row[key] for row in members])) for key in keys},
        }
        for name, members in grouped(rows).items()
    }


def track(items: Sequence[Any], what: str) -> Iterator[Any]:
    """Go through items, saying on stderr how far it is."""
    begun = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said > _EVERY_SECONDS:
            said = now
            left = (now - begun) / done * (len(items) - done)
            print(f"{what} {done}/{len(items)}, {left:.0f} s left", file=sys.stderr, flush=True)
        yield item


def in_turns(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Seconds of every run of each call, made in turns after one of each that warms up: what else
    the machine does then meets all alike."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for own, call in zip(times, calls, strict=True):
            begun = time.perf_counter()
            call()
            own.append(time.perf_counter() - begun)
    return times


@dataclass(frozen=True)
class Target:
    """A figure, its limit, and whether it is met."""

    name: str
    value: float
    limit: float
    at_least: bool = False
    digits: int = 3

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of its limit; never for a missing figure."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> list[str]:
        """A row of the table of targets."""
        sign = ">=" if self.at_least else "<="
        limit = f"{sign} {self.limit:.{self.digits}f}"
        return [self.name, f"{self.value:.{self.digits}f}", limit, "pass" if self.met else "miss"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, columns aligned; all columns but the first are to the right."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(3, *(len(row[n]) for row in cells)) for n in range(len(header))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (w - 1) + ":" for w in widths[1:])]

    def line(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    return "\n".join(line(row) for row in [cells[0], rule, *cells[1:]])


def report(
    options: argparse.Namespace,
    data: Path,
    tables: Sequence[str],
    targets: Sequence[Target],
    figures: Mapping[str, Any],
) -> None:
    """Print what was measured, on what and by which command; write it as JSON if asked to."""
    origin = _origin(options, data)
    print("\n".join(f"{key}: {value}" for key, value in origin.items()), end="\n\n")
    verdicts = table(["target", "measured", "limit", ""], [t.row() for t in targets])
    print("\n\n".join([*tables, verdicts]))
    if options.json:
        judged = [
            {"name": t.name, "value": t.value, "limit": t.limit, "met": t.met} for t in targets
        ]
        content = {"origin": origin, "targets": judged, **figures}
        with atomic_write(options.json) as path:
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _origin(options: argparse.Namespace, data: Path) -> dict[str, str]:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10)
        commit = answer.stdout.strip() if answer.returncode == 0 else "none"
    except OSError:
        commit = "none"
    return {
        "command": "python " + shlex.join(sys.argv),
        "commit": commit,
        "seed": str(options.seed),
        **({"model": _model(options.model)} if "model" in options else {}),
        "data": f"{read_manifest(data)['sha256'][:16]}, split {options.split}",
    }


def _model(given: Path | None) -> str:
    manifest = (given or SHIPPED) / "manifest.json"
    if not manifest.is_file():  # a model from the hub is known by its name
        return str(given)
    return json.loads(manifest.read_text())["sha256"]["model.safetensors"][:16]
