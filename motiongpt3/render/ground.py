"""The ground: a soft grid that shows motion over it, the root's trail and the body's shadow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from motiongpt3.render.scene import STANDING_STILL, Camera, Scene

TILE = 0.5
"""Metres between the lines of the grid."""
_SKY, _FLOOR = np.array([[250, 250, 252], [222, 226, 233]], np.float32)
_LINE = 0.17
_SHADOW = 0.55
_TRAIL_WIDTH, TRAIL_STEP = 0.014, 0.02
_LONGEST = 100_000
"""Points of a trail."""
_BAND, _PIECE = 24, 24
"""Picture rows, and points of the trail, that are worked on together: they fit the CPU's cache."""
_TRAIL_TINT = np.array([0.34, 0.30, 0.14], np.float32)
"""Share of red, green and blue that the trail takes away."""
_SUN = np.array([0.13, 0.06])
"""Metres that shadows fall to the right and away, per metre of height."""


@dataclass(frozen=True)
class Ground:
    """What of the ground stays the same from picture to picture of one camera.

    Attributes:
        camera: the camera.
        backdrop: the empty studio, 0 to 255.
        first_row: the uppermost picture row in which the grid is visible.
        across: grid coordinates (tiles) of the pixels, relative to the camera, for two axes.
        sharpness: tiles to pixels, for two axes.
        strength: how dark a grid line is at each pixel.
        turn: rotates the world's x, z into the two grid axes.
    """

    camera: Camera
    backdrop: Float[np.ndarray, "3 H W"]
    first_row: int
    across: Float[np.ndarray, "2 G W"]
    sharpness: Float[np.ndarray, "2 G W"]
    strength: Float[np.ndarray, "G W"]
    turn: Float[np.ndarray, "2 2"]

    @staticmethod
    def of(camera: Camera, scene: Scene, width: int, height: int, reach: float) -> "Ground":
        """The ground that `camera` sees; the grid fades out `reach` metres from its centre."""
        right, up, into = camera.axes
        u = (np.arange(width) + 0.5 - camera.centre[0]) / camera.focal
        v = (camera.centre[1] - np.arange(height) - 0.5)[:, None] / camera.focal
        fall = into[1] + up[1] * v
        first_row = int(np.argmax(fall[:, 0] < -1e-3))
        v, fall = v[first_row:], fall[first_row:]
        ray = -camera.position[0, 1] / fall
        forward = ray * (into[[0, 2], None, None] + up[[0, 2], None, None] * v)
        points = forward + right[[0, 2], None, None] * ray * u  # (2, G, W) metres from the camera
        ahead = scene.ahead[0]
        turn = np.array([[ahead[2], -ahead[0]], [ahead[0], ahead[2]]]) / TILE
        across = np.einsum("ij,jgw->igw", turn, points)
        step = np.hypot(*np.gradient(across, axis=(1, 2)))
        middle = -camera.position[0, 1] / into[1] * into[[0, 2], None, None]
        off = np.hypot(*(points - middle)) / reach
        strength = _LINE * np.clip(1 - off * off, 0, 1) * np.clip(1.5 - step.max(0), 0, 1)
        return Ground(
            camera,
            _studio(width, height, first_row, off),
            first_row,
            across.astype(np.float32),
            (1 / step).astype(np.float32),
            strength.astype(np.float32),
            turn,
        )

    def paint(
        self,
        image: Float[np.ndarray, "3 H W"],
        frame: int,
        casters: Float[np.ndarray, "N 3"],
        trail: Float[np.ndarray, "M 3"],
    ) -> None:
        """The ground of one frame, without the body.

        Args:
            image: red, green and blue planes, 0 to 255, overwritten.
            frame: which of the camera's positions.
            casters: points of the body, metres; they cast the shadow.
            trail: points on the ground, metres, `TRAIL_STEP` apart.
        """
        image[:, : self.first_row] = self.backdrop[:, : self.first_row]
        floor, backdrop = image[:, self.first_row :], self.backdrop[:, self.first_row :]
        shift = self.turn @ self.camera.position[frame, [0, 2]]
        shift = (shift - np.floor(shift)).astype(np.float32)
        for start in range(0, floor.shape[1], _BAND):
            rows = slice(start, start + _BAND)
            np.multiply(backdrop[:, rows], self._grid(rows, shift), out=floor[:, rows])
        rows, columns, cover = self._shadow(casters, frame)
        floor[:, rows, columns] *= 1 - _SHADOW * cover
        if len(trail):
            rows, columns, cover = self._trail(trail, frame)
            floor[:, rows, columns] *= 1 - _TRAIL_TINT[:, None, None] * cover

    def _grid(self, rows: slice, shift: np.ndarray) -> np.ndarray:
        """Brightness of some rows of the ground, whose tiles have moved by `shift`."""
        off = self.across[:, rows] + shift[:, None, None]
        off -= np.rint(off)
        np.abs(off, out=off)
        off *= self.sharpness[:, rows]
        # A line where either axis is near a whole tile; 1.3 pixels from its middle it ends.
        bright = np.minimum(*off)
        np.subtract(1.3, bright, out=bright)
        np.clip(bright, 0, 1, out=bright)
        bright *= self.strength[rows]
        return np.subtract(1, bright, out=bright)

    def _shadow(self, casters: np.ndarray, frame: int) -> tuple[slice, slice, np.ndarray]:
        """Soft shadow: each point of the body darkens a blur that widens with its height."""
        height = np.maximum(casters[:, 1], 0)
        right, _, into = self.camera.axes * [1, 0, 1]
        fall = height[:, None] * (_SUN[0] * right + _SUN[1] * into / np.linalg.norm(into))
        spots = casters * [1, 0, 1] + fall
        size = 0.038 + 0.085 * height
        # What touches the floor darkens it most.
        weight = 0.26 / (1 + 4 * height) + 0.5 * np.exp(-((height / 0.09) ** 2))
        rows, columns, cover = self._blur(spots, size, weight, frame)
        cover /= 0.6 + cover
        return rows, columns, cover

    def _trail(self, trail: np.ndarray, frame: int) -> tuple[slice, slice, np.ndarray]:
        """The path walked, the older the fainter; short pieces, since each costs its whole box."""
        weight = np.linspace(0.15, 1.0, len(trail))
        size = np.full(len(trail), _TRAIL_WIDTH)
        cover = np.zeros_like(self.strength)
        low, high = np.array(cover.shape), np.zeros(2, int)
        for start in range(0, len(trail), _PIECE):
            piece = slice(start, start + _PIECE)
            rows, columns, part = self._blur(trail[piece], size[piece], weight[piece], frame)
            cover[rows, columns] += part
            low = np.minimum(low, (rows.start, columns.start))
            high = np.maximum(high, (rows.stop, columns.stop))
        rows, columns = (slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
        return rows, columns, np.minimum(cover[rows, columns], 1)

    def _blur(
        self, spots: np.ndarray, size: np.ndarray, weight: np.ndarray, frame: int
    ) -> tuple[slice, slice, np.ndarray]:
        """Sum of blurred spots on the ground, and the rows and columns it covers.

        A round spot on the ground is an upright ellipse in the picture, since the camera has no
        roll; a Gaussian ellipse is a product of a row and a column, so the sum is one matmul.
        """
        height, width = self.strength.shape
        position = self.camera.position[frame]
        x, y, z = self.camera.axes @ (spots - position).T
        seen = z > 0.3
        x, y, z, size, weight = x[seen], y[seen], z[seen], size[seen], weight[seen]
        u = self.camera.centre[0] + self.camera.focal * x / z
        v = self.camera.centre[1] - self.camera.focal * y / z - self.first_row
        wide = self.camera.focal * size / z
        flat = wide * position[1] / z + 0.4
        left, right = _range(u, 3.4 * wide, width)
        top, bottom = _range(v, 3.4 * flat, height)
        across = _bells(left, right, u, wide)
        down = _bells(top, bottom, v, flat) * weight[:, None].astype(np.float32)
        return slice(top, bottom), slice(left, right), down.T @ across


def _bells(first: int, stop: int, middle: np.ndarray, size: np.ndarray) -> np.ndarray:
    """A Gaussian over pixels `first` to `stop` for each middle and size."""
    pixels = np.arange(first, stop, dtype=np.float32) + 0.5
    off = (pixels - middle[:, None].astype(np.float32)) / size[:, None].astype(np.float32)
    off *= off
    off *= -0.5
    return np.exp(off, out=off)


def _range(middle: np.ndarray, reach: np.ndarray, stop: int) -> tuple[int, int]:
    """First pixel and one past the last that spots reach, within 0 to `stop`."""
    if len(middle) == 0:
        return 0, 0
    first = np.clip((middle - reach).min(), 0, stop)
    last = np.clip((middle + reach).max() + 1, first, stop)
    return int(first), int(last)


def _studio(width: int, height: int, first_row: int, off: np.ndarray) -> np.ndarray:
    """A pale backdrop that runs into the floor without a horizon, lit around the person."""
    mix = np.zeros((height, width))
    mix[first_row:] = 1 / (1 + 1.6 * off**2)
    glow = np.linspace(-1, 1, width) ** 2 * 0.35
    image = _SKY[:, None, None] + (_FLOOR - _SKY)[:, None, None] * (mix + (1 - mix) * glow * 0.5)
    return image.astype(np.float32)


def shades(count: int) -> UInt8[np.ndarray, "N 3"]:
    """The colours of the floor, `count` from deep shadow to light."""
    return (_FLOOR * np.linspace(1 - _SHADOW, 1, count)[:, None]).astype(np.uint8)


def trail_points(
    root: Float[np.ndarray, "T 3"],
) -> tuple[Float[np.ndarray, "M 3"], Int[np.ndarray, " T"]]:
    """Points along the root path at even distances, and how many of them each frame has passed.

    Someone who stays in place leaves no trail.
    """
    if np.ptp(root, axis=0).max() < STANDING_STILL:
        return root[:0], np.zeros(len(root), int)
    step = np.linalg.norm(np.diff(root, axis=0), axis=-1)
    walked = np.concatenate([[0.0], np.cumsum(step)])
    apart = max(TRAIL_STEP, walked[-1] / _LONGEST)
    marks = np.arange(0, walked[-1] + 1e-9, apart)
    points = np.stack([np.interp(marks, walked, axis) for axis in root.T], axis=-1)
    return points, np.floor(walked / apart).astype(int) + 1
