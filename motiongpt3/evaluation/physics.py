"""What a body cannot do: feet that slide and joints that jump.

Shapes: T frames, J joints. Positions in the skeleton's unit with Y up, results in metres per second
(or per second squared), so that figures of both skeletons compare.
"""

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_GROUND = [0, 2]
"""The two horizontal axes."""


def skate(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """How fast the supporting foot slides, in metres per second.

    In each step from frame to frame the slower of the two toes counts as the supporting foot; the
    result is the mean of its horizontal speed. The toe is taken, not the ankle, because the ankle
    of a planted foot moves as the heel lifts.

    Args:
        fps: frames per second, if they are not the skeleton's own; so in all of this room.
    """
    toes = [skeleton.left_foot[1], skeleton.right_foot[1]]
    steps = np.diff(joints[:, toes][..., _GROUND].astype(np.float64), axis=0)
    slide = np.linalg.norm(steps, axis=-1).min(axis=1).mean() * skeleton.metres
    return float(slide * (fps or skeleton.fps))


def peak_acceleration(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> Float[np.ndarray, "T-2"]:
    """The largest acceleration of any joint at each inner frame, in metres per second squared.

    Row i is the second difference around frame i + 1.
    """
    second = np.diff(joints.astype(np.float64), n=2, axis=0)
    largest = np.linalg.norm(second, axis=-1).max(axis=1) * skeleton.metres
    return largest * (fps or skeleton.fps) ** 2


def seam_acceleration(
    joints: Float[np.ndarray, "T J 3"],
    seams: tuple[int, ...],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """The largest acceleration of any joint where parts of a motion meet.

    Args:
        seams: frames that begin a new part. Both second differences that use frames from either
            side of a seam count: those around frame s - 1 and frame s.

    Returns:
        Metres per second squared; 0 where no seam lies inside the motion.
    """
    peaks = peak_acceleration(joints, fps, skeleton)
    rows = {row for seam in seams for row in (seam - 2, seam - 1) if 0 <= row < len(peaks)}
    return float(max((peaks[row] for row in rows), default=0.0))
