"""Pelvis, spine joints and collars where the training data has them.

Files rarely hold SMPL's, so they are placed: the pelvis above the middle of the hips as in SMPL's
T-pose, the spine joints at SMPL's fractions of the way from pelvis to neck, each collar between
chest, neck and shoulder.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.rotation import normalize

_PELVIS = np.array([0.0, 0.117, 0.0072])
"""SMPL's pelvis seen from the middle of the hips (left, up, front), in leg lengths."""
_SPINE = (0.2142, 0.4721, 0.5838)
"""Where spine1 to spine3 lie on the way from pelvis to neck, as parts of it."""
_COLLAR = (0.298, 0.237, 0.465)
"""Shares of spine3, neck and shoulder in the collar."""
_NEAR_HIPS = 0.15
"""Spine joints closer to the hips than this (leg lengths) say nothing about the spine."""

Points = Float[np.ndarray, "T 3"]


def place(at: Mapping[str, Points], between: list[Points]) -> dict[str, Points]:
    """Pelvis, spine joints and collars.

    Args:
        at: where the limbs and the neck are.
        between: points on the way from the hips up to the neck.
    """
    middle = (at["left_hip"] + at["right_hip"]) / 2
    leg = sum(
        float(np.median(np.linalg.norm(at[f"left_{a}"] - at[f"left_{b}"], axis=-1)))
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    )
    far = [p for p in between if _typical_distance(p, middle) > _NEAR_HIPS * leg]
    way = [*far, at["neck"]]
    left = normalize(at["left_hip"] - at["right_hip"])
    front = normalize(np.cross(left, way[0] - middle))
    axes = np.stack([left, np.cross(front, left), front], axis=-1)
    found = {"pelvis": middle + axes @ (leg * _PELVIS)}
    spine = _along([found["pelvis"], *way])
    found |= dict(zip(("spine1", "spine2", "spine3"), spine, strict=True))
    for side in ("left", "right"):
        parts = (found["spine3"], at["neck"], at[f"{side}_shoulder"])
        found[f"{side}_collar"] = np.einsum("p,ptc->tc", _COLLAR, parts)
    return found


def _typical_distance(a: Points, b: Points) -> float:
    return float(np.median(np.linalg.norm(a - b, axis=-1)))


def _along(way: list[Points]) -> list[Points]:
    """Points at SMPL's fractions of a path's length, in every frame."""
    points = np.stack(way, axis=1)
    steps = np.diff(points, axis=1)
    lengths = np.linalg.norm(steps, axis=-1)
    ends = np.cumsum(lengths, axis=1)
    found = []
    for fraction in _SPINE:
        goal = fraction * ends[:, -1]
        piece = (ends[:, :-1] < goal[:, None]).sum(1)[:, None]
        left = goal - np.take_along_axis(ends - lengths, piece, 1)[:, 0]
        share = left / np.maximum(np.take_along_axis(lengths, piece, 1)[:, 0], 1e-12)
        pick = piece[..., None]
        start = np.take_along_axis(points, pick, 1)[:, 0]
        found.append(start + share[:, None] * np.take_along_axis(steps, pick, 1)[:, 0])
    return found
