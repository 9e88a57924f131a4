"""The BVH layout this package writes, so that its own files read back exactly.

Centimetres, Y up, a T-pose at rest. The root has positions
and rotations, other joints rotations, all in ZXY order; node names are the skeleton's joint names.
"""

import numpy as np

from motiongpt3.formats.bvh import Bvh
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion.kinematics import rest_directions
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import EulerOrder
from motiongpt3.motion.skeleton import HUMANML3D, SKELETONS, Skeleton

ORDER: EulerOrder = "ZXY"
TURNS = tuple(f"{axis}rotation" for axis in ORDER)
MOVES = ("Xposition", "Yposition", "Zposition")


def file_units(skeleton: Skeleton) -> float:
    """Units of a BVH file, centimetres, per unit of the skeleton."""
    return 100 * skeleton.metres


def is_own(rig: Rig) -> bool:
    """Whether a file has the layout above, or holds the same skeleton in metres as our GLB does."""
    skeleton = _skeleton(rig)
    if skeleton is None:
        return False
    nodes = _nodes(rig, skeleton)
    expected = [MOVES + TURNS] + [TURNS] * (len(nodes) - 1)
    if isinstance(rig, Bvh) and [rig.channels[n] for n in nodes] != expected:
        return False
    height = stature(rig.joints[:, nodes], skeleton) / _units(rig, skeleton) * skeleton.metres
    if not STATURE[0] / 2 <= height <= STATURE[1] * 2:
        return False
    return _rests(rig, nodes, skeleton) if isinstance(rig, Bvh) else _stands(rig, nodes, skeleton)


def to_motion(rig: Rig, path: str) -> Motion:
    """The motion of a file for which `is_own` holds."""
    skeleton = _skeleton(rig) or HUMANML3D
    joints = rig.joints[:, _nodes(rig, skeleton)] / _units(rig, skeleton)
    return Motion(joints, rig.fps, skeleton, provenance={"file": path, "layout": "motiongpt3"})


def _units(rig: Rig, skeleton: Skeleton) -> float:
    return file_units(skeleton) if isinstance(rig, Bvh) else skeleton.metres


def _stands(rig: Rig, nodes: list[int], skeleton: Skeleton) -> bool:
    """Whether the rest pose stands along Y: the mannequin's has level soles, so it is no T-pose."""
    rest = dict(zip(skeleton.joints, rig.at_rest.joints[0, nodes], strict=True))
    legs = rest["head"] - (rest["left_ankle"] + rest["right_ankle"]) / 2
    return bool(legs[1] > 0.9 * np.linalg.norm(legs))


def _rests(rig: Rig, nodes: list[int], skeleton: Skeleton) -> bool:
    """Whether the bones that `kinematics.fit` aims are as it has them in the rest pose."""
    aimed = [c for children in skeleton.children if len(children) == 1 for c in children]
    bones = rig.offsets[[nodes[joint] for joint in aimed]]
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    off = np.abs(bones - lengths * rest_directions(skeleton)[aimed])
    return bool((off < 1e-5).all())


def _skeleton(rig: Rig) -> Skeleton | None:
    """The skeleton whose joints and tree a file has, End Sites aside."""
    ends = [isinstance(rig, Bvh) and not rig.channels[node] for node in range(len(rig.names))]
    edges = {
        (name, rig.names[parent] if parent >= 0 else "")
        for name, parent, end in zip(rig.names, rig.parents, ends, strict=True)
        if not end
    }
    for skeleton in SKELETONS:
        tree = zip(skeleton.joints, skeleton.parents, strict=True)
        if edges == {(name, skeleton.joints[p] if p >= 0 else "") for name, p in tree}:
            return skeleton
    return None


def _nodes(rig: Rig, skeleton: Skeleton) -> list[int]:
    return [rig.names.index(joint) for joint in skeleton.joints]
