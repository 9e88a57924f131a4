"""The mannequin: a body of our own around a pose, for files and pictures with a visible figure.

Smooth limbs, trunk, head, hands and feet in the pose of a `stance`: arms out, soles on the floor,
facing +Z. Cloth, left and right limbs in two colours, skin. Every vertex follows up to two joints.
Lengths are metres; J joints, V vertices, F triangles.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.formats.figure import Figure
from motiongpt3.formats.loft import Surface
from motiongpt3.motion.skeleton import Skeleton

COLOURS = {
    "cloth": (0.14, 0.17, 0.25),
    "left": (0.026, 0.168, 0.644),
    "right": (0.871, 0.223, 0.013),
    "skin": (0.730, 0.578, 0.468),
}
"""Linear red, green, blue. Blue and orange stay apart for every common colour blindness."""

ADULT = 1.5
"""Stature (leg, spine and neck) the outlines are meant for, metres."""

DROP = 0.03
"""How far the joint in the ball of the foot lies above the sole of an adult, metres."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles of one colour, bound to joints."""

    colour: str
    positions: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    joints: Int[np.ndarray, "V 2"]
    weights: Float[np.ndarray, "V 2"]
    triangles: Int[np.ndarray, "F 3"]


def build(
    rest: Float[np.ndarray, "J 3"], skeleton: Skeleton, stature: float, drop: float | None = None
) -> list[Mesh]:
    """Meshes of a body, one per colour, around joints in a pose with arms out.

    The soles are level, the head upright in this pose: see `stance.of` for one that fits a clip.

    Args:
        rest: positions of the joints, metres.
        stature: of leg, spine and neck (`units.stature`), metres.
        drop: how far the soles are below the toe joints; an adult's share of it by default.
    """
    size = stature / ADULT
    figure = Figure(rest, skeleton, size, DROP * size if drop is None else drop)
    parts = list(figure.parts())
    return [_join(colour, [s for c, s in parts if c == colour]) for colour in COLOURS]


def _join(colour: str, surfaces: list[Surface]) -> Mesh:
    """One mesh of several closed surfaces."""
    first = np.cumsum([0, *(s.rings.shape[0] * s.rings.shape[1] for s in surfaces)])
    weights = np.concatenate([np.repeat(s.weights, s.rings.shape[1], axis=0) for s in surfaces])
    joints = np.concatenate([np.repeat(s.joints, s.rings.shape[1], axis=0) for s in surfaces])
    return Mesh(
        colour=colour,
        positions=np.concatenate([s.rings.reshape(-1, 3) for s in surfaces]),
        normals=np.concatenate([s.normals for s in surfaces]),
        joints=joints,
        weights=weights,
        triangles=np.concatenate([s.triangles + n for s, n in zip(surfaces, first, strict=False)]),
    )
