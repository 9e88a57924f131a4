"""A pose sequence as a vector figure for papers: SVG or PDF, white or transparent paper.

Shapes: P limbs of one part of a body, seen without perspective.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.files import atomic_write
from motiongpt3.render.lettering import plain
from motiongpt3.render.limbs import Limbs
from motiongpt3.render.painter import ramp
from motiongpt3.render.row import GAP, Row
from motiongpt3.render.scene import ADULT, Take, View
from motiongpt3.render.tapers import LIGHT_FROM

SUFFIXES = (".svg", ".pdf")

_INCHES = 1.15
"""Of paper to a metre."""
_BANDS = 5
"""Tones from the dark edge of a limb to its light."""
_HALO = 0.012
"""Metres of paper around a part of the body, which keep it apart from what is behind it."""
_PIECES = 2
"""Curves of each round end of a limb."""
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "motiongpt3",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
}
_INK, _PALE = "#212936", "#68727f"


def write(take: Take, path: Path, view: View) -> None:
    """Write poses of a motion side by side, from first to last, with their times.

    Each part of a body is painted in whole, far parts first, in tones that shrink towards the
    light: few smooth outlines, which a program for drawings can take apart.

    Raises:
        InputError: for a motion that is not a person's.
        ResourceError: when the file cannot be written.
    """
    import matplotlib

    row, kind = Row.of(take, view), path.suffix.lower().removeprefix(".")
    undated = {"Date": None} if kind == "svg" else {"CreationDate": None}
    clear = view.background == "transparent"
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # an emoji in a caption
        figure = _figure(row, plain(take.caption), view)
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=undated, transparent=clear)


def _figure(row: Row, caption: str, view: View) -> Any:
    """The matplotlib figure."""
    from matplotlib.figure import Figure

    limbs = Limbs.of(row.scene, view.style)
    top = max(row.scene.joints[..., 1].max(), row.scene.stature) + 0.12
    wide, high = row.length + 2 * GAP, top + 0.75
    figure = Figure(figsize=(_INCHES * wide, _INCHES * high))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(-wide / 2, wide / 2), ylim=(-0.38, high - 0.38), aspect="equal")
    right, up, into = row.axes
    for pose, time in enumerate(row.times):
        flat = [end[pose] @ np.stack([right, up, into], 1) for end in (limbs.start, limbs.end)]
        ground = row.scene.joints[pose].mean(axis=0) * [1, 0, 1]
        place = float(ground @ right), float(ground @ up)
        _shadow(axes, place, row.scene.stature / ADULT)
        _body(axes, np.stack(flat, axis=1), limbs, view.background != "transparent")
        axes.text(place[0], -0.2, f"{time:.1f} s", ha="center", va="top", color=_PALE, fontsize=7)
    axes.text(
        0, high - 0.47, caption, ha="center", va="top", color=_INK, fontsize=9, parse_math=False
    )
    return figure


def _shadow(axes: Any, place: tuple[float, float], size: float) -> None:
    from matplotlib.patches import Ellipse

    for share in (1.0, 0.8, 0.6):
        spread = 0.66 * size * share, 0.15 * size * share
        axes.add_patch(Ellipse(place, *spread, color=_INK, alpha=0.05, lw=0))


def _body(axes: Any, ends: Float[np.ndarray, "P 2 3"], limbs: Limbs, halo: bool) -> None:
    """Paint one body; ends are right, up and into the picture, metres."""
    from matplotlib.patches import PathPatch

    parts = np.unique(limbs.part).tolist()
    depth = {part: ends[limbs.part == part, :, 2].mean() for part in parts}
    for part in sorted(parts, key=lambda part: -depth[part]):
        mine = limbs.part == part
        centres, radii = ends[mine, :, :2], limbs.radius[mine]
        if halo:
            axes.add_patch(PathPatch(_outline(centres, radii + _HALO), fc="white", lw=0))
        for share, colour in zip(
            np.linspace(0, 1, _BANDS), ramp(part, _BANDS + 2)[1:-1], strict=True
        ):
            # A ball's tones: smaller and nearer to the light from the dark rim inwards.
            towards = 0.45 * share * radii[..., None] * LIGHT_FROM[:2]
            shape = _outline(centres + towards, radii * (1 - 0.6 * share))
            axes.add_patch(PathPatch(shape, fc=colour / 255, lw=0))


def _outline(centres: Float[np.ndarray, "P 2 2"], radii: Float[np.ndarray, "P 2"]) -> Any:
    """One path around tapered limbs; they overlap, which filling does not mind."""
    from matplotlib.path import Path as Outline

    along = centres[:, 1] - centres[:, 0]
    length = np.maximum(np.linalg.norm(along, axis=-1), 1e-9)
    heading = np.arctan2(along[:, 1], along[:, 0])
    # Where the sides touch the ends: square to the limb, tilted by its taper.
    touch = np.arccos(np.clip((radii[:, 0] - radii[:, 1]) / length, -1, 1))
    first = np.stack([heading - touch, heading + touch], axis=1)
    swept = np.stack([2 * touch, 2 * np.pi - 2 * touch], axis=1)
    points = centres[:, ::-1, None] + radii[:, ::-1, None, None] * _arcs(first, swept)
    points = points.reshape(len(points), -1, 2)
    closed = np.concatenate([points, points[:, :1]], axis=1)
    arc = [Outline.LINETO, *[Outline.CURVE4] * (3 * _PIECES)]
    codes = np.array([*arc, *arc, Outline.CLOSEPOLY], np.uint8)
    codes[0] = Outline.MOVETO
    return Outline(closed.reshape(-1, 2), np.tile(codes, len(closed)))


def _arcs(first: Float[np.ndarray, "P 2"], swept: Float[np.ndarray, "P 2"]) -> np.ndarray:
    """Bezier points (P, 2, 1 + 3 pieces, 2) of arcs on the unit circle."""
    knots = first[..., None] + swept[..., None] * np.linspace(0, 1, _PIECES + 1)
    unit = np.stack([np.cos(knots), np.sin(knots)], axis=-1)
    pull = 4 / 3 * np.tan(swept / (4 * _PIECES))[..., None, None]
    tangent = pull * np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
    before, after = (unit + tangent)[..., :-1, :], (unit - tangent)[..., 1:, :]
    curves = np.stack([before, after, unit[..., 1:, :]], axis=-2)
    curves = curves.reshape(*curves.shape[:2], -1, 2)
    return np.concatenate([unit[..., :1, :], curves], axis=-2)
