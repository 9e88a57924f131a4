"""The BVH layout this package writes, so that its own files read back exactly.

Centimetres, Y up, a T-pose at rest. The root has positions
and rotations, other joints rotations, all in ZXY order; node names are the skeleton's joint names.
"""

import numpy as np

from motiongpt3.formats.bvh import Bvh
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion.kinematics import rest_directions
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import EulerOrder
from motiongpt3.motion.skeleton import HUMANML3D, SKELETONS, Skeleton

ORDER: EulerOrder = "ZXY"
TURNS = tuple(f"{axis}rotation" for axis in ORDER)
MOVES = ("Xposition", "Yposition", "Zposition")


def file_units(skeleton: Skeleton) -> float:
    """Centimetres per unit of the skeleton."""
    return 100 * skeleton.metres


def is_own(bvh: Bvh) -> bool:
    """Whether a file has the layout above."""
    skeleton = _skeleton(bvh)
    if skeleton is None:
        return False
    nodes = _nodes(bvh, skeleton)
    expected = [MOVES + TURNS] + [TURNS] * (len(nodes) - 1)
    height = stature(bvh.joints[:, nodes], skeleton) / 100
    sized = STATURE[0] / 2 <= height <= STATURE[1] * 2
    return sized and [bvh.channels[n] for n in nodes] == expected and _rests(bvh, nodes, skeleton)


def to_motion(bvh: Bvh, path: str) -> Motion:
    """The motion of a file for which `is_own` holds."""
    skeleton = _skeleton(bvh) or HUMANML3D
    joints = bvh.joints[:, _nodes(bvh, skeleton)] / file_units(skeleton)
    return Motion(joints, bvh.fps, skeleton, provenance={"file": path})


def _rests(bvh: Bvh, nodes: list[int], skeleton: Skeleton) -> bool:
    """Whether the bones that `kinematics.fit` aims are as it has them in the rest pose."""
    aimed = [c for children in skeleton.children if len(children) == 1 for c in children]
    bones = bvh.offsets[[nodes[joint] for joint in aimed]]
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    off = np.abs(bones - lengths * rest_directions(skeleton)[aimed])
    return bool((off < 1e-5).all())


def _skeleton(bvh: Bvh) -> Skeleton | None:
    """The skeleton whose joints and tree a file has, End Sites aside."""
    edges = {
        (name, bvh.names[parent] if parent >= 0 else "")
        for name, parent, channels in zip(bvh.names, bvh.parents, bvh.channels, strict=True)
        if channels
    }
    for skeleton in SKELETONS:
        tree = zip(skeleton.joints, skeleton.parents, strict=True)
        if edges == {(name, skeleton.joints[p] if p >= 0 else "") for name, p in tree}:
            return skeleton
    return None


def _nodes(bvh: Bvh, skeleton: Skeleton) -> list[int]:
    return [bvh.names.index(joint) for joint in skeleton.joints]
