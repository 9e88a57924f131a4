"""How large a person is: the check that positions are in the unit they are taken for."""

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import KIT, Skeleton

STATURE = (0.5, 2.5)
"""Plausible range of `stature`, metres."""

_LIMIT = 1000.0
"""Positions farther from the origin than this (metres) are damage, not motion."""

_NONSENSE = 1e9
"""... and farther than this (metres) cannot even be in another unit."""


def metres_per_unit(skeleton: Skeleton) -> float:
    """Size of a skeleton's unit: metres for HumanML3D, about millimetres for KIT-ML."""
    return 0.001 if skeleton == KIT else 1.0


def stature(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton) -> float:
    """Length of leg, spine and neck together: near the standing height, whatever the pose."""
    bones = []
    for tip in (skeleton.left_foot[0], skeleton.index("head")):
        while tip > 0:
            bones.append((tip, skeleton.parents[tip]))
            tip = skeleton.parents[tip]
    ends, starts = np.array(bones).T
    lengths = np.linalg.norm(joints[:, ends] - joints[:, starts], axis=-1)
    return float(np.median(lengths, axis=0).sum())


def check_size(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton, where: str) -> None:
    """Refuse positions that cannot be a person's in this unit.

    Raises:
        InputError: with the likely unit in the hint.
    """
    scale = metres_per_unit(skeleton)
    farthest = float(np.abs(joints).max()) * scale
    if not farthest <= _NONSENSE:
        raise _too_far(farthest, where)
    height = stature(joints, skeleton) * scale
    if not STATURE[0] <= height <= STATURE[1]:
        likely = [n for n, s in _UNITS if STATURE[0] <= height / s <= STATURE[1]]
        told = f"; the joints look like {likely[0]}" if likely else ""
        raise InputError(
            f"the person is {height:.3g} m tall",
            where=where,
            hint=f"{'millimetres' if scale < 1 else 'metres'} are expected{told}",
        )
    if farthest > _LIMIT:
        raise _too_far(farthest, where)


def _too_far(farthest: float, where: str) -> InputError:
    message = f"a joint is {farthest:.3g} m from the origin"
    return InputError(message, where=where, hint="is the file damaged?")


_UNITS = (("millimetres", 1000.0), ("centimetres", 100.0), ("inches", 39.37), ("metres", 0.001))
"""What else the numbers may be, and how much too large a person then seems."""
