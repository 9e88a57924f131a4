"""States of a training stage on disk, from which it goes on exactly.

    STAGE/states/step-000100/
        state.safetensors     one process, or many with the same weights (DDP)
        *.distcp, .metadata   or the shards of many processes (PyTorch's distributed checkpoint)
        manifest.json         step, and the SHA-256 of every other file

A state is written beside its place and takes its name last, when everything in it is on the disk.
No format of weights notices flipped bits, so nothing is read before its hash is checked.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.formats.files import digest, flush

VERSION = 1
_NAME = re.compile(r"step-(\d{6,})")
_SPARE = 2.2
"""States that must fit on the disk for a run to go on without a word."""


@dataclass(frozen=True)
class States:
    """The states of one stage."""

    folder: Path
    keep: int = 2
    """How many are kept. At least two: the newest one may be damaged."""

    def __post_init__(self) -> None:
        if self.keep < 2:
            raise InputError(
                f"{self.keep} states would be kept", where="keep", hint="2 or more: one may break"
            )

    def steps(self) -> list[int]:
        """Steps of all states that were written to the end, oldest first; not yet verified."""
        names = [_NAME.fullmatch(path.name) for path in self.folder.glob("step-*")]
        return sorted(int(name[1]) for name in names if name)

    def at(self, step: int) -> Path:
        """Where the state after so many steps is."""
        return self.folder / f"step-{step:06d}"

    def newest(self, warn: Callable[[str], None]) -> tuple[int, Path] | None:
        """The newest state that is whole, and its step; None where there is none at all.

        Args:
            warn: told of every damaged state that is passed over.

        Raises:
            CorruptError: when there are states, but none is whole.
        """
        problems = []
        for step in reversed(self.steps()):
            try:
                verify(self.at(step))
            except CorruptError as error:
                problems.append(error)
                warn(f"{error}; an older state is tried")
            else:
                return step, self.at(step)
        if problems:
            raise problems[0]
        return None

    def begin(self, step: int) -> Path:
        """A new folder to write the state after so many steps into, beside its place.

        Raises:
            ResourceError: when nothing can be written here.
        """
        part = self.part(step)
        with _refusals(self.at(step)):
            self.clear()
            part.mkdir(parents=True)
        return part

    def part(self, step: int) -> Path:
        """Where a state is until it is whole."""
        return self.folder / f".part-{step:06d}"

    def finish(self, step: int) -> None:
        """Seal what was written into `part`, give it its place and remove the oldest states.

        Raises:
            ResourceError: when the disk is full or refuses; older states stay as they are.
        """
        part, place = self.part(step), self.at(step)
        with _refusals(place):
            files = sorted(path for path in part.iterdir() if path.is_file())
            sums = {path.name: digest(path) for path in files}
            manifest = part / "manifest.json"
            manifest.write_text(_sealed({"version": VERSION, "step": step, "sha256": sums}))
            for path in (*files, manifest, part):
                flush(path)
            shutil.rmtree(place, ignore_errors=True)  # a damaged one of the same step
            os.rename(part, place)
            flush(self.folder)
            self._forget(step)

    def clear(self) -> None:
        """Remove what an interrupted run left half written."""
        for left in self.folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _forget(self, newest: int) -> None:
        """Remove the oldest states, but never the newest whole one of those before."""
        older = [step for step in self.steps() if step != newest]
        sound = next((step for step in reversed(older) if is_whole(self.at(step))), None)
        spare = older[-(self.keep - 1) :]
        for step in older:
            if step not in spare and step != sound:
                shutil.rmtree(self.at(step), ignore_errors=True)

    def check_space(self, size: int, warn: Callable[[str], None]) -> None:
        """Warn when the disk holds few states of `size` bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < _SPARE * size:
            warn(f"{self.folder}: {free / 2**20:.0f} MiB free, a state takes {size / 2**20:.0f}")


def verify(state: Path) -> int:
    """Compare every file of a state with its manifest; the step it was written after.

    Raises:
        CorruptError: naming the file, the expected hash and the one found.
    """
    path = state / "manifest.json"
    manifest = _unsealed(path)
    if manifest["version"] != VERSION:
        raise CorruptError(
            f"version {manifest['version']}, this package reads {VERSION}", where=str(path)
        )
    step, sums = int(manifest["step"]), manifest["sha256"]
    if state.name != f"step-{step:06d}":
        raise CorruptError(f"is of step {step}", where=str(path), hint="states were exchanged")
    found = {entry.name for entry in state.iterdir()} - {path.name}
    for name in sorted(found | sums.keys()):
        expected = sums.get(name)
        actual = digest(state / name) if name in found else None
        if expected != actual:
            raise CorruptError(
                f"SHA-256 is {actual}, the manifest says {expected}", where=str(state / name)
            )
    return step


def _sealed(content: dict[str, Any]) -> str:
    """A manifest that shows whether it was changed itself."""
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "seal": seal}, indent=1)


def _unsealed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        found = content.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CorruptError("is not a manifest", where=str(path), hint=str(error)) from error
    sealed = _sealed(content)
    expected = json.loads(sealed)["seal"]
    if found != expected or text != sealed:
        raise CorruptError(
            f"SHA-256 of its content is {expected}, its seal says {found}",
            where=str(path),
            hint="the manifest was changed",
        )
    return dict(content)


def is_whole(state: Path) -> bool:
    """Whether a state is as its manifest says."""
    try:
        verify(state)
    except CorruptError:
        return False
    return True


@contextmanager
def _refusals(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"a state cannot be written: {error.strerror or error}",
            where=str(place),
            hint="make room and go on with --resume; older states are whole",
        ) from error
