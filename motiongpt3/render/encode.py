"""Pictures one after another as a file that moves: mp4, gif, webp."""

import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from PIL import Image

from motiongpt3.errors import ResourceError
from motiongpt3.render import ground, painter
from motiongpt3.render.stage import Picture


def gif(pictures: Iterator[Picture], fps: float, path: Path) -> None:
    """Write a looping gif; one palette for all frames, so that still parts stay still."""
    first = next(pictures)
    # Counted by area, the body and its shadow would get next to none of the 256 colours.
    known = np.concatenate([painter.shades(32), ground.shades(32)])
    left = 256 - len(known)
    studio = Image.fromarray(first).quantize(left).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(known.ravel().tolist() + studio[: 3 * left])
    _save("GIF", path, fps, (
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in chain([first], pictures)
    ))  # fmt: skip


def webp(pictures: Iterator[Picture], fps: float, path: Path) -> None:
    """Write a looping webp, transparent where the pictures are."""
    images = (Image.fromarray(picture) for picture in pictures)
    _save("WEBP", path, fps, images, quality=75, method=2)


def mp4(pictures: Iterator[Picture], fps: float, path: Path) -> None:
    """Encode H.264 with the ffmpeg that imageio-ffmpeg brings; pictures go there through a pipe.

    Raises:
        ResourceError: when there is no ffmpeg, or it fails.
    """
    first = next(pictures)
    with tempfile.TemporaryFile() as errors:
        encoder = _start(_command(fps, path, first.shape), errors)
        assert encoder.stdin is not None  # Popen gives a pipe where it is asked for one
        try:
            with encoder.stdin as pipe:
                for picture in chain([first], pictures):
                    pipe.write(picture.data)
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


def _save(kind: str, path: Path, fps: float, images: Iterator[Image.Image], **options: int) -> None:
    start = next(images)
    duration = round(1000 / fps)
    start.save(path, kind, save_all=True, append_images=images, duration=duration, loop=0,
               **options)  # fmt: skip


def _start(command: list[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=errors, stderr=errors)
    except OSError as error:
        raise ResourceError(
            f"ffmpeg does not start: {error.strerror}", where=command[0], hint="write .gif instead"
        ) from error


def _command(fps: float, path: Path, shape: tuple[int, ...]) -> list[str]:
    """The whole ffmpeg command; only numbers and our own temporary name enter it."""
    try:
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise ResourceError(
            "there is no ffmpeg for this machine", hint="install ffmpeg, or write .gif"
        ) from error
    height, width, _ = shape
    source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps:.6f} -i pipe:0"
    coding = "-an -c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -movflags +faststart"
    return [ffmpeg, "-y", "-loglevel", "error", *source.split(), *coding.split(),
            "-f", "mp4", f"file:{path.absolute()}"]  # fmt: skip
