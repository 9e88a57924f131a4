"""What the page about an evaluation holds: its table, confusions, sides, worst and best clips."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.app.evaluate import TABLE
from motiongpt3.errors import InputError
from motiongpt3.formats.files import read_bytes
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, SKELETONS
from motiongpt3.render import page
from motiongpt3.render.page import Html

if TYPE_CHECKING:
    from motiongpt3.evaluation.evidence import Evidence, Shown
    from motiongpt3.evaluation.table import Table

_ROWS = 40
"""Most actions of a confusion that are listed, those most often mistaken first."""
_NAMED = 4


def is_evaluation(folder: Path) -> bool:
    """Whether a folder is one that `evaluate` wrote."""
    return (folder / TABLE).is_file()


def read_evaluation(folder: Path) -> tuple["Table", "Evidence"]:
    """The table of an evaluation, and what it kept to show.

    Raises:
        CorruptError: for a file that is not as `evaluate` writes it.
    """
    from motiongpt3.evaluation.evidence import read_evidence
    from motiongpt3.evaluation.table import Table

    path = folder / TABLE
    return Table.from_json(read_bytes(path), str(path)), read_evidence(folder)


def evaluation_page(table: "Table", evidence: "Evidence") -> str:
    """The page as HTML."""
    count = table.provenance.get("replications", 1)
    parts = [
        page.header(table.title, f"{count} replications", True),
        page.section("The evaluation", "", [page.facts(_facts(table))]),
        *_tables(table),
        *_sides(evidence.sides),
        *_confusion(evidence.confusion),
        *_clips(evidence.shown),
    ]
    return page.page(table.title, parts)


def summary(table: "Table") -> dict[str, Any]:
    """The same for a program."""
    return dict(json.loads(table.json()))


def _facts(table: "Table") -> dict[str, str]:
    return {key: str(value) for key, value in table.provenance.items()}


def _tables(table: "Table") -> Iterator[Html]:
    """A section for each group of columns."""
    for group, columns in table.groups.items():
        reason = table.reason(columns)
        if reason:
            yield page.section(group, str(reason), [])
            continue
        head = ["", *(column.head for column in columns)]
        note = "mean ± half of the 95 % interval; ↑ higher is better, ↓ lower, → as real data"
        yield page.section(group, note, [page.table(head, table.lines(columns))])


def _sides(sides: Mapping[str, tuple[int, int]]) -> Iterator[Html]:
    if sides:
        rows = [
            [name, f"{right / count:.0%}", f"{right} of {count}"]
            for name, (right, count) in sorted(sides.items())
        ]
        note = "sides, directions and actions that a rule can tell, first replication"
        yield page.section("Done as told", note, [page.table(["asked", "done", ""], rows)])


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> Iterator[Html]:
    """A line per action: how often it was taken for itself, and what else it was taken for."""
    rows = []
    for asked, named in confusion.items():
        total, right = sum(named.values()), named.get(asked, 0)
        wrong = sorted(((n, other) for other, n in named.items() if other != asked), reverse=True)
        others = ", ".join(f"{other} {n}" for n, other in wrong[:_NAMED])
        rows.append((total - right, [asked, f"{right / total:.0%}", f"{right} of {total}", others]))
    if rows:
        rows.sort(key=lambda row: (-row[0], row[1]))
        right = sum(named.get(asked, 0) for asked, named in confusion.items())
        total = sum(sum(named.values()) for named in confusion.values())
        note = f"{right} of {total} clips ({right / total:.0%}) are taken for what was asked"
        head = ["asked", "recognised", "", "taken for"]
        lines = [line for _, line in rows]
        more = page.folded(f"{len(lines) - _ROWS} more", page.table(head, lines[_ROWS:]))
        parts = [page.table(head, lines[:_ROWS]), *([more] if len(lines) > _ROWS else [])]
        yield page.section("Confusion of actions", note, parts)


def _clips(shown: "Sequence[Shown]") -> Iterator[Html]:
    """Pictures of the worst clips, then of the best."""
    for title, best in (("Worst clips", False), ("Best clips", True)):
        clips = [clip for clip in shown if clip.best == best]
        if clips:
            yield page.section(title, "first replication", [page.pictures(map(_picture, clips))])


def _picture(clip: "Shown") -> Html:
    """A clip's poses; of what is no person's motion, only what is said of it."""
    from motiongpt3.render.contact import contact_sheet, png

    said = f"{clip.caption} ({clip.note})"
    skeletons = [s for s in SKELETONS if len(s.joints) == clip.joints.shape[1]]
    try:
        motion = Motion(clip.joints, skeleton=skeletons[0] if skeletons else HUMANML3D)
        image = contact_sheet([(clip.caption, motion)], columns=1)
    except InputError:  # what a young model makes may be more than a motion can be
        return page.facts({"cannot be drawn": said})
    return page.picture(png(image), said)
