"""Features of many clips: as of each alone, to the last bit, in less than half the time."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.features import HipSign, joints_to_features
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_FRAMES = 1200
"""Taken at once: more of them no longer fit into a processor's cache, fewer leave time to calls."""


def features_of_each(
    clips: Sequence[Float[np.ndarray, "_ J 3"]],
    skeleton: Skeleton = HUMANML3D,
    hip_sign: HipSign = "released",
) -> list[Float[np.ndarray, "_ F"]]:
    """`joints_to_features` of every clip.

    Clips of about the same length are taken together. Shorter ones stand still at their end, which
    changes no row before it: where features are smoothed over time, ends are held in any case.

    Raises:
        InputError: as `joints_to_features`.
    """
    features: list[Float[np.ndarray, "_ F"]] = [np.empty((0, skeleton.dim), np.float32)] * len(
        clips
    )
    for some in _together([len(clip) for clip in clips]):
        longest = max(len(clips[at]) for at in some)
        joints = np.stack([_lasting(clips[at], longest) for at in some])
        for at, rows in zip(some, joints_to_features(joints, skeleton, hip_sign), strict=True):
            features[at] = rows[: len(clips[at]) - 1]
    return features


def _together(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which clips are taken at once, the shortest first."""
    some: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if some and (len(some) + 1) * lengths[at] > _FRAMES:
            yield some
            some = []
        some.append(at)
    if some:
        yield some


def _lasting(clip: Float[np.ndarray, "_ J 3"], frames: int) -> Float[np.ndarray, "frames J 3"]:
    """A clip that stands still after its last frame."""
    return clip[np.minimum(np.arange(frames), len(clip) - 1)]
