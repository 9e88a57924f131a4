"""What a motion does, measured on its joints: where it goes, which limb rises, how low it sinks.

Every measurement is taken in the body's own first heading, so that a motion may be anywhere and
face any way. The start of a height or heading is its mean over the first START frames, the end
its mean over the last START frames.

Shapes: T frames of the 22 joints of HumanML3D, metres, Y up, 20 frames per second unless told.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.motion.skeleton import HUMANML3D

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")

START = 3
"""Frames (0.15 s) whose mean is the start, or the end, of a motion."""
RAISED = 0.8
"""A wrist counts as raised above this part of the way from its start to its highest point."""
SWING = 0.0225
"""Metres a raised wrist must travel back before its change of direction counts."""

Joints = Float[np.ndarray, "T 22 3"]
Series = Float[np.ndarray, "T"]

_PELVIS, _NECK, _HEAD = (HUMANML3D.index(name) for name in ("pelvis", "neck", "head"))


def joint(side: Side, part: str) -> int:
    """Index of a limb joint, e.g. `joint("left", "wrist")`."""
    return HUMANML3D.index(f"{side}_{part}")


def axes(joints: Joints) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 3"]]:
    """Where the body's left and front point on the ground, unit vectors per frame.

    The body's left is the sum of right-to-left hips and right-to-left shoulders.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = HUMANML3D.facing
    across = joints[:, left_hip] - joints[:, right_hip]
    across = (across + joints[:, left_shoulder] - joints[:, right_shoulder]).astype(np.float64)
    across[:, 1] = 0
    left = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    return left, np.cross(left, np.array([0.0, 1, 0]))


def first_axes(joints: Joints) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Left and front of the body at the start, unit vectors."""
    left, front = (axis[:START].mean(0) for axis in axes(joints))
    return left / np.linalg.norm(left), front / np.linalg.norm(front)


def change(series: Series) -> float:
    """Value at the end minus value at the start."""
    return float(series[-START:].mean() - series[:START].mean())


def rise(series: Series) -> float:
    """How far a height goes above its start."""
    return float(series.max() - series[:START].mean())


def drop(series: Series) -> float:
    """How far a height goes below its start."""
    return rise(-series)


@dataclass(frozen=True)
class Travel:
    """Where the pelvis goes over the ground.

    Attributes:
        speed: length of its path over the duration, metres per second.
        forward, left: net displacement along the first heading, metres.
        turn: net change of heading, radians, positive to the left.
    """

    speed: float
    forward: float
    left: float
    turn: float

    @property
    def angle(self) -> float:
        """Direction of the net displacement from the first heading, radians, left positive."""
        return float(np.arctan2(self.left, self.forward))


def travel(joints: Joints, fps: float = HUMANML3D.fps) -> Travel:
    """Speed, displacement and turn of a motion."""
    ground = joints[:, _PELVIS].astype(np.float64) * (1, 0, 1)
    left, front = first_axes(joints)
    moved = ground[-1] - ground[0]
    path = np.linalg.norm(np.diff(ground, axis=0), axis=-1).sum()
    facing = axes(joints)[1]
    yaw = np.unwrap(np.arctan2(facing[:, 0], facing[:, 2]))
    seconds = (len(joints) - 1) / fps
    return Travel(float(path / seconds), float(moved @ front), float(moved @ left), change(yaw))


def wrist_rise(joints: Joints, side: Side) -> float:
    """How far a wrist rises above its start, metres."""
    return rise(joints[:, joint(side, "wrist"), 1])


def ankle_rise(joints: Joints, side: Side) -> float:
    """How far an ankle rises above its start, metres."""
    return rise(joints[:, joint(side, "ankle"), 1])


def reversals(series: Series, least: float) -> int:
    """How often a signal changes direction, not counting moves back of less than `least`."""
    count, direction, low, high = 0, 0, series[0], series[0]
    for value in series[1:]:
        low, high = min(low, value), max(high, value)
        if direction >= 0 and high - value >= least:
            count, direction, low = count + (direction > 0), -1, value
        elif direction <= 0 and value - low >= least:
            count, direction, high = count + (direction < 0), 1, value
    return count


def swings(joints: Joints, side: Side) -> int:
    """How often the raised wrist changes its direction from side to side.

    The wrist is followed from the first to the last frame it is raised, along the body's left at
    the start and against the pelvis.
    """
    wrist = joint(side, "wrist")
    height = joints[:, wrist, 1]
    start = height[:START].mean()
    raised = np.flatnonzero(height >= start + RAISED * (height.max() - start))
    across = (joints[:, wrist] - joints[:, _PELVIS]) @ first_axes(joints)[0]
    return reversals(across[raised[0] : raised[-1] + 1], SWING)


def speed_of(joints: Joints, index: int, fps: float = HUMANML3D.fps) -> Float[np.ndarray, "T-1"]:
    """Speed of a joint against the pelvis, metres per second."""
    place = (joints[:, index] - joints[:, _PELVIS]).astype(np.float64)
    return np.linalg.norm(np.diff(place, axis=0), axis=-1) * fps


def bend(joints: Joints, side: Side) -> Series:
    """How far a knee is bent, radians: 0 is a straight leg."""
    knee = joints[:, joint(side, "knee")]
    thigh = knee - joints[:, joint(side, "hip")]
    shin = joints[:, joint(side, "ankle")] - knee
    return _angle(thigh, shin)


def lean(joints: Joints) -> Series:
    """Angle of the trunk, pelvis to head, from upright, radians."""
    trunk = joints[:, _HEAD] - joints[:, _PELVIS]
    return _angle(trunk, np.broadcast_to(np.array([0, 1, 0], trunk.dtype), trunk.shape))


def _angle(a: Float[np.ndarray, "T 3"], b: Float[np.ndarray, "T 3"]) -> Series:
    norm = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.arccos(np.clip((a * b).sum(-1) / np.maximum(norm, 1e-9), -1, 1))


def hips_low(joints: Joints, least: float) -> Int[np.ndarray, "L"]:
    """Frames in which the pelvis is at least this many metres below its start."""
    height = joints[:, _PELVIS, 1]
    return np.flatnonzero(height[:START].mean() - height >= least)


def feet_apart(joints: Joints) -> tuple[Series, Series]:
    """Distance between the ankles from front to back and in all, metres per frame."""
    apart = joints[:, joint("left", "ankle")] - joints[:, joint("right", "ankle")]
    ahead = np.abs((apart * axes(joints)[1]).sum(-1))
    return ahead, np.linalg.norm(apart[:, [0, 2]], axis=-1)
