"""Finished parts of a piece of work at rest, so that none is made twice.

OUT.parts/identity.json   what is worked on and with what
OUT.parts/000000.jsonl    the rows of a part
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.evaluation.replications import Identity
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.lines import json_lines

Row = dict[str, Any]
"""One line of a result: plain values by column."""

_IDENTITY = "identity.json"
_HINT = "go on with what it was made with, remove the folder, or name another -o"


class Parts:
    """Those of one piece of work, `count` in all."""

    def __init__(self, folder: Path, identity: Identity, count: int):
        self.folder, self.identity, self.count = folder, dict(identity), count

    def begin(self) -> set[int]:
        """Make the folder if there is none; the numbers of the parts that are done.

        Raises:
            InputError: when it holds parts of other work, saying what differs, or other files.
            ResourceError: when it cannot be made.
        """
        place = self.folder / _IDENTITY
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"cannot be made: {error.strerror}", where=str(self.folder), hint="name another -o"
            ) from error
        if not place.is_file():
            if any(not path.name.startswith(".") for path in self.folder.iterdir()):
                raise InputError("holds other files", where=str(self.folder), hint=_HINT)
            with atomic_write(place) as path:
                path.write_text(json.dumps(self.identity, indent=1) + "\n", encoding="utf-8")
        then = _read_identity(place)
        for key in self.identity | then:
            if then.get(key) != self.identity.get(key):
                old, new = (str(given.get(key))[:16] for given in (then, self.identity))
                raise InputError(
                    f"begun with {key} {old}, this is {new}", where=str(self.folder), hint=_HINT
                )
        return self.done()

    def done(self) -> set[int]:
        """The numbers of the parts that are there."""
        return {
            n for n in (int(p.stem) for p in self.folder.glob("[0-9]*.jsonl")) if n < self.count
        }

    def keep(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part, whole or not at all.

        Raises:
            ResourceError: when it cannot be written.
        """
        with atomic_write(self._path(number)) as path:
            path.write_text(json_lines(rows), encoding="utf-8")

    def rows(self) -> list[Row]:
        """The rows of all parts.

        Raises:
            CorruptError: for a part that is missing or damaged.
        """
        return [row for number in range(self.count) for row in self._read(number)]

    def remove(self) -> None:
        """Take the folder away, with what kills have left in it."""
        for pattern in ("[0-9]*.jsonl", ".motiongpt3-*", _IDENTITY):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody's own files stay
            self.folder.rmdir()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.jsonl"

    def _read(self, number: int) -> list[Row]:
        path = self._path(number)
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            return [dict(json.loads(line)) for line in lines if line]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise CorruptError(
                f"cannot be read: {error}", where=str(path), hint="remove it to make it again"
            ) from error


def _read_identity(path: Path) -> Row:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CorruptError(
            f"cannot be read: {error}", where=str(path), hint="remove its folder"
        ) from error
