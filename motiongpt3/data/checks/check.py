"""Everything that is wrong in a folder of clips: `motiongpt3 data check`."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from motiongpt3.data.checks.body import examine, usual_rate
from motiongpt3.data.checks.finding import SEVERITIES, Finding, Kind, Severity
from motiongpt3.data.checks.limits import USUAL, Limits
from motiongpt3.data.checks.samples import Folder, Sample
from motiongpt3.data.checks.twins import Print, Twins, find_twins
from motiongpt3.data.checks.words import Measured, compare, look_at
from motiongpt3.motion.faults import Joints
from motiongpt3.motion.skeleton import HUMANML3D

_PART_SLACK = 0.1
"""Seconds by which a caption's part may reach beyond the end of the clip."""
_LEAST = 10
"""Frames of a part that is compared with its caption."""
_PICTURED = 60
"""Clips that are kept for pictures."""

_KEEP = "keep one of them"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found in a folder. Clips = clean + those with findings.

    Attributes:
        clips: how many there are.
        shown: joints at 20 frames per second and a caption of clips with findings, for pictures.
    """

    clips: int
    findings: tuple[Finding, ...]
    shown: dict[str, tuple[Float[np.ndarray, "T 22 3"], str]] = field(repr=False)
    measured: int = 0
    """Clips whose motion was measured; the others are unreadable or of another skeleton."""

    @property
    def clean(self) -> int:
        """Clips about which there is nothing to say but notes."""
        said = {
            f.clip for f in self.findings if f.severity != "note" and f.kind != "motion-missing"
        }
        return self.clips - len(said)

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def kinds(self) -> Counter[tuple[Severity, Kind]]:
        """Findings by severity and kind."""
        return Counter((finding.severity, finding.kind) for finding in self.findings)


def check(
    folder: Folder,
    limits: Limits = USUAL,
    progress: Progress = lambda what, done, of: None,
) -> Checked:
    """Look at every clip of a folder, and at clips beside each other.

    Raises:
        InputError: when the folder holds no clips.
    """
    return _Check(limits, progress).run(folder)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is kept of a clip once it was looked at."""

    id: str
    split: str
    groups: tuple[str, ...]
    print: Print | None


class _Check:
    """A folder being looked at."""

    def __init__(self, limits: Limits, progress: Progress):
        self.limits, self.progress = limits, progress
        self.shown: dict[str, tuple[np.ndarray, str]] = {}
        self.seen: list[_Seen] = []

    def run(self, folder: Folder) -> Checked:
        total, found = folder.count(), list[Finding]()
        clips = 0
        for done, sample in enumerate(folder.samples(), 1):
            clips += not sample.alone
            found += self.one(sample)
            self.progress("looking at clips", done, total)
        prints = [(n, seen.print) for n, seen in enumerate(self.seen) if seen.print is not None]
        twins = find_twins([p for _, p in prints],
                           lambda done, of: self.progress("comparing clips", done, of))  # fmt: skip
        numbers = [n for n, _ in prints]
        found += self.copies([Twins(numbers[t.first], numbers[t.second], t.how, t.distance)
                              for t in twins])  # fmt: skip
        found += self.leaks()
        order = {severity: n for n, severity in enumerate(SEVERITIES)}
        found.sort(key=lambda f: (order[f.severity], f.kind, f.clip))
        return Checked(clips, tuple(found), self.shown, len(prints))

    def one(self, sample: Sample) -> list[Finding]:
        """What is wrong with one clip by itself."""
        if sample.alone:
            text = sample.said[0].caption
            what, fix = "there is no such motion", "correct the file's name, or leave the line out"
            return [Finding(sample.id, "motion-missing", "error", what, fix, text=text)]
        found = [finding for said in sample.said for finding in look_at(sample.id, said)]
        if not sample.said and not sample.problem:
            found.append(Finding(sample.id, "caption-missing", "error", "there is no caption",
                                 "write one, or leave the clip out"))  # fmt: skip
        joints = sample.joints
        if joints is None:
            self.seen.append(_Seen(sample.id, sample.split, sample.groups, None))
            return [*found, _refused(sample)]
        moved = None
        if joints.shape[1] == len(HUMANML3D.joints):
            captions = [said.caption for said in sample.said]
            looked = examine(sample.id, joints, sample.fps, captions, self.limits)
            found += looked.findings
            moved = looked.joints
        usual = None if moved is None else usual_rate(moved, sample.fps)
        if usual is not None and not any(f.kind == "swapped-sides" for f in found):
            found += _contradictions(sample, usual)
        found += _parts(sample)
        plain = None if usual is None else Print.of(usual)
        self.seen.append(_Seen(sample.id, sample.split, sample.groups, plain))
        if (
            usual is not None
            and len(self.shown) < _PICTURED
            and any(f.severity != "note" for f in found)
        ):
            words = sample.said[0].caption if sample.said else ""
            self.shown[sample.id] = (np.asarray(usual, np.float32), words)
        return found

    def copies(self, twins: Sequence[Twins]) -> Iterator[Finding]:
        """Clips that are one motion; in two splits they are a leak."""
        for pair in twins:
            first, second = self.seen[pair.first], self.seen[pair.second]
            what = f"{pair.how} {'as' if pair.how == 'the same' else 'of'} {first.id}"
            if first.split and second.split and first.split != second.split:
                what = f"is in {second.split}, in {first.split} is the same motion: {what}"
                yield Finding(second.id, "leak", "error", what, _KEEP, figure=pair.distance)
            else:
                what = f"the same motion: {what}"
                yield Finding(second.id, "duplicate", "warning", what, _KEEP, figure=pair.distance)

    def leaks(self) -> Iterator[Finding]:
        """Subjects and recordings in more than one split."""
        members: dict[str, list[_Seen]] = defaultdict(list)
        for seen in self.seen:
            for group in seen.groups:
                if seen.split:
                    members[group].append(seen)
        for group, clips in members.items():
            counts = Counter(clip.split for clip in clips)
            if len(counts) < 2:
                continue
            usual = counts.most_common(1)[0][0]
            for clip in clips:
                if clip.split != usual:
                    what = f"{group} is in {usual} ({counts[usual]} clips) and in {clip.split}"
                    yield Finding(clip.id, "leak", "error", what, f"put all of it in {usual}")


def _refused(sample: Sample) -> Finding:
    """A file that its reader refuses."""
    kind: Kind = sample.fault or "unreadable"
    return Finding(sample.id, kind, "error", sample.problem, "repair it, or leave it out")


def _parts(sample: Sample) -> Iterator[Finding]:
    """Captions of parts that the clip has not."""
    if sample.joints is None or not sample.fps > 0:
        return
    seconds = len(sample.joints) / sample.fps
    for said in sample.said:
        start, end = said.start or 0.0, seconds if said.end is None else said.end
        if not start < end <= seconds + _PART_SLACK:
            what = f"is about {start:g} to {end:g} s, the clip has {seconds:.2f} s"
            yield Finding(sample.id, "caption-part", "error", what, "correct the times",
                          figure=end, limit=seconds, text=said.caption)  # fmt: skip


def _contradictions(sample: Sample, usual: Joints) -> Iterator[Finding]:
    """Captions against what is measured, each kind once for a clip."""
    told: set[Kind] = set()
    seen: dict[tuple[int, int], Measured] = {}
    for said in sample.said:
        first = round((said.start or 0.0) * HUMANML3D.fps)
        last = len(usual) if said.end is None else min(len(usual), round(said.end * HUMANML3D.fps))
        if last - first < _LEAST:
            continue
        if (first, last) not in seen:
            seen[first, last] = Measured.of(usual[first:last])
        for finding in compare(sample.id, said.caption, seen[first, last]):
            if finding.kind not in told:
                told.add(finding.kind)
                yield finding
