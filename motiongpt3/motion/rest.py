"""What comes after a motion whose figure stays where it is: it rests in its last pose.

Shapes: T frames, F features, G frames with the rest.
"""

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.features import layout_of
from motiongpt3.motion.skeleton import skeleton_of

_LAST = 0.25
"""Seconds at the end in which it shows whether the figure goes on somewhere."""
_SLOW = 0.6
"""Metres per second below which it does not."""


def ends_in_place(features: Float[np.ndarray, "T F"]) -> bool:
    """Whether the root hardly moves over the ground at the end: after a kick, not during a walk."""
    skeleton = skeleton_of(features.shape[1])
    frames = max(1, round(_LAST * skeleton.fps))
    steps = features[-frames:, layout_of(features.shape[1]).root_velocity]
    speed = np.linalg.norm(steps.sum(0)) * skeleton.metres * skeleton.fps / len(steps)
    return bool(speed < _SLOW)


def resting(features: Float[np.ndarray, "T F"], frames: int) -> Float[np.ndarray, "G F"]:
    """The motion with its last pose held until it has so many frames, both feet planted."""
    layout = layout_of(features.shape[1])
    held = features[-1].copy()
    for moving in (layout.yaw_velocity, layout.root_velocity, layout.velocities):
        held[moving] = 0
    held[layout.contacts] = 1
    rest = np.repeat(held[None], max(0, frames - len(features)), axis=0)
    return np.concatenate([features, rest])
