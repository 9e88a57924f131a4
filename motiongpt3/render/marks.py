"""What a person leaves on the ground: the path walked, and prints where a foot stood."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.motion.feet import Contact, standing_frames
from motiongpt3.render.ground import Ground
from motiongpt3.render.painter import LEFT, RIGHT
from motiongpt3.render.scene import STANDING_STILL, Scene

_WIDTH, _STEP, _SEEN = 0.016, 0.03, 5.0
"""Metres: of the trail's line, between its points, and of its length that is drawn."""
_LONGEST = 100_000
"""Points of a trail."""
_PIECE = 24
"""Points of the trail that are drawn together: short pieces, since each costs its whole box."""
_TRAIL = np.array([0.42, 0.36, 0.22], np.float32)
"""Share of red, green and blue that the trail takes away."""
_LATEST = 24
"""Footprints of each foot that are drawn."""
_FADE = 2.5
"""Seconds in which a footprint pales after the foot has left."""
_PRINT = np.array([[-0.3, 0.026], [0.1, 0.024], [0.5, 0.026], [1.0, 0.036], [1.35, 0.028]])
"""Spots of a print: place from ankle (0) to toe (1), and size in metres."""


@dataclass(frozen=True, eq=False)
class Trail:
    """The root's path on the ground.

    Attributes:
        points: x and z at even distances.
        passed: how many of them each frame has passed.
        apart: metres between them.
    """

    points: Float[np.ndarray, "M 2"]
    passed: Int[np.ndarray, " T"]
    apart: float

    @staticmethod
    def of(root: Float[np.ndarray, "T 3"]) -> "Trail":
        """The trail of a root path; someone who stays in place leaves none."""
        if np.ptp(root, axis=0).max() < STANDING_STILL:
            return Trail(np.zeros((0, 2)), np.zeros(len(root), int), _STEP)
        step = np.linalg.norm(np.diff(root, axis=0), axis=-1)
        walked = np.concatenate([[0.0], np.cumsum(step)])
        apart = max(_STEP, walked[-1] / _LONGEST)
        marks = np.arange(0, walked[-1] + 1e-9, apart)
        points = np.stack([np.interp(marks, walked, axis) for axis in root.T[[0, 2]]], axis=-1)
        return Trail(points, np.floor(walked / apart).astype(int) + 1, apart)

    def paint(self, floor: Float[np.ndarray, "3 G W"], ground: Ground, frame: int) -> None:
        """Draw what a frame has behind it, the older the fainter."""
        last = self.passed[frame]
        points = self.points[max(0, last - round(_SEEN / self.apart)) : last]
        weight = np.linspace(0.375, 1.5, len(points))
        cover = np.zeros(floor.shape[1:], np.float32)
        low: np.ndarray = np.array(cover.shape)
        high = np.zeros(2, int)
        for start in range(0, len(points), _PIECE):
            piece = slice(start, start + _PIECE)
            size = np.full(len(points[piece]), _WIDTH)
            rows, columns, part = ground.spots(points[piece], size, weight[piece], frame)
            cover[rows, columns] += part
            low = np.minimum(low, (rows.start, columns.start))
            high = np.maximum(high, (rows.stop, columns.stop))
        rows, columns = (slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
        ink = np.clip(1.1 * cover[rows, columns] - 0.25, 0, 1)
        floor[:, rows, columns] *= 1 - _TRAIL[:, None, None] * ink


@dataclass(frozen=True, eq=False)
class Prints:
    """Where one foot stands.

    Attributes:
        first: frame in which each stand begins.
        stop: frame after its last.
        places: x and z of the spots of each print.
        colour: share of red, green and blue that a print takes away.
        fps: frames per second.
    """

    first: Int[np.ndarray, " S"]
    stop: Int[np.ndarray, " S"]
    places: Float[np.ndarray, "S K 2"]
    colour: Float[np.ndarray, "3"]
    fps: float

    @staticmethod
    def of(scene: Scene, fps: float) -> tuple["Prints", "Prints"]:
        """The prints of the left and the right foot."""
        made = []
        for leg, colour in zip(scene.skeleton.legs, (LEFT, RIGHT), strict=True):
            ankle, toe = scene.joints[:, leg[2]], scene.joints[:, leg[-1]]
            standing = standing_frames(toe, fps, Contact())
            edges = np.diff(np.r_[0, standing.astype(int), 0])
            first, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
            ends = [[np.median(p[a:b], axis=0)[[0, 2]] for p in (ankle, toe)]
                    for a, b in zip(first, stop, strict=True)]  # fmt: skip
            heels, tips = np.moveaxis(np.array(ends).reshape(-1, 2, 2), 1, 0)
            along = _PRINT[:, :1] * (tips - heels)[:, None]
            share = 1 - np.array(colour, np.float32) / 255
            made.append(Prints(first, stop, heels[:, None] + along, share, fps))
        return made[0], made[1]

    def paint(self, floor: Float[np.ndarray, "3 G W"], ground: Ground, frame: int) -> None:
        """Draw the prints of the feet that stand or have stood by a frame, the older the paler."""
        for stand in np.flatnonzero(self.first <= frame)[-_LATEST:]:
            age = max(0, frame + 1 - self.stop[stand]) / (_FADE * self.fps)
            strength = 0.85 - 0.6 * min(1.0, age)
            spots = self.places[stand], _PRINT[:, 1], np.ones(len(_PRINT))
            rows, columns, cover = ground.spots(*spots, frame)
            ink = np.clip(4 * cover - 1.6, 0, 1) * strength
            floor[:, rows, columns] *= 1 - self.colour[:, None, None] * ink
