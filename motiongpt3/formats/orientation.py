"""Unit, up axis and sides of a figure in an unknown unit and unknown axes.

The unit is the one that brings the figure nearest to an adult's size, out of metres, centimetres,
millimetres, inches and CMU's ASF unit (1 / 0.45 inch); a figure outside 0.5 to 2.5 m in all of
them is refused. Up is Y, or Z where the figure stands along Z.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D

UNITS = {
    "metre": 1.0,
    "centimetre": 0.01,
    "millimetre": 0.001,
    "inch": 0.0254,
    "asf unit": 0.0254 / 0.45,
}
_ADULT = 1.5
"""Typical `stature` of an adult, metres."""

Axis = Literal["X", "Y", "Z"]
Joints = Float[np.ndarray, "T 22 3"]


def y_up(joints: Joints, up: Axis) -> Joints:
    """The same joints turned so that Y points up."""
    x, y, z = (joints[..., axis] for axis in range(3))
    match up:
        case "X":
            return np.stack([-y, x, z], -1)
        case "Z":
            return np.stack([x, z, -y], -1)
        case _:
            return joints


def up_axis(joints: Joints, rest: Callable[[], Joints] | None = None) -> Axis:
    """The way a figure stands, in motion and, where there is one, in the rest pose: Y or Z.

    A crawling figure lies along Z in a Y-up file. So where rest pose and motion disagree, the floor
    decides: along the true axis the lowest joint keeps its height over the clip.
    """
    standing = _upright(joints)
    if standing[1] >= 0.6 * max(standing[2], 0):
        return "Y"
    if rest is None or _upright(rest())[1] < 0.9:
        return "Z"
    floor = joints.min(axis=1).std(axis=0)
    return "Z" if floor[2] < floor[1] else "Y"


def _upright(joints: Joints) -> Float[np.ndarray, "3"]:
    """Direction from the feet to the head, over the clip."""
    feet = joints[:, [HUMANML3D.index("left_ankle"), HUMANML3D.index("right_ankle")]].mean(1)
    return normalize(np.median(joints[:, HUMANML3D.index("head")] - feet, axis=0))


def unit_of(joints: Joints, path: str) -> str:
    """Name of the unit that positions are in.

    Raises:
        InputError: when no usual unit makes the figure a person's size.
    """
    height = stature(joints, HUMANML3D)
    with np.errstate(divide="ignore"):
        distance = {u: abs(np.log(height * scale / _ADULT)) for u, scale in UNITS.items()}
    unit = min(UNITS, key=lambda u: distance[u])
    if not STATURE[0] <= height * UNITS[unit] <= STATURE[1]:
        raise InputError(
            f"the figure is {height:.3g} units tall, which is no person's size in any usual unit",
            where=path,
            hint="scale it to metres or centimetres",
            fault="unit",
        )
    return unit


def check_sides(joints: Joints, path: str) -> None:
    """Left must lie to the left of where toes and body point.

    Raises:
        InputError: where it does not.
    """
    at = HUMANML3D.index
    left = normalize(joints[:, at("left_hip")] - joints[:, at("right_hip")])
    up = normalize(joints[:, at("neck")] - joints[:, at("pelvis")])
    toes = joints[:, [at("left_foot"), at("right_foot")]]
    ankles = joints[:, [at("left_ankle"), at("right_ankle")]]
    front = normalize((toes - ankles).sum(1))
    if np.median((np.cross(up, front) * left).sum(-1)) < -0.5:
        raise InputError(
            "left and right are swapped: the toes point backwards",
            where=path,
            hint="mirror the file or rename its joints",
            fault="swapped-sides",
        )
