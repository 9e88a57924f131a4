"""What a user says of motion files: a CSV table, or text files beside the clips.

A table has a header with `file` and `caption`, and may have `start` and `end` (seconds of the part
that the caption is about), `subject`, `label` and `split`. A text file beside a clip has one
caption on each line, or HumanML3D's `caption#words#from#to`.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from motiongpt3.data.sources import SPLITS
from motiongpt3.errors import InputError
from motiongpt3.formats.files import decoded, read_bytes

TABLE = "captions.csv"
"""A table of this name in the folder of clips is read without being named."""
COLUMNS = ("file", "caption", "start", "end", "subject", "label", "split")
_MOST_BYTES = 64 * 2**20
_SPAN = re.compile(r"(.*)#([^#]*)#([^#]*)#([^#]*)")
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Said:
    """One thing that is said of a motion file, or of a part of it."""

    caption: str
    start: float | None = None
    """Seconds; None: from the beginning, or to the end."""
    end: float | None = None
    subject: str = ""
    label: str = ""
    split: str = ""
    where: str = ""
    """File and line it stands in."""

    @property
    def is_part(self) -> bool:
        """Whether it is about a part of the file alone."""
        return self.start is not None or self.end is not None


def read_table(path: Path) -> dict[str, list[Said]]:
    """What a table says of each file, in its order.

    Raises:
        InputError: for a table without the two columns, or a time, split or row of another kind.
    """
    text = decoded(read_bytes(path, _MOST_BYTES))
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    said: dict[str, list[Said]] = {}
    try:
        names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
        missing = [name for name in COLUMNS[:2] if name not in names]
        if missing:
            raise InputError(
                f"has no column {' or '.join(missing)}",
                where=f"{path}:1",
                hint=f"the columns are {', '.join(COLUMNS)}; the first two are needed",
            )
        for row in rows:
            where = f"{path}:{rows.line_num}"
            known = {k: (row.get(names[k]) or "").strip() for k in COLUMNS if k in names}
            if not known["file"]:
                raise InputError("names no file", where=where, hint="fill in the first column")
            said.setdefault(known["file"], []).append(_row(known, where))
    except csv.Error as error:
        raise InputError(f"is no table: {error}", where=f"{path}:{rows.line_num}") from error
    return said


def read_beside(clip: Path) -> list[Said]:
    """What the text file beside a clip says; nothing where there is none.

    Raises:
        InputError: when it cannot be read, or a part of the clip is not one.
    """
    path = clip.with_suffix(".txt")
    if not path.is_file() or path.stat().st_size == 0:
        return []
    return read_text(path)


def read_text(path: Path) -> list[Said]:
    """The captions of a text file, one on each line.

    Raises:
        InputError: when it cannot be read, or a part is from and to something else than seconds.
    """
    said = []
    for number, line in enumerate(decoded(read_bytes(path, _MOST_BYTES)).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        found = _SPAN.fullmatch(line.rstrip("\r"))
        if not found:
            said.append(Said(line.strip(), where=where))
            continue
        start, end = (_seconds(found[n].replace("nan", ""), where) for n in (3, 4))
        whole = not start and not end  # 0.0#0.0 is the whole clip
        one = Said(found[1].strip(), where=where)
        said.append(one if whole else replace(one, start=start, end=end))
    return said


def _row(row: Mapping[str, str], where: str) -> Said:
    split = row.get("split", "").lower()
    if split and split not in SPLITS:
        raise InputError(f"split is {split!r}", where=where, hint=f"one of {', '.join(SPLITS)}")
    start, end = (_seconds(row.get(name, ""), where) for name in ("start", "end"))
    subject, label = row.get("subject", ""), row.get("label", "")
    return Said(row["caption"], start, end, subject, label, split, where)


def _seconds(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e6:
        raise InputError(f"{text[:40]!r} is no time", where=where, hint="seconds, such as 2.5")
    return value
