"""What a body cannot do: feet that slide, a body above or below the floor, joints that jump.

The floor is at height 0, where HumanML3D's features have it: no joint of a real clip goes below.
Real motion is not at zero for that, since people jump, lift their heels and are captured with
noise: every figure is read beside that of real clips, taken from their features.

Shapes: T frames, J joints. Positions in the skeleton's unit with Y up, results in metres and
seconds, so that figures of both skeletons compare.
"""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_GROUND = [0, 2]
"""The two horizontal axes."""

_NEAR_FLOOR = 0.005
"""Metres that the lowest joint may be off the floor."""
_TOUCH, _SLIDES = 0.05, 0.5
"""Below this height in metres a toe touches the floor; above this speed in m/s it then slides."""


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


def skating_ratio(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """Share of the steps from frame to frame in which a foot on the floor slides, 0 to 1.

    Guided Motion Diffusion (Karunratanakul et al. 2023): a toe is below 5 cm in both frames and
    moves over the ground faster than 0.5 m/s, in this step and on average over the five around it
    (a quarter of a second; steps before the first and after the last count as standing).
    """
    fps = fps or skeleton.fps
    toes = joints[:, [skeleton.left_foot[1], skeleton.right_foot[1]]].astype(np.float64)
    toes = toes * skeleton.metres
    speed = np.linalg.norm(np.diff(toes[..., _GROUND], axis=0), axis=-1) * fps
    reach = round(0.1 * fps)
    around = np.pad(speed, ((reach, reach), (0, 0)))
    average = sliding_window_view(around, 2 * reach + 1, axis=0).mean(-1)
    low = toes[..., 1] < _TOUCH
    slides = low[1:] & low[:-1] & (speed > _SLIDES) & (average > _SLIDES)
    return float(slides.any(1).mean())


def floating(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton = HUMANML3D) -> float:
    """How far the lowest joint is above the floor, the mean over frames, in metres.

    PhysDiff's Float (Yuan et al. 2023), with the joints in place of the vertices of a
    body that we have not: up to 5 mm are none, and frames that do not float count as 0.
    """
    height = joints[..., 1].astype(np.float64).min(1) * skeleton.metres
    return float(np.where(height > _NEAR_FLOOR, height, 0).mean())


def penetration(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton = HUMANML3D) -> float:
    """How far the lowest joint is below the floor, the mean over frames, in metres.

    PhysDiff's Penetrate, as `floating` has it. A foot's skin is below its joints: this is the
    least that a body penetrates.
    """
    height = joints[..., 1].astype(np.float64).min(1) * skeleton.metres
    return float(np.where(height < -_NEAR_FLOOR, -height, 0).mean())


def jitter(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> float:
    """The mean size of the third derivative of all joints, in metres per second cubed.

    TransPose (Yi et al. 2021), whose tables show hundreds of m/s^3 at 60 frames a second. Noise
    counts by the cube of the rate, so that figures compare at one rate only.

    Raises:
        InputError: for less than four frames.
    """
    if len(joints) < 4:
        raise InputError(f"{len(joints)} frames have no jitter, it takes four")
    third = np.diff(joints.astype(np.float64), n=3, axis=0)
    return float(
        np.linalg.norm(third, axis=-1).mean() * skeleton.metres * (fps or skeleton.fps) ** 3
    )


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
