"""`motiongpt3 data prepare`: captured clips become a processed set that training reads.

A processed set is a folder:
    features.npy    (frames, F) float32, all clips one after another, mapped into memory
    clips.jsonl     one record per clip: where its frames lie, captions, split, label
    corpus.txt      sentences without a motion (`text/*.jsonl` of the sources), one per line
    stats.npz       mean and std (F,): those the source publishes, or else those of the train split
                    by HumanML3D's rule
    left_out.jsonl  files of a user's own folder that were not used, with the reason
    manifest.json   version, skeleton, convention, counts, and a hash of the content
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.data.account import Account
from motiongpt3.data.own import OwnFolder
from motiongpt3.data.sources import SPLITS, Clip, published_statistics, read_clips
from motiongpt3.data.statistics import Statistics, statistics
from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.lines import json_lines
from motiongpt3.motion.features import HipSign, joints_to_features
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton, skeleton_of

VERSION = 1
LIMITS = {HUMANML3D.name: (20, 196), KIT.name: (24, 196)}
"""Fewest frames of a clip and most of a part, by skeleton, as MotionGPT3 and KIT-ML's loaders have
them. The evaluation protocol of others takes HumanML3D from 40 frames on."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PrepareConfig:
    """How clips are turned into features."""

    hip_sign: HipSign = "corrected"
    min_frames: int | None = None
    """Shorter clips are left out; None: the skeleton's own limit."""
    max_frames: int | None = None
    """Longer clips are cut into parts of this many frames; None: the skeleton's own limit."""
    mirror: bool = True
    """Whether training may show clips in the mirror, left and right exchanged in their words. It
    does so half of the time; no mirror images are stored."""
    max_reject: float = 0.2
    """Share of the files of a user's own folder that may be left out."""

    def limits(self, skeleton: Skeleton = HUMANML3D) -> tuple[int, int]:
        """Fewest and most frames for clips of a skeleton."""
        least, most = LIMITS[skeleton.name]
        return self.min_frames or least, self.max_frames or most

    def settled(self, skeleton: Skeleton, published: bool) -> "PrepareConfig":
        """With nothing left open; published features carry the released hip sign."""
        least, most = self.limits(skeleton)
        sign: HipSign = "released" if published else self.hip_sign
        return replace(self, min_frames=least, max_frames=most, hip_sign=sign)


@dataclass(frozen=True)
class Record:
    """Where a clip's frames lie in `features.npy`, and what is said of it."""

    id: str
    source: str
    split: str
    label: str
    style: str
    first: int
    frames: int
    captions: tuple[str, ...]


def prepare(
    sources: Sequence[Path | OwnFolder],
    out: Path,
    config: PrepareConfig | None = None,
    progress: Progress = lambda source, done, of: None,
) -> dict[str, Any]:
    """Read every clip of the source folders and write a processed set.

    Args:
        sources: folders in a published layout, or of a user's own motion files.
        progress: called after each clip with the source folder's name, and how many clips or files
            are done of how many; 0 where that is not known.

    Returns:
        The manifest.

    Raises:
        InputError: for a source that cannot be read, sources of different skeletons, or more files
            left out than allowed.
        ResourceError: when `out` cannot be written.
    """
    config = config or PrepareConfig()
    clips = _gather(sources, config, progress)
    records, features = clips.records, np.concatenate(clips.rows)
    skeleton = skeleton_of(features.shape[1])
    config = config.settled(skeleton, _all_published(clips.published, sources))
    stats, origin = _statistics(sources, records, features)
    corpus = [text for source in sources for text in _corpus(source)]
    manifest = {
        "version": VERSION,
        "skeleton": skeleton.name,
        "config": asdict(config),
        "statistics": origin,
        "clips": {split: sum(r.split == split for r in records) for split in SPLITS},
        "frames": len(features),
        "corpus": len(corpus),
        "rejected": dict(clips.rejected),
        **({"own": [account.told() for account in clips.own]} if clips.own else {}),
    }
    return _write(out, (records, features, corpus, clips.left_out), stats, manifest)


@dataclass(eq=False)
class _Gathered:
    """What the sources hold."""

    records: list[Record] = field(default_factory=list)
    rows: list[Float[np.ndarray, "_ F"]] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    published: set[bool] = field(default_factory=set)
    """Whether features are the sources' own, for all clips met."""
    own: list[Account] = field(default_factory=list)
    """What became of the files of a user's own folders."""

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """Files that were not used, with the reason."""
        return [asdict(left) for account in self.own for left in account.left_out]


def _gather(
    sources: Sequence[Path | OwnFolder], config: PrepareConfig, progress: Progress
) -> _Gathered:
    own = [source.account for source in sources if isinstance(source, OwnFolder)]
    found, first = _Gathered(own=own), 0
    for source in sources:
        for clip in _clips(source, config, progress):
            found.published.add(clip.features is not None)
            for part, features in _parts(clip, config, found.rejected):
                if found.rows and features.shape[1] != found.rows[0].shape[1]:
                    raise InputError(
                        "skeletons are mixed",
                        where=f"{source.name}: {clip.id}",
                        hint="prepare HumanML3D and KIT-ML clips as two sets",
                    )
                found.records.append(_record(clip, part, first, len(features)))
                found.rows.append(features)
                first += len(features)
            if isinstance(source, Path):
                progress(source.name, len(found.records), 0)
    if not found.records:
        why = "; ".join(account.first_reasons for account in own)
        raise InputError("no usable clips", where=_names(sources), hint=why)
    for account in own:
        found.rejected += account.check(config.max_reject)
    return found


def _clips(source: Path | OwnFolder, config: PrepareConfig, tell: Progress) -> Iterable[Clip]:
    if isinstance(source, Path):
        return read_clips(source)
    return source.clips(config.limits(), lambda done, of: tell(source.name, done, of))


def _names(sources: Sequence[Path | OwnFolder]) -> str:
    return ", ".join(str(s.folder if isinstance(s, OwnFolder) else s) for s in sources)


def _all_published(published: set[bool], sources: Sequence[Path | OwnFolder]) -> bool:
    """Whether the features are the sources' own."""
    if len(published) > 1:
        raise InputError(
            "some sources publish features and some do not",
            where=_names(sources),
            hint="their headings follow different conventions; prepare them apart",
        )
    return True in published


def _parts(
    clip: Clip, config: PrepareConfig, rejected: Counter[str]
) -> list[tuple[int, Float[np.ndarray, "T F"]]]:
    if not clip.captions:
        rejected["no caption"] += 1
        return []
    features = clip.features
    if features is None:
        skeleton = _skeleton(clip)
        motion = Motion(clip.joints, clip.fps, skeleton).resample(skeleton.fps)
        features = joints_to_features(motion.joints, skeleton, config.hip_sign)
    least, most = config.limits(skeleton_of(features.shape[1]))
    if clip.features is None:
        least -= 1  # a row is a step between two frames, so there is one row less
    starts = range(0, len(features), most)
    parts = [(n, features[a : a + most]) for n, a in enumerate(starts)]
    kept = [(n, part) for n, part in parts if len(part) >= least]
    if not kept:
        rejected["too short"] += 1
    return kept


def _corpus(source: Path | OwnFolder) -> list[str]:
    if isinstance(source, OwnFolder):
        return []
    files = sorted((source / "text").glob("*.jsonl"))
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    return [" ".join(json.loads(line)["text"].split()) for line in lines]


def _skeleton(clip: Clip) -> Skeleton:
    for skeleton in SKELETONS:
        if clip.joints.shape[1] == len(skeleton.joints):
            return skeleton
    raise InputError(f"{clip.joints.shape[1]} joints", where=clip.id, hint="22 or 21 are known")


def _record(clip: Clip, part: int, first: int, frames: int) -> Record:
    name = f"{clip.id}#{part}" if part else clip.id
    return Record(
        name, clip.source, clip.split, clip.label, clip.style, first, frames, clip.captions
    )


def _write(
    out: Path,
    content: tuple[list[Record], Float[np.ndarray, "N F"], list[str], list[dict[str, Any]]],
    stats: Statistics,
    manifest: dict[str, Any],
) -> dict[str, Any]:
    records, features, corpus, left_out = content
    lines = json_lines(asdict(record) for record in records)
    sentences = "".join(text + "\n" for text in corpus)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "features.npy") as path, open(path, "wb") as file:
        np.save(file, features)
    with atomic_write(out / "clips.jsonl") as path:
        path.write_text(lines, encoding="utf-8")
    with atomic_write(out / "corpus.txt") as path:
        path.write_text(sentences, encoding="utf-8")
    if left_out:
        with atomic_write(out / "left_out.jsonl") as path:
            path.write_text(json_lines(left_out), encoding="utf-8")
    with atomic_write(out / "stats.npz") as path, open(path, "wb") as file:
        np.savez(file, mean=stats[0], std=stats[1])
    manifest["sha256"] = content_hash(out)
    with atomic_write(out / "manifest.json") as path:  # last: a set without it is not finished
        path.write_text(json.dumps(manifest, indent=1))
    return manifest


def content_hash(folder: Path) -> str:
    """SHA-256 over every file of a processed set but the manifest."""
    digest = hashlib.sha256()
    for name in ("features.npy", "clips.jsonl", "corpus.txt", "stats.npz"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _statistics(
    sources: Sequence[Path | OwnFolder], records: list[Record], features: Float[np.ndarray, "N F"]
) -> tuple[Statistics, str]:
    """Mean and std of a set, and where they come from.

    Published ones stand for their folder alone; several folders together have their own.
    """
    alone = sources[0] if len(sources) == 1 else None
    published = published_statistics(alone) if isinstance(alone, Path) else None
    if published is None:
        train = np.concatenate([features[r.first : r.first + r.frames] for r in _train(records)])
        return statistics(train), "computed"
    if len(published[0]) != features.shape[1] or len(published[1]) != features.shape[1]:
        raise InputError(
            f"Mean.npy and Std.npy have {len(published[0])} and {len(published[1])} numbers, the "
            f"features {features.shape[1]}",
            where=str(alone),
            hint="put the set's own there, or remove both to have them computed",
        )
    return published, "published"


def _train(records: list[Record]) -> list[Record]:
    train = [r for r in records if r.split == "train"]
    if not train:
        raise InputError("no clip is in the train split", where="prepare")
    return train
