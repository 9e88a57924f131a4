"""A processed set in memory, and the order in which training sees it.

Which clips make up a batch, and every random choice about them, is a pure function of
(seed, step): nothing about data order is ever stored, and a resumed run goes on exactly.

Shapes: B clips, T frames of the longest clip in the batch, F features.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.data.prepare import VERSION, Record, content_hash
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import read_json
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.skeleton import skeleton_of
from motiongpt3.motion.symmetry import feature_mirror

NO_STYLE = ("", "normal")
"""Styles of clips that are done in none."""


class MotionText:
    """Features and captions of one split of a processed set.

    Raises:
        InputError: when there is no such set or split.
        CorruptError: when the set's files do not go together.
    """

    def __init__(self, folder: Path, split: str):
        self.folder, self.manifest = folder, read_manifest(folder)
        self.records = [r for r in _records(folder / "clips.jsonl") if r.split == split]
        if not self.records:
            raise InputError(f"no clips in split {split!r}", where=str(folder))
        self._features = np.load(folder / "features.npy", mmap_mode="r")
        with np.load(folder / "stats.npz") as stats:
            self.mean, self.std = stats["mean"], stats["std"]
        self.skeleton = skeleton_of(self._features.shape[1], str(folder / "features.npy"))
        if not self.mean.shape == self.std.shape == (self.skeleton.dim,):
            raise CorruptError(
                f"mean and std have {len(self.mean)} and {len(self.std)} numbers, the features of "
                f"{self.skeleton.name} {self.skeleton.dim}",
                where=str(folder / "stats.npz"),
                hint="statistics of another set? prepare it again: motiongpt3 data prepare",
            )
        self.corpus = (folder / "corpus.txt").read_text(encoding="utf-8").splitlines()
        self.order, self.sign = feature_mirror(self._features.shape[1])
        self.mirrors: bool = self.manifest["config"].get("mirror", True)
        """Whether training may show clips in the mirror."""

    def __len__(self) -> int:
        return len(self.records)

    def features(self, index: int, mirrored: bool = False) -> Float[np.ndarray, "T F"]:
        """Features of one clip, not normalised."""
        record = self.records[index]
        rows = np.asarray(self._features[record.first : record.first + record.frames])
        return rows[:, self.order] * self.sign.astype(np.float32) if mirrored else rows

    def joints(self, index: int) -> Float[np.ndarray, "T J 3"]:
        """Joint positions of one clip in the set's unit, from the origin facing +Z."""
        features = self.features(index).astype(np.float64)
        return np.asarray(features_to_joints(features), np.float32)

    def lengths(self) -> Int[np.ndarray, "N"]:
        """Frames of every clip."""
        return np.array([r.frames for r in self.records])

    def kinds(self) -> Int[np.ndarray, "N"]:
        """The kind of every clip, a number from 0 on: what is done, in which style and source."""
        names = [(r.source, r.label, r.style or "") for r in self.records]
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        return np.array([numbers[name] for name in names])

    def plain_captions(self) -> list[tuple[str, ...]]:
        """For every clip done in a style, what is said where the same is done in no style.

        "A person bows sadly" may also be called "a person bows", which a set of acted styles says
        of few clips. Empty where a clip has no style, or its action is never done without one.
        """
        plain: dict[tuple[str, str], list[str]] = defaultdict(list)
        for record in self.records:
            if record.style in NO_STYLE:
                plain[record.source, record.label] += record.captions
        return [
            () if r.style in NO_STYLE else tuple(plain[r.source, r.label]) for r in self.records
        ]

    def weights(self, power: float = 0.5, rare: int = 1) -> Float[np.ndarray, "N"]:
        """Sampling probability of every clip.

        A class of n clips is drawn in proportion to n ** (1 - power): 0 keeps the data as it is,
        1 draws every class equally often. Between them, a hundred repetitions of one exercise do
        not drown what is rare.

        Args:
            rare: clips of classes smaller than this are drawn as if it had this many, so that
                hundreds of classes with one clip each do not drown the others in their turn.
        """
        count = Counter((r.source, r.label) for r in self.records)
        w = np.array([max(rare, count[r.source, r.label]) ** -power for r in self.records])
        return w / w.sum()


def _records(path: Path) -> list[Record]:
    try:
        lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return [Record(**{**fields, "captions": tuple(fields["captions"])}) for fields in lines]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        hint = "prepare the set again: motiongpt3 data prepare"
        raise CorruptError(f"cannot be read: {error}", where=str(path), hint=hint) from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a processed set.

    Raises:
        InputError: when the folder is not a processed set.
        CorruptError: when it is damaged, or was written by another version.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(
            "not a processed set", where=str(folder), hint="make one: motiongpt3 data prepare"
        )
    manifest = read_json(path)
    if manifest.get("version") != VERSION:
        raise CorruptError(
            f"version {manifest.get('version')}, this package reads {VERSION}", where=str(path)
        )
    return manifest


def verify(folder: Path) -> None:
    """Check a processed set against the hash in its manifest.

    Raises:
        CorruptError: when features or records are not those the manifest speaks of.
    """
    if content_hash(folder) != read_manifest(folder).get("sha256"):
        raise CorruptError("content differs from its manifest", where=str(folder))


@dataclass(frozen=True)
class Order:
    """Which clips each training step sees."""

    weights: Float[np.ndarray, "N"]
    lengths: Int[np.ndarray, "N"]
    batch: int
    seed: int
    pool: int = 1
    """Batches drawn together and sorted by length: more waste less on padding, but put clips of
    like kind side by side."""

    def clips(self, step: int) -> Int[np.ndarray, "B"]:
        """Clip indices of a step: drawn by weight, grouped by length within a pool of steps."""
        pool, turn = divmod(step, self.pool)
        rng = np.random.default_rng([self.seed, pool])
        drawn = rng.choice(len(self.weights), self.pool * self.batch, p=self.weights)
        drawn = drawn[np.argsort(self.lengths[drawn], kind="stable")]
        return drawn.reshape(self.pool, self.batch)[rng.permutation(self.pool)[turn]]

    def rng(self, step: int, row: int) -> np.random.Generator:
        """The generator of every other choice about a row: mirroring, cropping, captions, noise."""
        return np.random.default_rng([self.seed, step, row, 1])


def spread(count: int, limit: int | None) -> list[int]:
    """All of `count` items, or at most `limit` of them at even distances, the ends among them."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted({int(at) for at in np.linspace(0, count - 1, max(1, limit)).round()})


def pad(
    clips: list[Float[np.ndarray, "_ F"]],
) -> tuple[Float[np.ndarray, "B T F"], Int[np.ndarray, "B"]]:
    """Clips of different lengths as one array, zeros after their end."""
    lengths = np.array([len(c) for c in clips])
    padded = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), np.float32)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    return padded, lengths
