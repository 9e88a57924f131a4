"""Motions as a network reads them: features at its own frame rate, in parts it can hold.

Nothing here needs weights, so that clips can be read in a process beside the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.features import HipSign, joints_to_features
from motiongpt3.motion.many import features_of_each
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Observed:
    """A part of a user's motion at the model's frame rate.

    `joints` stay where the user's are; `features` have one row per frame but the last.
    """

    joints: Float[np.ndarray, "T J 3"]
    features: Float[np.ndarray, "_ F"]


class Observer:
    """Reads motions for networks that were trained on one skeleton and one convention."""

    longest = 196
    """Frames of the longest clip made or read at once (HumanML3D's and KIT-ML's limit)."""
    shortest = 5
    """Frames of the shortest motion that can be read or added."""

    def __init__(self, skeleton: Skeleton, hip_sign: HipSign):
        self.skeleton, self.hip_sign = skeleton, hip_sign

    @property
    def fps(self) -> float:
        """Frames per second of the model."""
        return self.skeleton.fps

    def check(self, motion: Motion) -> None:
        """Refuse a motion of another skeleton than the model's.

        Raises:
            InputError: saying which two skeletons they are.
        """
        self.check_skeleton(motion.skeleton, "motion")

    def check_skeleton(self, theirs: Skeleton, where: str) -> None:
        """Refuse motions of another skeleton than the model's.

        Raises:
            InputError: saying which two skeletons they are.
        """
        ours = self.skeleton
        if theirs != ours:
            raise InputError(
                f"has the {len(theirs.joints)} joints of {theirs.name}, this model was trained on "
                f"the {len(ours.joints)} of {ours.name}",
                where=where,
                hint=f"use a {where} of {ours.name}, or a model trained on {theirs.name}",
            )

    def observed(self, motion: Motion, frames: int, last: bool = True) -> Observed:
        """The last (or first) frames of a motion.

        Raises:
            InputError: for another skeleton, or too few frames.
        """
        joints = self._joints(motion)
        joints = joints[-frames:] if last else joints[:frames]
        return Observed(joints, joints_to_features(joints, self.skeleton, self.hip_sign))

    def windows(self, motions: Sequence[Motion]) -> list[tuple[Float[np.ndarray, "_ F"], ...]]:
        """Features of whole motions, in parts no longer than the model reads at once.

        Those of a generated motion are what it was decoded from.

        Raises:
            InputError: as `observed`.
        """
        kept = [self._decoded(motion) for motion in motions]
        joints = [self._joints(m) for m, own in zip(motions, kept, strict=True) if own is None]
        made = iter(features_of_each(joints, self.skeleton, self.hip_sign))
        return [self._parts(next(made) if own is None else own) for own in kept]

    def _decoded(self, motion: Motion) -> Float[np.ndarray, "T F"] | None:
        """What a motion was decoded from, if that is at the model's frame rate."""
        self.check(motion)
        return motion.decoded if motion.fps == self.fps else None

    def _joints(self, motion: Motion) -> Float[np.ndarray, "T J 3"]:
        """A motion's joints at the model's frame rate."""
        self.check(motion)
        joints = np.asarray(motion.resample(self.fps).joints, np.float64)
        if len(joints) <= self.shortest:
            raise InputError(
                f"{len(joints)} frames at {self.fps:g} fps are too few",
                where="motion",
                hint=f"give more than {self.shortest}",
            )
        return joints

    def _parts(self, features: Float[np.ndarray, "T F"]) -> tuple[Float[np.ndarray, "_ F"], ...]:
        count = -(-len(features) // self.longest)
        parts = np.array_split(np.asarray(features, np.float32), count)
        return tuple(np.asarray(part) for part in parts)
