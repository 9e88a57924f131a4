"""Write motions as picture files: mp4, gif and webp move, png, svg and pdf show poses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion.motion import Motion
from motiongpt3.render import encode, figure, vector
from motiongpt3.render.scene import Take, View

MOVING = (".mp4", ".gif", ".webp")
STILL = (".png", *vector.SUFFIXES)
SUFFIXES = MOVING + STILL
_TRANSPARENT = (".webp", *STILL)
_SLOWEST, _FASTEST = 20.0, 60.0
"""Pictures per second that look smooth and that players show."""
_DPI = 300
"""Of a png, for programs that set it on paper."""


def write(
    motion: Motion, path: str | Path, *, caption: str | None = None, view: View | None = None
) -> Path:
    """Write a motion to `path`: a video (.mp4, .gif, .webp) or its poses (.png, .svg, .pdf).

    Args:
        motion: what to draw.
        path: where to write; a file already there is replaced only by a complete new one.
        caption: text at the top; None: the text the motion carries.
        view: size, frame rate and viewpoint.

    Raises:
        InputError: for another suffix, no frames, or joints that are not numbers.
        ResourceError: when the file cannot be written; nothing is left there.
    """
    path, view = Path(path), view or View()
    kind = _checked(path, view)
    caption = motion.caption if caption is None else caption
    if kind in MOVING:
        return compare([(caption, motion)], path, view)
    take = Take(motion.joints, motion.fps, motion.skeleton, caption)
    if kind in vector.SUFFIXES:
        vector.write(take, path, view)
    else:
        picture = Image.fromarray(figure.sequence(take, view))
        with atomic_write(path) as temporary:
            picture.save(temporary, "PNG", dpi=(_DPI, _DPI))
    return path


def compare(
    shown: Sequence[tuple[str, Motion]], path: str | Path, view: View | None = None
) -> Path:
    """Write motions side by side with their captions, on one clock, as .mp4, .gif or .webp.

    A motion that is over holds its last frame.

    Raises:
        InputError: as `write`; for no motions or too many.
        ResourceError: when the file cannot be written; nothing is left there.
    """
    path, view = Path(path), view or View()
    kind = _checked(path, view)
    if kind not in MOVING or not 1 <= len(shown) <= figure.MOST:
        raise InputError(f"cannot compare {len(shown)} motions in a {kind} file", where=str(path),
                         hint=f"1 to {figure.MOST} in {', '.join(MOVING)}")  # fmt: skip
    rate = frame_rate(max(motion.fps for _, motion in shown), view)
    fps = _centiseconds(view.fps or rate) if kind == ".gif" else rate
    motions = [(caption, motion.resample(fps)) for caption, motion in shown]
    takes = [Take(m.joints, fps, m.skeleton, caption) for caption, m in motions]
    pictures = figure.compare(takes, view)
    write = {".mp4": encode.mp4, ".gif": encode.gif, ".webp": encode.webp}[kind]
    with atomic_write(path) as temporary:
        write(pictures, fps, temporary)
    return path


def frame_rate(fps: float, view: View) -> float:
    """Pictures per second of a video: whole multiples or parts of the motion's, 20 to 60."""
    if view.fps is not None:
        return view.fps
    if fps < _SLOWEST:
        return float(fps * np.ceil(_SLOWEST / fps))
    return float(fps / np.ceil(fps / _FASTEST))


def _checked(path: Path, view: View) -> str:
    """The suffix, of a file that can show the view."""
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(f"cannot draw a {kind or 'suffixless'} file", where=str(path),
                         hint=f"name it {', '.join(SUFFIXES)}")  # fmt: skip
    if view.background == "transparent" and kind not in _TRANSPARENT:
        raise InputError(f"a {kind} file cannot be transparent", where=str(path),
                         hint=f"name it {', '.join(_TRANSPARENT)}")  # fmt: skip
    return kind


def _centiseconds(fps: float) -> float:
    # A gif counts in 1/100 s, and players slow down what is shorter than 2 of them.
    return 100.0 / round(100.0 / min(max(fps, _SLOWEST), 50.0))
