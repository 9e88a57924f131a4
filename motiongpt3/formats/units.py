"""How large a person is: the check that positions are in the unit they are taken for."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion import rotation
from motiongpt3.motion.skeleton import Skeleton

STATURE = (0.5, 2.5)
"""Plausible range of `stature`, metres."""

_LIMIT = 1000.0
"""Positions farther from the origin than this (metres) are damage, not motion."""

_NONSENSE = 1e9
"""... and farther than this (metres) cannot even be in another unit."""


def stature(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton) -> float:
    """Length of leg, spine and neck together: near the standing height, whatever the pose."""
    tips, parts = _upright(skeleton)
    bones = joints[:, tips] - joints[:, [skeleton.parents[tip] for tip in tips]]
    lengths = np.sort(np.sqrt(rotation.dot(bones, bones)[..., 0]), axis=0)
    middle = (lengths[(len(lengths) - 1) // 2] + lengths[len(lengths) // 2]) / 2
    return float(middle @ parts)


@lru_cache
def _upright(skeleton: Skeleton) -> tuple[list[int], Float[np.ndarray, " n"]]:
    """Joints whose bones add up to the stature, and how often each is counted."""
    head = skeleton.index("head")
    tips = []
    for tip in (skeleton.legs[0][2], head):
        while tip > 0:
            tips.append(tip)
            tip = skeleton.parents[tip]
    return tips, np.array([1 + skeleton.neck_beyond * (tip == head) for tip in tips])


def check_size(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton, where: str) -> None:
    """Refuse positions that cannot be a person's in this unit.

    Raises:
        InputError: with the likely unit in the hint.
    """
    farthest = float(np.abs(joints).max()) * skeleton.metres
    if not farthest <= _NONSENSE:
        raise _too_far(farthest, where)
    height = stature(joints, skeleton)
    tall = height * skeleton.metres
    if not STATURE[0] <= tall <= STATURE[1]:
        likely = [name for name, m in _UNITS if STATURE[0] <= height * m <= STATURE[1]]
        told = f"; the joints look like {likely[0]}" if likely else ""
        unit = "metres" if skeleton.metres == 1 else f"units of {1000 * skeleton.metres:.3g} mm"
        raise InputError(
            f"the person is {tall:.3g} m tall",
            where=where,
            hint=f"{unit} are expected{told}",
            fault="unit",
        )
    if farthest > _LIMIT:
        raise _too_far(farthest, where)


def _too_far(farthest: float, where: str) -> InputError:
    message = f"a joint is {farthest:.3g} m from the origin"
    return InputError(message, where=where, hint="is the file damaged?")


_UNITS = (("millimetres", 0.001), ("centimetres", 0.01), ("inches", 0.0254), ("metres", 1.0))
"""What else the numbers may be, metres."""
