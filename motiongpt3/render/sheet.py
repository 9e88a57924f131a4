"""What is written on a picture: the caption, the legend of colours, the clock."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.render import lettering, painter

_INK = np.array([33, 41, 54], np.float32)
_PALE = np.array([104, 114, 130], np.float32)
_RULE = np.array([202, 207, 216], np.float32)
_LINES = 3


@dataclass(frozen=True)
class Sheet:
    """Layout of the text on pictures of one size."""

    width: int
    height: int
    size: int
    """Height of the caption's letters, pixels."""
    caption: tuple[str, ...]

    @staticmethod
    def of(width: int, height: int, caption: str) -> "Sheet":
        """Break the caption into at most three lines."""
        size = max(10, round(0.034 * height))
        lines = lettering.wrap(caption, size, round(0.9 * width), _LINES)
        return Sheet(width, height, size, tuple(lines))

    @property
    def top(self) -> int:
        """Pixels that the caption takes at the top."""
        return self.size + lettering.line_height(self.size) * len(self.caption)

    @property
    def _small(self) -> int:
        return max(9, round(0.72 * self.size))

    def paint(self, image: Float[np.ndarray, "3 H W"]) -> None:
        """Write the caption and the legend."""
        for number, line in enumerate(self.caption):
            ink = lettering.letters(line, self.size)
            top = 0.7 * self.size + number * lettering.line_height(self.size)
            _stamp(image, ink, (round((self.width - ink.shape[1]) / 2), round(top)), _INK)
        x, y = 0.9 * self.size, self.height - 1.35 * self.size
        for name, colour in (("left", painter.LEFT), ("right", painter.RIGHT)):
            dot, ink = _dot(0.36 * self.size), lettering.letters(name, self._small)
            _stamp(image, dot, (round(x), round(y - dot.shape[0] / 2)), np.array(colour))
            x += dot.shape[1] + 0.2 * self.size
            _stamp(image, ink, (round(x), round(y - ink.shape[0] / 2)), _PALE)
            x += ink.shape[1] + 0.7 * self.size

    def clock(self, image: Float[np.ndarray, "3 H W"], now: float, end: float) -> None:
        """Write the time in seconds and how far it is through the motion."""
        text = f"{now:.2f} / {end:.2f} s"
        middle = self.width - 0.9 * self.size - lettering.letters(text, self._small).shape[1] / 2
        self.write(image, text, (middle, self.height - 1.35 * self.size))
        rule = max(2, round(0.006 * self.height))
        done = round(self.width * min(1.0, now / end)) if end > 0 else self.width
        image[:, -rule:, done:] = _RULE[:, None, None]
        image[:, -rule:, :done] = _PALE[:, None, None]

    def write(
        self, image: Float[np.ndarray, "3 H W"], text: str, middle: tuple[float, float]
    ) -> None:
        """Write a short label around a pixel (right, down)."""
        ink = lettering.letters(text, self._small)
        left, top = middle[0] - ink.shape[1] / 2, middle[1] - ink.shape[0] / 2
        _stamp(image, ink, (round(left), round(top)), _PALE)


def _dot(radius: float) -> np.ndarray:
    side = np.arange(2 * int(radius + 1)) + 0.5 - int(radius + 1)
    return np.clip(radius + 0.5 - np.hypot(side, side[:, None]), 0, 1)


def _stamp(image: np.ndarray, ink: np.ndarray, corner: tuple[int, int], colour: np.ndarray) -> None:
    """Lay ink over the image with its upper left corner at a pixel; what is outside is cut."""
    left, top = corner
    ink = ink[max(0, -top) :, max(0, -left) :]
    part = image[:, max(0, top) :, max(0, left) :][:, : ink.shape[0], : ink.shape[1]]
    ink = ink[: part.shape[1], : part.shape[2]]
    part += ink * (colour[:, None, None] - part)
