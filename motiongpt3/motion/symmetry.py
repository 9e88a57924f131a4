"""The left-right mirror image of a motion, in joints and directly in features."""

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.features import layout_of
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton, skeleton_of

_POINT = np.array([-1.0, 1, 1])
_COLUMNS = np.array([1.0, -1, -1, -1, 1, 1])
"""Signs of a rotation's first two columns after M R M with M = diag(-1, 1, 1)."""


def mirror_joints(
    joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton = HUMANML3D
) -> Float[np.ndarray, "T J 3"]:
    """Positions with x negated and left and right joints exchanged."""
    return joints[..., list(skeleton.mirror), :] * _POINT.astype(joints.dtype)


def feature_mirror(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Mirroring features is `features[..., order] * sign`: returns (order, sign), each (dim,).

    Raises:
        InputError: when `dim` is neither 263 nor 251.
    """
    layout = layout_of(dim)
    skeleton = skeleton_of(dim)
    limbs = np.array(skeleton.mirror[1:]) - 1
    feet = np.array([2, 3, 0, 1])
    order, sign = np.arange(dim), np.ones(dim)
    sign[layout.yaw_velocity] = -1
    sign[layout.root_velocity] = [-1, 1]
    blocks = (
        (layout.positions, limbs, _POINT),
        (layout.rotations, limbs, _COLUMNS),
        (layout.velocities, np.array(skeleton.mirror), _POINT),
        (layout.contacts, feet, np.ones(1)),
    )
    for block, swap, signs in blocks:
        rows = np.arange(block.start, block.stop).reshape(len(swap), -1)
        order[block] = rows[swap].ravel()
        sign[block] = np.tile(signs, len(swap))
    return order, sign
