"""What can be put right safely, written as a new folder of clips: nothing is changed in place.

Motions become .npz files in metres with Y up, and what is said of them one captions.csv, so that
the folder can be checked again and prepared.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from motiongpt3.data.captions import COLUMNS, TABLE, Said
from motiongpt3.data.checks.body import examine
from motiongpt3.data.checks.check import Checked
from motiongpt3.data.checks.finding import Finding, Kind
from motiongpt3.data.checks.limits import USUAL
from motiongpt3.data.checks.samples import Folder, Sample
from motiongpt3.data.checks.words import cleaned
from motiongpt3.data.prepare import LIMITS
from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics
from motiongpt3.motion.faults import Joints, jumps, not_finite
from motiongpt3.motion.feet import set_down
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

_GAP = 0.25
"""Seconds without finite numbers that are filled; a longer gap ends the clip."""
_BRIDGED = 3
"""Frames of a jump that are filled between their neighbours."""


@dataclass(frozen=True)
class Fixed:
    """What became of the clips: all = written + left out."""

    clips: int
    written: int
    left_out: dict[str, str]
    """Why, by clip."""
    mended: Counter[Kind]
    """Findings that were put right, by kind."""


def fix(folder: Folder, checked: Checked, out: Path) -> Fixed:
    """Write the clips with all that is safe put right.

    Raises:
        InputError: when `out` is there and holds something.
        ResourceError: when it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("is not an empty folder", where=str(out), hint="name a new one")
    by_clip: dict[str, list[Finding]] = {}
    for finding in checked.findings:
        by_clip.setdefault(finding.clip, []).append(finding)
    rows: list[list[str]] = [list(COLUMNS)]
    left_out: dict[str, str] = {}
    mended: Counter[Kind] = Counter()
    for sample in folder.samples():
        if sample.alone:
            mended["motion-missing"] += 1
            continue
        found = by_clip.get(sample.id, [])
        try:
            joints, said = _mended(sample, found)
        except InputError as error:
            left_out[sample.id] = error.message
            continue
        name = f"{sample.id.rpartition('.')[0] or sample.id}.npz".replace("#", "_")
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Motion(joints, sample.fps).write(path)
        rows += [_row(name, one, sample) for one in said]
        mended.update(finding.kind for finding in found if finding.kind in _MENDED)
    out.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    with atomic_write(out / TABLE) as place:
        place.write_text(table.getvalue(), encoding="utf-8")
    clips = checked.clips
    return Fixed(clips, clips - len(left_out), left_out, mended)


_MENDED: frozenset[Kind] = frozenset(
    ("not-finite", "unit", "up-axis", "swapped-sides", "bone-length", "jump", "below-floor")
    + ("floating", "caption-empty", "caption-garbled", "caption-part")
)
_TWICE: tuple[Kind, ...] = ("duplicate", "leak")


def _mended(sample: Sample, found: Sequence[Finding]) -> tuple[Joints, list[Said]]:
    """The clip and its captions, put right.

    Raises:
        InputError: why the clip is left out.
    """
    kinds = {finding.kind for finding in found}
    if sample.joints is None:
        raise InputError(f"cannot be read: {sample.problem}")
    if sample.joints.shape[1] != len(HUMANML3D.joints):
        raise InputError(f"has {sample.joints.shape[1]} joints")
    for finding in found:
        if finding.kind in _TWICE and "the same motion" in finding.message:
            raise InputError(finding.message)
    said = _texts(sample, found)
    if not said:
        raise InputError("no caption is left")
    first, last = _longest_finite(sample)
    captions = [one.caption for one in sample.said]
    joints = examine(sample.id, sample.joints[first:last], sample.fps, captions).joints
    if joints is None:
        raise InputError("nothing of it is left")
    if "jump" in kinds:
        joints = _without_jumps(joints, sample.fps)
    if "bone-length" in kinds:
        joints = kinematics.fit(joints, HUMANML3D).joints
    if kinds & {"below-floor", "floating"}:
        joints = set_down(joints, sample.fps)
    seconds = len(joints) / sample.fps
    if round(seconds * HUMANML3D.fps) < LIMITS[HUMANML3D.name][0]:
        raise InputError("too short")
    begun = first / sample.fps
    return joints, [moved for one in said if (moved := _moved(one, begun, seconds))]


def _texts(sample: Sample, found: Sequence[Finding]) -> list[Said]:
    """Captions, cleaned; those without a word, or that are given twice, are left out."""
    garbled = {f.text for f in found if f.kind == "caption-garbled"}
    said: dict[tuple[str, float | None, float | None], Said] = {}
    for one in sample.said:
        text = cleaned(one.caption) if one.caption in garbled else " ".join(one.caption.split())
        if any(c.isalpha() for c in text):
            said[text, one.start, one.end] = replace(one, caption=text)
    return list(said.values())


def _moved(said: Said, begun: float, seconds: float) -> Said | None:
    """The caption of a part, in what is left of the clip; None where nothing of it is."""
    if not said.is_part:
        return said
    start = max(0.0, (said.start or 0.0) - begun)
    end = min(seconds, (begun + seconds if said.end is None else said.end) - begun)
    return replace(said, start=round(start, 3), end=round(end, 3)) if end - start > 0.5 else None


def _longest_finite(sample: Sample) -> tuple[int, int]:
    """The longest part in which no gap is too long to be filled."""
    assert sample.joints is not None
    frames = len(sample.joints)
    bad = np.zeros(frames, bool)
    bad[not_finite(sample.joints)] = True
    edges = np.flatnonzero(np.diff(np.r_[0, bad.astype(int), 0]))
    most = _GAP * sample.fps
    gaps = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)
            if b - a > most or a == 0 or b == frames]  # fmt: skip
    starts = [0, *(int(b) for _, b in gaps)]
    ends = [*(int(a) for a, _ in gaps), frames]
    return max(zip(starts, ends, strict=True), key=lambda part: part[1] - part[0])


def _without_jumps(joints: Joints, fps: float) -> Joints:
    """Spikes of a few frames filled between their neighbours; a lasting jump ends the clip."""
    off = np.flatnonzero(jumps(joints, fps) > USUAL.jump)
    mended, cuts = joints.copy(), [0]
    at = 0
    while at < len(off):
        together = [int(off[at])]
        while at + 1 < len(off) and off[at + 1] - together[0] <= _BRIDGED:
            at += 1
            together.append(int(off[at]))
        first, last = together[0], together[-1] + 1
        if len(together) > 1 and last < len(joints):  # out and back again
            share = np.linspace(0, 1, last - first + 1)[:, None, None]
            mended[first : last + 1] = joints[first] * (1 - share) + joints[last] * share
        else:
            cuts.append(first + 1)
        at += 1
    parts = list(zip(cuts, [*cuts[1:], len(joints)], strict=True))
    first, last = max(parts, key=lambda part: part[1] - part[0])
    return mended[first:last]


def _row(name: str, said: Said, sample: Sample) -> list[str]:
    times = ["" if t is None else f"{t:g}" for t in (said.start, said.end)]
    subject = said.subject or next(
        (g.removeprefix("subject ") for g in sample.groups if g.startswith("subject ")), ""
    )
    return [name, said.caption, *times, subject, said.label or sample.label, sample.split]
