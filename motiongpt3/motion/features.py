"""HumanML3D's motion features: joints to 263 (or KIT's 251) numbers per frame, and back.

A clip of T frames gives T-1 feature rows, laid out as root yaw velocity (1), root velocity on
the ground (2), root height (1), joint positions (3(J-1)), joint rotations (6(J-1)), joint
velocities (3J) and foot contacts (4). The reference is HumanML3D's `motion_representation`.

Shapes: T frames, J joints, F = 12J-1 features. Lengths are in the skeleton's unit: metres for
HumanML3D, KIT-ML has its own.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from motiongpt3.motion import rotation
from motiongpt3.motion.checks import check_joints
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton, skeleton_of
from motiongpt3.motion.steps import exact_steps, half_turns

HipSign = Literal["released", "corrected"]
"""How hips enter the heading while features are made. "released": with the sign slip that all
published HumanML3D and KIT-ML features carry (hips count left minus right, shoulders right minus
left), so that official features, statistics and weights stay valid. "corrected": without it, and
clips are turned by the smoothed heading, so that the heading does not jump after frame 0."""

_AHEAD = np.array([0.0, 0, 1])
_SMOOTHING_FRAMES = 20.0
"""Standard deviation of the Gaussian that smooths the heading (HumanML3D)."""
_SMOOTHING_REACH = int(4 * _SMOOTHING_FRAMES + 0.5)


@dataclass(frozen=True)
class Layout:
    """Where each kind of feature lies in a row."""

    joints: int

    yaw_velocity = slice(0, 1)
    """Half the yaw increment to the next frame, radians."""
    root_velocity = slice(1, 3)
    """Root step along x and z as seen from the body, per frame."""
    root_height = slice(3, 4)

    @property
    def positions(self) -> slice:
        """Joints 1..J-1 relative to the root on the ground, turned to face +Z; height kept."""
        return slice(4, 4 + 3 * (self.joints - 1))

    @property
    def rotations(self) -> slice:
        """Local rotations of joints 1..J-1, six numbers each."""
        return slice(self.positions.stop, self.positions.stop + 6 * (self.joints - 1))

    @property
    def velocities(self) -> slice:
        """Steps of all joints to the next frame, turned to face +Z."""
        return slice(self.rotations.stop, self.rotations.stop + 3 * self.joints)

    @property
    def contacts(self) -> slice:
        """Left ankle, left toe, right ankle, right toe: 1 where the foot stands still."""
        return slice(self.velocities.stop, self.velocities.stop + 4)

    @property
    def dim(self) -> int:
        """Numbers per frame."""
        return self.contacts.stop


def layout_of(dim: int) -> Layout:
    """The layout of rows of this many numbers.

    Raises:
        InputError: when it is neither HumanML3D's 263 nor KIT-ML's 251.
    """
    return Layout(len(skeleton_of(dim).joints))


def canonicalize(
    joints: Float[np.ndarray, "*clips T J 3"],
    skeleton: Skeleton = HUMANML3D,
    hip_sign: HipSign = "released",
) -> Float[np.ndarray, "*clips T J 3"]:
    """Put a clip on the floor, its first root at the origin, its first frame facing +Z."""
    joints = np.asarray(joints, np.float64)
    origin = joints[..., :1, :1, :] * [1, 0, 1]
    origin[..., 1] = joints[..., 1].min((-2, -1), keepdims=True)
    forward = facing(joints, skeleton)
    if hip_sign == "corrected":
        forward = _smooth(forward[..., : _SMOOTHING_REACH + 1, :])
    first = rotation.between(forward[..., :1, :], _AHEAD)
    return rotation.turn(first[..., None, :], joints - origin)


def facing(
    joints: Float[np.ndarray, "*clips T J 3"],
    skeleton: Skeleton = HUMANML3D,
    hip_sign: HipSign = "corrected",
) -> Float[np.ndarray, "*clips T 3"]:
    """Direction on the ground that the body faces in each frame.

    Shorter than one where the shoulder line is tilted, as in HumanML3D: such frames weigh less
    once the direction is smoothed over time.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = (
        joints[..., joint, :] for joint in skeleton.facing
    )
    hips, shoulders = right_hip - left_hip, right_shoulder - left_shoulder
    across = rotation.normalize(shoulders + (hips if hip_sign == "corrected" else -hips))
    return rotation.cross(np.array([0.0, 1, 0]), across)


def joints_to_features(
    joints: Float[np.ndarray, "*clips T J 3"],
    skeleton: Skeleton = HUMANML3D,
    hip_sign: HipSign = "released",
    floor: bool = True,
) -> Float[np.ndarray, "*clips T-1 F"]:
    """Features of a clip, as HumanML3D's `process_file` makes them without re-targeting.

    Args:
        joints: positions, Y up; of several clips at once where they are equally long.
        skeleton: whose joints these are.
        hip_sign: see `HipSign`.
        floor: first bring the clip to its canonical place. False takes joints as they are, for
            clips that are canonical already.

    Raises:
        InputError: for fewer than two frames, a wrong joint count, or values that are not finite.
    """
    for clip in np.ndindex(joints.shape[:-3]):
        check_joints(joints[clip], skeleton)
    joints = canonicalize(joints, skeleton, hip_sign) if floor else np.asarray(joints, np.float64)
    local, heading = inverse_kinematics(joints, skeleton, hip_sign)
    steps = joints[..., 1:, :, :] - joints[..., :-1, :, :]
    half_turn = half_turns(heading)
    centred = (joints - joints[..., :1, :] * [1, 0, 1])[..., :-1, 1:, :]
    here = heading[..., :-1, None, :]
    rows = [
        half_turn,
        rotation.turn(heading[..., 1:, :], steps[..., 0, :])[..., [0, 2]],
        joints[..., :-1, 0, 1:2],
        rotation.turn(here, centred),
        rotation.to_6d(local[..., :-1, 1:, :]),
        rotation.turn(here, steps),
        contacts(joints, skeleton),
    ]
    shape = steps.shape[:-2]
    features = np.concatenate([r.reshape(*shape, -1) for r in rows], -1, dtype=np.float32)
    if skeleton.metres < 0.1:  # metres stay as published, to the last bit: they are exact enough
        for clip in np.ndindex(shape[:-1]):
            features[clip][:, :3] = exact_steps(half_turn[clip][:, 0], _path(joints[clip]))
    return features


def _path(joints: Float[np.ndarray, "T J 3"]) -> Float[np.ndarray, "T 2"]:
    """The root over the ground, from where it begins."""
    ground = joints[:, 0, [0, 2]]
    path: Float[np.ndarray, "T 2"] = ground - ground[0]
    return path


def contacts(
    joints: Float[np.ndarray, "*clips T J 3"], skeleton: Skeleton = HUMANML3D
) -> Float[np.ndarray, "*clips T-1 4"]:
    """1 where left ankle, left toe, right ankle, right toe move less than the threshold."""
    feet = joints[..., [*skeleton.left_foot, *skeleton.right_foot], :]
    steps = feet[..., 1:, :, :] - feet[..., :-1, :, :]
    return (rotation.dot(steps, steps)[..., 0] < skeleton.contact_threshold).astype(np.float64)


def inverse_kinematics(
    joints: Float[np.ndarray, "*clips T J 3"], skeleton: Skeleton, hip_sign: HipSign
) -> tuple[Float[np.ndarray, "*clips T J 4"], Float[np.ndarray, "*clips T 4"]]:
    """Rotations of HumanML3D's feature vector, and the heading that turns the body to +Z.

    Every chain starts from the heading, arm chains too, and each bone takes the shortest arc:
    the rotations are self-consistent but are not SMPL pose parameters.
    """
    forward = rotation.normalize(_smooth(facing(joints, skeleton, hip_sign)))
    heading = rotation.between(forward, _AHEAD)
    heading[..., 0, :] = [1, 0, 0, 0]  # as HumanML3D does: frame 0 faces +Z by definition
    bones = [pair for chain in skeleton.chains for pair in zip(chain, chain[1:], strict=False)]
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    aimed = rotation.between(
        skeleton.raw_offsets[children], joints[..., children, :] - joints[..., parents, :]
    )
    starts = {chain[1] for chain in skeleton.chains}
    before = np.roll(aimed, 1, axis=-2)
    before[..., [child in starts for child in children], :] = heading[..., None, :]
    local = np.empty((*joints.shape[:-1], 4))
    local[..., 0, :] = heading
    local[..., children, :] = rotation.multiply(rotation.conjugate(before), aimed)
    return local, heading


def features_to_joints(features: Any) -> Any:
    """Joint positions from features, by the position block (HumanML3D's `recover_from_ric`).

    Args:
        features: (..., T, F) numpy array or torch tensor, not normalised.

    Returns:
        (..., T, J, 3): an array in double precision, a tensor of its own kind and differentiable.
        The root of frame 0 stands at x = z = 0.
    """
    xp = _namespace(features)
    features = features.astype(np.float64) if xp is np else features
    layout = layout_of(features.shape[-1])
    yaw, root = _walked(features)
    root = _like(features, root)
    positions = features[..., layout.positions].reshape(*features.shape[:-1], layout.joints - 1, 3)
    turned = _turn(positions, -yaw[..., None])
    ground = xp.stack([root[..., 0], 0 * root[..., 1], root[..., 2]], -1)[..., None, :]
    return xp.concatenate([root[..., None, :], turned + ground], -2)


def root_path(features: Any) -> tuple[Any, Any]:
    """Heading (..., T) in radians (world to body, about +Y) and root position (..., T, 3)."""
    yaw, root = _walked(features)
    return _like(features, yaw), _like(features, root)


def _walked(features: Any) -> tuple[Any, Any]:
    """`root_path` in double precision where the device knows it.

    In single, 200 steps of KIT-ML's size add up to thousandths of its unit of error.
    """
    xp = _namespace(features)
    layout = layout_of(features.shape[-1])
    yaw = _delayed_sum(2 * _double(features[..., 0]))
    velocity = _double(features[..., layout.root_velocity])
    zero = 0 * velocity[..., :1, 0]
    # Row t holds the step t -> t+1 as seen at t+1, so it is turned back by the next heading.
    step_x = xp.concatenate([zero, velocity[..., :-1, 0]], -1)
    step_z = xp.concatenate([zero, velocity[..., :-1, 1]], -1)
    steps = _turn(xp.stack([step_x, 0 * step_x, step_z], -1), -yaw)
    ground = xp.cumsum(steps, -2)
    height = _double(features[..., 3])
    return yaw, xp.stack([ground[..., 0], height, ground[..., 2]], -1)


def _turn(v: Any, angle: Any) -> Any:
    """Rotate vectors (..., 3) about +Y by angle (...)."""
    xp = _namespace(v)
    cos, sin = _like(v, xp.cos(angle)), _like(v, xp.sin(angle))
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    return xp.stack([cos * x + sin * z, y, cos * z - sin * x], -1)


def _double(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.astype(np.float64)
    return x if x.device.type == "mps" else x.double()


def _like(other: Any, x: Any) -> Any:
    return x.astype(other.dtype) if isinstance(x, np.ndarray) else x.to(other.dtype)


def _delayed_sum(x: Any) -> Any:
    """Sum of everything before each frame, along the last axis."""
    xp = _namespace(x)
    return xp.concatenate([0 * x[..., :1], xp.cumsum(x, -1)[..., :-1]], -1)


def _namespace(x: Any) -> ModuleType:
    if isinstance(x, np.ndarray):
        return np
    import torch  # only reached with a tensor in hand; importing motion must not need torch

    return torch


def _smooth(v: Float[np.ndarray, "*clips T n"]) -> Float[np.ndarray, "*clips T n"]:
    """Gaussian filter along time; ends are held, the kernel ends at four deviations."""
    reach = np.arange(-_SMOOTHING_REACH, _SMOOTHING_REACH + 1)
    kernel = np.exp(-0.5 * (reach / _SMOOTHING_FRAMES) ** 2)
    first, last = (np.repeat(v[..., end, :], _SMOOTHING_REACH, -2) for end in ([0], [-1]))
    padded = np.concatenate([first, v, last], -2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-2)
    return windows @ (kernel / kernel.sum())
