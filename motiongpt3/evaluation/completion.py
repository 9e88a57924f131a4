"""Motion prediction and in-betweening: what a guess without a model gives, and what seams show.

Shapes: T frames, J joints, G frames to be made. Positions in the skeleton's unit, Y up;
acceleration in m/s^2.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from motiongpt3.evaluation.physics import peak_acceleration
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

Joints = Float[np.ndarray, "T J 3"]

_REACH = 2
"""Made frames beside a seam in which acceleration is looked at."""


def hold_pose(before: Joints, frames: int) -> Float[np.ndarray, "G J 3"]:
    """The last pose, gliding on over the ground at the root's last velocity."""
    step = (before[-1, 0] - before[-2, 0]) * np.array([1, 0, 1], before.dtype)
    count = np.arange(1, frames + 1, dtype=before.dtype)[:, None, None]
    return before[-1] + count * step


def interpolated(
    before: Joints, after: Float[np.ndarray, "_ J 3"], frames: int
) -> Float[np.ndarray, "G J 3"]:
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
