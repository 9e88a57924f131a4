"""The body as tapered limbs: a mannequin, or the sticks and balls of its skeleton."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.render.scene import ADULT, SOLE, Scene, Style

TRUNK, HEAD, LEFT_ARM, RIGHT_ARM, LEFT_LEG, RIGHT_LEG = range(6)
"""Parts of the body: limbs of one part melt into each other."""

_SIDES = (("left", LEFT_ARM, LEFT_LEG), ("right", RIGHT_ARM, RIGHT_LEG))
_Limb = tuple[np.ndarray, np.ndarray, tuple[float, float], int]
"""Start, end, a radius for each, and the part."""


@dataclass(frozen=True)
class Limbs:
    """Tapered limbs: a ball swept from start to end while its radius changes. Metres."""

    start: Float[np.ndarray, "T P 3"]
    end: Float[np.ndarray, "T P 3"]
    radius: Float[np.ndarray, "P 2"]
    part: Int[np.ndarray, " P"]

    @staticmethod
    def of(scene: Scene, style: Style = "mannequin") -> "Limbs":
        """Build the limbs of every frame around the joints."""
        limbs = list(_Body.of(scene).limbs() if style == "mannequin" else _sticks(scene))
        starts, ends, radii, parts = zip(*limbs, strict=True)
        return Limbs(
            np.stack(starts, axis=1),
            np.stack(ends, axis=1),
            np.array(radii) * (scene.stature / ADULT),
            np.array(parts),
        )

    def together(self) -> "Limbs":
        """All frames' limbs in one picture: T bodies become one frame of T x P limbs."""
        bodies = len(self.start)
        return Limbs(
            self.start.reshape(1, -1, 3),
            self.end.reshape(1, -1, 3),
            np.tile(self.radius, (bodies, 1)),
            np.tile(self.part, bodies),
        )


@dataclass(frozen=True)
class _Body:
    """Joints of a scene and the axes of its trunk, all as long as the motion.

    `up`, `left` and `front` are an adult's metre long; radii are an adult's too.
    """

    scene: Scene
    up: Float[np.ndarray, "T 3"]
    left: Float[np.ndarray, "T 3"]
    front: Float[np.ndarray, "T 3"]

    @staticmethod
    def of(scene: Scene) -> "_Body":
        at = scene.at
        up = direction(scene.middle, at("neck"))
        left = direction(at("right_shoulder"), at("left_shoulder"))
        left = _across(left, up, np.cross(up, scene.ahead))
        front = np.cross(left, up)
        unit = scene.stature / ADULT
        return _Body(scene, unit * up, unit * left, unit * front)

    def limbs(self) -> Iterator[_Limb]:
        yield from self._trunk()
        yield from self._head()
        for side, arm, leg in _SIDES:
            yield from self._arm(side, arm)
            yield from self._leg(side, leg)

    def _trunk(self) -> Iterator[_Limb]:
        at, middle, up, front = self.scene.at, self.scene.middle, self.up, self.front
        hips = at("left_hip"), at("right_hip")
        root, neck = 0.5 * (hips[0] + hips[1]), at("neck")
        yield _mix(*hips, 0.25), _mix(*hips, 0.75), (0.094, 0.094), TRUNK
        for hip in hips:
            seat = _mix(hip, root, 0.38) - 0.026 * front + 0.01 * up
            yield seat, _mix(seat, middle, 0.5) + 0.02 * front, (0.088, 0.08), TRUNK
        yield root + 0.04 * up + 0.012 * front, middle + 0.01 * front, (0.096, 0.1), TRUNK
        yield middle + 0.01 * front, neck - 0.09 * up + 0.014 * front, (0.1, 0.08), TRUNK
        yield neck - 0.1 * up + 0.01 * front, neck - 0.045 * up, (0.085, 0.058), TRUNK
        for side, _, _ in _SIDES:
            shoulder = at(f"{side}_shoulder")
            armpit = _mix(shoulder, neck, 0.42) - 0.075 * up + 0.006 * front
            yield _mix(middle, armpit, 0.12), armpit, (0.096, 0.082), TRUNK
            yield armpit + 0.014 * front, neck - 0.1 * up + 0.022 * front, (0.07, 0.076), TRUNK
            yield (
                neck - 0.012 * up - 0.012 * front,
                _mix(shoulder, neck, 0.16),
                (0.058, 0.05),
                TRUNK,
            )

    def _head(self) -> Iterator[_Limb]:
        """Neck, skull, jaw and a nose that shows where the person looks."""
        skeleton, unit = self.scene.skeleton, self.scene.stature / ADULT
        neck, head = self.scene.at("neck"), self.scene.at("head")
        up = direction(neck, head)
        if skeleton.neck_beyond:
            # A short bone to the top of the neck leans forward: the trunk says better where up is.
            up = direction(self.scene.middle, head)
            bone = np.linalg.norm(head - neck, axis=-1, keepdims=True)
            head = head + skeleton.neck_beyond * bone * up
        front = unit * _across(self.front, up, self.up)
        up = unit * up
        skull = head + 0.075 * up
        yield neck - 0.02 * up, head + 0.01 * up, (0.058, 0.053), HEAD
        yield skull - 0.02 * front, skull + 0.018 * front, (0.087, 0.084), HEAD
        yield skull + 0.012 * front, skull + 0.034 * front - 0.07 * up, (0.082, 0.06), HEAD
        nose = skull + 0.104 * front - 0.034 * up
        yield nose - 0.012 * front + 0.026 * up, nose, (0.01, 0.015), HEAD

    def _arm(self, side: str, part: int) -> Iterator[_Limb]:
        at = self.scene.at
        shoulder, elbow, wrist = (at(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        unit = self.scene.stature / ADULT
        ahead = unit * direction(elbow, wrist)
        yield shoulder, elbow, (0.056, 0.041), part
        yield elbow, wrist, (0.041, 0.029), part
        yield wrist, wrist + 0.065 * ahead, (0.029, 0.034), part
        yield wrist + 0.065 * ahead, wrist + 0.135 * ahead, (0.034, 0.02), part

    def _leg(self, side: str, part: int) -> Iterator[_Limb]:
        at, skeleton, unit = self.scene.at, self.scene.skeleton, self.scene.stature / ADULT
        hip, knee, ankle = (at(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        foot = skeleton.left_foot if side == "left" else skeleton.right_foot
        toe = self.scene.joints[:, foot[1]]
        shin = direction(knee, ankle)
        ahead = direction(ankle, toe)
        aside = unit * _across(np.cross(shin, ahead), ahead, self.left)
        calf = _mix(knee, ankle, 0.3) - 0.014 * unit * _across(ahead, shin, self.front)
        shin, ahead = unit * shin, unit * ahead
        yield hip, knee, (0.086, 0.054), part
        yield knee, calf, (0.052, 0.051), part
        yield calf, ankle, (0.051, 0.034), part
        heel = ankle + 0.036 * shin - 0.03 * ahead
        yield ankle, heel, (0.036, 0.033), part
        yield ankle + 0.012 * shin, toe + 0.02 * ahead, (0.038, 0.027), part
        for edge in (-0.015, 0.015):
            ball = toe + edge * aside
            yield heel, ball, (0.032, SOLE), part
            yield ball, ball + 0.05 * ahead, (SOLE, 0.024), part


def _sticks(scene: Scene) -> Iterator[_Limb]:
    """Bones as sticks, joints as balls."""
    skeleton = scene.skeleton
    legs = {joint for leg in skeleton.legs for joint in leg}
    for joint, parent in enumerate(skeleton.parents):
        side, _, word = skeleton.joints[joint].rpartition("_")
        place = scene.joints[:, joint]
        part = HEAD if word == "head" else TRUNK
        if side and word not in ("collar", "shoulder", "hip"):
            limb = (LEFT_LEG, RIGHT_LEG) if joint in legs else (LEFT_ARM, RIGHT_ARM)
            part = limb[side == "right"]
        if parent >= 0:
            yield scene.joints[:, parent], place, (0.018, 0.018), part
        radius = 0.07 if word == "head" else 0.032
        yield place, place, (radius, radius), part


def direction(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Unit vectors from starts to ends; zero where they are one point."""
    vector = end - start
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return (1 - share) * a + share * b


def _across(vector: np.ndarray, axis: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Unit vectors at right angles to a unit axis, along `spare` where `vector` is the axis."""
    flat = vector - (vector * axis).sum(-1, keepdims=True) * axis
    other = spare - (spare * axis).sum(-1, keepdims=True) * axis
    enough = np.linalg.norm(flat, axis=-1, keepdims=True) > 0.15
    return direction(0 * flat, np.where(enough, flat, other))
