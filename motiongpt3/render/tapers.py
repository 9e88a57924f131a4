"""The surface of tapered limbs, pixel by pixel: what it covers, its light, and its depth.

NumPy takes as long to start on the few pixels of a limb as to work on them. So those of many limbs
lie one limb after another, and beside them the numbers of their limbs.

Shapes: P limbs; N pixels of the boxes around them, box after box and row after row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

LIGHT_FROM = np.array([-0.46, 0.66, 0.60], np.float32)
"""Unit vector: right, up, out of the picture."""
_SHINE = 34.0
"""Brightness of the light's reflection."""

_Pixels: TypeAlias = Float[np.ndarray, " N"]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Where in a picture limbs may be seen.

    Attributes:
        low, high: first pixel and one past the last, right and down.
    """

    low: Int[np.ndarray, "P 2"]
    high: Int[np.ndarray, "P 2"]

    @staticmethod
    def of(drawn: Float[np.ndarray, "P 2 5"], shape: tuple[int, int]) -> "Boxes":
        """The boxes around limbs (see `painter.project`) within a picture's rows and columns."""
        low = np.floor((drawn[..., :2] - drawn[..., 3:4]).min(axis=1) - 1)
        high = np.ceil((drawn[..., :2] + drawn[..., 3:4]).max(axis=1) + 2)
        low, high = (np.clip(end, 0, shape[::-1]).astype(int) for end in (low, high))
        return Boxes(low, np.maximum(low, high))

    @property
    def area(self) -> Int[np.ndarray, " P"]:
        """Pixels of each."""
        area: np.ndarray = (self.high - self.low).prod(axis=1)
        return area

    def at(self, limbs: Int[np.ndarray, " p"]) -> "Boxes":
        """Those of some limbs."""
        return Boxes(self.low[limbs], self.high[limbs])

    def slices(self) -> Iterator[tuple[slice, tuple[slice, slice]]]:
        """Of each limb its part of N, and its rows and columns in the picture."""
        stop = 0
        for (left, top), (right, bottom) in zip(self.low.tolist(), self.high.tolist(), strict=True):
            start, stop = stop, stop + (right - left) * (bottom - top)
            yield slice(start, stop), (slice(top, bottom), slice(left, right))


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What pixels show of their limbs.

    Attributes:
        cover: how much of the pixel the limb covers, 0..1.
        tone: light, 0..1.
        shine: reflection of the light, 0..255.
        near: metres of depth.
    """

    cover: _Pixels
    tone: _Pixels
    shine: _Pixels
    near: _Pixels

    @staticmethod
    def of(drawn: Float[np.ndarray, "P 2 5"], boxes: Boxes) -> "Surfaces":
        """Surfaces of limbs (see `painter.project`), none of which hides another."""
        ahead = _directions(drawn)
        along, across = _places(drawn[:, 0, :2], ahead, boxes)
        taper = _Taper.of(drawn, ahead).spread(boxes)
        flank = across * across
        cover, radius = _cover(along, across, flank, taper)
        share = _seen(along, flank, radius, taper)
        along -= share * taper.length
        radius = share * taper.widen
        radius += taper.radius
        inverse = np.divide(1, radius, out=radius)
        flank += along * along
        flank *= inverse
        flank *= inverse
        np.subtract(1, flank, out=flank)
        towards = np.sqrt(np.clip(flank, 0, 1, out=flank), out=flank)
        along *= taper.light_along
        across *= taper.light_across
        along += across
        along *= inverse
        tone, shine = _lit(along, towards)
        near = share * taper.recede  # even steps in the picture are uneven ones in depth
        near += 1
        np.divide(taper.depth, near, out=near)
        share *= taper.grow
        share += taper.thick
        share *= towards
        near -= share
        return Surfaces(cover, tone, shine, near)


class _Taper(NamedTuple):
    """A limb in the picture: a row of balls from a start to an end. In pixels where not metres."""

    length: np.ndarray
    """From start to end."""
    shorten: np.ndarray
    """Its reciprocal."""
    radius: np.ndarray
    """Of the ball at the start."""
    widen: np.ndarray
    """How much larger the ball at the end is."""
    lean: np.ndarray
    """Tangent of the angle between its outline and its middle line."""
    narrow: np.ndarray
    """Squared cosine of the angle by which it narrows."""
    lead: np.ndarray
    """How much of its length, for a pixel towards the eye, balls are seen further on: a limb that
    leads into the picture shows those nearer to its start."""
    shift: np.ndarray
    """The same for a pixel of radius, where it narrows."""
    light_along: np.ndarray
    """The light's direction, along the limb."""
    light_across: np.ndarray
    """The light's direction, across the limb."""
    depth: np.ndarray
    """Metres, of the start."""
    recede: np.ndarray
    """Share of its depth that the end is nearer than the start."""
    thick: np.ndarray
    """Metres: radius of the ball at the start."""
    grow: np.ndarray
    """Metres: how much larger the ball at the end is."""

    @staticmethod
    def of(drawn: Float[np.ndarray, "P 2 5"], ahead: Float[np.ndarray, "P 2"]) -> "_Taper":
        """Limbs with their directions in the picture."""
        (_, _, z, r, thick), (du, dv, dz, dr, grow) = drawn[:, 0].T, (drawn[:, 1] - drawn[:, 0]).T
        span, (ex, ey), (lx, ly, _) = np.hypot(du, dv), ahead.T, LIGHT_FROM
        # A limb seen end on still needs a length that its taper fits into.
        length = np.maximum(np.maximum(span, 1.1 * np.abs(dr)), 1e-3)
        slope = dr / length
        metres = np.sqrt(dz * dz + (span * thick / r) ** 2) + 1e-6
        into, narrow = dz / metres, np.clip(-grow / metres, -0.9, 0.9)
        return _Taper(
            length=length,
            shorten=1 / length,
            radius=r,
            widen=dr,
            lean=slope / np.sqrt(1 - slope * slope),
            narrow=1 - narrow * narrow,
            lead=-into / length,
            shift=-narrow * np.sqrt(1 - into * into) / length,
            light_along=lx * ex - ly * ey,
            light_across=lx * ey + ly * ex,
            depth=z,
            recede=-dz / (z + dz),
            thick=thick,
            grow=grow,
        )

    def spread(self, boxes: Boxes) -> "_Taper":
        """The numbers of its limb beside each pixel."""
        return _Taper(*np.repeat(np.stack(self), boxes.area, axis=1))


def _directions(drawn: Float[np.ndarray, "P 2 5"]) -> Float[np.ndarray, "P 2"]:
    """Unit vectors from start to end in the picture; to the right if there is no way between."""
    way = drawn[:, 1, :2] - drawn[:, 0, :2]
    span = np.hypot(*way.T)[:, None]
    still = np.array([1, 0], np.float32)
    return np.where(span > 1e-6, way / np.maximum(span, 1e-6), still)


def _places(
    start: Float[np.ndarray, "P 2"], ahead: Float[np.ndarray, "P 2"], boxes: Boxes
) -> tuple[_Pixels, _Pixels]:
    """How far pixels are from their limb's start, along it and across it."""
    widths, heights = (boxes.high - boxes.low).T
    limb = np.repeat(np.arange(len(heights)), heights)  # of each row
    left, top = boxes.low[limb].T - start[limb].T + 0.5
    top += _counted(heights)
    right, down = ahead[limb].T
    first = np.stack([left * right + top * down, left * down - top * right])
    places = np.repeat(ahead.T, boxes.area, axis=1)
    places *= _counted(widths[limb])
    places += np.repeat(first.astype(np.float32), widths[limb], axis=1)
    along, across = places
    return along, across


def _counted(counts: Int[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """From 0 up to each count, one after another."""
    stops = np.cumsum(counts)
    numbers: np.ndarray = np.arange(stops[-1]) - np.repeat(stops - counts, counts)
    return numbers.astype(np.float32)


def _cover(
    along: _Pixels, across: _Pixels, flank: _Pixels, taper: _Taper
) -> tuple[_Pixels, _Pixels]:
    """How much of each pixel a taper covers, and the radius of the ball that is nearest to it.

    Args:
        flank: the square of across.
    """
    # Surface normals of a taper lean forward: a pixel's ball sits a little behind its foot point.
    share = np.abs(across)
    share *= taper.lean
    share += along
    share *= taper.shorten
    np.clip(share, 0, 1, out=share)
    radius = share * taper.widen
    radius += taper.radius
    share *= taper.length
    cover = np.subtract(along, share, out=share)
    cover *= cover
    cover += flank
    np.subtract(radius, np.sqrt(cover, out=cover), out=cover)
    cover += 0.5
    np.clip(cover, 0, 1, out=cover)
    return cover, radius


def _seen(along: _Pixels, flank: _Pixels, radius: _Pixels, taper: _Taper) -> _Pixels:
    """Where on its way from start (0) to end (1) a taper's ball is that each pixel shows.

    It is not the one behind the pixel where a limb leads into the picture or tapers.

    Args:
        radius: of the ball behind each pixel; it is written over.
    """
    share = radius * radius
    share *= taper.narrow
    share -= flank
    np.sqrt(np.clip(share, 0, np.inf, out=share), out=share)
    share *= taper.lead
    radius *= taper.shift
    share += radius
    share += np.multiply(along, taper.shorten, out=radius)
    np.clip(share, 0, 1, out=share)
    return share


def _lit(aside: _Pixels, towards: _Pixels) -> tuple[_Pixels, _Pixels]:
    """Light and reflection of a surface.

    Args:
        aside: its normal's part across the line of sight, times the light's.
        towards: its normal's part along the line of sight, 0..1.
    """
    ahead = LIGHT_FROM[2]
    tone = (ahead + 0.1) * towards
    tone += aside
    tone *= 0.9
    tone += 0.2
    np.clip(tone, 0, 1, out=tone)
    # Half way between the light and the eye: Blinn's highlight, to the power of 16.
    shine = (ahead + 1) * towards
    shine += aside
    shine *= 1 / np.sqrt(2 + 2 * ahead)
    np.clip(shine, 0, 1, out=shine)
    for _ in range(4):
        shine *= shine
    shine *= _SHINE
    return tone, shine
