"""One picture put together: the ground, what is marked on it, the bodies, the words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8

from motiongpt3.render.camera import Camera
from motiongpt3.render.ground import Ground
from motiongpt3.render.limbs import Limbs
from motiongpt3.render.painter import Canvas, as_bytes, project
from motiongpt3.render.scene import Background, Scene

Picture = UInt8[np.ndarray, "H W C"]
"""Red, green, blue, and how opaque it is where the background is transparent."""

_PAPER: dict[Background, tuple[float | None, ...]] = {
    "studio": (None,),
    "white": (255.0,),
    "transparent": (255.0, 0.0),
}
"""Papers that a picture is drawn on; from two of them follows what can be seen through it."""
_BALLS = 4
"""Balls along a limb that cast its shadow."""


@runtime_checkable
class Mark(Protocol):
    """Something drawn on the ground."""

    def paint(self, floor: Float[np.ndarray, "3 G W"], ground: Ground, frame: int) -> None:
        """Draw what is there in a frame."""


@dataclass(frozen=True, eq=False)
class Cast:
    """The bodies as a camera sees them, and the balls that cast their shadow."""

    drawn: Float[np.ndarray, "T P 2 5"]
    part: Int[np.ndarray, " P"]
    balls: Float[np.ndarray, "T N 3"]
    radii: Float[np.ndarray, " N"]

    @staticmethod
    def of(limbs: Limbs, camera: Camera) -> "Cast":
        """Project limbs, and take balls from along them."""
        share = (np.arange(_BALLS) + 0.5) / _BALLS
        along = share[:, None, None, None]
        balls = limbs.start + along * (limbs.end - limbs.start)
        balls = np.moveaxis(balls, 0, 2).reshape(len(limbs.start), -1, 3)
        radii = limbs.radius[:, :1] + share * np.diff(limbs.radius)
        return Cast(project(limbs, camera), limbs.part, balls, radii.reshape(-1))


@dataclass(frozen=True, eq=False)
class Stage:
    """Where pictures of one camera are made."""

    grounds: tuple[Ground, ...]
    canvas: Canvas

    @staticmethod
    def of(
        camera: Camera,
        scene: Scene,
        size: tuple[int, int],
        reach: float,
        background: Background,
    ) -> "Stage":
        """A stage of a width and height; see `Ground.of`."""
        papers = _PAPER[background]
        grounds = tuple(Ground.of(camera, scene, size, reach, paper) for paper in papers)
        return Stage(grounds, Canvas.blank(*size))

    def picture(
        self,
        frame: int,
        cast: Cast,
        number: int,
        marks: Sequence[Mark],
        write: Callable[[Float[np.ndarray, "3 H W"]], None],
    ) -> Picture:
        """One picture.

        Args:
            frame: of the camera.
            cast: the bodies.
            number: which of the cast's frames it is.
            marks: what is drawn on the ground.
            write: puts words on the picture.
        """
        papers = []
        for ground in self.grounds:
            floor = ground.paint(self.canvas.rgb, frame)
            ground.shadow(floor, frame, cast.balls[number], cast.radii)
            for mark in marks:
                mark.paint(floor, ground, frame)
            self.canvas.body(cast.drawn[number], cast.part)
            write(self.canvas.rgb)
            papers.append(self.canvas.rgb.copy() if len(self.grounds) > 1 else self.canvas.rgb)
        return as_bytes(papers[0]) if len(papers) == 1 else _seen_through(*papers)


def _seen_through(
    on_white: Float[np.ndarray, "3 H W"], on_black: Float[np.ndarray, "3 H W"]
) -> Picture:
    """A transparent picture that looks on white paper as the one drawn there."""
    opaque = np.clip(255 - (on_white - on_black).min(axis=0), 0, 255)
    colour = 255 - (255 - on_white) * (255 / np.maximum(opaque, 1))
    return as_bytes(np.clip([*colour, opaque], 0, 255).round())
