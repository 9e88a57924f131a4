"""Tables of results in files: .parquet or, a JSON object on each line, .jsonl."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.evaluation.replications import Identity
from motiongpt3.formats.files import atomic_write, check_input
from motiongpt3.formats.lines import json_lines
from motiongpt3.library.parts import Row

SUFFIXES = (".parquet", ".jsonl")
_NEEDED = 'pip install "motiongpt3[library]", or use .jsonl'
_MAX_BYTES = 2**33


def check_table(path: Path) -> None:
    """Refuse a table by its name alone.

    Raises:
        InputError: for another suffix, or .parquet without pyarrow.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path.suffix or 'no suffix'} is no table",
            where=str(path),
            hint=f"use {' or '.join(SUFFIXES)}",
        )
    if path.suffix.lower() == ".parquet":
        _arrow(path)


def write_table(
    path: Path, rows: Sequence[Row], columns: Mapping[str, str], identity: Identity
) -> None:
    """Write rows, whole or not at all. A Parquet file also holds what they were made of.

    Args:
        columns: type of each, as Arrow calls it.

    Raises:
        ResourceError: when the file cannot be written.
    """
    if path.suffix.lower() == ".jsonl":
        with atomic_write(path) as part:
            part.write_text(json_lines(rows), encoding="utf-8")
        return
    arrow, parquet = _arrow(path)
    fields = [(name, arrow.type_for_alias(kind)) for name, kind in columns.items()]
    schema = arrow.schema(fields, metadata={"motiongpt3": json.dumps(dict(identity))})
    with atomic_write(path) as part:
        parquet.write_table(arrow.Table.from_pylist(list(rows), schema), part)


def read_table(path: Path) -> list[Row]:
    """The rows of a table.

    Raises:
        InputError: when there is no such table.
        CorruptError: when it is damaged.
    """
    check_table(path)
    check_input(path, _MAX_BYTES)
    try:
        if path.suffix.lower() == ".jsonl":
            lines = path.read_text(encoding="utf-8").split("\n")
            return [dict(json.loads(line)) for line in lines if line.strip()]
        return list(_arrow(path)[1].read_table(path).to_pylist())
    except (
        ValueError,
        TypeError,
        RecursionError,
        OSError,
    ) as error:  # Arrow has ValueErrors, OSErrors
        raise CorruptError(f"is no table: {error}", where=str(path)) from error


def _arrow(path: Path):  # type: ignore[no-untyped-def]
    """Arrow's modules."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("pyarrow is not installed", where=str(path), hint=_NEEDED) from error
    return pyarrow, pyarrow.parquet
