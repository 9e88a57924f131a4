"""The parts of the mannequin: surfaces around the bones of a pose with arms out, facing +Z.

Outlines are in body.toml. Lengths are metres.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.loft import Surface, outline, rounded, sweep
from motiongpt3.formats.toml import read_toml
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import Skeleton

_X, _Y, _Z = np.eye(3)
_LIMB, _TRUNK, _SMALL = 12, 16, 8
"""Corners around limbs and feet, trunk and head, hands and balls."""
_BAND = 0.055
"""Metres on either side of a knee or elbow over which the skin passes from bone to bone."""
_HIPS, _SHOULDERS = 0.075, 0.2
"""Half the usual distance between the joints of hips and of shoulders, metres."""
_FLESH = 0.081
"""From the joint of a hip to the side of the trunk, metres."""
_SOLE_ROUND = 0.25
"""How much of a foot's outline below its middle is round; the rest is level with the sole."""


@lru_cache(maxsize=1)
def _outlines() -> dict[str, np.ndarray]:
    shapes = read_toml(Path(__file__).with_name("body.toml"))
    return {name: np.array(rows, np.float64) for name, rows in shapes.items()}


@dataclass(frozen=True, eq=False)
class Figure:
    """A body around joints.

    Attributes:
        rest: (J, 3) the joints in a pose with arms out, level soles and an upright head.
        size: of the body, an adult's being 1.
        drop: how far the soles are below the toe joints.
    """

    rest: Float[np.ndarray, "J 3"]
    skeleton: Skeleton
    size: float
    drop: float

    def parts(self) -> Iterator[tuple[str, Surface]]:
        """Colour and surface of every part."""
        yield "cloth", self._trunk()
        yield from (("skin", part) for part in self._head())
        for side in ("left", "right"):
            yield "cloth", self._collar(side)
            for limb, words in (("leg", "hip knee ankle"), ("arm", "shoulder elbow wrist")):
                yield from ((side, part) for part in self._limb(limb, side, words.split()))
            yield side, self._foot(side)
            yield from (("skin", part) for part in self._hand(side))

    def _at(self, joint: str) -> Float[np.ndarray, "3"]:
        return self.rest[self.skeleton.index(joint)]

    def _rows(self, shape: str, rings: int, ends: tuple[float, float]) -> Float[np.ndarray, "R 4"]:
        """An outline in metres of this body, round at both ends."""
        return rounded(outline(_outlines()[shape] * self.size, rings), ends)

    def _limb(self, shape: str, side: str, words: list[str]) -> Iterator[Surface]:
        """An arm or leg from its first joint to its third, and a ball inside the second.

        Skin passes from bone to bone around the second joint; the ball fills what it loses there in
        a deep bend.
        """
        names = [f"{side}_{word}" for word in words]
        start, middle, end = (self._at(name) for name in names)
        first, second = (float(np.linalg.norm(b)) for b in (middle - start, end - middle))
        band = _BAND * self.size
        rows = outline(_outlines()[shape], 11)
        rows[:, 0] = np.interp(rows[:, 0], [0, 1, 2], [0, first, first + second])
        rows[:, 1:] *= self.size
        near = first + band * np.linspace(-1.2, 1.2, 5)  # rings stand closer where skin bends
        bent = np.stack([near, *(np.interp(near, rows[:, 0], c) for c in rows.T[1:])], -1)
        rows = np.concatenate([rows[abs(rows[:, 0] - first) > 1.5 * band], bent])
        rows = rounded(rows[np.argsort(rows[:, 0])], (0.9, 0.6))
        along = normalize(end - start)
        across = _X if abs(along[1]) > 0.7 else _Y
        rings = sweep(rows, start, np.stack([along, across, _Z]), _LIMB)
        upper, lower = (self.skeleton.index(name) for name in names[:2])
        yield _blend(rings, upper, lower, (rows[:, 0] - first) / band)
        radius = 0.96 * min(bent[2, 1:3])
        ball = rounded(np.array([[-1e-4, radius, radius, 0], [0, radius, radius, 0]]), (1, 1))
        yield _rigid(sweep(ball, middle, np.stack([_Y, _X, _Z]), _SMALL), lower)

    def _trunk(self) -> Surface:
        """From the crotch to the neck."""
        hip, shoulder = self._at("left_hip"), self._at("left_shoulder")
        chest = shoulder[1] - 0.19 * self.size
        top = max(self._at("neck")[1], shoulder[1] + 0.06 * self.size)
        marks = [hip[1] - 0.1 * self.size, hip[1] + 0.01 * self.size, (hip[1] + chest) / 2, chest]
        marks += [shoulder[1] - 0.08 * self.size, shoulder[1], top]
        rows = outline(_outlines()["trunk"], 16)
        at = rows[:, 0].copy()
        rows[:, 1:] *= self.size
        # Thighs are as thick on narrow hips: the trunk must hold them all the same.
        lower = np.clip((abs(hip[0]) / self.size + _FLESH) / (_HIPS + _FLESH), 0.8, 1.15)
        upper = np.clip(abs(shoulder[0]) / (_SHOULDERS * self.size), 0.7, 1.1)
        rows[:, 1] *= np.interp(at, [1, 3, 5, 6], [lower, upper, upper, 1])
        rows[:, 0] = np.interp(at, np.arange(len(marks)), marks)
        rows = rounded(rows, (0.5, 0.3))
        rings = sweep(rows, self.rest[0] * [1, 0, 1], np.stack([_Y, _X, _Z]), _TRUNK)
        spine = self._spine()
        places = self.rest[spine, 1]
        # A joint turns what is above it; at its own height the skin is half way.
        reach = np.diff(places).min() / 2
        turns = np.ravel([[place - reach, place + reach] for place in places[1:]])
        steps = np.repeat(np.arange(len(spine)), 2)[1:-1]
        place = np.interp(rows[:, 0], turns, steps)
        below = np.minimum(place.astype(int), len(spine) - 2)
        joints = np.stack([np.take(spine, below), np.take(spine, below + 1)], -1)
        return Surface(rings, joints, np.stack([below + 1 - place, place - below], -1))

    def _spine(self) -> list[int]:
        """Joints from the root up to the one that carries the arms."""
        chain = [self.skeleton.index("left_shoulder")]
        while chain[0] > 0:
            chain.insert(0, self.skeleton.parents[chain[0]])
        return [j for j in chain[:-1] if not self.skeleton.joints[j].endswith("collar")]

    def _collar(self, side: str) -> Surface:
        """From beside the neck to the shoulder."""
        shoulder, neck = self._at(f"{side}_shoulder"), self._at("neck")
        joint = self.skeleton.parents[self.skeleton.index(f"{side}_shoulder")]
        inner = 0.3 * shoulder + 0.7 * neck * [0, 1, 1] - 0.045 * self.size * _Y
        length = float(np.linalg.norm(shoulder - inner))
        wide = np.array([[0, 0.058, 0.060, 0], [length / self.size, 0.042, 0.042, 0]]) * self.size
        along = normalize(shoulder - inner)
        across = normalize(np.cross(_Z, along))
        rows = rounded(outline(wide, 3), (1, 1))
        chest = self._spine()[-1]
        rings = sweep(rows, inner, np.stack([along, across, np.cross(along, across)]), _LIMB)
        return _blend(rings, chest, joint, 4 * rows[:, 0] / length - 1)

    def _head(self) -> Iterator[Surface]:
        """Neck, skull, and a nose that shows where the figure looks."""
        neck, head = self.skeleton.index("neck"), self.skeleton.index("head")
        base, top = self.rest[neck], self.rest[head]
        rise = self.skeleton.neck_beyond * np.linalg.norm(top - self._at("neck"))
        seat = top + rise * _Y
        low = base - 0.02 * self.size * _Y
        high = seat + 0.03 * self.size * _Y + 0.004 * self.size * _Z
        along = normalize(high - low)
        length = float(np.linalg.norm(high - low))
        rows = np.array([[0, 0.055, 0.055, 0], [0.5, 0.047, 0.05, 0], [1, 0.047, 0.05, 0]])
        rows *= [length, *3 * [self.size]]
        rings = sweep(outline(rows, 4), low, np.stack([along, _X, np.cross(_X, along)]), _LIMB)
        yield _blend(rings, self.skeleton.parents[neck], neck, np.linspace(-1, 1, 4))
        upright = np.stack([_Y, _X, _Z])
        yield _rigid(sweep(self._rows("skull", 9, (0.5, 0.3)), seat, upright, _TRUNK), head)
        bridge = seat + self.size * np.array([0, 0.034, 0.094])
        nose = self._rows("nose", 3, (0.5, 0.5))
        tip = np.stack([-_Y, _X, _Z])
        yield _rigid(sweep(nose, bridge + 0.03 * self.size * _Y, tip, _SMALL), head)

    def _hand(self, side: str) -> Iterator[Surface]:
        """Palm with fingers together, and a thumb."""
        wrist, elbow = self._at(f"{side}_wrist"), self._at(f"{side}_elbow")
        along, joint = normalize(wrist - elbow), self.skeleton.index(f"{side}_wrist")
        axes = np.stack([along, normalize(np.cross(_Z, along)), _Z])
        yield _rigid(sweep(self._rows("hand", 6, (0.6, 0.8)), wrist, axes, _SMALL), joint)
        out = normalize(0.72 * along + 0.66 * _Z - 0.2 * _Y)
        root = wrist + self.size * (0.03 * along + 0.026 * _Z - 0.004 * _Y)
        square = normalize(np.cross(out, _Y))
        axes = np.stack([out, np.cross(square, out), square])
        yield _rigid(sweep(self._rows("thumb", 3, (0.8, 0.9)), root, axes, _SMALL), joint)

    def _foot(self, side: str) -> Surface:
        """Heel, arch and toes on a level sole."""
        chain = self.skeleton.left_foot if side == "left" else self.skeleton.right_foot
        ankle, toe = self._at(f"{side}_ankle"), self.rest[chain[1]]
        sole = min(toe[1], ankle[1] - 0.02 * self.size) - self.drop
        ahead = normalize((toe - ankle) * [1, 0, 1])
        reach = float(np.linalg.norm((toe - ankle) * [1, 0, 1]))
        shape = outline(_outlines()["foot"], 11)
        half = shape[:, 1] * self.size
        top = np.maximum(shape[:, 2] * self.size, 0)
        # The ankle says how high the foot is there, whatever an adult's is.
        scale = (ankle[1] - sole + 0.018 * self.size) / (0.093 * self.size)
        behind = np.interp(shape[:, 0], [-0.4, 0, 0.6, 1.0], [1, 1, 0.5, 0])
        top *= 1 + (np.clip(scale, 0.7, 1.6) - 1) * behind
        turn = 2 * np.pi * np.arange(_LIMB) / _LIMB
        width, height = np.cos(turn), np.sin(turn)
        height = np.where(height < 0, np.maximum(height, -_SOLE_ROUND) / _SOLE_ROUND, height)
        low = np.minimum(0.35 * top, 0.02 * self.size)[:, None]
        up = np.where(height < 0, low * (1 + height), low + (top[:, None] - low) * height)
        square = np.cross(_Y, ahead)
        ground = ankle * [1, 0, 1] + sole * _Y
        rings = (
            ground
            + (shape[:, :1] * reach)[..., None] * ahead
            + (half[:, None] * width)[..., None] * square
            + up[..., None] * _Y
        )
        before = self.skeleton.index(f"{side}_ankle")
        beyond = chain[0] if chain[0] != before else before
        joint = np.where(shape[:, 0] > 0.5, beyond, before)
        joints = np.stack([joint, joint], -1)
        return Surface(rings, joints, np.tile([1.0, 0.0], (len(rings), 1)))


def _blend(rings: np.ndarray, lower: int, upper: int, at: Float[np.ndarray, " R"]) -> Surface:
    """A surface that passes from one joint to another while `at` goes from -1 to 1."""
    u = np.clip((at + 1) / 2, 0, 1)
    share = u * u * (3 - 2 * u)
    joints = np.tile([lower, upper], (len(rings), 1))
    return Surface(rings, joints, np.stack([1 - share, share], -1))


def _rigid(rings: np.ndarray, joint: int) -> Surface:
    return Surface(rings, np.full((len(rings), 2), joint), np.tile([1.0, 0.0], (len(rings), 1)))
