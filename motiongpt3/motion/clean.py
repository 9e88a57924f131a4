"""Clean-up of captured or generated motion: less noise, on the floor, feet that stand.

Shapes: T frames, J joints. Positions in the skeleton's unit, Y up.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.feet import Contact, standing_frames
from motiongpt3.motion.foot_lock import SLIDING, Stretch, lock_feet, move_foot, smoothed
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

_RARELY = 2
"""Percent of the frames may go below the floor: single frames there are noise."""


@dataclass(frozen=True)
class Cleaning:
    """What is cleaned up."""

    smooth: float = 6.0
    """Hertz from which on movement is taken for noise (there, half of its power is left); 0 leaves
    all of it. People's own movement is below 6, but for impacts."""
    ground: bool = True
    """Whether the lowest that the body goes becomes the floor, height 0."""
    lock: bool = True
    """Whether standing feet are held in place."""
    contact: Contact = SLIDING
    """What counts as a foot that should stand."""

    def __post_init__(self) -> None:
        if not 0 <= self.smooth < 1e4:
            raise InputError(f"smooth is {self.smooth}", where="smooth", hint="Hertz, such as 6")


def clean(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    cleaning: Cleaning | None = None,
) -> Float[np.ndarray, "T J 3"]:
    """The motion smoothed, put on the floor, and its feet locked, as far as is asked for.

    Args:
        fps: frames per second, if they are not the skeleton's own; so in all of this file.
    """
    cleaning = cleaning or Cleaning()
    cleaned = np.array(joints, np.float64)
    if cleaning.smooth:
        cleaned = smooth(cleaned, cleaning.smooth, fps, skeleton, cleaning.contact)
    if cleaning.ground:
        cleaned = level(cleaned)
    if cleaning.lock:
        cleaned = lock_feet(cleaned, fps, skeleton, cleaning.contact)
    return cleaned


def smooth(
    joints: Float[np.ndarray, "T J 3"],
    hertz: float = 6.0,
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    contact: Contact = SLIDING,
) -> Float[np.ndarray, "T J 3"]:
    """The motion without what is faster than `hertz`, and without delay.

    Bones keep their length, which positions that are averaged lose, and feet that stand stay where
    they stood.
    """
    fps = fps or skeleton.fps
    width = fps * np.sqrt(np.log(2)) / (2 * np.pi * hertz)
    joints = np.asarray(joints, np.float64)
    if len(joints) < 3:  # nothing to tell noise by
        return joints
    averaged = smoothed(joints, width)
    parents = list(skeleton.parents[1:])
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, parents], axis=-1, keepdims=True)
    bones = normalize(averaged[:, 1:] - averaged[:, parents]) * smoothed(lengths, width)
    calm = averaged.copy()
    for joint, parent in enumerate(parents, start=1):
        calm[:, joint] = calm[:, parent] + bones[:, joint - 1]
    for leg in skeleton.legs:
        toe = joints[:, leg[-1]]
        known = np.flatnonzero(standing_frames(toe * skeleton.metres, fps, contact))
        if len(known):
            off = toe[known] - calm[known, leg[-1]]
            frames = np.arange(len(toe))
            shift = np.stack([np.interp(frames, known, axis) for axis in off.T], axis=-1)
            move_foot(calm, leg, shift, Stretch.of(calm, leg))
    return calm


def level(joints: Float[np.ndarray, "T J 3"]) -> Float[np.ndarray, "T J 3"]:
    """The motion moved up or down as a whole, so that the lowest it goes is the floor, height 0."""
    floor = np.percentile(joints[..., 1].min(axis=1), _RARELY)
    return np.asarray(joints - np.array([0.0, floor, 0.0]))
