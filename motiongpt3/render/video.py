"""Write a motion as a picture file: mp4 and gif move, png shows poses side by side."""

import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion.motion import Motion
from motiongpt3.render import body, figure, ground
from motiongpt3.render.scene import View

Frames = Iterator[UInt8[np.ndarray, "H W 3"]]

SUFFIXES = (".mp4", ".gif", ".png")
_SLOWEST, _FASTEST = 20.0, 60.0
"""Pictures per second that look smooth and that players show."""


def write(
    motion: Motion, path: str | Path, *, caption: str | None = None, view: View | None = None
) -> Path:
    """Write a motion to `path` as .mp4 (H.264), .gif, or .png (its poses side by side).

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
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(f"cannot draw a {kind or 'suffixless'} file", where=str(path),
                         hint=f"name it {', '.join(SUFFIXES)}")  # fmt: skip
    caption = motion.caption if caption is None else caption
    if kind == ".png":
        picture = figure.sequence(motion.joints, motion.fps, motion.skeleton, caption, view)
        with atomic_write(path) as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
        return path
    fps = _gif_rate(view.fps or motion.fps) if kind == ".gif" else frame_rate(motion.fps, view)
    motion = motion.resample(fps)
    frames = figure.frames(motion.joints, fps, motion.skeleton, caption, view)
    with atomic_write(path) as temporary:
        if kind == ".gif":
            _gif(frames, fps, temporary)
        else:
            _mp4(frames, fps, temporary, view)
    return path


def frame_rate(fps: float, view: View) -> float:
    """Pictures per second of a video: whole multiples or parts of the motion's, 20 to 60."""
    if view.fps is not None:
        return view.fps
    if fps < _SLOWEST:
        return float(fps * np.ceil(_SLOWEST / fps))
    return float(fps / np.ceil(fps / _FASTEST))


def _gif_rate(fps: float) -> float:
    # A gif counts in 1/100 s, and players slow down what is shorter than 2 of them.
    wanted = min(max(fps, _SLOWEST), 50.0)
    return 100.0 / round(100.0 / wanted)


def _gif(frames: Frames, fps: float, path: Path) -> None:
    """Write a looping gif; one palette for all frames, so that still parts stay still."""
    first = list(islice(frames, 1))
    # Counted by area, the body and its shadow would get next to none of the 256 colours.
    known = np.concatenate([body.shades(32), ground.shades(32)])
    left = 256 - len(known)
    studio = Image.fromarray(first[0]).quantize(left).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(known.ravel().tolist() + studio[: 3 * left])
    pictures = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in chain(first, frames)
    )
    start = next(pictures)
    start.save(
        path,
        format="GIF",
        save_all=True,
        append_images=pictures,
        duration=round(1000 / fps),
        loop=0,
    )


def _mp4(frames: Frames, fps: float, path: Path, view: View) -> None:
    """Encode frames with the ffmpeg that imageio-ffmpeg brings; they go there through a pipe."""
    with tempfile.TemporaryFile() as errors:
        encoder = _start(_command(fps, path, view), errors)
        assert encoder.stdin is not None  # Popen gives a pipe where it is asked for one
        try:
            with encoder.stdin as pipe:
                for frame in frames:
                    pipe.write(frame.data)
        except BrokenPipeError:
            pass  # ffmpeg gave up; it says why below
        except BaseException:
            encoder.kill()
            raise
        finally:
            failed = encoder.wait() != 0
        if failed:
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip().splitlines() or ["no reason"]
            raise ResourceError(
                f"ffmpeg could not write the video: {reason[-1]}", where=str(path.parent)
            )


def _start(command: list[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=errors, stderr=errors)
    except OSError as error:
        raise ResourceError(
            f"ffmpeg does not start: {error.strerror}", where=command[0], hint="write .gif instead"
        ) from error


def _command(fps: float, path: Path, view: View) -> list[str]:
    """The whole ffmpeg command; only numbers and our own temporary name enter it."""
    try:
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise ResourceError(
            "there is no ffmpeg for this machine", hint="install ffmpeg, or write .gif"
        ) from error
    source = f"-f rawvideo -pix_fmt rgb24 -s {view.width}x{view.height} -r {fps:.6f} -i pipe:0"
    coding = "-an -c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -movflags +faststart"
    return [ffmpeg, "-y", "-loglevel", "error", *source.split(), *coding.split(),
            "-f", "mp4", f"file:{path.absolute()}"]  # fmt: skip
