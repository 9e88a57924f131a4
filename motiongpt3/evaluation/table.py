"""A table of an evaluation: rows by columns, each cell a mean with its interval or a reason.

The interval is that of the field (Guo et al. 2022; facts of the official `test.py`): 1.96 times the
standard deviation of the replications over the square root of their number. The deviation is that
of a sample (ddof 1), where the official code divides by n; of 20 replications ours is 2.6 % wider.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from motiongpt3.errors import CorruptError
from motiongpt3.evaluation.figure import Figure, Missing

VERSION = 1
Better = Literal["higher", "lower", "real"]
"""Which way a figure should go; "real": towards that of real data."""
Figures = Mapping[str, Figure]
"""Figures of a row by the names of their columns; a column that does not apply is left out."""
Rows = Mapping[str, Figures]
"""What one replication measured, by the name of the row."""

_ARROW = {"higher": "↑", "lower": "↓", "real": "→"}
_Z = 1.96
_CSV = ("row", "figure", "mean", "interval", "replications", "missing")


@dataclass(frozen=True)
class Estimate:
    """The mean of a figure over replications, or seeds.

    Attributes:
        interval: half the width of its 95 % interval; None for a single replication.
    """

    mean: float
    interval: float | None
    replications: int

    @staticmethod
    def of(values: Sequence[float], quantile: float = _Z) -> "Estimate":
        """The estimate from the figure of every replication.

        Args:
            quantile: half the interval's width, in standard errors.
        """
        known = np.asarray(values, np.float64)
        half = quantile * known.std(ddof=1) / math.sqrt(len(known)) if len(known) > 1 else None
        return Estimate(float(known.mean()), None if half is None else float(half), len(known))

    def __str__(self) -> str:
        digits = 3 if abs(self.mean) < 10 else 2 if abs(self.mean) < 100 else 1
        mean = f"{self.mean:.{digits}f}"
        return mean if self.interval is None else f"{mean} ± {self.interval:.{digits}f}"


Cell = Estimate | Missing


@dataclass(frozen=True)
class Column:
    """A column: what is measured, which way is good, and with which others it is printed."""

    name: str
    better: Better
    group: str = ""

    @property
    def head(self) -> str:
        """Its name and an arrow."""
        return f"{self.name} {_ARROW[self.better]}"


@dataclass(frozen=True)
class Table:
    """What was measured, and what of.

    Attributes:
        cells: by the name of the row and that of the column.
        provenance: model, data and evaluator hash, seed, replications, command, version.
    """

    title: str
    columns: tuple[Column, ...]
    cells: Mapping[str, Mapping[str, Cell]]
    provenance: Mapping[str, str | int]

    @staticmethod
    def of(
        title: str,
        columns: Sequence[Column],
        replications: Sequence[Rows],
        provenance: Mapping[str, str | int],
    ) -> "Table":
        """The table of several replications that measured the same rows and columns."""
        first = replications[0]
        cells = {
            row: {
                column.name: _cell([r[row][column.name] for r in replications])
                for column in columns
                if column.name in figures
            }
            for row, figures in first.items()
        }
        return Table(title, tuple(columns), cells, dict(provenance))

    @property
    def groups(self) -> dict[str, list[Column]]:
        """The columns printed together, without those that apply to no row."""
        found: dict[str, list[Column]] = {}
        for column in self.columns:
            if any(column.name in row for row in self.cells.values()):
                found.setdefault(column.group, []).append(column)
        return found

    def lines(self, columns: Sequence[Column]) -> list[list[str]]:
        """Names and cells as text, of the rows that have any of these columns."""
        return [
            [name, *(str(row.get(column.name, "")) for column in columns)]
            for name, row in self.cells.items()
            if any(column.name in row for column in columns)
        ]

    def reason(self, columns: Sequence[Column]) -> Missing | None:
        """Why none of these columns has a figure, where there is one reason for all."""
        names = {column.name for column in columns}
        cells = {c for row in self.cells.values() for name, c in row.items() if name in names}
        only = next(iter(cells))
        return only if len(cells) == 1 and isinstance(only, Missing) else None

    def markdown(self) -> str:
        """A title, a table for each group of columns, and where the figures come from."""
        parts = [f"# {self.title}"]
        for group, columns in self.groups.items():
            parts += [f"## {group}"] if group else []
            reason = self.reason(columns)
            head = ["", *(column.head for column in columns)]
            parts.append(str(reason) if reason else aligned(head, self.lines(columns)))
        parts.append("\n".join(f"- {key}: {value}" for key, value in self.provenance.items()))
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """Everything, for `from_json`."""
        rows = [
            {"name": name, "figures": {column: _plain(cell) for column, cell in row.items()}}
            for name, row in self.cells.items()
        ]
        content = {
            "version": VERSION,
            "title": self.title,
            "columns": [asdict(column) for column in self.columns],
            "rows": rows,
            "provenance": dict(self.provenance),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str | bytes, where: str = "table") -> "Table":
        """The table that `json` wrote.

        Raises:
            CorruptError: naming `where`, for anything else.
        """
        try:
            content = json.loads(text)
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']}, this package reads {VERSION}")
            return Table(
                str(content["title"]),
                tuple(Column(**column) for column in content["columns"]),
                {row["name"]: _read(row["figures"]) for row in content["rows"]},
                dict(content["provenance"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptError("not a table", where=where, hint=repr(error)) from error

    def csv(self) -> str:
        """A line per cell: row, figure, mean, interval, replications, or why it is missing."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_CSV)
        for name, row in self.cells.items():
            for column, cell in row.items():
                plain = _plain(cell)
                writer.writerow([name, column, *(plain.get(key, "") for key in _CSV[2:])])
        return out.getvalue()


def _cell(values: Sequence[Figure]) -> Cell:
    """A figure that any replication lacks is lacking."""
    lacking = [value for value in values if isinstance(value, Missing)]
    if lacking:
        return lacking[0]
    known = [float(value) for value in values if not isinstance(value, Missing)]
    return Estimate.of(known) if np.isfinite(known).all() else Missing("not finite")


def _plain(cell: Cell) -> dict[str, Any]:
    return {"missing": cell.reason} if isinstance(cell, Missing) else asdict(cell)


def _read(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Cell]:
    return {
        name: Missing(str(cell["missing"])) if "missing" in cell else Estimate(**cell)
        for name, cell in figures.items()
    }


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are to the right."""
    cells = [[text.replace("|", r"\|") for text in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[n]) for row in cells)) for n in range(len(header))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (w - 1) + ":" for w in widths[1:])]

    def line(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])
