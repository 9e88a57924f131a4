"""Feet that stand where they stand, by legs that bend: foot lock with two-bone IK.

`feet.plant_feet` moves the whole body over its feet, which suits what a small latent blurs. Here
the pose stays as it is as far as it can: only legs move, and the body follows where a leg would be
too short. Feet come to rest and leave without a jerk.

Shapes: T frames, J joints. Positions in the skeleton's unit, Y up.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from motiongpt3.motion.feet import Contact, runs, standing_frames
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton

SLIDING = Contact(speed=1.5)
"""What counts as a foot that should stand: a sliding one is faster than one that does."""

_GROUND = np.array([1.0, 0, 1])
_EASE = 0.3
"""Seconds in which a foot takes up speed after it stood, at most, and loses it before."""
_FULL, _SOFT = 0.999, 0.03
"""How far a leg is stretched at most, and the share of its length over which that sets in."""
_FOLLOW = 0.1
"""Seconds over which the body's movement after its feet is smoothed."""
_OFF = (1.5, 0.2)
"""Times the usual speed of a stand, plus metres per second: a faster foot is coming or going."""
_STRAIGHT = 0.1
"""How much of the foot's direction tells where the knee of a straight leg points."""
_PASSES = 4


@dataclass(frozen=True, eq=False)
class Stretch:
    """How long a leg's bones are in each frame, and where its reach ends.

    Attributes:
        begin: reach from which the leg gives in: nearly straight, or as far as it was stretched.
        end: the reach it never exceeds.
    """

    thigh: Float[np.ndarray, " T"]
    shin: Float[np.ndarray, " T"]
    begin: Float[np.ndarray, " T"]
    end: Float[np.ndarray, " T"]

    @staticmethod
    def of(joints: Float[np.ndarray, "T J 3"], leg: tuple[int, ...]) -> "Stretch":
        """The stretch of a leg as it is."""
        hip, knee, ankle = (joints[:, j] for j in leg[:3])
        thigh, shin, reach = (
            np.linalg.norm(a - b, axis=-1) for a, b in ((knee, hip), (ankle, knee), (ankle, hip))
        )
        full = thigh + shin
        return Stretch(
            thigh, shin, np.maximum((1 - _SOFT) * full, reach), np.maximum(_FULL * full, reach)
        )

    def softly(self, reach: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """A wanted reach, bent towards the end where it comes near; never less than possible."""
        room = np.maximum(self.end - self.begin, 1e-9)
        over = np.maximum(reach - self.begin, 0) / room
        soft = self.begin + room * (1 - np.exp(-over))
        least = 1.001 * np.abs(self.thigh - self.shin) + 1e-6
        return np.maximum(np.where(reach > self.begin, soft, reach), least)


def lock_feet(
    joints: Float[np.ndarray, "T J 3"],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
    contact: Contact = SLIDING,
) -> Float[np.ndarray, "T J 3"]:
    """The motion with each standing toe held in place; bones keep their length.

    Args:
        fps: frames per second, if they are not the skeleton's own.
    """
    fps = fps or skeleton.fps
    locked = np.array(joints, np.float64)
    if len(joints) < 2 * round(contact.shortest * fps):
        return locked
    shifts, stretches = [], []
    for leg in skeleton.legs:
        toe = locked[:, leg[-1]]
        standing = _standing(toe * skeleton.metres, fps, contact)
        shifts.append(_shift(toe, standing, round(_EASE * fps)))
        stretches.append(Stretch.of(locked, leg))
    body = smoothed(_body(locked, skeleton, shifts, stretches), _FOLLOW * fps)
    locked += body[:, None]
    for leg, shift, stretch in zip(skeleton.legs, shifts, stretches, strict=True):
        move_foot(locked, leg, shift - body, stretch)
    return locked


def smoothed(values: Float[np.ndarray, "T *n"], width: float) -> Float[np.ndarray, "T *n"]:
    """Values over time without what is faster than a Gaussian of so many frames; no delay.

    Ends are turned over, so that neither position nor speed there is lost.
    """
    reach = min(int(np.ceil(3 * width)), len(values) - 1)
    if width <= 0 or reach < 1:
        return values
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    first, last = values[:1], values[-1:]
    before = 2 * first - values[reach:0:-1]
    after = 2 * last - values[-2 : -reach - 2 : -1]
    wide = np.concatenate([before, values, after])
    windows = np.lib.stride_tricks.sliding_window_view(wide, len(weights), axis=0)
    return np.asarray(windows @ (weights / weights.sum()))


def move_foot(
    joints: Float[np.ndarray, "T J 3"],
    leg: tuple[int, ...],
    shift: Float[np.ndarray, "T 3"],
    stretch: Stretch,
) -> None:
    """Move a foot by `shift`, in place; the knee follows in its own plane, bones keep length."""
    hip, knee, ankle = (joints[:, j] for j in leg[:3])
    goal = ankle + shift - hip
    reach = stretch.softly(np.linalg.norm(goal, axis=-1))[:, None]
    thigh, shin = stretch.thigh[:, None], stretch.shin[:, None]
    axis, old_axis = normalize(goal), normalize(ankle - hip)
    # Which way the knee points; a straight leg does not tell, but its foot does.
    out = knee - hip
    out = out - (out * old_axis).sum(-1, keepdims=True) * old_axis
    out = out + _STRAIGHT * (joints[:, leg[-1]] - ankle)
    out = normalize(out - (out * axis).sum(-1, keepdims=True) * axis)
    along = (thigh**2 + reach**2 - shin**2) / (2 * reach)
    away = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    moved = hip + axis * reach
    joints[:, list(leg[3:])] += (moved - ankle)[:, None]
    joints[:, leg[1]] = hip + axis * along + out * away
    joints[:, leg[2]] = moved


def _standing(
    toe: Float[np.ndarray, "T 3"], fps: float, contact: Contact
) -> Bool[np.ndarray, " T"]:
    """Frames in which a toe (metres) stands or slides, without those in which it comes or goes.

    At either end of a stand a foot may be slower than a sliding one and yet be on its way: it is
    faster than it was for most of the stand.
    """
    standing = standing_frames(toe, fps, contact)
    speed = np.linalg.norm(np.gradient(toe, axis=0) * _GROUND, axis=-1) * fps
    for first, last in zip(*(edges.tolist() for edges in runs(standing)), strict=True):
        calm = speed[first:last] <= _OFF[0] * np.median(speed[first:last]) + _OFF[1]
        inner = np.flatnonzero(calm)
        standing[first : first + inner[0]] = False
        standing[first + inner[-1] + 1 : last] = False
    return standing


def _shift(
    toe: Float[np.ndarray, "T 3"], standing: Bool[np.ndarray, " T"], ease: int
) -> Float[np.ndarray, "T 3"]:
    """How far a foot has to move along the ground: to its place while it stands, and smoothly
    from one place to the next while it swings."""
    shift = np.zeros_like(toe)
    stands = list(zip(*(edges.tolist() for edges in runs(standing)), strict=True))
    for first, last in stands:
        shift[first:last] = (toe[first:last].mean(0) - toe[first:last]) * _GROUND
    ends = [0, *(edge for stand in stands for edge in stand), len(toe)]
    for start, stop in zip(ends[::2], ends[1::2], strict=True):  # the swings in between
        if stop > start and stands:
            shift[start:stop] = _swing(shift, start, stop, ease)
    return shift


def _swing(shift: np.ndarray, start: int, stop: int, ease: int) -> Float[np.ndarray, "n 3"]:
    """The shift from frame `start` to `stop`, between that of the stands on either side.

    It begins and ends with their speed, so that the foot itself does so at rest.
    """
    zero = np.zeros(3)
    before, after = start > 0, stop < len(shift)
    left = shift[start - 1] if before else shift[stop]
    right = shift[stop] if after else shift[start - 1]
    leaving = shift[start - 1] - shift[start - 2] if start > 1 and before else zero
    coming = shift[stop + 1] - shift[stop] if stop + 1 < len(shift) else zero
    count = stop - start + 1
    at = np.arange(1, count)[:, None]
    share = at / count
    share = share * share * (3 - 2 * share)
    long = min(count, ease)
    out, back = np.clip(at / long, 0, 1), np.clip((count - at) / long, 0, 1)
    leave = leaving * long * out * (1 - out) ** 2
    come = -coming * long * back * (1 - back) ** 2
    return left * (1 - share) + right * share + before * leave + after * come


def _body(
    joints: np.ndarray,
    skeleton: Skeleton,
    shifts: list[np.ndarray],
    stretches: list[Stretch],
) -> Float[np.ndarray, "T 3"]:
    """How far the body has to move so that its legs reach their feet."""
    body = np.zeros((len(joints), 3))
    for _ in range(_PASSES):
        for leg, shift, stretch in zip(skeleton.legs, shifts, stretches, strict=True):
            way = joints[:, leg[2]] + shift - joints[:, leg[0]] - body
            reach = np.linalg.norm(way, axis=-1)
            missing = np.maximum(reach - (stretch.begin + stretch.end) / 2, 0)
            body += normalize(way) * missing[:, None]
    return body
