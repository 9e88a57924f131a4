"""Motion prediction and in-betweening: how far off a made part is, what a guess without a model
gives, and what seams show.

A made part is given by itself, without the observed frames around it and without padding: the
errors of the original (metrics/m2m.py of MotionGPT3) run on into the padding of a batch.

Shapes: T frames, J joints, G frames to be made, S samples. Positions in the skeleton's unit, Y up;
errors in metres, acceleration in m/s^2.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.evaluation.figure import Figure, too_few
from motiongpt3.motion.physics import peak_acceleration
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

Joints = Float[np.ndarray, "T J 3"]
Made = Float[np.ndarray, "G J 3"]

_REACH = 2
"""Made frames beside a seam in which acceleration is looked at."""


def average_error(
    made: Made, real: Made, skeleton: Skeleton = HUMANML3D, together: bool = False
) -> float:
    """ADE: the mean over frames of how far a made part is from what was there, in metres.

    Args:
        together: the distance of all joints as one point of 66 numbers, as MotionGPT and
            MotionGPT3 report it; else the mean of the distances of the joints. For 22 joints that
            are equally far off it is sqrt(22) = 4.7 times as much. So in all of this file.

    Raises:
        InputError: for a part without a frame.
    """
    return float(_distances(made, real, together).mean()) * skeleton.metres


def final_error(
    made: Made, real: Made, skeleton: Skeleton = HUMANML3D, together: bool = False
) -> float:
    """FDE: how far off the last frame of a made part is, in metres.

    Raises:
        InputError: for a part without a frame.
    """
    return float(_distances(made, real, together)[-1]) * skeleton.metres


def average_pair_distance(
    samples: Float[np.ndarray, "S G J 3"], skeleton: Skeleton = HUMANML3D, together: bool = False
) -> Figure:
    """APD: the mean distance between two samples made for one prompt, in metres.

    Of each pair the mean over frames, so that it compares with ADE; DLow (Yuan and Kitani 2020),
    where the figure comes from, takes all frames as one point. `too_few` for a single sample.
    """
    if len(samples) < 2:
        return too_few(len(samples))
    pairs = combinations(samples, 2)
    return float(np.mean([average_error(*pair, skeleton, together) for pair in pairs]))


def _distances(made: Made, real: Made, together: bool) -> Float[np.ndarray, "G"]:
    if not len(made):
        raise InputError("nothing was made that could be compared")
    apart = made.astype(np.float64) - real
    if together:
        return np.linalg.norm(apart.reshape(len(apart), -1), axis=-1)
    return np.linalg.norm(apart, axis=-1).mean(1)


def hold_pose(before: Joints, frames: int) -> Made:
    """The last pose, gliding on over the ground at the root's last velocity."""
    step = (before[-1, 0] - before[-2, 0]) * np.array([1, 0, 1], before.dtype)
    count = np.arange(1, frames + 1, dtype=before.dtype)[:, None, None]
    return before[-1] + count * step


def interpolated(before: Joints, after: Float[np.ndarray, "_ J 3"], frames: int) -> Made:
    """Every joint on the straight line from the last frame before a gap to the first after it."""
    share = (np.arange(1, frames + 1, dtype=before.dtype) / (frames + 1))[:, None, None]
    return before[-1] * (1 - share) + after[0] * share


def seam_peak(
    joints: Joints,
    start: int,
    stop: int | None = None,
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """The largest acceleration of any joint where a made part meets what was observed.

    Looked at are the two frames on either side of each seam, as far as a made frame takes part: the
    last observed frame and the first two made ones. What was observed alone is left out, as nobody
    made it. `physics.seam_acceleration` looks at one frame less, where a jump could hide.

    Args:
        start, stop: the made part, in frames; without `stop` it goes on to the end.
    """
    peaks = peak_acceleration(joints, fps, skeleton)  # row i is the acceleration at frame i + 1
    frames = set(range(start - 1, start + _REACH))
    if stop is not None:
        frames |= set(range(stop - _REACH, stop + 1))
    return float(max(peaks[f - 1] for f in frames if 1 <= f <= len(peaks)))


def usual_peak(
    clips: Sequence[Float[np.ndarray, "_ J 3"]],
    fps: float | None = None,
    percent: float = 99,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """The percentile of the largest acceleration in each frame of real clips, taken together."""
    peaks = np.concatenate([peak_acceleration(clip, fps, skeleton) for clip in clips])
    return float(np.percentile(peaks, percent))
