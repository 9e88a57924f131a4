"""The clips an evaluation is about, and those of the train split that it compares with."""

from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.data.dataset import MotionText, spread
from motiongpt3.data.prepare import Record
from motiongpt3.evaluation.draws import Draw, draw
from motiongpt3.motion.features import HipSign
from motiongpt3.motion.skeleton import Skeleton

Features = Float[np.ndarray, "_ F"]
"""A clip's features as prepared, not normalised."""
Joints = Float[np.ndarray, "_ J 3"]
"""Positions in the skeleton's unit, from the origin facing +Z."""


class HeldOut:
    """A split of a processed set, or some of its clips.

    Args:
        limit: at most so many clips, at even distances.

    Raises:
        InputError, CorruptError: when the set or the split cannot be read.
    """

    def __init__(self, folder: Path, split: str, limit: int | None = None):
        self.split, self.train = MotionText(folder, split), MotionText(folder, "train")
        self.chosen = spread(len(self.split), limit)
        self.records: list[Record] = [self.split.records[index] for index in self.chosen]

    @property
    def skeleton(self) -> Skeleton:
        """Whose joints they are."""
        return self.split.skeleton

    @property
    def hip_sign(self) -> HipSign:
        """The convention of the set's features."""
        sign: HipSign = self.split.manifest["config"]["hip_sign"]
        return sign

    @cached_property
    def features(self) -> list[Features]:
        """Of every clip."""
        return [np.asarray(self.split.features(index)) for index in self.chosen]

    @cached_property
    def joints(self) -> list[Joints]:
        """Of every clip."""
        return [self.split.joints(index) for index in self.chosen]

    @cached_property
    def train_features(self) -> list[Features]:
        """Of every clip of the train split."""
        return [np.asarray(self.train.features(index)) for index in range(len(self.train))]

    @cached_property
    def train_joints(self) -> list[Joints]:
        """Of every clip of the train split."""
        return [self.train.joints(index) for index in range(len(self.train))]

    @property
    def frames(self) -> list[int]:
        """Of every clip."""
        return [record.frames for record in self.records]

    @property
    def kinds(self) -> list[Hashable]:
        """What is done and in which style, of every clip."""
        return [(record.label, record.style) for record in self.records]

    def captions(self, seed: int) -> list[str]:
        """One caption of each clip, drawn by the seed."""
        return [
            str(draw(seed, Draw.CAPTIONS, at).choice(record.captions))
            for at, record in enumerate(self.records)
        ]

    def mean_motion(self, frames: Sequence[int]) -> list[Features]:
        """The mean of all training frames, held for so many frames each: a pose that glides on."""
        return [np.repeat(self.train.mean[None].astype(np.float32), n, axis=0) for n in frames]
