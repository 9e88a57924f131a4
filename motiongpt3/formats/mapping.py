"""From any skeleton to the 22 joints of HumanML3D, in metres with Y up.

Limbs, neck and head are taken by name. Files rarely hold SMPL's pelvis, spine joints and collars,
so these are placed as in the training data: the pelvis above the middle of the hips as in SMPL's
T-pose, the spine joints at SMPL's fractions of the way from pelvis to neck, each collar between
chest, neck and shoulder.

The unit is the one that brings the figure nearest to an adult's size, out of metres, centimetres,
millimetres, inches and CMU's ASF unit (1 / 0.45 inch); a figure outside 0.5 to 2.5 m in all of
them is refused. Up is Y, or Z where the figure stands along Z.
"""

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats.names import SIDED, identify, smpl_spine
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion.motion import Motion
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

_PELVIS = np.array([0.0, 0.117, 0.0072])
"""SMPL's pelvis seen from the middle of the hips (left, up, front), in leg lengths."""
_SPINE = (0.2142, 0.4721, 0.5838)
"""Where spine1 to spine3 lie on the way from pelvis to neck, as parts of it."""
_COLLAR = (0.298, 0.237, 0.465)
"""Shares of spine3, neck and shoulder in the collar."""
_NEAR_HIPS = 0.15
"""Spine joints closer to the hips than this (leg lengths) say nothing about the spine."""

Points = Float[np.ndarray, "T 3"]


def to_motion(rig: Rig, path: str) -> Motion:
    """The motion of the person that a file's skeleton stands for.

    Raises:
        InputError: when joints are missing, or the figure's size or sides make no sense.
    """
    joints = map_joints(rig, path)
    up = _up_axis(joints, rig)
    if up == "Z":
        joints = np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)
    unit = _unit(stature(joints, HUMANML3D), path)
    joints = joints * UNITS[unit]
    _check_sides(joints, path)
    return Motion(joints, rig.fps, HUMANML3D, provenance={"file": path, "unit": unit, "up": up})


def map_joints(rig: Rig, path: str) -> Float[np.ndarray, "T 22 3"]:
    """The 22 joints in the file's own unit and axes.

    Raises:
        InputError: listing what no joint of the file stands for.
    """
    nodes = identify(rig.names)
    for side in ("left", "right"):
        ankle, toe = f"{side}_ankle", f"{side}_toe"
        if ankle in nodes and toe not in nodes and nodes[ankle] in rig.parents:
            nodes[toe] = rig.parents.index(nodes[ankle])  # the End Site of the foot
    needed = [f"{s}_{part}" for part in SIDED if part != "collar" for s in ("left", "right")]
    missing = [joint for joint in [*needed, "neck", "head"] if joint not in nodes]
    if missing:
        raise InputError(
            f"no joint stands for {', '.join(missing)}",
            where=path,
            hint=f"a human skeleton is needed; the file has {', '.join(rig.names)[:120]} ...",
        )
    at = {joint: rig.joints[:, node] for joint, node in nodes.items()}
    for side in ("left", "right"):
        at[f"{side}_foot"] = at[f"{side}_toe"]
    spine = smpl_spine(rig.names)
    if spine and {"left_collar", "right_collar"} <= nodes.keys():
        at |= {joint: rig.joints[:, node] for joint, node in spine.items()}
    else:
        _place_trunk(at, [rig.joints[:, node] for node in _between(rig, nodes)])
    return np.stack([at[joint] for joint in HUMANML3D.joints], axis=1)


def _between(rig: Rig, nodes: dict[str, int]) -> list[int]:
    """Nodes on the way from the one that carries both hips and the neck up to the neck."""
    hips = set(_ancestors(rig, nodes["left_hip"])) & set(_ancestors(rig, nodes["right_hip"]))
    return [node for node in _ancestors(rig, nodes["neck"]) if node not in hips][::-1]


def _ancestors(rig: Rig, node: int) -> list[int]:
    found = []
    while (node := rig.parents[node]) >= 0:
        found.append(node)
    return found


def _place_trunk(at: dict[str, Points], between: list[Points]) -> None:
    """Put pelvis, spine joints and collars where the training data has them."""
    middle = (at["left_hip"] + at["right_hip"]) / 2
    leg = sum(
        float(np.median(np.linalg.norm(at[f"left_{a}"] - at[f"left_{b}"], axis=-1)))
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    )
    far = [p for p in between if _typical_distance(p, middle) > _NEAR_HIPS * leg]
    way = [*far, at["neck"]]
    left = normalize(at["left_hip"] - at["right_hip"])
    front = normalize(np.cross(left, way[0] - middle))
    axes = np.stack([left, np.cross(front, left), front], axis=-1)
    at["pelvis"] = middle + axes @ (leg * _PELVIS)
    for joint, point in zip(
        ("spine1", "spine2", "spine3"), _along([at["pelvis"], *way]), strict=True
    ):
        at[joint] = point
    for side in ("left", "right"):
        parts = (at["spine3"], at["neck"], at[f"{side}_shoulder"])
        at[f"{side}_collar"] = np.einsum("p,ptc->tc", _COLLAR, parts)


def _typical_distance(a: Points, b: Points) -> float:
    return float(np.median(np.linalg.norm(a - b, axis=-1)))


def _along(way: list[Points]) -> list[Points]:
    """Points at SMPL's fractions of a path's length, in every frame."""
    points = np.stack(way, axis=1)
    steps = np.diff(points, axis=1)
    lengths = np.linalg.norm(steps, axis=-1)
    ends = np.cumsum(lengths, axis=1)
    found = []
    for fraction in _SPINE:
        goal = fraction * ends[:, -1]
        piece = (ends[:, :-1] < goal[:, None]).sum(1)[:, None]
        left = goal - np.take_along_axis(ends - lengths, piece, 1)[:, 0]
        share = left / np.maximum(np.take_along_axis(lengths, piece, 1)[:, 0], 1e-12)
        pick = piece[..., None]
        start = np.take_along_axis(points, pick, 1)[:, 0]
        found.append(start + share[:, None] * np.take_along_axis(steps, pick, 1)[:, 0])
    return found


def _up_axis(joints: Float[np.ndarray, "T 22 3"], rig: Rig) -> str:
    """ "Y" or "Z": the way the figure stands, in motion and in the rest pose.

    A crawling figure lies along Z in a Y-up file. So where rest pose and motion disagree, the floor
    decides: along the true axis the lowest joint keeps its height over the clip.
    """
    standing = _upright(joints)
    if standing[1] >= 0.6 * max(standing[2], 0):
        return "Y"
    resting = _upright(map_joints(rig.at_rest, ""))
    if resting[1] < 0.9:
        return "Z"
    floor = joints.min(axis=1).std(axis=0)
    return "Z" if floor[2] < floor[1] else "Y"


def _upright(joints: Float[np.ndarray, "T 22 3"]) -> Float[np.ndarray, "3"]:
    """Direction from the feet to the head, over the clip."""
    feet = joints[:, [HUMANML3D.index("left_ankle"), HUMANML3D.index("right_ankle")]].mean(1)
    return normalize(np.median(joints[:, HUMANML3D.index("head")] - feet, axis=0))


def _unit(height: float, path: str) -> str:
    with np.errstate(divide="ignore"):
        distance = {u: abs(np.log(height * scale / _ADULT)) for u, scale in UNITS.items()}
    unit = min(UNITS, key=lambda u: distance[u])
    if not STATURE[0] <= height * UNITS[unit] <= STATURE[1]:
        raise InputError(
            f"the figure is {height:.3g} units tall, which is no person's size in any usual unit",
            where=path,
            hint="scale it to metres or centimetres",
        )
    return unit


def _check_sides(joints: Float[np.ndarray, "T 22 3"], path: str) -> None:
    """Left must lie to the left of where toes and body point."""
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
        )
