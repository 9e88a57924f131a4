"""What `motiongpt3 render` takes."""

import re
from pathlib import Path

from motiongpt3.app import arguments, rendering
from motiongpt3.app.parser import Commands, Parser, command
from motiongpt3.errors import InputError

STYLES = ("mannequin", "skeleton", "sequence", "sheet")
CAMERAS, BACKGROUNDS = ("follow", "fixed", "orbit"), ("studio", "white", "transparent")
"""Those of `render.scene`, which is too slow to ask."""


def add_render(group: Commands) -> None:
    """Clips to pictures."""
    parser = command(
        group,
        "render",
        rendering.render,
        "render walk.bvh -o walk.mp4 --contacts\n"
        "  motiongpt3 render walk.bvh run.bvh -o both.mp4 --camera orbit\n"
        "  motiongpt3 render walk.bvh -o figure.pdf --style sequence --poses 6\n"
        "  motiongpt3 render clips/*.npz -o sheet.png --style sheet",
    )
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help="motion files")
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, action="append", required=True,
        help="where to write, may be repeated: .mp4 .gif .webp (several clips side by side), "
        ".png .svg .pdf (poses in a row)",
    )  # fmt: skip
    parser.add_argument(
        "--style", choices=STYLES, default="mannequin",
        help="a shaded body; sticks and balls; poses in a row on white paper; many clips, each a "
        "row of poses (default mannequin)",
    )  # fmt: skip
    _add_camera(parser)
    parser.add_argument("--size", metavar="WxH", type=_size, help="pixels of a clip: 640x640")
    parser.add_argument(
        "--fps", type=arguments.number("--fps", 1, 120),
        help="pictures per second (default: those of the clip, brought between 20 and 60)",
    )  # fmt: skip
    _add_drawn(parser)
    parser.add_argument(
        "--poses", type=arguments.number("--poses", 1, 16, int),
        help="bodies in a row (default 8, on a sheet 6)",
    )  # fmt: skip


def _add_camera(parser: Parser) -> None:
    """Where the camera stands."""
    parser.add_argument(
        "--camera", choices=CAMERAS, default="follow", help="how it moves (default follow)"
    )
    parser.add_argument(
        "--azimuth", type=arguments.number("--azimuth", -360, 360),
        help="degrees between where the person first looks and the camera (default 32)",
    )  # fmt: skip
    parser.add_argument(
        "--elevation", type=arguments.number("--elevation", 1, 60),
        help="degrees the camera looks down (default 11)",
    )  # fmt: skip


def _add_drawn(parser: Parser) -> None:
    """What is drawn besides the body."""
    parser.add_argument(
        "--caption", metavar="TEXT", action="append",
        help="text at the top, once for each clip (default: the clip's own, or its file's name)",
    )  # fmt: skip
    parser.add_argument("--no-trail", action="store_true", help="leave out the path walked")
    parser.add_argument("--contacts", action="store_true", help="mark where a foot stands")
    parser.add_argument(
        "--background", choices=BACKGROUNDS,
        help="what is behind (default studio, white for a sequence); "
        "transparent in webp, png, svg and pdf only",
    )  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    """Width and height as they are written; what sizes there are, a view knows."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found:
        raise InputError(f"'{text[:40]}' is no size", where="--size", hint="such as 640x480")
    return int(found[1]), int(found[2])
