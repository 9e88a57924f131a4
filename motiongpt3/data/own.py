"""A user's own folder of motion files, of any format that is read, with captions.

Files are found in the folder and below it. What is said of them stands in one table or in text
files beside them (`captions`). A file that cannot be used is left out and named with the reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from motiongpt3.data.account import Account, LeftOut
from motiongpt3.data.captions import TABLE, Said, read_beside, read_table
from motiongpt3.data.sources import Clip
from motiongpt3.data.splits import Shares, assign
from motiongpt3.errors import InputError
from motiongpt3.formats import FOLDERS
from motiongpt3.motion.calm import cuts
from motiongpt3.motion.motion import Motion

_SLACK = 0.1
"""Seconds by which a caption's part may reach beyond the end of the clip."""
USUAL_SHARES: Shares = (0.8, 0.1, 0.1)
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """A motion file and what is said of it."""

    name: str
    """Its path in the folder, with slashes."""
    path: Path
    said: tuple[Said, ...] = ()
    problem: str = ""
    """Why what is said of it cannot be read."""

    @property
    def subject(self) -> str:
        """Who moves, "" where nobody is named."""
        return next((said.subject for said in self.said if said.subject), "")

    @property
    def group(self) -> str:
        """What must not be in two splits: the subject, else the file."""
        return f"subject {self.subject}" if self.subject else self.name


@dataclass(frozen=True)
class Own:
    """The files of a folder with their captions, and captions of files that are not there."""

    entries: tuple[Entry, ...]
    missing: tuple[Said, ...] = ()


@dataclass(frozen=True)
class OwnFolder:
    """A folder of motion files as a source of clips."""

    folder: Path
    captions: Path | None = None
    """A table; else the folder's own captions.csv, else text files beside the clips."""
    shares: Shares = USUAL_SHARES
    account: Account = field(default_factory=Account, compare=False)

    @property
    def name(self) -> str:
        """What the set calls it."""
        return self.folder.resolve().name

    def find(self) -> Own:
        """The files with their captions, none of them read yet.

        Raises:
            InputError: for no files, a table that cannot be read, or one file meant by two names.
        """
        files = motion_files(self.folder)
        if not files:
            raise InputError(
                "no motions found",
                where=str(self.folder),
                hint=f"it needs files that end in {', '.join(FOLDERS)}; or clips.jsonl; or "
                "new_joint_vecs/ with texts/ and train.txt",
            )
        named = {path.relative_to(self.folder).as_posix(): path for path in files}
        table = self.captions or self.folder / TABLE
        if not table.is_file():
            if self.captions:
                raise InputError("there is no such file", where=str(table))
            return Own(tuple(_with_text(name, path) for name, path in named.items()))
        return _matched(named, read_table(table))

    def clips(self, limits: tuple[int, int], tell: Told = lambda done, of: None) -> list[Clip]:
        """Every usable clip, at its skeleton's frame rate; `account` is filled in.

        Args:
            limits: fewest and most frames of a clip.
            tell: called with the files read and all of them.

        Raises:
            InputError: as `find`, and when a subject or file is said to be in two splits.
        """
        own, account = self.find(), self.account
        told = _told_splits(own.entries)
        account.found = len(own.entries)
        for said in own.missing:
            account.left_out.append(LeftOut(said.where, "caption without a motion", part=True))
        stems = Counter(entry.name.rpartition(".")[0] for entry in own.entries)
        made: dict[str, list[Clip]] = {}
        for done, entry in enumerate(own.entries, 1):
            stem = entry.name.rpartition(".")[0]
            clips = list(self._of(entry, stem if stems[stem] == 1 else entry.name, limits))
            account.kept += bool(clips)
            if clips:
                made.setdefault(entry.group, []).extend(clips)
            tell(done, len(own.entries))
        free = {group: len(clips) for group, clips in made.items() if group not in told}
        split = {**(assign(free, self.shares) if free else {}), **told}
        return [
            replace(clip, split=split[group]) for group, clips in made.items() for clip in clips
        ]

    def _of(self, entry: Entry, identity: str, limits: tuple[int, int]) -> Iterator[Clip]:
        account = self.account
        if entry.problem:
            account.left_out.append(LeftOut(entry.name, "captions cannot be read", entry.problem))
            return
        said = [one for one in entry.said if " ".join(one.caption.split())]
        if not said:
            account.left_out.append(LeftOut(entry.name, "no caption"))
            return
        try:
            read = Motion.read(entry.path)
        except InputError as error:
            account.left_out.append(LeftOut(entry.name, "cannot be read", str(error)))
            return
        account.note(read)
        motion = read.resample(read.skeleton.fps)
        spans = _spans(entry, said, motion, account)
        kept = {span: words for span, words in spans.items() if span[1] - span[0] >= limits[0]}
        if not kept:
            reason = "too short" if spans else "captions are of no part of it"
            account.left_out.append(LeftOut(entry.name, reason, f"{motion.seconds:.2f} s"))
            return
        if len(motion) > limits[1]:
            account.cut += any(b - a > limits[1] for a, b in kept)
        label = next((one.label for one in said if one.label), "")
        parts = [span for span in kept if span != (0, len(motion))]
        for (first, last), words in kept.items():
            whole = (first, last) == (0, len(motion))
            name = identity if whole else f"{identity}_{first}_{last}"
            inside = [(a - first, b - first) for a, b in parts if a >= first and b <= last]
            joints = motion.joints[first:last]
            for n, (a, b) in enumerate(cuts(joints, motion.fps, limits, inside if whole else ())):
                part = f"{name}#{n}" if n else name
                yield Clip(part, self.name, "", joints[a:b], motion.fps, words, label)


def motion_files(folder: Path) -> list[Path]:
    """Files that can be read as motions, in a folder and below; hidden ones are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in FOLDERS and p.is_file())
    visible = (p for p in found if not any(x[0] == "." for x in p.relative_to(folder).parts))
    return sorted(visible)


def _with_text(name: str, path: Path) -> Entry:
    try:
        return Entry(name, path, tuple(read_beside(path)))
    except InputError as error:
        return Entry(name, path, problem=str(error))


def _matched(named: dict[str, Path], table: dict[str, list[Said]]) -> Own:
    """Files with what a table says of them, by name in the folder, with or without suffix."""
    known: dict[str, list[str]] = {}
    for name in named:
        for alias in {name, name.rpartition(".")[0], name.rpartition("/")[2]}:
            known.setdefault(alias, []).append(name)
    said: dict[str, list[Said]] = {name: [] for name in named}
    missing: list[Said] = []
    for name, lines in table.items():
        meant = name.replace("\\", "/").removeprefix("./")
        exact = [meant] if meant in named else known.get(meant, [])
        if len(exact) > 1:
            raise InputError(
                f"'{name}' may be {' or '.join(exact[:3])}", where=lines[0].where, hint="say which"
            )
        if exact:
            said[exact[0]] += lines
        else:
            missing += lines
    return Own(tuple(Entry(n, p, tuple(said[n])) for n, p in named.items()), tuple(missing))


def _told_splits(entries: Sequence[Entry]) -> dict[str, str]:
    """The split of every group of which the table says one."""
    told: dict[str, Said] = {}
    for entry in entries:
        for said in entry.said:
            if said.split and told.setdefault(entry.group, said).split != said.split:
                raise InputError(
                    f"{entry.group} is in {told[entry.group].split} and in {said.split}",
                    where=said.where,
                    hint="a subject and a file belong to one split",
                )
    return {group: said.split for group, said in told.items()}


def _spans(
    entry: Entry, said: Sequence[Said], motion: Motion, account: Account
) -> dict[tuple[int, int], tuple[str, ...]]:
    """Captions by the frames they are about."""
    spans: dict[tuple[int, int], tuple[str, ...]] = {}
    for one in said:
        start = one.start or 0.0
        end = motion.seconds if one.end is None else one.end
        if not start < end <= motion.seconds + _SLACK:
            detail = f"{start:g} to {end:g} s of {motion.seconds:.2f} s, {one.where}"
            account.left_out.append(LeftOut(entry.name, "part outside the clip", detail, True))
            continue
        span = round(start * motion.fps), min(len(motion), round(end * motion.fps))
        spans[span] = (*spans.get(span, ()), " ".join(one.caption.split()))
    return spans
