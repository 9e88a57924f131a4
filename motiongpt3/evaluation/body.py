"""Whether bodies move as bodies can: the physical figures of motions, means over clips."""

from collections.abc import Callable, Sequence

import numpy as np

from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.held_out import Joints
from motiongpt3.evaluation.table import Column
from motiongpt3.motion.physics import floating, jitter, penetration, skate, skating_ratio
from motiongpt3.motion.skeleton import Skeleton

_MEASURES: dict[str, Callable[..., float]] = {
    "foot speed m/s": skate,
    "skating ratio": skating_ratio,
    "floating m": floating,
    "penetration m": penetration,
    "jitter m/s³": jitter,
}
BODY = tuple(Column(name, "real", "Body") for name in _MEASURES)


def body_figures(clips: Sequence[Joints], skeleton: Skeleton) -> dict[str, Figure]:
    """Each figure, clips counting alike; joints in the skeleton's unit at its own rate."""
    if not all(np.isfinite(clip).all() for clip in clips):
        return dict.fromkeys(_MEASURES, Missing("motions are not finite"))
    return {
        name: float(np.mean([measure(clip, skeleton=skeleton) for clip in clips]))
        for name, measure in _MEASURES.items()
    }
