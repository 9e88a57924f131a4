"""Feet that touch the floor, and stand still where they stand.

A small latent smooths what feet do: a smoothed foot slides, and a body drifts above the floor or
into it. Real feet are still or swing, and somebody on a floor touches it within every second; this
puts the difference back, the height of the whole body first, then the legs by themselves.

Shapes: T frames, J joints. Positions in the skeleton's unit, Y up.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_GROUND = np.array([1.0, 0, 1])
_TOUCHES, _SMOOTH = 1.0, 0.15
"""Seconds in which a body touches the floor at least once (nobody jumps that long), and over which
its height is corrected smoothly."""


@dataclass(frozen=True)
class Contact:
    """What counts as a standing foot."""

    speed: float = 0.9
    """Metres per second along the ground, below which a low toe stands."""
    height: float = 0.08
    """Metres above the toe's own lowest places."""
    shortest: float = 0.15
    """Seconds; briefer contacts, and briefer gaps in one, are taken for noise."""


def plant_feet(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    contact: Contact | None = None,
) -> Float[np.ndarray, "T J 3"]:
    """The motion with each standing toe held in place.

    What both feet have in common moves the whole body, so that nobody leans away from where they
    stand; the rest is done by bending hip and knee. While a foot swings, its correction passes
    smoothly from one stand to the next.

    Args:
        fps: frames per second, if they are not the skeleton's own.
    """
    contact, fps = contact or Contact(), fps or skeleton.fps
    planted = np.array(joints, np.float64)
    if len(joints) < 2 * round(contact.shortest * fps):
        return planted
    shifts = []
    for leg in skeleton.legs:
        toe = planted[:, leg[-1]]
        standing = standing_frames(toe * skeleton.metres, fps, contact)
        shifts.append(_shift_to_stand(toe, standing))
    common = np.mean(shifts, axis=0)
    planted += common[:, None]
    for leg, shift in zip(skeleton.legs, shifts, strict=True):
        _bend(planted, leg, shift - common)
    return planted


def set_down(
    joints: Float[np.ndarray, "T J 3"], fps: float | None = None, skeleton: Skeleton = HUMANML3D
) -> Float[np.ndarray, "T J 3"]:
    """The motion at the height at which its lowest joint touches the floor within every second.

    Jumps stay; stairs and chairs that bear somebody for longer do not.

    Args:
        fps: frames per second, if they are not the skeleton's own.
    """
    fps = fps or skeleton.fps
    reach = round(_TOUCHES * fps / 2)
    lowest = np.pad(joints[..., 1].min(1), reach, mode="edge")
    floor = np.lib.stride_tricks.sliding_window_view(lowest, 2 * reach + 1).min(-1)
    wide = round(4 * _SMOOTH * fps)
    weights = np.exp(-0.5 * (np.arange(-wide, wide + 1) / (_SMOOTH * fps)) ** 2)
    floor = np.convolve(np.pad(floor, wide, mode="edge"), weights / weights.sum(), mode="valid")
    return np.asarray(joints - np.array([0.0, 1, 0]) * floor[:, None, None])


def standing_frames(
    toe: Float[np.ndarray, "T 3"], fps: float, contact: Contact
) -> Bool[np.ndarray, " T"]:
    """Frames in which a toe (metres) is low and nearly still."""
    shortest = round(contact.shortest * fps)
    step = np.linalg.norm(np.diff(toe, axis=0) * _GROUND, axis=-1) * fps
    speed = (np.r_[step[:1], step] + np.r_[step, step[-1:]]) / 2
    low = toe[:, 1] < np.percentile(toe[:, 1], 5) + contact.height
    standing = (speed < contact.speed) & low
    for value in (False, True):  # close short gaps, then drop short contacts
        first, last = runs(standing == value)
        for a, b in zip(first, last, strict=True):
            inner = a > 0 and b < len(toe)
            if b - a < shortest and (inner or value):
                standing[a:b] = not value
    return standing


def runs(mask: Bool[np.ndarray, " T"]) -> tuple[np.ndarray, np.ndarray]:
    """First frame and frame after the last of every stretch of True."""
    edges = np.diff(np.r_[0, mask.astype(int), 0])
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _shift_to_stand(
    toe: Float[np.ndarray, "T 3"], standing: Bool[np.ndarray, " T"]
) -> Float[np.ndarray, "T 3"]:
    """How far the foot has to move along the ground in each frame."""
    shift = np.zeros_like(toe)
    first, last = runs(standing)
    if not len(first):
        return shift
    number = np.cumsum(np.diff(np.r_[0, standing.astype(int)]) == 1) - 1
    sums = np.add.reduceat(toe, np.ravel(np.column_stack([first, last]))[: 2 * len(first) - 1])[::2]
    sums[-1] = toe[first[-1] : last[-1]].sum(0)
    anchors = sums / (last - first)[:, None]
    known = np.flatnonzero(standing)
    wanted = (anchors[number[known]] - toe[known]) * _GROUND
    frames = np.arange(len(toe))
    for axis in (0, 2):
        shift[:, axis] = np.interp(frames, known, wanted[:, axis])
    return shift


def _bend(
    joints: Float[np.ndarray, "T J 3"],
    leg: tuple[int, ...],
    shift: Float[np.ndarray, "T 3"],
) -> None:
    """Move a foot by `shift`, in place; the knee follows in its own plane, bones keep length."""
    hip, knee, ankle = (joints[:, j] for j in leg[:3])
    foot = list(leg[3:])
    thigh = np.linalg.norm(knee - hip, axis=-1, keepdims=True)
    shin = np.linalg.norm(ankle - knee, axis=-1, keepdims=True)
    goal = ankle + shift - hip
    reach = np.linalg.norm(goal, axis=-1, keepdims=True)
    allowed = np.clip(reach, np.abs(thigh - shin) + 1e-4, (thigh + shin) * 0.9995)
    axis = normalize(goal)
    old_axis = normalize(ankle - hip)
    out = knee - hip
    out = out - (out * old_axis).sum(-1, keepdims=True) * old_axis  # which way the knee points
    out = normalize(out - (out * axis).sum(-1, keepdims=True) * axis)
    along = (thigh**2 + allowed**2 - shin**2) / (2 * allowed)
    away = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    moved = hip + axis * allowed
    joints[:, foot] = joints[:, foot] + moved[:, None] - ankle[:, None]
    joints[:, leg[1]] = hip + axis * along + out * away
    joints[:, leg[2]] = moved
