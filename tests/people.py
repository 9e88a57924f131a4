"""Made-up people that move smoothly and have rigid bones, for tests without captured motion."""

import numpy as np

from motiongpt3.motion import rotation
from motiongpt3.motion.kinematics import forward, rest_directions
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

BONES = {
    "hip": 0.11,
    "knee": 0.39,
    "ankle": 0.42,
    "foot": 0.14,
    "toe": 0.12,
    "spine1": 0.13,
    "spine2": 0.14,
    "spine3": 0.06,
    "neck": 0.21,
    "head": 0.11,
    "collar": 0.14,
    "shoulder": 0.12,
    "elbow": 0.26,
    "wrist": 0.25,
}
"""Bone lengths of an adult, metres, by the joint each ends at."""


def offsets(skeleton: Skeleton) -> np.ndarray:
    """Rest pose (J, 3) of an adult in the skeleton's unit."""
    directions = rest_directions(skeleton)
    for joint, name in enumerate(skeleton.joints):
        if name.endswith("_hip"):
            directions[joint] += [0, -1.2, -0.2]
        if name.endswith("_collar"):
            directions[joint] += [0, 1.4, 0]
    lengths = [BONES.get(n.rpartition("_")[2], 0.0) for n in skeleton.joints]
    return rotation.normalize(directions) * np.array(lengths)[:, None] / skeleton.metres


def person(
    seed: int = 0, frames: int = 40, skeleton: Skeleton = HUMANML3D, swing: float = 0.5
) -> Motion:
    """Someone who sways, turns and waves limbs by about `swing` radians."""
    random = np.random.default_rng(seed)
    shape = (len(skeleton.joints), 3)
    time = np.linspace(0, 2 * np.pi, frames)[:, None, None]
    phase, size = random.uniform(0, 2 * np.pi, shape), random.normal(0, swing / 2, shape)
    turns = size * np.sin(time + phase) + random.normal(0, swing / 4, shape)
    turns[:, 0] = [0, 1, 0] * turns[:, 0] * 4
    rest = offsets(skeleton)
    tall = rest[[skeleton.index(j) for j in ("left_knee", "left_ankle")], 1].sum() * -1.2
    root = np.concatenate([0.3 * tall * time[..., 0], 0 * time[..., 0] + tall, 0 * time[..., 0]], 1)
    joints = forward(rotation.from_axis_angle(turns), root, rest, skeleton)
    return Motion(joints, skeleton.fps, skeleton)
