"""What may be typed on the command line: every check that needs neither torch nor a model."""

import os
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.model.sampling import Sampling

MIN_SECONDS, MAX_SECONDS = 1.0, 60.0
"""Shortest: 20 frames, the shortest training clip. Past 196 frames a motion is made in a chain."""
MAX_SAMPLES = 64
MAX_SEED = 2**63 - 1


def number(flag: str, low: float, high: float, kind: type = float) -> Callable[[str], float]:
    """A parser for a number of `kind` between `low` and `high`, both included."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:  # also true for nan
            what = "a whole number" if kind is int else "a number"
            raise InputError(f"'{text[:40]}' is not {what} from {low} to {high}", where=flag)
        return value

    return parse


def seconds(text: str) -> float:
    """A duration that a motion can have."""
    return number("--seconds", MIN_SECONDS, MAX_SECONDS)(text)


def prompt(text: str) -> str:
    """A description that the model can read.

    Raises:
        InputError: when it is empty, too long or holds control characters.
    """
    from motiongpt3.model.tokenizer import check_prompt

    return check_prompt(text)


def sampling(options: Namespace) -> Sampling | None:
    """How to sample, where the user said anything about it: as usual but for that."""
    names = ("sampler", "steps", "guidance", "temperature")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return Sampling(**given) if given else None


def outputs(paths: Sequence[Path], samples: int = 1) -> None:
    """Refuse places where a motion cannot be written; nothing is left there.

    Raises:
        InputError: for an unknown suffix, a missing folder, or one file named twice.
        ResourceError: for a folder that is not writable.
    """
    from motiongpt3.formats import check_writable

    names = [numbered(path, index, samples) for path in paths for index in range(samples)]
    if len(set(names)) < len(names):
        raise InputError("the same file is named twice", where="-o")
    for path in names:
        check_writable(path)
        if path.is_dir():
            raise InputError("is a folder", where=str(path), hint="name a file in it")
    for folder in {path.parent for path in names}:
        writable(folder)


def writable(folder: Path) -> None:
    """Refuse a folder that is missing or does not take a file."""
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), hint=f"mkdir -p '{folder}'")
    try:
        # os.access says yes to root even where writing fails, so a file is made and removed.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResourceError(
            f"cannot write here: {os.strerror(error.errno or 0)}",
            where=str(folder),
            hint="choose another folder",
        ) from error


def numbered(path: Path, index: int, samples: int) -> Path:
    """The file of one sample: `{i}` in the name is its index; without it, -0, -1, ... is added."""
    if "{i}" in path.name:
        return path.with_name(path.name.replace("{i}", str(index)))
    ending = ".smpl.npz" if path.name.lower().endswith(".smpl.npz") else path.suffix
    stem = path.name[: len(path.name) - len(ending)]
    return path if samples == 1 else path.with_name(f"{stem}-{index}{path.name[len(stem) :]}")
