"""The figures of the model card: measured by commands, kept as JSON, written into the table.

python scripts/figures.py --data prepared                  # measure all, write docs/figures.json
python scripts/figures.py --data prepared --as before --model OLD   # the other column
python scripts/figures.py --data prepared --check          # measure again; differ, and it fails
python scripts/figures.py --write                          # docs/figures.json into MODEL_CARD.md
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
KEPT, CARD, ROWS = ROOT / "docs/figures.json", ROOT / "MODEL_CARD.md", ROOT / "scripts/figures.toml"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Measure:
    """A command of the project, and what is read off its JSON."""

    name: str
    command: tuple[str, ...]
    read: Callable[[dict[str, Any]], dict[str, float]]
    prepared: bool = True
    """Whether the command takes a prepared set."""


def semantics(found: dict[str, Any]) -> dict[str, float]:
    """Percent of motions that pass each rule, over the classes that use it; their mean; skate."""
    passed: dict[str, float] = defaultdict(float)
    asked: dict[str, int] = defaultdict(int)
    for row in found["rows"]:
        for name in (row["rule"], *(["wave/raise"] if row["rule"] in ("wave", "raise") else [])):
            passed[name] += row["rate"] * row["count"]
            asked[name] += row["count"]
    figures = {name: 100 * number / asked[name] for name, number in passed.items()}
    verdicts = [value for name, value in figures.items() if name not in ("wave", "raise")]
    skate = {f"skate {name}": value for name, value in found["skate"].items()}
    return {**figures, "mean": float(np.mean(verdicts)), **skate}


def captions(found: dict[str, Any]) -> dict[str, float]:
    """Percent of captions that name the action, by label (macro), and the side."""
    return {
        f"{row['group']}, {what}": 100 * row[what]
        for row in found["figures"]
        for what in ("action", "macro", "side")
        if row["group"] in ("bandai_namco", "motion5h seen", "motion_extra seen")
    }


def completion(found: dict[str, Any]) -> dict[str, float]:
    """Errors of predictions and of gaps, and percent of smooth seams."""
    predictions, gaps = found["predictions"], found["gaps"]

    def mean(rows: list[dict[str, Any]], key: str) -> float:
        return float(np.mean([row[key] for row in rows]))

    names = (
        "global_m",
        "best_global_m",
        "held_global_m",
        "pose_mm",
        "best_pose_mm",
        "held_pose_mm",
    )
    targets = {target["name"]: target["value"] for target in found["targets"]}
    return {
        **{name: mean(predictions, name) for name in names},
        "smooth prediction": 100 * targets["smooth seam, prediction"],
        "smooth gap": 100 * targets["smooth seams, in-betweening"],
        "kept": 100 * targets["observed frames kept, clips"],
        "gap_mm": targets["gaps >= 2 s, Bandai-Namco, pose mm"],
        "clips": float(len(predictions)),
        "gaps": float(len(gaps)),
    }


def length(found: dict[str, Any]) -> dict[str, float]:
    """Percent by which lengths of the model's own choice are off, and within the label's range."""
    every = found["by_source"]["all"]
    return {name: 100 * every[name] for name in ("error", "table", "within")}


def vae(found: dict[str, Any]) -> dict[str, float]:
    """Millimetres a joint is off after a round trip."""
    return {
        f"{name}, {key}": value[key]
        for name, value in found["by_source"].items()
        if name in ("Bandai-Namco", "the rest", "the rest of motion5h")
        for key in ("mpjpe_mm", "nearest_mm", "components_mm")
    }


_PROMPTS = ("bench/semantics.py",)
MEASURES = (
    Measure("prompts", (*_PROMPTS, "--seeds", "3"), semantics, False),
    Measure("novel", (*_PROMPTS, "--seeds", "2", "--novel"), semantics, False),
    Measure("at 4 s", (*_PROMPTS, "--seeds", "2", "--seconds", "4"), semantics, False),
    Measure("captions", ("bench/captions.py",), captions, False),
    Measure("completion", ("bench/completion.py", "--limit", "120"), completion),
    Measure("length", ("bench/length.py",), length),
    Measure("vae", ("bench/vae.py",), vae),
)
"""Each takes less than two minutes."""


def measured(data: Path, model: str | None) -> dict[str, Figures]:
    """Run every command and read its figures."""
    found = {}
    for measure in MEASURES:
        with TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            command = [sys.executable, *measure.command, "--json", str(out)]
            command += ["--data", str(data)] if measure.prepared else []
            command += ["--model", model] if model else []
            print("python", *measure.command, flush=True)
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            found[measure.name] = measure.read(json.loads(out.read_text(encoding="utf-8")))
    return found


def apart(kept: Mapping[str, Figures], again: Mapping[str, Figures]) -> list[str]:
    """Figures that another measurement does not confirm.

    The same seeds give the same motions to rounding, but other processors round otherwise, and a
    motion at the edge of a rule may fall to its other side.
    """
    return [
        f"{name}, {key}: {kept[name].get(key)} is kept, {value} was measured"
        for name, figures in again.items()
        for key, value in figures.items()
        if not abs(kept[name].get(key, np.inf) - value) <= allowed(key, value)
    ]


def allowed(key: str, value: float) -> float:
    """What a figure may be off by: metres and metres per second, millimetres, or points."""
    if key.startswith("skate") or key.endswith("_m"):
        return 0.02
    return 0.03 * value if key.endswith("_mm") else 3.0


def table(kept: Mapping[str, Mapping[str, Figures]]) -> str:
    """The model card's table: scripts/figures.toml says which figures stand in which row."""
    from motiongpt3.formats.toml import read_toml

    def filled(text: str, column: str) -> str:
        for name, figures in kept[column].items():
            for key, value in figures.items():
                for digits in range(4):
                    text = text.replace(f"{{{name}:{key}:{digits}}}", f"{value:.{digits}f}")
        return text

    lines = ["| what | before | now | mark |", "|---|---|---|---|"]
    for row in read_toml(ROWS)["row"]:
        cells = [filled(row["say"], "before"), filled(row["say"], "now")]
        lines.append(f"| {row['what']} | {cells[0]} | {cells[1]} | {row.get('mark', '')} |")
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a prepared set")
    parser.add_argument("--model", help="checkpoint folder; the shipped one if not given")
    parser.add_argument("--as", dest="column", choices=("before", "now"), default="now")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--write", action="store_true", help="only write the table")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    if not chosen.write:
        again = measured(chosen.data.resolve(), chosen.model)
        if chosen.check:
            wrong = apart(kept[chosen.column], again)
            print("\n".join(wrong) or "all figures are confirmed")
            return 1 if wrong else 0
        kept[chosen.column] = again
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if {"before", "now"} <= kept.keys():
        text = CARD.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        CARD.write_text(before + BEGIN + "\n" + table(kept) + "\n" + END + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
