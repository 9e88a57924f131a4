"""Somebody to draw, and what to look for in the picture."""

import numpy as np

from motiongpt3.motion.skeleton import HUMANML3D, Skeleton
from motiongpt3.render.scene import View

SMALL = View(width=160, height=160)
LENGTHS = {"hip": 0.1, "knee": 0.4, "ankle": 0.4, "foot": 0.13, "elbow": 0.27, "wrist": 0.25}


def standing(frames: int = 4, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """Someone who faces +Z with hanging arms; the left hand of HumanML3D's body goes up."""
    pose = np.zeros((len(skeleton.joints), 3), np.float32)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            length = LENGTHS.get(skeleton.joints[joint].rpartition("_")[2], 0.13)
            pose[joint] = pose[parent] + length * skeleton.raw_offsets[joint]
    joints = np.repeat(pose[None], frames, axis=0)
    if skeleton is HUMANML3D:
        shoulder = joints[:, [skeleton.index("left_shoulder")]]
        arm = [skeleton.index("left_elbow"), skeleton.index("left_wrist")]
        joints[:, arm] = shoulder + np.array([[0.15, 0.2, 0.1], [0.2, 0.45, 0.15]])
    return joints


def walking(steps: int = 4, frames: int = 10, stride: float = 0.6) -> np.ndarray:
    """Somebody who walks along +Z; the left foot stands in even steps, the right in odd ones."""
    count = steps * frames
    joints = standing(count)
    along = np.arange(count) / frames
    joints[..., 2] += stride * along[:, None]
    for start, leg in enumerate(HUMANML3D.legs):
        phase = (along + start) % 2
        # From behind the body to before it in the air, from before it to behind on the floor.
        swings = phase >= 1
        off = np.where(swings, phase - 1.5, 0.5 - phase) * stride
        height = 0.15 * np.sin(np.pi * (phase - 1)) * swings
        for joint in leg[2:]:
            joints[:, joint, 2] += off
            joints[:, joint, 1] += height
        joints[:, leg[1], 2] += off / 2
    return joints


def is_blue(pixels: np.ndarray) -> np.ndarray:
    """Where a picture shows a left limb."""
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return blue - red > 70


def is_orange(pixels: np.ndarray) -> np.ndarray:
    """Where a picture shows a right limb."""
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return red - blue > 70
