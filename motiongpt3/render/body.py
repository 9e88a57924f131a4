"""The body: tapered limbs with soft light, left and right in two colours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from motiongpt3.render.scene import ADULT, SOLE, Camera, Scene

LEFT = (45, 114, 210)
"""Blue and orange stay apart for every common kind of colour blindness."""
RIGHT = (240, 130, 30)
_CLOTH, _SKIN = (104, 116, 138), (222, 200, 182)
_PALETTE = np.array([_CLOTH, LEFT, RIGHT, _SKIN], np.float32)
_DARK = _PALETTE * np.array([0.42, 0.44, 0.54], np.float32)
_LIGHT = _PALETTE + 0.34 * (255 - _PALETTE)
_LIGHT_FROM = np.array([-0.42, 0.68, 0.60], np.float32)
_BLEND = 0.005
"""Metres of depth over which two limbs that pass through each other melt together."""


@dataclass(frozen=True)
class Limbs:
    """Tapered limbs: a ball swept from start to end while its radius changes. Metres."""

    start: Float[np.ndarray, "T P 3"]
    end: Float[np.ndarray, "T P 3"]
    radius: Float[np.ndarray, "P 2"]
    colour: Int[np.ndarray, " P"]
    """Index into the palette: cloth, left, right, skin."""

    @staticmethod
    def of(scene: Scene) -> "Limbs":
        """Build the limbs of every frame around the joints."""
        parts = [*_trunk(scene), *_side(scene, "left", 1), *_side(scene, "right", 2)]
        starts, ends, radii, colours = zip(*parts, strict=True)
        return Limbs(
            np.stack(starts, axis=1),
            np.stack(ends, axis=1),
            np.array(radii) * (scene.stature / ADULT),
            np.array(colours),
        )

    def together(self) -> "Limbs":
        """All frames' limbs in one picture: T bodies become one frame of T x P limbs."""
        bodies = len(self.start)
        return Limbs(
            self.start.reshape(1, -1, 3),
            self.end.reshape(1, -1, 3),
            np.tile(self.radius, (bodies, 1)),
            np.tile(self.colour, bodies),
        )


def _direction(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    vector = end - start
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)


def _trunk(scene: Scene) -> list[tuple]:
    """Pelvis, belly, chest, neck, head and a nose that shows where the person looks."""
    unit = scene.stature / ADULT

    def at(name: str) -> np.ndarray:
        return scene.joints[:, scene.skeleton.index(name)]

    neck, head, left_hip, right_hip = at("neck"), at("head"), at("left_hip"), at("right_hip")
    root = 0.5 * (left_hip + right_hip)
    middle = at("spine2" if "spine3" in scene.skeleton.joints else "spine1")
    up = _direction(neck, head)
    if scene.skeleton.neck_beyond:
        # A short bone to the top of the neck leans forward: the trunk says better where up is.
        up = _direction(middle, head)
        bone = np.linalg.norm(head - neck, axis=-1, keepdims=True)
        head = head + scene.skeleton.neck_beyond * bone * up
    skull = head + 0.055 * unit * up
    face = scene.ahead - (scene.ahead * up).sum(-1, keepdims=True) * up
    face = _direction(np.zeros_like(face), face)
    nose = skull + unit * (0.104 * face - 0.018 * up)
    parts = [
        (0.7 * left_hip + 0.3 * right_hip, 0.3 * left_hip + 0.7 * right_hip, (0.1, 0.1), 0),
        (root + 0.03 * unit * _direction(root, middle), middle, (0.112, 0.116), 0),
        (at("left_shoulder"), at("right_shoulder"), (0.048, 0.048), 0),
        (middle, neck - 0.05 * unit * up, (0.112, 0.082), 0),
        (neck, head, (0.046, 0.046), 3),
        (skull, skull + unit * (0.028 * face - 0.048 * up), (0.108, 0.076), 3),
        (nose + 0.022 * unit * up, nose, (0.012, 0.02), 3),
    ]
    for side in ("left", "right"):
        armpit = 0.66 * at(f"{side}_shoulder") + 0.34 * neck
        parts.append((0.93 * middle + 0.07 * armpit, armpit - 0.035 * unit * up, (0.1, 0.083), 0))
    return parts


def _side(scene: Scene, side: str, colour: int) -> list[tuple]:
    """One arm and one leg."""
    unit, skeleton = scene.stature / ADULT, scene.skeleton

    def at(name: str) -> np.ndarray:
        return scene.joints[:, skeleton.index(f"{side}_{name}")]

    toe = scene.joints[:, (skeleton.left_foot if side == "left" else skeleton.right_foot)[1]]
    ankle, knee, wrist, elbow = at("ankle"), at("knee"), at("wrist"), at("elbow")
    fore = _direction(elbow, wrist)
    shin = _direction(knee, ankle)
    heel = ankle + 0.04 * unit * shin - 0.035 * unit * _direction(ankle, toe)
    tip = toe + 0.035 * unit * _direction(heel, toe)
    return [
        (at("shoulder"), elbow, (0.053, 0.043), colour),
        (elbow, wrist, (0.043, 0.031), colour),
        (wrist + 0.01 * unit * fore, wrist + 0.085 * unit * fore, (0.034, 0.030), colour),
        (at("hip"), knee, (0.083, 0.058), colour),
        (knee, ankle, (0.056, 0.038), colour),
        (heel, tip, (0.036, SOLE), colour),
        (ankle, toe, (0.038, SOLE), colour),
    ]


def paint(
    image: Float[np.ndarray, "3 H W"],
    depth: Float[np.ndarray, "H W"],
    drawn: Float[np.ndarray, "P 2 5"],
    colours: Int[np.ndarray, " P"],
) -> None:
    """Paint the limbs of one frame into an image, far ones first.

    Args:
        image: red, green and blue planes, 0 to 255, changed in place.
        depth: metres to what is painted already, infinite where nothing is; changed in place.
        drawn: start and end of each limb, see `project`.
        colours: palette index of each limb.
    """
    rows, columns = depth.shape
    low = np.floor((drawn[..., :2] - drawn[..., 3:4]).min(axis=1) - 1).astype(int)
    high = np.ceil((drawn[..., :2] + drawn[..., 3:4]).max(axis=1) + 2).astype(int)
    low = np.clip(low, 0, (columns, rows)).tolist()
    high = np.clip(high, 0, (columns, rows)).tolist()
    for limb in np.argsort(-drawn[..., 2].mean(axis=1)):
        (left, top), (right, bottom) = low[limb], high[limb]
        if left < right and top < bottom:
            box = (slice(top, bottom), slice(left, right))
            offset = np.array([left, top, 0, 0, 0], np.float32)
            alpha, tone, near = _limb(drawn[limb] - offset, bottom - top, right - left)
            _blend(image[(slice(None), *box)], depth[box], (alpha, tone, near), int(colours[limb]))


def shades(count: int) -> UInt8[np.ndarray, "N 3"]:
    """The colours of a body and its legend, `count` from dark to light for each kind of limb."""
    mix = np.linspace(0, 1, count)[:, None, None]
    ramps = (_DARK + mix * (_LIGHT - _DARK)).reshape(-1, 3)
    return np.concatenate([ramps, _PALETTE]).astype(np.uint8)


def project(limbs: Limbs, camera: Camera) -> Float[np.ndarray, "T P 2 5"]:
    """Ends of limbs: pixels right and down, depth (metres), radius (pixels), radius (metres)."""
    pixels = camera.project(np.stack([limbs.start, limbs.end], axis=2))
    metres = np.broadcast_to(limbs.radius, pixels.shape[:-1])
    radii = np.stack([camera.focal * metres / pixels[..., 2], metres], axis=-1)
    return np.concatenate([pixels, radii], axis=-1).astype(np.float32)


def _limb(ends: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover (0..1), light (0..1) and depth (metres) of one limb at each pixel of its box."""
    (u, v, z, r, thick), (du, dv, dz, dr, _) = ends[0], ends[1] - ends[0]
    # A limb seen end on still needs a length that its taper fits into.
    span = np.hypot(du, dv)
    length = max(span, 1.1 * abs(dr), 1e-3)
    ex, ey = (du / span, dv / span) if span > 1e-6 else (np.float32(1), np.float32(0))
    x = np.arange(width, dtype=np.float32) - (u - 0.5)
    y = (np.arange(height, dtype=np.float32) - (v - 0.5))[:, None]
    along = x * ex + y * ey
    across = x * ey - y * ex
    # Surface normals of a taper lean forward: a pixel's ball sits a little behind its foot point.
    slope = -dr / length
    share = np.abs(across)
    share *= -slope / np.sqrt(1 - slope * slope)
    share += along
    share *= 1 / length
    _limit(share)
    along -= share * length
    radius = share * dr
    radius += r
    square = along * along
    square += across * across
    alpha = np.sqrt(square)
    np.subtract(radius + 0.5, alpha, out=alpha)
    _limit(alpha)
    inverse = np.reciprocal(radius)
    square *= inverse
    square *= inverse
    towards = np.sqrt(np.maximum(1 - square, 0))
    lx, ly, lz = _LIGHT_FROM
    along *= lx * ex - ly * ey
    across *= lx * ey + ly * ex
    along += across
    along *= inverse
    tone = np.clip(along + (lz + 0.16) * towards + 0.12, 0, 1)
    near = share * dz
    near += z
    near -= towards * thick
    return alpha, tone, near


def _limit(values: np.ndarray) -> None:
    """Bring values to 0..1 in place; on small boxes `np.clip` takes longer to start than to run."""
    np.maximum(values, 0, out=values)
    np.minimum(values, 1, out=values)


def _blend(image: np.ndarray, depth: np.ndarray, limb: tuple, colour: int) -> None:
    """Lay one limb over a part of the image, in front of or behind what is there."""
    alpha, tone, near = limb
    front = depth - near
    front *= 0.5 / _BLEND
    front += 0.5
    _limit(front)
    alpha *= front
    for plane, dark, light in zip(image, _DARK[colour], _LIGHT[colour], strict=True):
        shade = tone * (light - dark)
        shade += dark
        shade -= plane
        shade *= alpha
        plane += shade
    np.copyto(depth, near, where=alpha > 0.5)
