"""Descriptions of motions to make, from a file.

.txt    one on each line
.jsonl  an object on each line: "text", and "seconds" and "seed" where it has them
.csv    columns of these names
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import read_bytes
from motiongpt3.formats.lines import Lines

SUFFIXES = (".txt", ".jsonl", ".csv")


@dataclass(frozen=True)
class Prompt:
    """One motion to make."""

    number: int
    """Its place in the file, from 1."""
    text: str
    seconds: float | None = None
    """The model decides where it is None."""
    seed: int = 0
    error: str | None = None
    """Why it cannot be used."""


def read_prompts(path: Path, seconds: float | None, seed: int) -> list[Prompt]:
    """The prompts of a file, in its order.

    What is wrong with a value is said of its prompt, and stops no other.

    Args:
        seconds, seed: of prompts that do not say.

    Raises:
        InputError: when the file cannot be read, or a line of it is not of its format.
    """
    match path.suffix.lower():
        case ".txt":
            lines = Lines(read_bytes(path), str(path))
            rows: Iterator[Mapping[str, Any]] = ({"text": t} for t in iter(lines.next, ""))
        case ".jsonl":
            rows = _objects(path)
        case ".csv":
            rows = _table(path)
        case other:
            raise InputError(
                f"{other or 'no suffix'} holds no prompts",
                where=str(path),
                hint=f"use {', '.join(SUFFIXES)}",
            )
    prompts = [_prompt(number, row, seconds, seed) for number, row in enumerate(rows, 1)]
    if not prompts:
        raise InputError("holds no prompts", where=str(path), hint="one on each line")
    return prompts


def _prompt(number: int, row: Mapping[str, Any], seconds: float | None, seed: int) -> Prompt:
    from motiongpt3.model.maker import check_length, check_seed
    from motiongpt3.model.tokenizer import check_prompt

    text = "" if row.get("text") is None else row["text"]
    try:
        if not isinstance(text, str):
            raise InputError(f"{str(text)[:40]!r} is no text", where="prompt")
        said, own = row.get("seconds"), row.get("seed")
        length = seconds if said in (None, "") else _number(said, "seconds", float)
        if length is not None:
            check_length(length, 1.0)
        source = seed if own in (None, "") else int(_number(own, "seed", int))
        check_seed(source)
        return Prompt(number, check_prompt(text), length, source)
    except InputError as error:
        return Prompt(number, str(text)[:200], error=str(error))


def _number(value: Any, what: str, kind: type[int] | type[float]) -> float:
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        return kind(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{str(value)[:40]!r} is no number", where=what) from error


def _objects(path: Path) -> Iterator[Mapping[str, Any]]:
    lines = Lines(read_bytes(path), str(path))
    while line := lines.next():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise lines.error(f"not JSON: {error}", "an object on each line") from error
        if not isinstance(row, dict) or "text" not in row:
            raise lines.error("no object with a text", '{"text": "a person waves"}')
        yield row


def _table(path: Path) -> Iterator[Mapping[str, Any]]:
    text = read_bytes(path).decode("utf-8-sig", "replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    hint = "a header with the columns text, seconds, seed"
    try:
        if "text" not in (reader.fieldnames or ()):
            raise InputError("no column 'text'", where=f"{path}:1", hint=hint)
        yield from reader
    except csv.Error as error:
        raise InputError(
            f"not CSV: {error}", where=f"{path}:{reader.line_num}", hint=hint
        ) from error
