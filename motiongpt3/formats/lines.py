"""Text line by line: reading with errors that say which line, and objects, one on each."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from motiongpt3.errors import Fault, InputError

MAX_LINE = 64 * 1024
"""Longest line that is read, bytes."""

MAX_LINES = 1_000_000

MAX_VALUE = 1e9
"""Largest magnitude of a number."""


class Lines:
    """The lines of a file that are not blank, one after another, with their numbers."""

    def __init__(self, data: bytes, path: str):
        self.path, self.at = path, 0
        if data.count(b"\n") + data.count(b"\r") > 2 * MAX_LINES:
            raise self.error("too many lines", f"at most {MAX_LINES} are read")
        self.lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()

    def next(self) -> str:
        """The next line without surrounding space; empty at the end of the file."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if len(line) > MAX_LINE:
                raise self.error(f"a line has {len(line)} bytes", f"at most {MAX_LINE} are read")
            if text := line.decode("utf-8", "replace").strip():
                return text
        return ""

    def error(
        self, message: str, hint: str = "", line: int | None = None, fault: Fault | None = None
    ) -> InputError:
        where = f"{self.path}:{line or max(self.at, 1)}"
        return InputError(message, where=where, hint=hint, fault=fault)

    def number(self, word: str) -> float:
        """A finite, usable number.

        Raises:
            InputError: for anything else.
        """
        hint = "decimals need a point" if "," in word else ""
        try:
            value = float(word) if "_" not in word else float("nan")
        except ValueError as error:
            raise self.error(f"{word[:40]!r} is not a number", hint) from error
        if not abs(value) <= MAX_VALUE:
            raise self.error(f"{word[:40]!r} is not a usable number", fault="not-finite")
        return value


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """An object on each line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
