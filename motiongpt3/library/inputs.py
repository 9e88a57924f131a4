"""Which clips a piece of work is about, and how they are cut into parts."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from motiongpt3.errors import InputError
from motiongpt3.evaluation.replications import Identity
from motiongpt3.formats import FOLDERS
from motiongpt3.formats.files import read_bytes
from motiongpt3.formats.lines import Lines

LIST = ".txt"
"""Suffix of a file that names clips, one on a line, from the working folder."""
PART = 64
"""Inputs of a part: as many as the model reads, or makes, in one pass."""


@dataclass(frozen=True)
class Input:
    """A clip at rest."""

    name: str
    """What tables call it: its path as given, or in the one folder that was given."""
    place: str
    """Its absolute path."""
    bytes: int
    changed: int
    """When it was last changed, nanoseconds; 0, as its bytes, where there is no such file."""


def find_clips(sources: Sequence[Path]) -> list[Input]:
    """The clips of folders, lists and files, each once, sorted by name.

    Of a folder it is every file of a known suffix in it or below; hidden ones are left out.

    Raises:
        InputError: when there is none, or a list cannot be read.
    """
    found: dict[str, Input] = {}
    for source in sources:
        for path in _paths(source):
            alone = len(sources) == 1 and source.is_dir()
            name = os.path.relpath(path, source) if alone else str(path)
            # A name that is no text has surrogates in it, which no table can hold.
            name = name.encode("utf-8", "backslashreplace").decode()
            found[name] = _input(name, path)
    if not found:
        raise InputError(
            "no motion files",
            where=", ".join(map(str, sources)),
            hint=f"files that end in {', '.join(FOLDERS)}",
        )
    return [found[name] for name in sorted(found)]


def parts_of(inputs: Sequence[Input], size: int = PART) -> list[tuple[Input, ...]]:
    """Parts of clips of about one length, judged by bytes: reading them all first takes too long.

    They follow from the inputs alone, so that every run and every engine works on the same parts.
    """
    order = sorted(inputs, key=lambda one: (Path(one.name).suffix.lower(), one.bytes, one.name))
    return [tuple(order[at : at + size]) for at in range(0, len(order), size)]


def fingerprint(inputs: Sequence[Input]) -> str:
    """SHA-256 that changes when a clip is added, removed, renamed or written again."""
    sums = hashlib.sha256()
    for one in inputs:
        sums.update(json.dumps([one.name, one.bytes, one.changed]).encode() + b"\n")
    return sums.hexdigest()


@dataclass(frozen=True)
class OfClips:
    """Work on clips."""

    clips: tuple[Input, ...]
    part: int = field(default=PART, kw_only=True)

    @cached_property
    def parts(self) -> list[tuple[Input, ...]]:
        """The clips that are worked on together."""
        return parts_of(self.clips, self.part)

    @property
    def inputs(self) -> Identity:
        """Which clips they are, and how they are cut."""
        return {"inputs": fingerprint(self.clips), "inputs in a part": self.part}


def _paths(source: Path) -> Iterator[Path]:
    if source.is_dir():
        for folder, inside, files in os.walk(source):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            for name in files:
                if not name.startswith(".") and Path(name).suffix.lower() in FOLDERS:
                    yield Path(folder, name)
    elif source.suffix.lower() == LIST:
        lines = Lines(read_bytes(source), str(source))
        while line := lines.next():
            yield Path(line)
    else:
        yield source


def _input(name: str, path: Path) -> Input:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # reading it will say what is wrong
        return Input(name, os.path.abspath(path), 0, 0)
    return Input(name, os.path.abspath(path), status.st_size, status.st_mtime_ns)
