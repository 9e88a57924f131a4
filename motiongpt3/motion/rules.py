"""Whether a motion is what was asked for: one stated rule per action, on the joints alone.

No learned judge. The thresholds are met by at least 98 % of the real clips of the action
(`python bench/semantics.py --real` prints how many, and how many clips of other actions also
meet them).
"""

from typing import Literal, get_args

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.motion import semantics as measure
from motiongpt3.motion.semantics import Joints, Side
from motiongpt3.motion.skeleton import HUMANML3D

Rule = Literal[
    "limb", "wave", "raise", "turn", "walk", "run", "backwards", "diagonal",
    "bow", "squat", "kick", "sit", "lunge", "clap", "throw",
]  # fmt: skip
RULES: tuple[Rule, ...] = get_args(Rule)
Named = Literal["left", "right", "both"]

_PELVIS, _NECK, _CHEST, _HEAD = (
    HUMANML3D.index(name) for name in ("pelvis", "neck", "spine3", "head")
)


def passes(rule: Rule, joints: Joints, side: Named | None = None) -> bool:
    """Whether a motion (T frames at 20 fps, metres, Y up) meets a rule.

    Args:
        side: the limb or direction asked for, where the rule has one.

    Raises:
        InputError: for an unknown rule, a side that does not go with it, or another skeleton.
    """
    if joints.shape[1] != len(HUMANML3D.joints):
        raise InputError(
            f"{joints.shape[1]} joints",
            where="joints",
            hint="rules are stated for the 22 joints of HumanML3D",
        )
    if rule in ("limb", "wave", "raise") and side is not None:
        limbs = {"limb": limb, "wave": wave, "raise": raise_once}
        return limbs[rule](joints, side)
    if rule in ("turn", "diagonal", "kick") and side in measure.SIDES:
        one_sided = {"turn": turn, "diagonal": diagonal, "kick": kick}
        return one_sided[rule](joints, side)
    plain = {
        "walk": walk, "run": run, "backwards": backwards, "bow": bow, "squat": squat,
        "sit": sit, "lunge": lunge, "clap": clap, "throw": throw,
    }  # fmt: skip
    if rule in plain and side is None:
        return plain[rule](joints)
    raise InputError(f"no rule '{rule}' with side '{side}'", where="rule")


def _named(side: Named) -> tuple[Side, ...]:
    return measure.SIDES if side == "both" else (side,)


def limb(joints: Joints, side: Named) -> bool:
    """Each named wrist rises at least 0.25 m above its start, and the other one does not."""
    risen = tuple(s for s in measure.SIDES if measure.wrist_rise(joints, s) >= 0.25)
    return risen == _named(side)


def wave(joints: Joints, side: Named) -> bool:
    """Each named wrist, while raised, changes direction sideways three times or more."""
    return all(measure.swings(joints, s) >= 3 for s in _named(side))


def raise_once(joints: Joints, side: Named) -> bool:
    """Each named wrist, while raised, changes direction sideways less than three times."""
    return all(measure.swings(joints, s) < 3 for s in _named(side))


def turn(joints: Joints, side: Side) -> bool:
    """The heading at the end is more than 30 degrees to the named side of the first."""
    turned = measure.travel(joints).turn
    return bool((turned if side == "left" else -turned) > np.radians(30))


def walk(joints: Joints) -> bool:
    """The pelvis moves over the ground at 0.3 to 2.2 metres per second on average."""
    return 0.3 <= measure.travel(joints).speed <= 2.2


def run(joints: Joints) -> bool:
    """The pelvis moves over the ground at 1.2 to 5 metres per second on average."""
    return 1.2 <= measure.travel(joints).speed <= 5.0


def backwards(joints: Joints) -> bool:
    """It ends 0.5 m or more behind the start, by the first heading, without turning round.

    Turned less than 60 degrees, and more backwards than sideways.
    """
    way = measure.travel(joints)
    behind = -way.forward >= max(0.5, abs(way.left))
    return bool(behind and abs(way.turn) < np.radians(60))


def diagonal(joints: Joints, side: Side) -> bool:
    """It ends in front and to the named side, at least 12 degrees off the first heading.

    Moved 0.5 m or more, and turned less than 45 degrees: the body keeps facing ahead.
    """
    way = measure.travel(joints)
    angle = way.angle if side == "left" else -way.angle
    far = np.hypot(way.forward, way.left) >= 0.5
    aslant = np.radians(12) <= angle < np.radians(90)
    return bool(far and aslant and abs(way.turn) < np.radians(45))


def bow(joints: Joints) -> bool:
    """The head drops as the trunk leans, and returns, over standing legs.

    Head 0.05 m or more down and back to within 0.05 m; trunk 25 degrees or more further over;
    pelvis less than 0.15 m down, ankles less than 0.1 m up.
    """
    head, lean = joints[:, _HEAD, 1], measure.lean(joints)
    nods = measure.drop(head) >= 0.05 and abs(measure.change(head)) <= 0.05
    feet_stay = all(measure.ankle_rise(joints, side) < 0.1 for side in measure.SIDES)
    stands = measure.drop(joints[:, _PELVIS, 1]) < 0.15 and feet_stay
    return bool(nods and measure.rise(lean) >= np.radians(25) and stands)


def squat(joints: Joints) -> bool:
    """The hips drop 0.2 m or more on level feet and come up again.

    At the end they are less than 0.1 m below the start. At the lowest point the ankles are at
    most 0.25 m apart from front to back and the knees bent alike to within 40 degrees. The trunk
    never leans 60 degrees further than at the start.
    """
    hips = joints[:, _PELVIS, 1]
    lowest = int(hips.argmin())
    ahead, _ = measure.feet_apart(joints)
    left, right = (measure.bend(joints, side)[lowest] for side in measure.SIDES)
    level = ahead[lowest] <= 0.25 and abs(left - right) <= np.radians(40)
    upright = measure.rise(measure.lean(joints)) < np.radians(60)
    return bool(measure.drop(hips) >= 0.2 and measure.change(hips) > -0.1 and level and upright)


def lunge(joints: Joints) -> bool:
    """The hips drop 0.15 m or more over legs that are apart and unlike.

    In some frame that low the ankles are 0.25 m or more apart from front to back, or 0.6 m or
    more in all with one knee bent 35 degrees further than the other.
    """
    low = measure.hips_low(joints, 0.15)
    ahead, apart = (feet[low] for feet in measure.feet_apart(joints))
    left, right = (measure.bend(joints, side)[low] for side in measure.SIDES)
    sideways = (apart >= 0.6) & (np.abs(left - right) >= np.radians(35))
    return bool(((ahead >= 0.25) | sideways).any())


def kick(joints: Joints, side: Side) -> bool:
    """The named foot flies up: ankle 0.3 m or more, at 3 m/s or more, the other at most half.

    The foot's speed is against the pelvis, which itself moves slower than 1.2 m/s on average.
    """
    other: Side = "right" if side == "left" else "left"
    up = measure.ankle_rise(joints, side)
    fast = measure.speed_of(joints, measure.joint(side, "ankle")).max() >= 3.0
    alone = measure.ankle_rise(joints, other) <= up / 2
    return bool(up >= 0.3 and fast and alone and measure.travel(joints).speed < 1.2)


def sit(joints: Joints) -> bool:
    """The hips drop 0.2 m or more and stay there, under a trunk within 40 degrees of upright."""
    down = -measure.change(joints[:, _PELVIS, 1])
    upright = measure.lean(joints)[-measure.START :].mean() <= np.radians(40)
    return bool(down >= 0.2 and upright)


def clap(joints: Joints) -> bool:
    """The wrists meet in front of the chest, coming from apart and parting again.

    Closest 0.16 m or less; 0.2 m or more wider both before and after; there, 0.15 to 0.4 m in
    front of the chest and no lower than the pelvis or 0.1 m above the neck. The arms are crossed
    (by 0.05 m) for half a second at most, and while the wrists are close their middle moves less
    than 0.45 m.
    """
    left, right = (joints[:, measure.joint(side, "wrist")] for side in measure.SIDES)
    apart, middle = np.linalg.norm(left - right, axis=-1), (left + right) / 2
    meet = int(apart.argmin())
    parts = min(apart[: meet + 1].max(), apart[meet:].max()) - apart[meet]
    across, front = measure.axes(joints)
    ahead = (middle[meet] - joints[meet, _CHEST]) @ front[meet]
    pelvis, neck = joints[meet, _PELVIS, 1], joints[meet, _NECK, 1]
    placed = 0.15 <= ahead <= 0.4 and pelvis <= middle[meet, 1] <= neck + 0.1
    crossed = np.count_nonzero(((left - right) * across).sum(-1) < -0.05)
    near = (middle - joints[:, _PELVIS])[apart < max(apart[meet] + 0.1, 0.2)]
    still = np.linalg.norm(np.ptp(near, axis=0)) < 0.45 and crossed <= HUMANML3D.fps / 2
    return bool(apart[meet] <= 0.16 and parts >= 0.2 and placed and still)


def throw(joints: Joints) -> bool:
    """An overarm throw: a wrist held above the shoulder shoots forward.

    Within half a second of being more than 0.15 m above its shoulder, the wrist moves 0.22 m or
    more ahead of where it was, reaching 1.5 m/s or more (both along the first heading and
    against the pelvis).
    """
    return any(_shoots(joints, side) for side in measure.SIDES)


def _shoots(joints: Joints, side: Side) -> bool:
    wrist, shoulder = measure.joint(side, "wrist"), measure.joint(side, "shoulder")
    ahead = (joints[:, wrist] - joints[:, _PELVIS]) @ measure.first_axes(joints)[1]
    speed = np.diff(ahead) * HUMANML3D.fps
    high = joints[:-1, wrist, 1] - joints[:-1, shoulder, 1] > 0.15
    window = int(HUMANML3D.fps // 2)
    return any(
        (ahead[i : i + window + 1] - ahead[i]).max() >= 0.22 and speed[i : i + window].max() >= 1.5
        for i in np.flatnonzero(high)
    )
