"""The ground: a soft grid that shows motion over it, and what is marked on it.

Shapes: H x W pixels of a picture, of which the lowest G rows show the ground; N spots.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from motiongpt3.render.camera import Camera
from motiongpt3.render.scene import Scene

TILE = 0.5
"""Metres between the lines of the grid."""
_SKY, _FLOOR = np.array([[250, 250, 252], [221, 225, 232]], np.float32)
_LINE = 0.11
_SHADOW = np.array([0.52, 0.49, 0.42], np.float32)
"""Share of red, green and blue that is missing in the deepest shadow: it is cool."""
_BAND = 24
"""Picture rows that are worked on together: they fit the CPU's cache."""
_SMALL = 2**18
"""Multiplications that OpenBLAS does by itself: for more it wakes threads, which then spin for a
while on the cores that whatever encodes the pictures needs."""
_SUN = np.array([0.28, 0.16])
"""Metres that shadows fall to the right and away, per metre of height."""
Grid = tuple[Float[np.ndarray, "2 G W"], Float[np.ndarray, "2 G W"]]
"""Grid coordinates (tiles) of the pixels relative to the camera, and pixels to a tile."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What of the ground stays the same from picture to picture of one camera.

    Attributes:
        camera: the camera.
        backdrop: what is there without a person, 0 to 255.
        first_row: the uppermost picture row in which the ground is visible.
        points: metres to the right of the point below the camera, and ahead of it.
        strength: how dark a grid line is at each pixel.
        first_line: the first of its rows with any line in it.
        turn: rotates the world's x, z into the two grid axes, in tiles.
        grid: the grid as the camera sees it; None for a camera that turns, or no grid.
    """

    camera: Camera
    backdrop: Float[np.ndarray, "3 H W"]
    first_row: int
    points: Float[np.ndarray, "2 G W"]
    strength: Float[np.ndarray, "G W"] | None
    first_line: int
    turn: Float[np.ndarray, "2 2"]
    grid: Grid | None

    @staticmethod
    def of(
        camera: Camera,
        scene: Scene,
        size: tuple[int, int],
        reach: float,
        paper: float | None = None,
    ) -> "Ground":
        """The ground that `camera` sees.

        Args:
            size: width and height of the picture.
            reach: metres from the middle at which the grid has faded out.
            paper: brightness (0 to 255) of plain paper that is there in place of a studio.
        """
        width, height = size
        _, up, into = camera.axes[0]
        u = (np.arange(width) + 0.5 - camera.centre[0]) / camera.focal
        v = (camera.centre[1] - np.arange(height) - 0.5)[:, None] / camera.focal
        fall = into[1] + up[1] * v
        first_row = int(np.argmax(fall[:, 0] < -1e-3))
        v, fall = v[first_row:], fall[first_row:]
        ray = -camera.position[0, 1] / fall
        tilt = np.hypot(into[0], into[2])  # of `up`, the part that leads ahead is -into[1]
        points = np.stack([ray * u, ray * (tilt - into[1] * v) + 0 * u]).astype(np.float32)
        ahead = scene.ahead[0]
        turn = np.array([[ahead[2], -ahead[0]], [ahead[0], ahead[2]]]) / TILE
        middle = -camera.position[0, 1] / into[1] * tilt
        off = np.hypot(points[0], points[1] - middle) / reach
        if paper is not None:
            backdrop = np.full((3, height, width), paper, np.float32)
            return Ground(camera, backdrop, first_row, points, None, 0, turn, None)
        grid = _grid(points, turn @ _facing(camera, 0))
        strength = _LINE * np.clip(1 - off * off, 0, 1) * np.clip(1.5 - 1 / grid[1].min(0), 0, 1)
        backdrop = _studio(width, height, first_row, off)
        kept = None if camera.turns else grid
        strength, first_line = strength.astype(np.float32), int(np.argmax(strength.any(axis=1)))
        return Ground(camera, backdrop, first_row, points, strength, first_line, turn, kept)

    def paint(self, image: Float[np.ndarray, "3 H W"], frame: int) -> Float[np.ndarray, "3 G W"]:
        """Paint the empty ground of one frame over the whole image; gives the part it fills.

        Args:
            image: red, green and blue planes, 0 to 255.
            frame: which of the camera's positions.
        """
        floor, backdrop = image[:, self.first_row :], self.backdrop[:, self.first_row :]
        if self.strength is None:
            image[:] = self.backdrop
            return floor
        sky = self.first_row + self.first_line
        image[:, :sky] = self.backdrop[:, :sky]
        across, sharp = self.grid or _grid(self.points, self.turn @ _facing(self.camera, frame))
        shift = self.turn @ self.camera.position[frame, [0, 2]]
        shift = (shift - np.floor(shift)).astype(np.float32)[:, None, None]
        for start in range(self.first_line, floor.shape[1], _BAND):
            rows = slice(start, start + _BAND)
            lines = _lines(across[:, rows] + shift, sharp[:, rows], self.strength[rows])
            np.multiply(backdrop[:, rows], lines, out=floor[:, rows])
        return floor

    def shadow(
        self,
        floor: Float[np.ndarray, "3 G W"],
        frame: int,
        casters: Float[np.ndarray, "N 3"],
        radii: Float[np.ndarray, " N"],
    ) -> None:
        """Darken the floor below balls that stand for the body; the higher the softer. Metres."""
        height = np.maximum(casters[:, 1], 0)
        right, ahead = _facing(self.camera, frame).T
        fall = height[:, None] * (_SUN[0] * right + _SUN[1] * ahead)
        size = 0.7 * radii + 0.045 * height
        # A spot keeps its darkness as it widens, and what touches the floor darkens it most.
        weight = 0.42 * (radii / size) ** 2 + 0.45 * np.exp(-((height / 0.07) ** 2))
        rows, columns, cover = self.spots(casters[:, [0, 2]] + fall, size, weight, frame)
        np.exp(np.negative(cover, out=cover), out=cover)
        for plane, share in zip(floor[:, rows, columns], _SHADOW, strict=True):
            plane *= cover * share + (1 - share)

    def spots(
        self,
        places: Float[np.ndarray, "N 2"],
        size: Float[np.ndarray, " N"],
        weight: Float[np.ndarray, " N"],
        frame: int,
    ) -> tuple[slice, slice, Float[np.ndarray, "g w"]]:
        """Sum of blurred spots on the ground (x, z), and the rows and columns of it they cover.

        A round spot on the ground is an upright ellipse in the picture, since the camera has no
        roll; a Gaussian ellipse is a product of a row and a column, so the sum is a matmul.
        """
        height, width = self.points.shape[1:]
        away = np.insert(places, 1, 0.0, axis=1) - self.camera.position[frame]
        x, y, z = self.camera.axes[frame] @ away.T
        seen = z > 0.3
        x, y, z, size, weight = x[seen], y[seen], z[seen], size[seen], weight[seen]
        u = self.camera.centre[0] + self.camera.focal * x / z
        v = self.camera.centre[1] - self.camera.focal * y / z - self.first_row
        wide = self.camera.focal * size / z
        flat = wide * self.camera.position[frame, 1] / z + 0.4
        left, right = _range(u, 3.2 * wide, width)
        top, bottom = _range(v, 3.2 * flat, height)
        across = _bells(left, right, u, wide)
        down = _bells(top, bottom, v, flat) * weight[:, None].astype(np.float32)
        cover = np.empty((bottom - top, right - left), np.float32)
        step = max(1, _SMALL // max(1, across.size))
        for row in range(0, len(cover), step):
            rows = slice(row, row + step)
            np.matmul(down[:, rows].T, across, out=cover[rows])
        return slice(top, bottom), slice(left, right), cover


def _facing(camera: Camera, frame: int) -> Float[np.ndarray, "2 2"]:
    """Columns: the camera's right and ahead on the ground, as x and z."""
    right, _, into = camera.axes[frame]
    return np.stack([right[[0, 2]], into[[0, 2]] / np.hypot(into[0], into[2])], axis=1)


def _grid(points: np.ndarray, turn: np.ndarray) -> Grid:
    """The grid at points of the ground; `turn` rotates and scales them into its axes."""
    across = np.einsum("ij,jgw->igw", turn.astype(np.float32), points)
    du, dv = np.diff(across[:, :, :2], axis=2)[..., :1], np.gradient(across, axis=1)
    sharp = np.sqrt(du * du + dv * dv)
    return across, np.reciprocal(sharp, out=sharp)


def _lines(off: np.ndarray, sharp: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Brightness of the ground; `off` are grid coordinates, used up."""
    off -= np.rint(off)
    np.abs(off, out=off)
    off *= sharp
    # A line where either axis is near a whole tile; 1.3 pixels from its middle it ends.
    bright = np.minimum(*off)
    np.subtract(1.3, bright, out=bright)
    np.clip(bright, 0, 1, out=bright)
    bright *= strength
    return np.subtract(1, bright, out=bright)


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
    return (_FLOOR * (1 - np.linspace(1, 0, count)[:, None] * _SHADOW)).astype(np.uint8)
