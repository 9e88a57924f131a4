"""The scene of a picture: one person on the floor in metres, and the camera that follows them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import Skeleton

ADULT = 1.7
"""Stature in metres that bodies in an unknown unit (KIT-ML) are scaled to."""
SOLE = 0.03
"""How far the lowest joint stays above the floor, metres: the joint is inside the foot."""
_UP = np.array([0.0, 1.0, 0.0])
_FARTHEST = 1e5
STANDING_STILL = 0.35
"""A root path within so many metres is filmed by a camera that stands still."""


@dataclass(frozen=True)
class View:
    """How a motion is looked at. `poses` counts the bodies of a pose sequence (png).

    Attributes:
        width: pixels, even (H.264 needs it).
        height: pixels, even.
        fps: pictures per second; None: those of the motion, brought between 20 and 60.
        azimuth: degrees between where the person first looks and the camera.
        elevation: degrees the camera looks down.
        poses: bodies in a pose sequence.
        trail: draw the path of the root on the ground.
    """

    width: int = 640
    height: int = 640
    fps: float | None = None
    azimuth: float = 32.0
    elevation: float = 11.0
    poses: int = 8
    trail: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            size = getattr(self, name)
            if size % 2 or not 128 <= size <= 4096:
                raise InputError(f"{name} is {size}", where="view", hint="even, 128 to 4096 pixels")
        if self.fps is not None and not 1 <= self.fps <= 120:
            raise InputError(f"fps is {self.fps}", where="view", hint="1 to 120")
        if not 1 <= self.poses <= 16:
            raise InputError(f"poses is {self.poses}", where="view", hint="1 to 16 bodies")
        if not -360 <= self.azimuth <= 360:
            raise InputError(f"azimuth is {self.azimuth}", where="view", hint="-360 to 360 degrees")
        if not 1 <= self.elevation <= 60:
            raise InputError(f"elevation is {self.elevation}", where="view", hint="1 to 60 degrees")


@dataclass(frozen=True)
class Scene:
    """A person in metres with the floor at height zero."""

    joints: Float[np.ndarray, "T J 3"]
    skeleton: Skeleton
    stature: float
    """Height of the body, metres."""
    ahead: Float[np.ndarray, "T 3"]
    """Horizontal unit vector the body faces."""

    @property
    def root(self) -> Float[np.ndarray, "T 3"]:
        """Path of the root on the floor."""
        return self.joints[:, 0] * (1 - _UP)

    @staticmethod
    def of(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton) -> "Scene":
        """Check the joints, bring them to metres and put them on the floor.

        Raises:
            InputError: for a wrong shape, no frames, or coordinates that are not a person's.
        """
        joints = _checked(joints, skeleton)
        joints, stature = _metres(joints, skeleton)
        joints = joints - joints[:1, :1] * (1 - _UP)
        if abs(joints).max() > _FARTHEST:
            raise InputError("a joint is over 100 km away", where="joints", hint="check the units")
        # The height most frames stand at, so that one bad frame does not lift the floor.
        floor = np.percentile(joints[..., 1].min(axis=1), 5) - SOLE * stature / ADULT
        return Scene(joints - floor * _UP, skeleton, stature, _ahead(joints, skeleton))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll that moves but does not turn."""

    position: Float[np.ndarray, "T 3"]
    axes: Float[np.ndarray, "3 3"]
    """Rows: to the right of the picture, up in the picture, into the picture."""
    focal: float
    """Pixels."""
    centre: tuple[float, float]
    """Pixel that the camera looks at."""

    def project(self, points: Float[np.ndarray, "T ... 3"]) -> Float[np.ndarray, "T ... 3"]:
        """Pixel right, pixel down and depth in metres of points in the world."""
        lift = (slice(None), *[None] * (points.ndim - 2))
        x, y, z = np.moveaxis((points - self.position[lift]) @ self.axes.T, -1, 0)
        z = np.maximum(z, 1e-2)
        u, v = self.centre
        return np.stack([u + self.focal * x / z, v - self.focal * y / z, z], axis=-1)

    @staticmethod
    def follow(scene: Scene, view: View, fps: float, top: int, bottom: int) -> "Camera":
        """A camera that keeps the person between `top` and `bottom` (pixels of margin)."""
        axes = camera_axes(scene, view)
        target = _smooth_path(scene.root, fps)
        highest = np.percentile(scene.joints[..., 1].max(axis=1), 90)
        target[:, 1] = 0.5 * max(highest + 0.1, 0.75 * scene.stature)
        focal = 0.5 * min(view.width, view.height) / np.tan(np.radians(14))
        rows = view.height - top - bottom
        centre = (view.width / 2, top + rows / 2)
        margin = 0.09 * scene.stature
        x, y, z = np.moveaxis((scene.joints - target[:, None]) @ axes.T, -1, 0)
        # The nearest distance from which every joint is inside the picture.
        distance = max(
            (focal * (abs(x) + margin) / (0.5 * view.width) - z).max(),
            (focal * (abs(y) + margin) / (0.5 * rows) - z).max(),
            focal * 1.14 * scene.stature / rows,
        )
        return Camera(target - distance * axes[2], axes, focal, centre)

    @staticmethod
    def across(
        scene: Scene,
        axes: Float[np.ndarray, "3 3"],
        scale: float,
        centre: tuple[float, float],
    ) -> "Camera":
        """A distant camera on bodies in a row, `scale` pixels per metre, that sees all alike."""
        distance = 20.0
        target = 0.5 * max(scene.joints[..., 1].max() + 0.1, 0.75 * scene.stature) * _UP
        return Camera((target - distance * axes[2])[None], axes, scale * distance, centre)


def camera_axes(scene: Scene, view: View) -> np.ndarray:
    """Camera axes: in front of the person's first facing, on the side they then turn to."""
    first = scene.ahead[0]
    left = np.cross(_UP, first)
    side = 1.0 if (scene.ahead @ left).mean() >= -1e-3 else -1.0
    turn, tilt = np.radians(side * view.azimuth), np.radians(view.elevation)
    towards = np.cos(turn) * first + np.sin(turn) * left
    into = -np.cos(tilt) * towards - np.sin(tilt) * _UP
    right = np.cross(into, _UP) / np.cos(tilt)
    return np.stack([right, np.cross(right, into), into])


def _checked(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    joints = np.asarray(joints, np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (len(skeleton.joints), 3):
        raise InputError(
            f"joints have shape {joints.shape}",
            where="joints",
            hint=f"a {skeleton.name} motion is (frames, {len(skeleton.joints)}, 3)",
        )
    if len(joints) == 0:
        raise InputError("the motion has no frames", where="joints", hint="nothing to draw")
    wrong = ~np.isfinite(joints).all(axis=(1, 2))
    if wrong.any():
        raise InputError(
            "a coordinate is not a number", where=f"joints, frame {wrong.argmax()}", hint="clean it"
        )
    return joints


def _metres(joints: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, float]:
    """Joints in metres and the stature; a body of human size is taken to be in metres already."""
    bones = np.linalg.norm(joints - joints[:, list(skeleton.parents)], axis=-1)
    bone = np.median(bones, axis=0)
    leg = next(c for c in skeleton.chains if skeleton.left_foot[1] in c)
    spine = next(c for c in skeleton.chains if skeleton.index("head") in c)
    neck = skeleton.neck_beyond * bone[skeleton.index("head")]
    stature = 1.14 * float(bone[list(leg[1:4])].sum() + bone[list(spine[1:])].sum() + neck)
    if 0.6 < stature < 2.6:
        return joints, stature
    if stature < 1e-9:  # all joints in one place: a dot is drawn
        return joints - joints[:1, :1], ADULT
    return joints * (ADULT / stature), ADULT


def _ahead(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    left = sum(
        joints[:, skeleton.index(f"left_{joint}")] - joints[:, skeleton.index(f"right_{joint}")]
        for joint in ("hip", "shoulder")
    )
    ahead = np.cross(left, _UP)
    length = np.linalg.norm(ahead, axis=-1, keepdims=True)
    return np.where(length > 1e-6, ahead / np.maximum(length, 1e-6), [0.0, 0.0, 1.0])


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
