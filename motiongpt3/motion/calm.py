"""Where a long motion is best cut: where the body is calm.

Shapes: T frames, J joints.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

_SMOOTH = 0.25
"""Seconds over which movement is averaged."""
_CUT = 0.2
"""What a cut costs, metres per second: fewer parts are better than many."""
_WITHIN = 1e3
"""What a cut costs inside a span that is to stay whole."""


def cuts(
    joints: Float[np.ndarray, "T J 3"],
    fps: float,
    limits: tuple[int, int],
    whole: Sequence[tuple[int, int]] = (),
) -> list[tuple[int, int]]:
    """Parts (first frame, frame after the last) that make up a motion, cut where it is calm.

    Args:
        limits: fewest and most frames of a part, the most at least twice the fewest.
        whole: spans of frames that are not cut inside, unless there is no other way.
    """
    least, most = limits
    frames = len(joints)
    if frames <= most:
        return [(0, frames)]
    price = movement(joints, fps) + _CUT
    for first, last in whole:
        price[first + 1 : last] += _WITHIN
    price = np.r_[price, 0.0]
    best = np.full(frames + 1, np.inf)
    best[0] = 0.0
    before = np.zeros(frames + 1, int)
    for at in range(least, frames + 1):
        first = max(0, at - most)
        earlier = best[first : at - least + 1]
        before[at] = first + int(earlier.argmin())
        best[at] = best[before[at]] + price[at]
    ends = [frames]
    while ends[-1]:
        ends.append(int(before[ends[-1]]))
    return list(zip(ends[:0:-1], ends[-2::-1], strict=True))


def movement(joints: Float[np.ndarray, "T J 3"], fps: float) -> Float[np.ndarray, " T"]:
    """How fast the joints move around each frame, metres per second, on average over joints."""
    speed = np.linalg.norm(np.diff(joints.astype(np.float64), axis=0), axis=-1).mean(1) * fps
    speed = np.r_[speed[:1], speed] if len(speed) else np.zeros(len(joints))
    reach = max(1, round(_SMOOTH * fps / 2))
    around = np.pad(speed, reach, mode="edge")
    return np.convolve(around, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
