"""A simple body around a rest pose, for files that carry a visible figure.

Tapered capsules along the bones, in the T-pose facing +Z: cloth, left and right limbs in two
colours, skin for head and hands. Every vertex follows one joint, or two where the trunk bends.
Lengths are metres; V vertices, F triangles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.motion.rotation import between, rotate
from motiongpt3.motion.skeleton import Skeleton

COLOURS = {
    "cloth": (0.14, 0.17, 0.25),
    "left": (0.026, 0.168, 0.644),
    "right": (0.871, 0.223, 0.013),
    "skin": (0.730, 0.578, 0.468),
}
"""Linear red, green, blue. Blue and orange stay apart for every common colour blindness."""

ADULT = 1.5
"""Stature (leg, spine and neck) the radii below are meant for, metres."""

_RADII = {
    "hip": (0.100, 0.090),
    "knee": (0.083, 0.058),
    "ankle": (0.056, 0.038),
    "foot": (0.042, 0.034),
    "toe": (0.036, 0.028),
    "spine1": (0.112, 0.112),
    "spine2": (0.112, 0.115),
    "spine3": (0.115, 0.112),
    "neck": (0.108, 0.050),
    "head": (0.046, 0.046),
    "collar": (0.070, 0.062),
    "shoulder": (0.062, 0.053),
    "elbow": (0.053, 0.043),
    "wrist": (0.043, 0.031),
}
"""Radius at either end of the bone that ends at a joint, metres."""

_LIMBS = ("knee", "ankle", "foot", "toe", "elbow", "wrist")
_AROUND, _CAP = 14, 4
"""Corners around a capsule, and rings on each of its round ends."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles of one colour, bound to joints."""

    colour: str
    positions: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    joints: Int[np.ndarray, "V 2"]
    weights: Float[np.ndarray, "V 2"]
    triangles: Int[np.ndarray, "F 3"]


@dataclass(frozen=True, eq=False)
class _Capsule:
    """A ball swept from start to end while its radius changes and its joint hands over."""

    colour: str
    start: Float[np.ndarray, "3"]
    end: Float[np.ndarray, "3"]
    radii: tuple[float, float]
    joints: tuple[int, int]


def build(rest: Float[np.ndarray, "J 3"], skeleton: Skeleton, stature: float) -> list[Mesh]:
    """Meshes of a body, one per colour, around joints in the rest pose (metres)."""
    size = stature / ADULT
    capsules = [*_bones(rest, skeleton, size), *_extras(rest, skeleton, size)]
    return [_join(colour, [c for c in capsules if c.colour == colour]) for colour in COLOURS]


def _bones(rest: np.ndarray, skeleton: Skeleton, size: float) -> Iterator[_Capsule]:
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        side, _, word = skeleton.joints[joint].rpartition("_")
        start, end = (size * r for r in _RADII[word])
        colour = side if word in _LIMBS else "skin" if word == "head" else "cloth"
        bends = word.startswith("spine")
        joints = (parent, joint if bends else parent)
        yield _Capsule(colour, rest[parent], rest[joint], (start, end), joints)


def _extras(rest: np.ndarray, skeleton: Skeleton, size: float) -> Iterator[_Capsule]:
    """Skull, nose (it shows where the figure looks), hands, and the width of the chest."""
    at = skeleton.index
    up, ahead = size * np.eye(3)[1], size * np.eye(3)[2]
    head, neck = at("head"), at("neck")
    rise = skeleton.neck_beyond * np.linalg.norm(rest[head] - rest[skeleton.parents[head]])
    skull = rest[head] + rise * np.eye(3)[1] + 0.04 * up
    if rise:
        yield _Capsule("skin", rest[head], skull, (0.046 * size, 0.046 * size), (head, head))
    yield _Capsule("skin", skull, skull + 0.05 * up, (0.095 * size, 0.1 * size), (head, head))
    nose = skull + 0.09 * ahead
    yield _Capsule("skin", nose, nose + 0.02 * ahead, (0.02 * size, 0.016 * size), (head, head))
    chest = skeleton.parents[neck]
    middle, shoulders = 0.7 * rest[neck] + 0.3 * rest[chest], []
    for side in ("left", "right"):
        wrist, elbow = rest[at(f"{side}_wrist")], rest[at(f"{side}_elbow")]
        along = (wrist - elbow) / max(float(np.linalg.norm(wrist - elbow)), 1e-6)
        start, end = wrist + 0.01 * size * along, wrist + 0.1 * size * along
        joint = at(f"{side}_wrist")
        yield _Capsule("skin", start, end, (0.036 * size, 0.028 * size), (joint, joint))
        shoulder = rest[at(f"{side}_shoulder")] * [1, 0, 1] + middle * [0, 1, 0]
        shoulders.append(0.45 * shoulder + 0.55 * middle - 0.09 * up)
    left, right = shoulders
    yield _Capsule("cloth", left, right, (0.105 * size, 0.105 * size), (chest, chest))


def _join(colour: str, capsules: list[_Capsule]) -> Mesh:
    parts = [_surface(capsule) for capsule in capsules]
    positions, normals, joints, weights = (np.concatenate(p) for p in zip(*parts, strict=True))
    faces = _faces()
    count = len(parts[0][0])
    triangles = np.concatenate([faces + count * i for i in range(len(parts))])
    return Mesh(colour, positions, normals, joints, weights, triangles)


def _surface(c: _Capsule) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, normals, joints and weights of a capsule's vertices, ring by ring."""
    # Rings go from the pole behind the start to the pole beyond the end.
    tilt = np.radians(np.linspace(2, 90, _CAP + 1))
    along = np.concatenate([-np.cos(tilt), np.cos(tilt[::-1])])
    out = np.concatenate([np.sin(tilt), np.sin(tilt[::-1])])
    at_end = np.repeat([0.0, 1.0], _CAP + 1)
    radius = np.where(at_end > 0, c.radii[1], c.radii[0])
    turn = 2 * np.pi * np.arange(_AROUND) / _AROUND
    circle = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], axis=-1)
    normals = along[:, None, None] * np.eye(3)[1] + out[:, None, None] * circle
    normals = rotate(between(np.eye(3)[1], c.end - c.start), normals)
    centre = c.start + at_end[:, None] * (c.end - c.start)
    positions = centre[:, None] + radius[:, None, None] * normals
    share = np.repeat(at_end, _AROUND)
    joints = np.tile(c.joints, (len(share), 1))
    weights = np.stack([1 - share, share], axis=-1)
    if c.joints[0] == c.joints[1]:
        weights = np.tile([1.0, 0.0], (len(share), 1))
    joints = np.where(weights > 0, joints, 0)  # glTF wants unused joints to be 0
    return positions.reshape(-1, 3), normals.reshape(-1, 3), joints, weights


def _faces() -> Int[np.ndarray, "F 3"]:
    """Triangles of one capsule: strips between rings, and a fan at each pole."""
    rings = 2 * (_CAP + 1)
    here = np.arange(_AROUND)
    beside = (here + 1) % _AROUND
    strips = []
    for ring in range(rings - 1):
        a, b = ring * _AROUND + here, ring * _AROUND + beside
        strips += [np.stack([a, b, b + _AROUND], -1), np.stack([a, b + _AROUND, a + _AROUND], -1)]
    last = (rings - 1) * _AROUND
    fan = here[1:-1]
    strips += [np.stack([0 * fan, fan + 1, fan], -1)]
    strips += [np.stack([0 * fan, fan, fan + 1], -1) + last]
    return np.concatenate(strips)
