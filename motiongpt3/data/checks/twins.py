"""Clips that are the same motion: copied, mirrored, trimmed or resampled.

A frame is described by distances between joints, which neither place nor heading change. A few
frames of each clip in which much moves are looked up among those of all others; a clip whose
frames then agree all along, at one offset and one tempo, is the same motion.

Shapes: T frames at 20 per second, D distances.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.faults import Joints
from motiongpt3.motion.skeleton import HUMANML3D

_PAIRS = (
    ("left_wrist", "pelvis"), ("right_wrist", "pelvis"), ("left_wrist", "head"),
    ("right_wrist", "head"), ("left_wrist", "right_wrist"), ("left_ankle", "right_ankle"),
    ("left_ankle", "pelvis"), ("right_ankle", "pelvis"), ("left_elbow", "right_hip"),
    ("right_elbow", "left_hip"), ("left_knee", "right_wrist"), ("right_knee", "left_wrist"),
)  # fmt: skip
_ENDS = np.array([[HUMANML3D.index(name) for name in pair] for pair in _PAIRS]).T
_MIRRORED_ENDS = np.array(HUMANML3D.mirror)[_ENDS]
_QUERIES, _AGREE = 4, 2
"""Frames of a clip that are looked up, and of how many another clip must have the like."""
_NEAR, _SAME = 0.01, 0.006
"""Metres, root mean square over distances, of one frame and of all frames in common."""
_LIVELY = 0.1
"""Metres that distances change within a clip at least: who stands still is like anybody."""
_COMMON = 0.6
"""Share of the shorter clip that both have in common."""
_RATES = (1.0, 2.0, 0.5, 1.5, 2 / 3, 3.0, 1 / 3)
"""Tempos at which one may be played against the other."""


@dataclass(frozen=True)
class Twins:
    """Two clips that are one motion.

    Attributes:
        first, second: numbers of the clips.
        how: "the same", "mirrored", "a part", "another tempo".
        distance: metres, root mean square over distances and frames.
    """

    first: int
    second: int
    how: str
    distance: float


@dataclass(frozen=True, eq=False)
class Print:
    """A clip's distances, as it is and in the mirror."""

    plain: Float[np.ndarray, "T D"]
    mirrored: Float[np.ndarray, "T D"]

    @staticmethod
    def of(joints: Joints) -> "Print":
        """Of a clip at 20 frames per second, metres."""
        both = (
            np.linalg.norm(joints[:, a] - joints[:, b], axis=-1).astype(np.float32)
            for a, b in (_ENDS, _MIRRORED_ENDS)
        )
        return Print(*both)


def find_twins(
    prints: Sequence[Print], progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Twins]:
    """All pairs that are one motion, each pair once, the clip that comes first first."""
    lively = [n for n, p in enumerate(prints) if len(p.plain) > 4 and _spread(p.plain) > _LIVELY]
    if len(lively) < 2:
        return []
    every = np.concatenate([prints[n].plain for n in lively])
    starts = np.cumsum([0, *(len(prints[n].plain) for n in lively)])[:-1]
    norm = (every**2).sum(1)
    found: dict[tuple[int, int], Twins] = {}
    for done, n in enumerate(lively, 1):
        asked = _telling(prints[n].plain)
        for mirrored in (False, True):
            mine = prints[n].mirrored if mirrored else prints[n].plain
            some = mine[asked]
            distance = norm - 2 * some @ every.T + (some**2).sum(1, keepdims=True)
            near = np.minimum.reduceat(distance, starts, axis=1) < len(_PAIRS) * _NEAR**2
            for place in np.flatnonzero(near.sum(0) >= _AGREE):
                other = lively[place]
                pair = min(n, other), max(n, other)
                if other == n or pair in found:
                    continue
                begin = starts[place]
                inside = distance[:, begin : begin + len(prints[other].plain)]
                at = [(asked[q], int(inside[q].argmin())) for q in np.flatnonzero(near[:, place])]
                best = min(_compared(mine, prints[other].plain, one) for one in at)
                if best[0] <= _SAME:
                    found[pair] = Twins(*pair, _how(mirrored, best[1], best[2]), best[0])
        progress(done, len(lively))
    return [found[pair] for pair in sorted(found)]


def _how(mirrored: bool, tempo: float, common: float) -> str:
    if tempo != 1.0:
        return "another tempo"
    if mirrored:
        return "mirrored"
    return "the same" if common >= 0.95 else "a part"


def _compared(
    mine: Float[np.ndarray, "T D"], its: Float[np.ndarray, "S D"], place: tuple[int, int]
) -> tuple[float, float, float]:
    """Distance at the best tempo, that tempo, and how much of the longer one is in common."""
    at, there = place
    best = (np.inf, 1.0, 1.0)
    for rate in _RATES:
        frames = np.arange(len(mine))
        where = there + (frames - at) * rate
        inside = (where >= 0) & (where <= len(its) - 1)
        shorter = min(len(mine), len(its) / rate)
        if inside.sum() < max(6, _COMMON * shorter):
            continue
        low = np.floor(where[inside]).astype(int)
        share = (where[inside] - low)[:, None]
        high = np.minimum(low + 1, len(its) - 1)
        off = mine[inside] - its[low] * (1 - share) - its[high] * share
        distance = float(np.sqrt((off**2).mean()))
        longer = max(len(mine), len(its) / rate)
        if distance < best[0] - 1e-4:
            best = (distance, rate, float(inside.sum() / longer))
    return best


def _telling(distances: Float[np.ndarray, "T D"]) -> list[int]:
    """Frames that are far from the clip's mean pose, apart from each other."""
    unusual = np.linalg.norm(distances - distances.mean(0), axis=-1)
    chosen: list[int] = []
    for at in np.argsort(unusual)[::-1]:
        if all(abs(int(at) - other) >= 5 for other in chosen):
            chosen.append(int(at))
        if len(chosen) == _QUERIES:
            break
    return chosen


def _spread(distances: Float[np.ndarray, "T D"]) -> float:
    return float(np.ptp(distances, axis=0).max())
