"""Where a motion is looked at from, and where its points are in the picture."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.render.scene import STANDING_STILL, UP, Scene, View


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without roll, always at one height and tilt."""

    position: Float[np.ndarray, "T 3"]
    axes: Float[np.ndarray, "T 3 3"]
    """Rows: to the right of the picture, up in the picture, into the picture."""
    focal: float
    """Pixels."""
    centre: tuple[float, float]
    """Pixel that the camera looks at."""

    @property
    def turns(self) -> bool:
        """Whether it looks in different directions from frame to frame."""
        return bool(np.ptp(self.axes[:, 0], axis=0).max() > 1e-9)

    def at(self, frames: slice) -> "Camera":
        """The camera of some frames."""
        return replace(self, position=self.position[frames], axes=self.axes[frames])

    def project(self, points: Float[np.ndarray, "T ... 3"]) -> Float[np.ndarray, "T ... 3"]:
        """Pixel right, pixel down and depth in metres of points in the world."""
        flat = points.reshape(len(points), -1, 3) - self.position[:, None]
        x, y, z = np.moveaxis(flat @ np.swapaxes(self.axes, 1, 2), -1, 0)
        z = np.maximum(z, 1e-2)
        u, v = self.centre
        pixels = np.stack([u + self.focal * x / z, v - self.focal * y / z, z], axis=-1)
        return pixels.reshape(points.shape)

    @staticmethod
    def film(scene: Scene, view: View, fps: float, top: int, bottom: int) -> "Camera":
        """The camera of a video, which keeps the person between two margins.

        Args:
            fps: frames per second, for a smooth path.
            top: pixels of margin above the person.
            bottom: pixels of margin below.
        """
        axes = camera_axes(scene, view)
        target = _smooth_path(scene.root, fps)
        if view.camera == "fixed":
            target[:] = 0.5 * (target.min(axis=0) + target.max(axis=0))
        highest = np.percentile(scene.joints[..., 1].max(axis=1), 90)
        target[:, 1] = 0.5 * max(highest + 0.1, 0.75 * scene.stature)
        focal = 0.5 * min(view.width, view.height) / np.tan(np.radians(14))
        rows = view.height - top - bottom
        margin = 0.11 * scene.stature
        x, y, z = np.moveaxis((scene.joints - target[:, None]) @ np.swapaxes(axes, 1, 2), -1, 0)
        # The nearest distance from which every joint is inside the picture.
        distance = max(
            (focal * (abs(x) + margin) / (0.5 * view.width) - z).max(),
            (focal * (abs(y) + margin) / (0.5 * rows) - z).max(),
            focal * 1.14 * scene.stature / rows,
        )
        centre = (view.width / 2, top + rows / 2)
        return Camera(target - distance * axes[:, 2], axes, focal, centre)

    @staticmethod
    def across(
        scene: Scene,
        axes: Float[np.ndarray, "3 3"],
        scale: float,
        centre: tuple[float, float],
    ) -> "Camera":
        """A distant camera on bodies in a row, `scale` pixels per metre, that sees all alike."""
        distance = 20.0
        target = 0.5 * max(scene.joints[..., 1].max() + 0.1, 0.75 * scene.stature) * UP
        position = (target - distance * axes[2])[None]
        return Camera(position, axes[None], scale * distance, centre)


def camera_axes(scene: Scene, view: View) -> Float[np.ndarray, "T 3 3"]:
    """Camera axes: in front of the person's first facing, on the side they then turn to.

    A camera in orbit goes round once.
    """
    first = scene.ahead[0]
    left = np.cross(UP, first)
    side = 1.0 if (scene.ahead @ left).mean() >= -1e-3 else -1.0
    turn = np.full((len(scene.joints), 1), np.radians(side * view.azimuth))
    if view.camera == "orbit":
        turn += np.linspace(0, 2 * np.pi, len(turn), endpoint=False)[:, None]
    tilt = np.radians(view.elevation)
    towards = np.cos(turn) * first + np.sin(turn) * left
    into = -np.cos(tilt) * towards - np.sin(tilt) * UP
    right = np.cross(into, UP) / np.cos(tilt)
    return np.stack([right, np.cross(right, into), into], axis=1)


def _smooth_path(root: np.ndarray, fps: float) -> np.ndarray:
    """The root path without its sway: a Gaussian of 0.4 s, or one point for a standing person."""
    low, high = root.min(axis=0), root.max(axis=0)
    if len(root) < 3 or np.linalg.norm(high - low) < STANDING_STILL:
        return np.repeat(0.5 * (low + high)[None], len(root), axis=0)
    reach = max(1, round(1.2 * fps))
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (0.4 * fps)) ** 2)
    weight /= weight.sum()
    padded = np.pad(root, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(axis, weight, mode="valid") for axis in padded.T], axis=-1)
