"""What can be a clip of a skeleton at all."""

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import Skeleton


def check_joints(joints: np.ndarray, skeleton: Skeleton, least: int = 2) -> None:
    """Refuse what cannot be a clip of this skeleton.

    Raises:
        InputError: wrong shape, fewer than two frames, or a value that is not finite.
    """
    expected = len(skeleton.joints)
    if joints.ndim != 3 or joints.shape[1:] != (expected, 3):
        raise InputError(
            f"joints have shape {tuple(joints.shape)}",
            where="joints",
            hint=f"{skeleton.name} needs (frames, {expected}, 3)",
        )
    if len(joints) < least:
        raise InputError(
            f"{len(joints)} frame(s)", where="joints", hint="velocities need two frames or more"
        )
    if not np.isfinite(joints).all():
        frame, joint, _ = np.argwhere(~np.isfinite(joints))[0]
        raise InputError(
            "a position is not a finite number",
            where=f"frame {frame}, joint {skeleton.joints[joint]}",
            hint="repair or cut the clip there",
        )
