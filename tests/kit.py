"""Made-up people with KIT-ML's joints, unit and frame rate, in its published proportions."""

import numpy as np
from clips import TURNS, WALKS, WAVES, Line

from motiongpt3.motion import rotation
from motiongpt3.motion.kinematics import forward
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import KIT

BONES = {
    "spine1": (0, 77, 5),
    "spine2": (0, 107, -9),
    "neck": (0, 40, 8),
    "head": (0, 22, 15),
    "shoulder": (97, 0, 0),
    "elbow": (140, 0, 0),
    "wrist": (100, 0, 0),
    "hip": (45, 0, 0),
    "knee": (0, -240, 0),
    "ankle": (0, -240, 0),
    "foot": (4, -20, 16),
    "toe": (15, -20, 38),
}
"""The bone that ends at each joint, from the published mean: T-pose facing +Z, left side, units."""


def rest() -> np.ndarray:
    """Rest pose (21, 3): each joint as seen from its parent."""
    bones = np.zeros((len(KIT.joints), 3))
    for joint, name in enumerate(KIT.joints[1:], start=1):
        side, _, part = name.rpartition("_")
        bones[joint] = np.array(BONES[part]) * (-1 if side == "right" else 1, 1, 1)
    return bones


def walk(frames: int = 50, speed: float = 1.0, turn: float = 0.0, phase: float = 0.0) -> Motion:
    """Somebody who walks at `speed` m/s, turning left by `turn` radians per second."""
    time = np.arange(frames) / KIT.fps
    swing = 0.45 * np.sin(2 * np.pi * time + phase)
    angles = _hanging_arms(frames)
    for side, sign in (("left", 1), ("right", -1)):
        angles[:, KIT.index(f"{side}_hip"), 0] = -sign * swing
        angles[:, KIT.index(f"{side}_knee"), 0] = 0.3 + 0.2 * sign * np.cos(7 * time + phase)
        angles[:, KIT.index(f"{side}_shoulder"), 1] = 0.4 * swing
    heading = turn * time
    angles[:, 0, 1] = heading
    step = speed / KIT.metres / KIT.fps
    steps = step * np.stack([np.sin(heading), np.cos(heading)], -1)
    return _pose(angles, np.cumsum(steps, 0) - steps[0])


def wave(frames: int = 50, side: str = "left", phase: float = 0.0) -> Motion:
    """Somebody who stands and waves one hand above the head."""
    time = np.arange(frames) / KIT.fps
    sign = 1 if side == "left" else -1
    angles = _hanging_arms(frames)
    raised = 0.5 * (1 + np.tanh(4 * (time - 0.4)))
    angles[:, KIT.index(f"{side}_shoulder"), 2] = sign * (-1.3 + 2.2 * raised)
    elbow = 0.5 * raised * np.sin(9 * time + phase)
    angles[:, KIT.index(f"{side}_elbow"), 2] = sign * elbow
    angles[:, KIT.index("spine1"), 0] = 0.03 * np.sin(2 * time)
    return _pose(angles, np.zeros((frames, 2)))


def anybody(seed: int, frames: int) -> Motion:
    """Somebody who walks, turns, leans and waves limbs as chance will have it."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / KIT.fps
    shape = (len(KIT.joints), 3)
    angles = random.normal(0, 0.4, shape) * np.sin(
        random.uniform(0.5, 6, shape) * time + random.uniform(0, 6, shape)
    )
    heading = np.cumsum(random.normal(0, 0.08, frames))
    angles[:, 0] *= 0.3
    angles[:, 0, 1] = heading
    step = random.uniform(0, 2) / KIT.metres / KIT.fps
    ground = np.cumsum(step * np.stack([np.sin(heading), np.cos(heading)], -1), 0)
    return _pose(angles + _hanging_arms(frames), ground)


def lines(copies: int = 2) -> list[Line]:
    """A small data set: walks, turns and waves of both sides, in three splits."""
    made = []
    for n in range(copies):
        split = ("train", "train", "val", "test")[n % 4]
        frames, phase = 32 + 5 * (n % 5), 0.7 * n
        made += [
            Line(f"0{n}001", walk(frames, 1 + 0.1 * n, 0.0, phase), WALKS, split),
            Line(f"0{n}002", walk(frames, 0.8, 0.9, phase), TURNS, split),
        ]
        for number, side in enumerate(("left", "right"), 3):
            words = tuple(text.replace("left", side) for text in WAVES)
            made.append(Line(f"0{n}00{number}", wave(frames, side, phase), words, split))
    return made


def _hanging_arms(frames: int) -> np.ndarray:
    """Rotation vectors (T, 21, 3) of someone who stands with arms down."""
    angles = np.zeros((frames, len(KIT.joints), 3))
    angles[:, KIT.index("left_shoulder"), 2] = -1.3
    angles[:, KIT.index("right_shoulder"), 2] = 1.3
    return angles


def _pose(angles: np.ndarray, ground: np.ndarray) -> Motion:
    root = np.stack([ground[:, 0], np.zeros(len(ground)), ground[:, 1]], -1)
    joints = forward(rotation.from_axis_angle(angles), root, rest(), KIT)
    joints[..., 1] -= joints[..., 1].min()
    return Motion(joints, KIT.fps, KIT)
