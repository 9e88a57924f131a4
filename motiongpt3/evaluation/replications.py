"""The replications of an evaluation at rest: a file each, so that none is made twice.

OUT/replications/0000.json   what was evaluated ("identity"), and the figures of every row
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.table import Rows
from motiongpt3.formats.files import atomic_write

FOLDER = "replications"
Identity = Mapping[str, str | int]
"""Everything that decides the figures of a replication, its number aside: hashes and options."""


class Replications:
    """Those of one evaluation, of which `count` are wanted."""

    def __init__(self, folder: Path, identity: Identity, count: int):
        self.folder, self.identity, self.count = folder, dict(identity), count

    def path(self, number: int) -> Path:
        """The file of one replication."""
        return self.folder / FOLDER / f"{number:04d}.json"

    def done(self) -> dict[int, Rows]:
        """Those that are there, by number.

        Raises:
            InputError: for one of another model, set, evaluator or option, saying which.
            CorruptError: for a file that is no replication.
        """
        paths = {number: self.path(number) for number in range(self.count)}
        return {number: self._read(path) for number, path in paths.items() if path.is_file()}

    def keep(self, number: int, rows: Rows) -> None:
        """Write a replication, whole or not at all.

        Raises:
            ResourceError: when it cannot be written.
        """
        self.path(number).parent.mkdir(parents=True, exist_ok=True)
        plain = {
            row: {name: _plain(figure) for name, figure in figures.items()}
            for row, figures in rows.items()
        }
        with atomic_write(self.path(number)) as path:
            text = json.dumps({"identity": self.identity, "rows": plain}, indent=1, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")

    def _read(self, path: Path) -> Rows:
        identity, rows = _content(path)
        for key in self.identity | identity:
            then, now = identity.get(key), self.identity.get(key)
            if then == now:
                continue
            raise InputError(
                f"made with {key} {_short(then)}, this is {_short(now)}",
                where=str(path),
                hint="name another --out",
            )
        return rows


def read_rows(folder: Path) -> dict[int, Rows]:
    """Every replication of an evaluation's folder, whatever it was made with, by number.

    Raises:
        CorruptError: for a file that is no replication.
    """
    paths = sorted((folder / FOLDER).glob("[0-9]*.json"))
    return {int(path.stem): _content(path)[1] for path in paths}


def _content(path: Path) -> tuple[dict[str, Any], Rows]:
    """What a replication was made with, and its rows."""
    try:
        content = json.loads(path.read_bytes())
        identity = dict(content["identity"])
        rows = {
            str(row): {str(name): _figure(value) for name, value in figures.items()}
            for row, figures in content["rows"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptError("not a replication", where=str(path), hint=repr(error)) from error
    return identity, rows


def _plain(figure: Figure) -> float | dict[str, str]:
    if isinstance(figure, Missing):
        return {"missing": figure.reason}
    return float(figure) if math.isfinite(figure) else {"missing": "not finite"}


def _figure(value: Any) -> Figure:
    return Missing(str(value["missing"])) if isinstance(value, dict) else float(value)


def _short(value: object) -> str:
    return str(value)[:16]
