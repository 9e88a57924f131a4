"""Closed surfaces swept through rings of changing size, bound to joints.

Lengths are metres; R rings, A corners around each, V = R A vertices, F triangles.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.motion.rotation import normalize

_CAP = 2
"""Rings on each round end."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface; each ring of corners follows up to two joints."""

    rings: Float[np.ndarray, "R A 3"]
    joints: Int[np.ndarray, "R 2"]
    weights: Float[np.ndarray, "R 2"]

    @property
    def triangles(self) -> Int[np.ndarray, "F 3"]:
        """Strips between rings and a fan at either end; they face outwards."""
        count, around = self.rings.shape[:2]
        here = np.arange(around)
        beside = (here + 1) % around
        first, last = np.stack([here, beside], 1), (count - 1) * around
        strips = []
        for start in around * np.arange(count - 1):
            (a, b), (d, c) = first.T + start, first.T + start + around
            strips += [np.stack([a, b, c], -1), np.stack([a, c, d], -1)]
        fan = here[1:-1]
        strips += [np.stack([0 * fan, fan + 1, fan], -1)]
        strips += [np.stack([0 * fan, fan, fan + 1], -1) + last]
        faces = np.concatenate(strips)
        return faces if _volume(self.rings.reshape(-1, 3), faces) > 0 else faces[:, ::-1]

    @property
    def normals(self) -> Float[np.ndarray, "V 3"]:
        """Unit normals: of the faces around each corner, larger faces count more."""
        points, faces = self.rings.reshape(-1, 3), self.triangles
        a, b, c = (points[faces[:, i]] for i in range(3))
        face = np.cross(b - a, c - a)
        normals = np.zeros_like(points)
        for corner in range(3):
            np.add.at(normals, faces[:, corner], face)
        return normalize(normals)


def outline(rows: Float[np.ndarray, "n 4"], rings: int) -> Float[np.ndarray, "R 4"]:
    """More rows on a smooth curve through the given ones; the first column rises."""
    along, values = rows[:, 0], rows[:, 1:]
    at = np.linspace(along[0], along[-1], rings)
    piece = np.clip(np.searchsorted(along, at, "right") - 1, 0, len(along) - 2)
    width = (along[piece + 1] - along[piece])[:, None]
    u = (at - along[piece])[:, None] / width
    slopes = np.gradient(values, along, axis=0)
    smooth = (
        (2 * u**3 - 3 * u**2 + 1) * values[piece]
        + (u**3 - 2 * u**2 + u) * width * slopes[piece]
        + (3 * u**2 - 2 * u**3) * values[piece + 1]
        + (u**3 - u**2) * width * slopes[piece + 1]
    )
    return np.concatenate([at[:, None], smooth], axis=1)


def rounded(rows: Float[np.ndarray, "R 4"], ends: tuple[float, float]) -> Float[np.ndarray, "_ 4"]:
    """Rows with round ends put on; `along` in metres here.

    Args:
        ends: length of either end, in widths of the outline there; 0 leaves it nearly flat.
    """
    tilt = np.radians(np.linspace(15, 60, _CAP))[:, None]
    caps = []
    for row, length in ((rows[0], -ends[0]), (rows[-1], ends[1])):
        cap = np.repeat(row[None], _CAP, axis=0)
        cap[:, 1:3] = row[1:3] * np.sin(tilt)
        cap[:, :1] = row[0] + length * row[1:3].mean() * np.cos(tilt)
        caps.append(cap)
    return np.concatenate([caps[0], rows, caps[1][::-1]])


def sweep(
    rows: Float[np.ndarray, "R 4"],
    start: Float[np.ndarray, "3"],
    axes: Float[np.ndarray, "3 3"],
    around: int,
) -> Float[np.ndarray, "R A 3"]:
    """Elliptic rings along a straight line.

    Args:
        rows: along, half-width across, half-width in depth, shift ahead; metres.
        start: where `along` is zero.
        axes: unit vectors along, across and ahead.
    """
    turn = 2 * np.pi * np.arange(around) / around
    along, across, depth, ahead = (rows[:, i, None, None] for i in range(4))
    circle_across, circle_ahead = np.cos(turn)[:, None] * axes[1], np.sin(turn)[:, None] * axes[2]
    return start + along * axes[0] + ahead * axes[2] + across * circle_across + depth * circle_ahead


def _volume(points: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (points[faces[:, i]] for i in range(3))
    return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum())
