"""Joining a made motion to observed ones without a jump; observed frames are never touched.

Shapes: T frames, J joints. Positions in the skeleton's unit, Y up; time in frames at its rate.
"""

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_BLEND_SECONDS = 0.7
"""How long the difference in pose and velocity at a seam takes to fade out."""
_EASE_SECONDS = 0.35
_RECENT_SECONDS = 0.35
"""How far back to look for how sharply the observed motion has been turning."""
_SHARPEST = 48.0
"""Metres per second squared: joints of real people rarely accelerate by more."""


def follow(
    made: Float[np.ndarray, "T J 3"],
    before: Float[np.ndarray, "_ J 3"],
    skeleton: Skeleton = HUMANML3D,
) -> Float[np.ndarray, "T J 3"]:
    """Place a made motion so that it goes on where an observed one ends.

    It is turned and moved to the pose the observed motion is about to take, and what differs
    still, in position and velocity, fades out over its first frames.
    """
    placed = _move(made, *_alignment(made[:1], _next_pose(before)[None]))
    return placed + _seam(placed, before, skeleton)


def lead(
    made: Float[np.ndarray, "T J 3"],
    after: Float[np.ndarray, "_ J 3"],
    skeleton: Skeleton = HUMANML3D,
) -> Float[np.ndarray, "T J 3"]:
    """Place a made motion so that it ends where an observed one begins."""
    return follow(made[::-1], after[::-1], skeleton)[::-1]


def bridge(
    made: Float[np.ndarray, "T J 3"],
    before: Float[np.ndarray, "A J 3"],
    after: Float[np.ndarray, "B J 3"],
    skeleton: Skeleton = HUMANML3D,
) -> Float[np.ndarray, "G J 3"]:
    """The frames between two observed motions, from a made motion that covers all three parts.

    The made motion is laid over the observed start; how far its end then misses the observed end
    is made up for little by little across the gap.

    Args:
        made: T = A + G + B frames.

    Returns:
        The G frames of the gap.
    """
    a, b = len(before), len(after)
    placed = _move(made, *_alignment(made[:a], before))
    turn, shift, pivot = _alignment(placed[len(made) - b :], after)
    share = _smooth_step(np.arange(len(made), dtype=float), a - 1, len(made) - b)
    root = placed[:, :1] * [1, 0, 1]
    turned = _turn(placed - root, share * turn) + root
    moved_root = _turn(placed[:, 0] * [1, 0, 1] - pivot, turn) + pivot + shift
    gap = (turned + share[:, None, None] * (moved_root[:, None] - root))[a : len(made) - b]
    entering = _seam(gap, before, skeleton)
    leaving = _seam(gap[::-1], after[::-1], skeleton)[::-1]
    return gap + entering + leaving


def ease(
    made: Float[np.ndarray, "T J 3"], before: Float[np.ndarray, "A J 3"], fps: float
) -> Float[np.ndarray, "T J 3"]:
    """Let a made motion, brought to another frame rate, take over from the observed one there."""
    offset, velocity = _next_pose(before) - made[0], _velocity(before) - _first_step(made)
    return made + _fade(offset, velocity, len(made), round(_EASE_SECONDS * fps))


def _seam(
    made: Float[np.ndarray, "T J 3"], before: Float[np.ndarray, "A J 3"], skeleton: Skeleton
) -> Float[np.ndarray, "T J 3"]:
    """What to add to a made motion so that it takes over from an observed one without a jerk.

    A made motion may turn as sharply as the observed one just did; only what is sharper is
    evened out, so that a motion which is right already stays as it is.
    """
    recent = before[-round(_RECENT_SECONDS * skeleton.fps) :]
    bends = np.linalg.norm(np.diff(recent, n=2, axis=0), axis=-1)
    sharpest = _SHARPEST / skeleton.fps**2 / skeleton.metres
    allowed = np.minimum(bends.max(0), sharpest) if len(bends) else np.zeros(made.shape[1])
    offset = _beyond(_next_pose(before) - made[0], allowed)
    step = made[0] + offset - before[-1]
    velocity = _beyond(step - _first_step(made), allowed)
    return _fade(offset, velocity, len(made), round(_BLEND_SECONDS * skeleton.fps))


def _beyond(
    v: Float[np.ndarray, "J 3"], radius: Float[np.ndarray, " J"]
) -> Float[np.ndarray, "J 3"]:
    """The part of each vector that lies outside a ball around zero."""
    length = np.linalg.norm(v, axis=-1)
    return v * np.maximum(0, 1 - radius / np.maximum(length, 1e-12))[:, None]


def _next_pose(joints: Float[np.ndarray, "T J 3"]) -> Float[np.ndarray, "J 3"]:
    return joints[-1] + _velocity(joints)


def _velocity(joints: Float[np.ndarray, "T J 3"]) -> Float[np.ndarray, "J 3"]:
    """Last step, per frame; zero for a single pose."""
    return joints[-1] - joints[-2] if len(joints) > 1 else np.zeros_like(joints[-1])


def _first_step(joints: Float[np.ndarray, "T J 3"]) -> Float[np.ndarray, "J 3"]:
    return joints[1] - joints[0] if len(joints) > 1 else np.zeros_like(joints[0])


def _alignment(
    source: Float[np.ndarray, "T J 3"], target: Float[np.ndarray, "T J 3"]
) -> tuple[float, Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """The turn about Y, the shift on the ground and the pivot that lay source over target best."""
    ground = np.array([1.0, 0, 1])
    pivot, goal = source.mean((0, 1)) * ground, target.mean((0, 1)) * ground
    s, t = source - pivot, target - goal
    sine = (s[..., 2] * t[..., 0] - s[..., 0] * t[..., 2]).sum()
    cosine = (s[..., 0] * t[..., 0] + s[..., 2] * t[..., 2]).sum()
    return float(np.arctan2(sine, cosine)), goal - pivot, pivot


def _move(
    joints: Float[np.ndarray, "T J 3"],
    turn: float,
    shift: Float[np.ndarray, "3"],
    pivot: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "T J 3"]:
    return _turn(joints - pivot, turn) + pivot + shift


def _turn(v: Float[np.ndarray, "*_"], angle: float | np.ndarray) -> Float[np.ndarray, "*_"]:
    """Rotate (T, ..., 3) about +Y by one angle or one per frame, radians."""
    angle = np.reshape(angle, np.shape(angle) + (1,) * (v.ndim - 1 - np.ndim(angle)))
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def _fade(
    offset: Float[np.ndarray, "J 3"],
    velocity: Float[np.ndarray, "J 3"],
    frames: int,
    longest: int,
) -> Float[np.ndarray, "T J 3"]:
    """A cubic that starts with an offset and a velocity and comes to rest at zero."""
    length = max(1, min(longest, frames - 1))
    u = np.minimum(np.arange(frames) / length, 1)[:, None, None]
    return (2 * u**3 - 3 * u**2 + 1) * offset + (u**3 - 2 * u**2 + u) * length * velocity


def _smooth_step(at: Float[np.ndarray, " T"], first: int, last: int) -> Float[np.ndarray, " T"]:
    u = np.clip((at - first) / max(1, last - first), 0, 1)
    return u * u * (3 - 2 * u)
