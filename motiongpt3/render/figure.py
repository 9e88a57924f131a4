"""Pictures of a motion: every frame of it, several side by side, or its poses in a row."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, repeat

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.render.camera import Camera
from motiongpt3.render.limbs import Limbs
from motiongpt3.render.marks import Prints, Trail
from motiongpt3.render.row import GAP, Row
from motiongpt3.render.scene import Scene, Take, View
from motiongpt3.render.sheet import Sheet
from motiongpt3.render.stage import Cast, Mark, Picture, Stage

MOST = 16
"""Clips that are compared in one video."""
_ABREAST = 4
_WIDEST = 4096
"""Pixels."""
_PART = 256
"""Frames whose limbs are worked out together: memory must not grow with the length of a clip."""


def frames(take: Take, view: View | None = None) -> Iterator[Picture]:
    """Draw a motion frame by frame: a person on a floor, seen by a camera.

    The left arm and leg are blue, the right ones orange.

    Raises:
        InputError: at once, for no frames, a wrong shape, or a coordinate that is not a number.
    """
    view = view or View()
    scene = Scene.of(take.joints, take.skeleton)
    return _film(scene, view, take.rate, Sheet.of(view.width, view.height, take.caption))


def compare(takes: Sequence[Take], view: View | None = None) -> Iterator[Picture]:
    """Draw motions side by side, frame by frame; one that is over holds its last frame.

    Args:
        takes: all of one frame rate.
        view: how each of them is drawn, so the pictures are as many times larger.

    Raises:
        InputError: as `frames`; for no motions, several frame rates, or a picture too large.
    """
    view = view or View()
    if not 1 <= len(takes) <= MOST or len({take.rate for take in takes}) != 1:
        raise InputError(f"{len(takes)} motions to compare", where="compare",
                         hint=f"1 to {MOST} of one frame rate")  # fmt: skip
    width, height = panels(len(takes), view)
    if max(width, height) > _WIDEST:
        raise InputError(f"the picture would be {width} x {height} pixels", where="compare",
                         hint=f"at most {_WIDEST}: ask for a smaller size")  # fmt: skip
    films = [frames(take, view) for take in takes]
    if len(films) == 1:
        return films[0]
    return _beside(films, [len(take.joints) for take in takes])


def panels(count: int, view: View) -> tuple[int, int]:
    """Width and height of a picture of several motions."""
    return view.width * min(count, _ABREAST), view.height * -(-count // _ABREAST)


def _beside(films: Sequence[Iterator[Picture]], lengths: Sequence[int]) -> Iterator[Picture]:
    last: list[Picture] = [next(film) for film in films]
    blank = np.broadcast_to(last[0][:1, :1], last[0].shape)
    for frame in range(max(lengths)):
        if frame:
            last = [
                next(film) if frame < length else picture
                for film, length, picture in zip(films, lengths, last, strict=True)
            ]
        cells = list(chain(last, repeat(blank, -len(last) % min(_ABREAST, len(last)))))
        rows = [cells[at : at + _ABREAST] for at in range(0, len(cells), _ABREAST)]
        yield np.concatenate([np.concatenate(row, axis=1) for row in rows])


def _film(scene: Scene, view: View, fps: float, sheet: Sheet) -> Iterator[Picture]:
    margin = round(0.075 * view.height)
    camera = Camera.film(scene, view, fps, sheet.top + margin // 3, margin)
    away = float(np.linalg.norm(camera.position[0] - scene.root[0]))
    stage = Stage.of(camera, scene, (view.width, view.height), 1.2 * away, view.background)
    marks: list[Mark] = [Trail.of(scene.root)] if view.trail else []
    marks += Prints.of(scene, fps) if view.contacts else []
    end = len(scene.joints) / fps
    for start in range(0, len(scene.joints), _PART):
        part = slice(start, start + _PART)
        cast = Cast.of(Limbs.of(scene.cut(part), view.style), camera.at(part))
        for number in range(len(cast.drawn)):
            now = (start + number) / fps
            write = partial(_write, sheet=sheet, now=now, end=end)
            yield stage.picture(start + number, cast, number, marks, write)


def _write(image: np.ndarray, sheet: Sheet, now: float, end: float) -> None:
    sheet.paint(image)
    sheet.clock(image, now, end)


def sequence(take: Take, view: View | None = None) -> Picture:
    """Draw poses of a motion side by side, from first to last, with their times.

    The picture is 0.66 view heights high and as wide as the poses need.

    Raises:
        InputError: as `frames`.
    """
    view = view or View()
    row = Row.of(take, view)
    scene, height = row.scene, _even(0.66 * view.height)
    margin = round(0.14 * height)
    scale = (height - 2.1 * margin) / (max(scene.joints[..., 1].max(), scene.stature) + 0.15)
    scale = min(scale, _WIDEST / (row.length + 2 * GAP))
    width = max(_even(scale * (row.length + 2 * GAP)), height)
    sheet = Sheet.of(width, height, take.caption)
    centre = (width / 2, 0.5 * (sheet.top + height - margin))
    camera = Camera.across(scene, row.axes, scale, centre)
    reach = 0.6 * row.length + 1.5
    stage = Stage.of(camera, scene, (width, height), reach, view.background)
    below = camera.project((scene.joints.mean(axis=1) * [1, 0, 1])[None])[0]

    def write(image: np.ndarray) -> None:
        sheet.paint(image)
        for time, (u, _, _) in zip(row.times, below, strict=True):
            sheet.write(image, f"{time:.1f} s", (u, below[:, 1].max() + 0.55 * margin))

    cast = Cast.of(Limbs.of(scene, view.style).together(), camera)
    return stage.picture(0, cast, 0, [], write)


def _even(size: float) -> int:
    return 2 * round(size / 2)
