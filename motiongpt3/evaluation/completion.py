"""Motion prediction and in-betweening: what a guess without a model gives, and what seams show.

Shapes: T frames, J joints, G frames to be made. Metres, Y up; acceleration in m/s^2.
"""

import numpy as np
from jaxtyping import Float

from motiongpt3.evaluation.physics import peak_acceleration
from motiongpt3.motion.skeleton import HUMANML3D

Joints = Float[np.ndarray, "T J 3"]

_REACH = 2
"""Frames on either side of a seam in which acceleration is looked at."""


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


def seam_peak(joints: Joints, seams: tuple[int, ...], fps: float = HUMANML3D.fps) -> float:
    """The largest acceleration of any joint in the two frames on either side of a seam.

    This looks one frame further than `physics.seam_acceleration` on both sides, so that a jump
    cannot hide behind the seam; the outer of these frames lies wholly in one part.

    Args:
        seams: frames that begin a new part.

    Returns:
        0 where no seam lies inside the motion.
    """
    peaks = peak_acceleration(joints, fps)  # row i is the acceleration at frame i + 1
    at = {frame - 1 for seam in seams for frame in range(seam - _REACH, seam + _REACH)}
    return float(max((peaks[row] for row in at if 0 <= row < len(peaks)), default=0.0))


def usual_peak(clips: list[Joints], fps: float = HUMANML3D.fps, percent: float = 99) -> float:
    """The percentile of the largest acceleration in each frame of real clips, taken together."""
    return float(np.percentile(np.concatenate([peak_acceleration(c, fps) for c in clips]), percent))
