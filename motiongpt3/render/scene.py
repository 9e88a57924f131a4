"""The scene of a picture: one person on the floor in metres, and how they are looked at."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

ADULT = 1.7
"""Stature in metres that bodies in an unknown unit (KIT-ML) are scaled to."""
SOLE = 0.03
"""How far the lowest joint stays above the floor, metres: the joint is inside the foot."""
UP = np.array([0.0, 1.0, 0.0])
_FARTHEST = 1e5
STANDING_STILL = 0.35
"""A root path within so many metres is filmed by a camera that stands still."""


Style = Literal["mannequin", "skeleton"]
Way = Literal["follow", "fixed", "orbit"]
"""A camera goes with the person, stands where it sees all of the motion, or goes round once."""
Background = Literal["studio", "white", "transparent"]


@dataclass(frozen=True)
class View:
    """How a motion is looked at.

    Attributes:
        width: pixels, even (H.264 needs it).
        height: pixels, even.
        fps: pictures per second; None: those of the motion, brought between 20 and 60.
        azimuth: degrees between where the person first looks and the camera.
        elevation: degrees the camera looks down.
        poses: bodies in a pose sequence.
        trail: draw the path of the root on the ground.
        contacts: mark the ground where a foot stands.
        style: a shaded body, or the sticks and balls of its skeleton.
        camera: how the camera moves.
        background: a studio with a grid on its floor, white paper, or nothing.
    """

    width: int = 640
    height: int = 640
    fps: float | None = None
    azimuth: float = 32.0
    elevation: float = 11.0
    poses: int = 8
    trail: bool = True
    contacts: bool = False
    style: Style = "mannequin"
    camera: Way = "follow"
    background: Background = "studio"

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
        for name, kind in (("style", Style), ("camera", Way), ("background", Background)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(
                    f"{name} is {getattr(self, name)!r}",
                    where="view",
                    hint=f"one of {', '.join(get_args(kind))}",
                )


@dataclass(frozen=True, eq=False)
class Take:
    """A motion to be drawn.

    Attributes:
        joints: positions, Y up; metres, or any unit that is then scaled to a person's size.
        fps: frames per second, for the clock and the smoothness of the camera; the skeleton's own
            where it is not given.
        skeleton: which joints they are.
        caption: text at the top.
    """

    joints: Float[np.ndarray, "T J 3"]
    fps: float | None = None
    skeleton: Skeleton = HUMANML3D
    caption: str = ""

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.fps or self.skeleton.fps


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
        return self.joints[:, 0] * (1 - UP)

    @property
    def middle(self) -> Float[np.ndarray, "T 3"]:
        """The joint in the middle of the spine."""
        return self.at("spine2" if "spine3" in self.skeleton.joints else "spine1")

    def cut(self, frames: slice) -> "Scene":
        """Some frames of it."""
        return replace(self, joints=self.joints[frames], ahead=self.ahead[frames])

    def at(self, name: str) -> Float[np.ndarray, "T 3"]:
        """Where one joint is in every frame."""
        return self.joints[:, self.skeleton.index(name)]

    @staticmethod
    def of(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton) -> "Scene":
        """Check the joints, bring them to metres and put them on the floor.

        Raises:
            InputError: for a wrong shape, no frames, or coordinates that are not a person's.
        """
        joints = _checked(joints, skeleton)
        joints, stature = _metres(joints, skeleton)
        joints = joints - joints[:1, :1] * (1 - UP)
        if abs(joints).max() > _FARTHEST:
            raise InputError("a joint is over 100 km away", where="joints", hint="check the units")
        # The height most frames stand at, so that one bad frame does not lift the floor.
        floor = np.percentile(joints[..., 1].min(axis=1), 5) - SOLE * stature / ADULT
        return Scene(joints - floor * UP, skeleton, stature, _ahead(joints, skeleton))


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
    ahead = np.cross(left, UP)
    length = np.linalg.norm(ahead, axis=-1, keepdims=True)
    return np.where(length > 1e-6, ahead / np.maximum(length, 1e-6), [0.0, 0.0, 1.0])
