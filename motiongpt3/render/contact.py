"""A contact sheet: several motions on one picture, each a row of poses with its caption."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion.motion import Motion
from motiongpt3.render.figure import sequence
from motiongpt3.render.scene import Take, View
from motiongpt3.render.stage import Picture

SHEET = View(height=400, poses=6, background="white")
MOST = 100
"""Motions on one sheet."""
_COLOURS = 128
"""Colours of the picture file: a third of the size, and no difference that can be seen."""


def contact_sheet(
    shown: Sequence[tuple[str, Motion]], columns: int = 2, view: View = SHEET
) -> Picture:
    """Captions and motions on one picture, from left to right and from the top down.

    Raises:
        InputError: for no motions or too many, or one that is not a person's.
    """
    if not 1 <= len(shown) <= MOST:
        raise InputError(
            f"{len(shown)} motions to draw", where="contact sheet", hint=f"give 1 to {MOST}"
        )
    takes = [Take(m.joints, m.fps, m.skeleton, caption) for caption, m in shown]
    strips = [sequence(take, view) for take in takes]
    width = max(strip.shape[1] for strip in strips)
    cells = [_widened(strip, width) for strip in strips]
    paper = np.repeat(cells[-1][:, :1], width, axis=1)
    cells += [paper] * (-len(cells) % columns)
    rows = [np.concatenate(cells[at : at + columns], 1) for at in range(0, len(cells), columns)]
    return np.concatenate(rows)


def write_png(image: Picture, path: Path) -> None:
    """Write a drawn picture, in as few colours as it needs.

    Raises:
        ResourceError: when the file cannot be written.
    """
    content = png(image)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def png(image: Picture) -> bytes:
    """A drawn picture as a PNG file, in as few colours as it needs."""
    picture = Image.fromarray(image).quantize(_COLOURS, dither=Image.Dither.NONE)
    content = BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()


def _widened(strip: np.ndarray, width: int) -> np.ndarray:
    """The paper goes on to both sides."""
    missing = width - strip.shape[1]
    sides = (missing // 2, missing - missing // 2)
    return np.pad(strip, ((0, 0), sides, (0, 0)), mode="edge")
