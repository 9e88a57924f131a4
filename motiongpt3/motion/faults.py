"""What captured motion cannot be: figures that are far off only where something went wrong.

Every figure is of one clip as it is in its file, not put on the floor or turned. What is a fault
and what is not is decided elsewhere (`data.checks`), by limits that real capture has set.

Shapes: T frames of the 22 joints of HumanML3D, metres, Y up.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.semantics import axes
from motiongpt3.motion.skeleton import HUMANML3D

Joints = Float[np.ndarray, "T 22 3"]
Series = Float[np.ndarray, " T"]

_AT = HUMANML3D.index
_CHILDREN = np.arange(1, len(HUMANML3D.joints))
_PARENTS = np.array(HUMANML3D.parents[1:])
_ANKLES, _TOES = [_AT("left_ankle"), _AT("right_ankle")], [_AT("left_foot"), _AT("right_foot")]
_KNEES, _HIPS = [_AT("left_knee"), _AT("right_knee")], [_AT("left_hip"), _AT("right_hip")]
_UP = np.array([0.0, 1, 0])
_GROUND = np.array([1.0, 0, 1])
_MOVING = 0.3
"""Metres per second from which somebody is under way."""


def not_finite(joints: Joints) -> Int[np.ndarray, " n"]:
    """Frames in which a position is no finite number."""
    return np.flatnonzero(~np.isfinite(joints).all((1, 2)))


def upright(joints: Joints) -> Float[np.ndarray, "3"]:
    """Typical direction from the ankles to the head, a unit vector."""
    way = normalize(joints[:, _AT("head")] - joints[:, _ANKLES].mean(1))
    return normalize(np.median(way, axis=0))


def bone_change(joints: Joints) -> tuple[Float[np.ndarray, "21"], Series]:
    """How far each bone's length is from its median at most, and the furthest of each frame, m.

    The one frame in twenty that is furthest off does not count for a bone.
    """
    bones = np.linalg.norm(joints[:, _CHILDREN] - joints[:, _PARENTS], axis=-1)
    off = np.abs(bones - np.median(bones, axis=0))
    return np.percentile(off, 95, axis=0), off.max(1)


def speeds(joints: Joints, fps: float) -> Float[np.ndarray, "T-1 22"]:
    """How fast each joint is from frame to frame, metres per second."""
    return np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps


def jumps(joints: Joints, fps: float) -> Float[np.ndarray, " T-1"]:
    """How much faster a step is than those around it, metres per second, of the worst joint."""
    speed = speeds(joints, fps)
    padded = np.pad(speed, ((2, 2), (0, 0)), mode="edge")
    around = np.max([padded[:-4], padded[4:]], axis=0)  # two steps before and after
    return (speed - around).max(1)


@dataclass(frozen=True)
class Fronts:
    """Which way several parts of the body say is ahead; 1 agrees with hips and shoulders.

    Attributes:
        toes: along the feet, the median over frames.
        knees: out of the line from hip to ankle, metres, its mean over frames.
        shoulders: of the shoulders' line with the hips' line.
    """

    toes: float
    knees: float
    shoulders: float


def fronts(joints: Joints) -> Fronts:
    """Whether feet, knees and shoulders agree about where the front is."""
    hips = joints[:, _HIPS[0]] - joints[:, _HIPS[1]]
    shoulders = joints[:, _AT("left_shoulder")] - joints[:, _AT("right_shoulder")]
    trunk = normalize(joints[:, _AT("neck")] - joints[:, _AT("pelvis")])
    front = normalize(np.cross(hips, trunk))
    feet = normalize((joints[:, _TOES] - joints[:, _ANKLES]).sum(1))
    legs = joints[:, _ANKLES] - joints[:, _HIPS]
    out = joints[:, _KNEES] - joints[:, _HIPS]
    along = (out * legs).sum(-1, keepdims=True) / np.maximum((legs**2).sum(-1, keepdims=True), 1e-9)
    bent = ((out - along * legs) * front[:, None]).sum(-1)
    return Fronts(
        float(np.median((feet * front).sum(-1))),
        float(bent.mean()),
        float(np.median((normalize(hips) * normalize(shoulders)).sum(-1))),
    )


def travelled(joints: Joints, fps: float) -> tuple[float, float]:
    """Metres that the pelvis is under way, and the share of them that it goes ahead.

    -1 is backwards all the way, 1 ahead.
    """
    step = np.diff(joints[:, 0] * _GROUND, axis=0)
    front = axes(joints)[1][:-1]
    length = np.linalg.norm(step, axis=-1)
    under_way = length * fps >= _MOVING
    metres = float(length[under_way].sum())
    ahead = float((step * front).sum(-1)[under_way].sum())
    return metres, ahead / max(metres, 1e-9)


def lowest(joints: Joints) -> Series:
    """Height of the lowest joint in each frame above where feet stand, metres.

    Feet stand where the lower toe is half of the time that it is slow.
    """
    toes = joints[:, _TOES]
    return joints[..., 1].min(1) - float(np.median(toes[..., 1].min(1)))


def frozen(joints: Joints, least: float = 1e-5) -> Bool[np.ndarray, " T-1"]:
    """Steps in which no joint moves at all."""
    return np.abs(np.diff(joints, axis=0)).max((1, 2)) < least


def smoothness(joints: Joints) -> float:
    """How much movement changes from frame to frame: third differences over first ones.

    Against the pelvis. It goes with the square of the tempo, whatever is done and however far.
    """
    against = joints - joints[:, :1]
    first, third = np.diff(against, axis=0), np.diff(against, n=3, axis=0)
    return float(np.sqrt((third**2).mean() / max(float((first**2).mean()), 1e-12)))


def noise(joints: Joints) -> float:
    """Typical trembling of all joints: what a frame is off the line between its neighbours, metres.

    The median over frames, so that quick movement does not count, of joints that are off to one
    side in one frame and to the other in the next.
    """
    middle = joints[1:-1] - (joints[:-2] + joints[2:]) / 2
    turning = np.sign(middle[1:]) != np.sign(middle[:-1])  # trembling changes side in every frame
    return float(np.median((np.abs(middle[1:]) * turning).mean((1, 2))))


def gait(joints: Joints, fps: float) -> tuple[int, float, float]:
    """Steps of somebody under way, their length in metres and how many there are in a second.

    A step is where the ankles pass each other along the way; 0 steps where nobody walks.
    """
    front = axes(joints)[1]
    apart = ((joints[:, _ANKLES[0]] - joints[:, _ANKLES[1]]) * front).sum(-1)
    signs = np.sign(np.where(np.abs(apart) > 0.06, apart, 0))
    marks = np.flatnonzero(signs)
    passes = marks[1:][signs[marks[1:]] != signs[marks[:-1]]]
    if len(passes) < 3:
        return 0, 0.0, 0.0
    first, last = passes[0], passes[-1]
    steps = len(passes) - 1
    path = np.linalg.norm(np.diff(joints[first : last + 1, 0] * _GROUND, axis=0), axis=-1).sum()
    return steps, float(path / steps), steps * fps / (last - first)
