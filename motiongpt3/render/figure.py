"""Pictures of a motion: every frame of it, or its poses side by side."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from motiongpt3.motion.skeleton import HUMANML3D, Skeleton
from motiongpt3.render import body
from motiongpt3.render.ground import TRAIL_STEP, Ground, trail_points
from motiongpt3.render.scene import Camera, Scene, View, camera_axes
from motiongpt3.render.sheet import Sheet

_GAP = 0.2
"""Metres between poses that stand side by side."""
_WIDEST = 4096
"""Pixels."""


def draw(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    caption: str = "",
    view: View | None = None,
) -> UInt8[np.ndarray, "T H W 3"]:
    """Draw every frame of a motion. See `frames`, which needs no memory for all of them."""
    return np.stack(list(frames(joints, fps, skeleton, caption, view)))


def frames(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    caption: str = "",
    view: View | None = None,
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Draw a motion frame by frame: a person on a grid, followed by a camera.

    The left arm and leg are blue, the right ones orange.

    Args:
        joints: positions, Y up; metres, or any unit that is then scaled to a person's size.
        fps: frames per second, for the clock and the smoothness of the camera; the skeleton's own
            where it is not given.
        skeleton: which joints they are.
        caption: text at the top.
        view: size and viewpoint.

    Raises:
        InputError: at once, for no frames, a wrong shape, or a coordinate that is not a number.
    """
    view = view or View()
    scene = Scene.of(joints, skeleton)
    sheet = Sheet.of(view.width, view.height, caption)
    return _film(scene, view, fps or skeleton.fps, sheet)


def _film(scene: Scene, view: View, fps: float, sheet: Sheet) -> Iterator[np.ndarray]:
    margin = round(0.075 * view.height)
    camera = Camera.follow(scene, view, fps, sheet.top + margin // 3, margin)
    ground = Ground.of(camera, scene, view.width, view.height, reach=3.2 * scene.stature)
    limbs = body.Limbs.of(scene)
    drawn = body.project(limbs, camera)
    casters = _casters(limbs)
    trail, passed = trail_points(scene.root)
    image = np.empty((3, view.height, view.width), np.float32)
    depth = np.empty_like(image[0])
    for frame, ends in enumerate(drawn):
        # The last 5 metres; the camera has left the rest behind.
        oldest = max(0, passed[frame] - round(5 / TRAIL_STEP))
        walked = trail[oldest : passed[frame]] if view.trail else trail[:0]
        ground.paint(image, frame, casters[frame], walked)
        depth.fill(np.inf)
        body.paint(image, depth, ends, limbs.colour)
        sheet.paint(image)
        sheet.clock(image, frame / fps, len(drawn) / fps)
        yield _bytes(image)


def sequence(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    caption: str = "",
    view: View | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw poses of a motion side by side, from first to last, with their times.

    The picture is 0.66 view heights high and as wide as the poses need.

    Raises:
        InputError: as `frames`.
    """
    view = view or View()
    scene = Scene.of(joints, skeleton)
    count = min(view.poses, len(scene.joints))
    at = np.linspace(0, len(scene.joints) - 1, count).round().astype(int)
    axes = camera_axes(scene, view)
    scene, length = _row(scene, at, axes[0])
    return _strip(scene, length, at / (fps or skeleton.fps), view, caption, axes)


def _row(scene: Scene, at: np.ndarray, right: np.ndarray) -> tuple[Scene, float]:
    """Chosen poses moved into a row along the picture, centred at zero, and its length (metres)."""
    joints = scene.joints[at] - scene.root[at][:, None]
    side = joints @ right
    low, high = side.min(axis=1) - _GAP / 2, side.max(axis=1) + _GAP / 2
    room = np.maximum(high - low, 0.38 * scene.stature)
    place = np.cumsum(room) - 0.5 * room - 0.5 * room.sum() - 0.5 * (low + high)
    joints = joints + place[:, None, None] * right
    return replace(scene, joints=joints, ahead=scene.ahead[at]), float(room.sum())


def _strip(
    scene: Scene, length: float, times: np.ndarray, view: View, caption: str, axes: np.ndarray
) -> np.ndarray:
    """Draw a row of poses with their times (seconds)."""
    height = _even(0.66 * view.height)
    margin = round(0.14 * height)
    scale = (height - 2.1 * margin) / (max(scene.joints[..., 1].max(), scene.stature) + 0.15)
    scale = min(scale, _WIDEST / (length + 2 * _GAP))
    width = max(_even(scale * (length + 2 * _GAP)), height)
    sheet = Sheet.of(width, height, caption)
    camera = Camera.across(scene, axes, scale, (width / 2, 0.5 * (sheet.top + height - margin)))
    ground = Ground.of(camera, scene, width, height, reach=0.6 * length + 1.5)
    limbs = body.Limbs.of(scene).together()
    image = np.empty((3, height, width), np.float32)
    ground.paint(image, 0, _casters(limbs)[0], np.zeros((0, 3)))
    depth = np.full_like(image[0], np.inf)
    body.paint(image, depth, body.project(limbs, camera)[0], limbs.colour)
    sheet.paint(image)
    below = camera.project((scene.joints.mean(axis=1) * [1, 0, 1])[None])[0]
    for time, (u, _, _) in zip(times, below, strict=True):
        sheet.write(image, f"{time:.1f} s", (u, below[:, 1].max() + 0.55 * margin))
    return _bytes(image)


def _bytes(image: np.ndarray) -> np.ndarray:
    """Planes of 0 to 255 as one picture of bytes."""
    out = np.empty((*image.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(image):
        out[..., channel] = plane
    return out


def _even(size: float) -> int:
    return 2 * round(size / 2)


def _casters(limbs: body.Limbs) -> np.ndarray:
    """Points along the limbs that cast the shadow."""
    return np.concatenate([limbs.start, 0.5 * (limbs.start + limbs.end), limbs.end], axis=1)
