"""Painting limbs pixel by pixel: depth, soft light and shade, left and right in two colours."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8

from motiongpt3.render.camera import Camera
from motiongpt3.render.limbs import HEAD, LEFT_ARM, RIGHT_ARM, TRUNK, Limbs

LEFT, RIGHT = (36, 106, 218), (246, 130, 22)
"""Blue and orange stay apart for every common kind of colour blindness."""
_LIMBS = (LEFT, RIGHT, LEFT, RIGHT)
PALETTE = np.array([(126, 135, 154), (232, 214, 198), *_LIMBS], np.float32)
"""Colour of each part of the body."""
_DARK_LIMBS = ((14, 44, 118), (150, 64, 6)) * 2
_DARK = np.array([(56, 62, 78), (124, 108, 102), *_DARK_LIMBS], np.float32)
_LIGHT = PALETTE + 0.36 * (255 - PALETTE)
LIGHT_FROM = np.array([-0.46, 0.66, 0.60], np.float32)
"""Unit vector: right, up, out of the picture."""
_SHINE = 34.0
"""Brightness of the light's reflection."""
_EDGE, _MELT = 0.005, (0.036, 0.02, 0.004, 0.004, 0.004, 0.004)
"""Metres of depth over which limbs that pass through each other melt together: of two parts of the
body, and of each one."""
_CREASE, _REACH, _DEEP = 0.36, 0.06, 0.08
"""How dark a place behind a nearer one gets; metres around it, and behind, that count."""


_Number: TypeAlias = float | np.floating


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture while it is painted."""

    rgb: Float[np.ndarray, "3 H W"]
    """Planes of 0 to 255."""
    depth: Float[np.ndarray, "H W"]
    """Metres to the body, infinite where there is none."""
    part: Int[np.ndarray, "H W"]
    """Part of the body that is seen; it means nothing where there is none."""

    @staticmethod
    def blank(width: int, height: int) -> "Canvas":
        """A canvas of this size, to be painted over."""
        rgb = np.empty((3, height, width), np.float32)
        return Canvas(rgb, np.empty_like(rgb[0]), np.zeros((height, width), np.int8))

    def body(self, drawn: Float[np.ndarray, "P 2 5"], parts: Int[np.ndarray, " P"]) -> None:
        """Paint the limbs of one frame over the picture.

        Args:
            drawn: start and end of each limb, see `project`.
            parts: part of the body each limb belongs to.
        """
        self.depth.fill(np.inf)
        low, high = self._boxes(drawn)
        # Far ones first: what is painted later covers the soft edge of what is behind it.
        for limb in np.argsort(-drawn[..., 2].mean(axis=1)):
            (left, top), (right, bottom) = low[limb].tolist(), high[limb].tolist()
            if left < right and top < bottom:
                offset = np.array([left, top, 0, 0, 0], np.float32)
                surface = _surface(drawn[limb] - offset, bottom - top, right - left)
                self._lay(slice(top, bottom), slice(left, right), surface, int(parts[limb]))
        (left, top), (right, bottom) = low.min(axis=0).tolist(), high.max(axis=0).tolist()
        scale = float(np.median(drawn[..., 3] / drawn[..., 4]))
        if left < right and top < bottom:
            self._crease(slice(top, bottom), slice(left, right), max(1, round(_REACH * scale)))

    def bytes(self) -> UInt8[np.ndarray, "H W 3"]:
        """The picture as it is shown."""
        out = np.empty((*self.depth.shape, 3), np.uint8)
        for channel, plane in enumerate(self.rgb):
            out[..., channel] = plane
        return out

    def _boxes(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First pixel, and one past the last, that each limb may touch."""
        rows, columns = self.depth.shape
        low = np.floor((drawn[..., :2] - drawn[..., 3:4]).min(axis=1) - 1)
        high = np.ceil((drawn[..., :2] + drawn[..., 3:4]).max(axis=1) + 2)
        low, high = (np.clip(end, 0, (columns, rows)).astype(int) for end in (low, high))
        return low, high

    def _lay(self, rows: slice, columns: slice, surface: tuple, part: int) -> None:
        """Lay one limb over a part of the picture, in front of or behind what is there."""
        alpha, tone, shine, near = surface
        depth, parts = self.depth[rows, columns], self.part[rows, columns]
        front = depth - near
        front *= np.where(parts == part, np.float32(0.5 / _MELT[part]), np.float32(0.5 / _EDGE))
        front += 0.5
        _limit(front)
        alpha *= front
        for plane, dark, light in zip(
            self.rgb[:, rows, columns], _DARK[part], _LIGHT[part], strict=True
        ):
            shade = tone * (light - dark)
            shade += shine
            shade += dark
            np.minimum(shade, 255, out=shade)
            shade -= plane
            shade *= alpha
            plane += shade
        over = alpha > 0.5
        np.copyto(depth, near, where=over)
        np.copyto(parts, part, where=over)

    def _crease(self, rows: slice, columns: slice, reach: int) -> None:
        """Darken what lies close behind something nearer: arms on a trunk, a head on a neck."""
        depth = self.depth[rows, columns]
        there = np.isfinite(depth)
        far = np.where(there, depth, 0)
        share = _box_sum(there.astype(np.float32), reach)
        mean = _box_sum(far, reach)
        mean /= np.maximum(share, 1)
        far -= mean
        far *= 1 / _DEEP
        _limit(far)
        far *= there
        self.rgb[:, rows, columns] *= 1 - _CREASE * far


def ramp(part: int, count: int) -> Float[np.ndarray, "N 3"]:
    """Colours of a part of the body from dark to light, 0 to 255."""
    return _DARK[part] + np.linspace(0, 1, count)[:, None] * (_LIGHT[part] - _DARK[part])


def shades(count: int) -> UInt8[np.ndarray, "N 3"]:
    """The colours of a body and its legend, `count` from dark to light for each colour."""
    ramps = [ramp(part, count) for part in (TRUNK, HEAD, LEFT_ARM, RIGHT_ARM)]
    return np.concatenate([*ramps, PALETTE[: RIGHT_ARM + 1]]).astype(np.uint8)


def project(limbs: Limbs, camera: Camera) -> Float[np.ndarray, "T P 2 5"]:
    """Ends of limbs: pixels right and down, depth (metres), radius (pixels), radius (metres)."""
    pixels = camera.project(np.stack([limbs.start, limbs.end], axis=2))
    metres = np.broadcast_to(limbs.radius, pixels.shape[:-1])
    radii = np.stack([camera.focal * metres / pixels[..., 2], metres], axis=-1)
    return np.concatenate([pixels, radii], axis=-1).astype(np.float32)


def _surface(
    ends: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cover (0..1), light (0..1), reflection (0..255) and depth (metres) at each pixel of a box."""
    (u, v, z, r, thick), (du, dv, dz, dr, grow) = ends[0], ends[1] - ends[0]
    # A limb seen end on still needs a length that its taper fits into.
    span = np.hypot(du, dv)
    length = max(span, 1.1 * abs(dr), 1e-3)
    ex, ey = (du / span, dv / span) if span > 1e-6 else (np.float32(1), np.float32(0))
    x = np.arange(width, dtype=np.float32) - (u - 0.5)
    y = (np.arange(height, dtype=np.float32) - (v - 0.5))[:, None]
    along = x * ex + y * ey
    across = x * ey - y * ex
    flank = across * across
    alpha, radius = _cover((along, across, flank), length, r, dr)
    metres = np.sqrt(dz * dz + (span * thick / r) ** 2) + 1e-6
    lean, narrow = dz / metres, max(-0.9, min(0.9, -grow / metres))
    share = _seen(along, flank, radius, length, (lean, narrow))
    along -= share * length
    radius = share * dr
    radius += r
    inverse = np.reciprocal(radius)
    flank += along * along
    flank *= inverse
    flank *= inverse
    towards = np.sqrt(np.maximum(1 - flank, 0))
    lx, ly, lz = LIGHT_FROM
    along *= lx * ex - ly * ey
    across *= lx * ey + ly * ex
    along += across
    along *= inverse
    tone, shine = _lit(along, towards, lz)
    near = share * (-dz / (z + dz))  # even steps in the picture are uneven ones in depth
    near += 1
    np.divide(z, near, out=near)
    share *= grow
    share += thick
    share *= towards
    near -= share
    return alpha, tone, shine, near


def _cover(
    place: tuple[np.ndarray, np.ndarray, np.ndarray], length: _Number, r: _Number, dr: _Number
) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel a taper covers, and the radius of the ball that is nearest to it.

    Args:
        place: along the taper, across it, and the square of that; pixels.
        r, dr: radius at the start, and how much larger it is at the end; pixels.
    """
    along, across, flank = place
    # Surface normals of a taper lean forward: a pixel's ball sits a little behind its foot point.
    slope = -dr / length
    share = np.abs(across)
    share *= -slope / np.sqrt(1 - slope * slope)
    share += along
    share *= 1 / length
    _limit(share)
    radius = share * dr
    radius += r
    alpha = along - share * length
    alpha *= alpha
    alpha += flank
    np.subtract(radius + 0.5, np.sqrt(alpha, out=alpha), out=alpha)
    _limit(alpha)
    return alpha, radius


def _seen(
    along: np.ndarray,
    flank: np.ndarray,
    radius: np.ndarray,
    length: _Number,
    lean: tuple[_Number, _Number],
) -> np.ndarray:
    """Where on its way from start (0) to end (1) a taper's ball is that each pixel shows.

    It is not the one behind the pixel where a limb leads into the picture or tapers.

    Args:
        radius: of the ball behind each pixel; it is written over.
        lean: sines of the angles by which the limb leads into the picture, and narrows.
    """
    into, narrow = lean
    side = radius * radius
    side *= 1 - narrow * narrow
    side -= flank
    side = np.sqrt(np.maximum(side, 0, out=side), out=side)
    side *= -into / length
    radius *= -narrow * np.sqrt(1 - into * into) / length
    share = along / length
    share += side
    share += radius
    _limit(share)
    return share


def _lit(aside: np.ndarray, towards: np.ndarray, lz: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Light and reflection of a surface.

    Args:
        aside: its normal's part across the line of sight, times the light's.
        towards: its normal's part along the line of sight, 0..1.
        lz: the light's part along the line of sight.
    """
    tone = (lz + 0.1) * towards
    tone += aside
    tone *= 0.9
    tone += 0.2
    _limit(tone)
    # Half way between the light and the eye: Blinn's highlight, to the power of 16.
    half = np.sqrt(2 + 2 * lz)
    shine = (lz + 1) * towards
    shine += aside
    shine *= 1 / half
    _limit(shine)
    for _ in range(4):
        shine *= shine
    shine *= _SHINE
    return tone, shine


def _limit(values: np.ndarray) -> None:
    """Bring values to 0..1 in place; on small boxes `np.clip` takes longer to start than to run."""
    np.maximum(values, 0, out=values)
    np.minimum(values, 1, out=values)


def _box_sum(values: np.ndarray, reach: int) -> np.ndarray:
    """Sum over a square of 2 reach + 1 pixels around each pixel; outside there is nothing."""
    for axis in (0, 1):
        size = values.shape[axis]
        total = np.cumsum(values, axis=axis, dtype=np.float32)
        high = np.take(total, np.minimum(np.arange(size) + reach, size - 1), axis=axis)
        low = np.take(total, np.maximum(np.arange(size) - reach - 1, 0), axis=axis)
        keep = np.arange(size) > reach
        values = high - low * (keep[:, None] if axis == 0 else keep)
    return values
