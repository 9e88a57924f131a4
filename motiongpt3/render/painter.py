"""Painting limbs pixel by pixel: depth, soft light and shade, left and right in two colours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from motiongpt3.render.camera import Camera
from motiongpt3.render.limbs import HEAD, LEFT_ARM, RIGHT_ARM, TRUNK, Limbs
from motiongpt3.render.tapers import Boxes, Surfaces

LEFT, RIGHT = (36, 106, 218), (246, 130, 22)
"""Blue and orange stay apart for every common kind of colour blindness."""
_LIMBS = (LEFT, RIGHT, LEFT, RIGHT)
PALETTE = np.array([(126, 135, 154), (232, 214, 198), *_LIMBS], np.float32)
"""Colour of each part of the body."""
_DARK_LIMBS = ((14, 44, 118), (150, 64, 6)) * 2
_DARK = np.array([(56, 62, 78), (124, 108, 102), *_DARK_LIMBS], np.float32)
_LIGHT = PALETTE + 0.36 * (255 - PALETTE)
_EDGE = 0.005
"""Metres of depth over which limbs that pass through each other melt together."""
_MELT = {TRUNK: 0.036, HEAD: 0.02}
"""The same, for limbs of one part of the body."""
_AT_ONCE = 2**17
"""Pixels of limbs that are worked on together: memory must not grow with the picture."""
_CREASE, _REACH, _DEEP = 0.36, 0.06, 0.08
"""How dark a place behind a nearer one gets; metres around it, and behind, that count."""


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
        boxes = Boxes.of(drawn, self.depth.shape)
        # Far ones first: what is painted later covers the soft edge of what is behind it.
        order = np.argsort(-drawn[..., 2].mean(axis=1))
        order = order[boxes.area[order] > 0]
        if len(order) == 0:
            return
        batch = np.cumsum(boxes.area[order]) // _AT_ONCE
        for limbs in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
            self._lay(drawn[limbs], parts[limbs], boxes.at(limbs))
        (left, top), (right, bottom) = boxes.low[order].min(axis=0), boxes.high[order].max(axis=0)
        scale = float(np.median(drawn[..., 3] / drawn[..., 4]))
        self._crease(slice(top, bottom), slice(left, right), max(1, round(_REACH * scale)))

    def _lay(self, drawn: np.ndarray, parts: np.ndarray, boxes: Boxes) -> None:
        """Lay limbs, one after another, over the picture, in front of or behind what is there."""
        surfaces = Surfaces.of(drawn, boxes)
        paint = _painted(surfaces, parts, boxes)
        for part, (pixels, place) in zip(parts.tolist(), boxes.slices(), strict=True):
            depth, seen = self.depth[place], self.part[place]
            near = surfaces.near[pixels].reshape(depth.shape)
            front = depth - near
            front *= 0.5 / _EDGE
            if part in _MELT:
                front *= np.where(seen == part, np.float32(_EDGE / _MELT[part]), np.float32(1))
            front += 0.5
            np.clip(front, 0, 1, out=front)
            front *= surfaces.cover[pixels].reshape(depth.shape)
            there = self.rgb[(slice(None), *place)]
            change = paint[:, pixels].reshape(there.shape)
            change -= there
            change *= front
            there += change
            over = front > 0.5
            np.copyto(depth, near, where=over)
            np.copyto(seen, part, where=over)

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
        np.clip(far, 0, 1, out=far)
        far *= there
        self.rgb[:, rows, columns] *= 1 - _CREASE * far


def as_bytes(planes: Float[np.ndarray, "C H W"]) -> UInt8[np.ndarray, "H W C"]:
    """Planes of 0 to 255 as a picture that is shown."""
    out = np.empty((*planes.shape[1:], len(planes)), np.uint8)
    for channel, plane in enumerate(planes):
        out[..., channel] = plane
    return out


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


def _painted(
    surfaces: Surfaces, parts: Int[np.ndarray, " P"], boxes: Boxes
) -> Float[np.ndarray, "3 N"]:
    """The colour of each pixel's limb there, 0 to 255."""
    paint = np.empty((3, len(surfaces.tone)), np.float32)
    for part, (pixels, _) in zip(parts.tolist(), boxes.slices(), strict=True):
        dark, light = _DARK[part][:, None], _LIGHT[part][:, None]
        np.multiply(surfaces.tone[pixels], light - dark, out=paint[:, pixels])
        paint[:, pixels] += dark
    paint += surfaces.shine
    return np.minimum(paint, 255, out=paint)


def _box_sum(values: Float[np.ndarray, "h w"], reach: int) -> Float[np.ndarray, "h w"]:
    """Sum over a square of 2 reach + 1 pixels around each pixel; outside there is nothing."""
    for _ in ("rows", "columns"):
        size, across = values.shape
        total = np.zeros((size + 2 * reach + 1, across), np.float32)
        np.cumsum(values, axis=0, out=total[reach + 1 : reach + 1 + size])
        total[reach + 1 + size :] = total[reach + size]
        values = (total[2 * reach + 1 :] - total[:size]).T
    return values
