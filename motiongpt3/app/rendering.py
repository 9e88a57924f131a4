"""`motiongpt3 render`: clips to videos, pose sequences and contact sheets."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.app import arguments
from motiongpt3.app.show import say, say_json, working
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.motion.motion import Motion
    from motiongpt3.render.scene import View

    Shown = list[tuple[str, Motion]]

_PAPER = 1600
"""Pixels a sequence's view is high, so that a column of a paper shows it sharp."""


def render(options: Namespace) -> int:
    """Clips to pictures: a video, a comparison, a pose sequence or a contact sheet."""
    arguments.outputs(options.out)
    view = _view(options)
    for path in options.out:
        _check(path, options)
    shown = _read(options.clips, options.caption)
    for path in options.out:
        with working(f"drawing {path}"):
            _draw(shown, path, options.style, view)
    if options.json:
        say_json({"files": [str(path) for path in options.out], "clips": len(shown)})
    else:
        for path in options.out:
            say(str(path))
    return 0


def _view(options: Namespace) -> "View":
    """How the clips are looked at.

    Raises:
        InputError: for a size that pictures cannot have.
    """
    from motiongpt3.render.contact import SHEET
    from motiongpt3.render.scene import View

    start = View()
    if options.style == "sequence":
        start = View(width=_PAPER, height=_PAPER, background="white")
    elif options.style == "sheet":
        start = SHEET
    elif options.style == "skeleton":
        start = View(style="skeleton")
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("azimuth", "elevation", "fps", "background", "poses")
        if getattr(options, name) is not None
    }
    if options.size:
        given["width"], given["height"] = options.size
    return replace(
        start,
        camera=options.camera,
        trail=not options.no_trail,
        contacts=options.contacts,
        **given,
    )


def _check(path: Path, options: Namespace) -> None:
    """Refuse a file that cannot show what is asked for, before anything is read."""
    from motiongpt3.render import contact, figure, video

    kind, count = path.suffix.lower(), len(options.clips)
    kinds, most = {
        "sheet": ((".png",), contact.MOST),
        "sequence": (video.STILL, 1),
    }.get(options.style, (video.SUFFIXES, figure.MOST if kind in video.MOVING else 1))
    if kind not in kinds:
        raise InputError(f"a {options.style} is not a {kind or 'suffixless'} file", where=str(path),
                         hint=f"name it {', '.join(kinds)}")  # fmt: skip
    if count > most:
        raise InputError(f"{count} clips on one {kind} file of style {options.style}",
                         where="render", hint=f"at most {most}; --style sheet takes "
                         f"{contact.MOST}")  # fmt: skip
    if options.background == "transparent" and options.style == "sheet":
        raise InputError("a sheet cannot be transparent", where="--background",
                         hint="studio or white")  # fmt: skip


def _read(clips: Sequence[Path], captions: Sequence[str] | None) -> "Shown":
    from motiongpt3.motion.motion import Motion

    if captions is not None and len(captions) != len(clips):
        raise InputError(f"{len(captions)} captions for {len(clips)} clips", where="--caption",
                         hint="give one for each clip, or none")  # fmt: skip
    motions = [Motion.read(path) for path in clips]
    names = captions or [
        motion.caption or (path.stem if len(clips) > 1 else "")
        for path, motion in zip(clips, motions, strict=True)
    ]
    return list(zip(names, motions, strict=True))


def _draw(shown: "Shown", path: Path, style: str, view: "View") -> None:
    from motiongpt3.render import video
    from motiongpt3.render.contact import contact_sheet, write_png

    if style == "sheet":
        columns = 1 if len(shown) < 3 else 2 if len(shown) < 13 else 3
        write_png(contact_sheet(shown, columns, view), path)
    elif len(shown) > 1:
        video.compare(shown, path, view)
    else:
        ((caption, motion),) = shown
        video.write(motion, path, caption=caption, view=view)
