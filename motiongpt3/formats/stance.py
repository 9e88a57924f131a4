"""How a clip's person stands: the pose in which a body is built around the bones.

Bones say where joints are, not where the skin is. Depending on how it was captured, the bone from
ankle to toe falls by 15 to 40 degrees in a foot that stands flat; the clip itself tells.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.formats import body
from motiongpt3.formats.units import stature
from motiongpt3.motion import rotation
from motiongpt3.motion.feet import Contact, standing_frames
from motiongpt3.motion.kinematics import RigidFit, forward
from motiongpt3.motion.skeleton import Skeleton

_FALL = np.radians(28.0)
"""Usual fall of the bone from ankle to toe in a standing foot."""
_FALLS = np.radians([8.0, 48.0])
_LEAN = np.radians(8.0)
"""Usual lean of the bone from neck to head in somebody who looks straight ahead."""
_LOWEST, _HIGHEST = 0.15, 0.07
"""Toe joints are at least so far above the sole (of the usual), and at most (metres): a clip may
have them on the floor, or play on a table."""


@dataclass(frozen=True, eq=False)
class Stance:
    """Bones in the pose of somebody who stands with arms out, in metres.

    Attributes:
        joints: (J, 3) positions; the soles are at height 0, the root above the origin.
        rotations: (J, 4) turn of each joint in the world from the rest pose of the bones.
        local: (J, 4) the same from the parent.
        height: of leg, spine and neck together (`units.stature`).
        drop: how far the soles are below the toe joints.
    """

    joints: Float[np.ndarray, "J 3"]
    rotations: Float[np.ndarray, "J 4"]
    local: Float[np.ndarray, "J 4"]
    height: float
    drop: float


def of(fit: RigidFit, fps: float) -> Stance:
    """The stance of a clip's bones: soles as level and as low as where its feet stand."""
    skeleton, scale = fit.skeleton, fit.skeleton.metres
    joints = fit.joints * scale
    height = stature(joints, skeleton)
    fall, drop = _soles(joints, skeleton, fps, body.DROP * height / body.ADULT)
    local = np.zeros((len(skeleton.joints), 4))
    local[:, 0] = 1
    for side in ("left", "right"):
        local[skeleton.index(f"{side}_ankle")] = rotation.about("X", np.array(fall))
    neck = skeleton.index("neck")
    if len(skeleton.children[neck]) == 1:  # else the shape of neck and shoulders has it already
        local[neck] = rotation.about("X", np.array(_LEAN))
    rest = forward(local[None], np.zeros((1, 3)), fit.offsets * scale, skeleton)[0]
    lowest = rest[[skeleton.left_foot[1], skeleton.right_foot[1]], 1].min() - drop
    world = local.copy()
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        world[joint] = rotation.multiply(world[parent], local[joint])
    return Stance(rest - [0, lowest, 0], world, local, height, drop)


def contacts(
    joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton, fps: float
) -> list[np.ndarray]:
    """Whether each foot, left and right, stands in each frame; joints in metres."""
    if len(joints) < 2:  # nobody knows whether a foot in a picture stands
        return [np.zeros(len(joints), bool)] * 2
    return [standing_frames(joints[:, leg[-1]], fps, Contact()) for leg in skeleton.legs]


def _soles(
    joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton, fps: float, usual: float
) -> tuple[float, float]:
    """Fall of the foot's bones, and height of the toe joints, in frames where feet stand."""
    falls, drops = [], []
    for leg, standing in zip(skeleton.legs, contacts(joints, skeleton, fps), strict=True):
        toe, bone = joints[:, leg[-1]], joints[:, leg[-1]] - joints[:, leg[2]]
        fall = np.arctan2(-bone[:, 1], np.hypot(bone[:, 0], bone[:, 2]))
        falls.append(fall[standing])
        drops.append(toe[standing, 1])
    if not sum(map(len, falls)):
        return float(_FALL), usual
    fall, drop = (float(np.median(np.concatenate(values))) for values in (falls, drops))
    return float(np.clip(fall, *_FALLS)), min(max(drop, _LOWEST * usual), _HIGHEST)
