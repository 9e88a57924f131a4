"""Faults to plant in clips: of the numbers, the motion, the captions and the splits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from motiongpt3.data.checks.finding import Kind
from motiongpt3.motion.faults import travelled
from motiongpt3.motion.motion import Motion, interpolated
from motiongpt3.motion.skeleton import HUMANML3D
from motiongpt3.motion.symmetry import mirror_joints

_AT = HUMANML3D.index


@dataclass(frozen=True, eq=False)
class Item:
    """A line of the table and its clip."""

    name: str
    joints: np.ndarray
    captions: tuple[str, ...]
    split: str
    subject: str
    fps: float = 20.0
    part: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Planted:
    """A fault that was put in, and what should be said of it."""

    what: str
    clip: str
    kind: Kind


Change = Callable[[Item], Item]


def _joints(change: Callable[[np.ndarray], np.ndarray], item: Item) -> Item:
    return replace(item, joints=np.asarray(change(item.joints.copy()), np.float32))


def _filled(value: float, j: np.ndarray) -> np.ndarray:
    j[len(j) // 2 : len(j) // 2 + 3, _AT("left_wrist")] = value
    return j


def _arms_swapped(j: np.ndarray) -> np.ndarray:
    parts = ("collar", "shoulder", "elbow", "wrist")
    arms = [n for n, name in enumerate(HUMANML3D.joints) if name.endswith(parts)]
    j[:, arms] = j[:, [HUMANML3D.mirror[n] for n in arms]]
    return j


def _feet_backwards(j: np.ndarray) -> np.ndarray:
    for side in ("left", "right"):
        ankle = j[:, _AT(f"{side}_ankle")]
        step = (j[:, _AT(f"{side}_foot")] - ankle) * [-1, 1, -1]
        j[:, _AT(f"{side}_foot")] = ankle + step
    return j


def _growing_arm(j: np.ndarray) -> np.ndarray:
    elbow, wrist = _AT("left_elbow"), _AT("left_wrist")
    share = np.linspace(1, 2.5, len(j))[:, None]
    j[:, wrist] = j[:, elbow] + (j[:, wrist] - j[:, elbow]) * share
    return j


def _teleport(j: np.ndarray) -> np.ndarray:
    j[len(j) // 2 :] += [2.0, 0, 0]
    return j


def _spike(j: np.ndarray) -> np.ndarray:
    j[len(j) // 2, _AT("right_wrist")] += [0, 0, 1.5]
    return j


def _freeze(j: np.ndarray) -> np.ndarray:
    at = len(j) // 3
    return np.concatenate([j[:at], np.repeat(j[at : at + 1], 25, 0), j[at:]])


def _lift(metres: float, j: np.ndarray) -> np.ndarray:
    j[-30:, :, 1] += metres
    return j


def _drag(j: np.ndarray) -> np.ndarray:
    return j + np.linspace(0, len(j) / 20, len(j))[:, None, None] * [1.0, 0, 0]


def _noisy(j: np.ndarray) -> np.ndarray:
    return j + np.random.default_rng(0).normal(0, 0.025, j.shape)


def _slower(j: np.ndarray) -> np.ndarray:
    return interpolated_smoothly(j, 3)


def interpolated_smoothly(j: np.ndarray, times: int) -> np.ndarray:
    """So many times as many frames, as a faster camera has (Catmull-Rom splines)."""
    padded = np.concatenate([j[:1], j, j[-1:], j[-1:]])
    made = []
    for share in np.arange(times) / times:
        a, b, c, d = (padded[k : k + len(j) - 1] for k in range(4))
        made.append(
            b + share * (c - a) / 2 + share**2 * (a - 2.5 * b + 2 * c - d / 2)
            + share**3 * (1.5 * (b - c) + (d - a) / 2)
        )  # fmt: skip
    return np.stack(made, 1).reshape(-1, *j.shape[1:])


def _other(item: Item) -> str:
    return "test" if item.split == "train" else "train"


def _said(*captions: str, **more: object) -> Change:
    return lambda item: replace(item, captions=captions, **more)


_TURNED_Z = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
_TURNED_X = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
MOTIONS: tuple[tuple[str, str, Kind, Change], ...] = (
    ("not a number", "any", "not-finite", partial(_joints, partial(_filled, np.nan))),
    ("infinite", "any", "not-finite", partial(_joints, partial(_filled, np.inf))),
    ("centimetres", "any", "unit", partial(_joints, lambda j: 100 * j)),
    ("millimetres", "any", "unit", partial(_joints, lambda j: 1000 * j)),
    ("inches", "any", "unit", partial(_joints, lambda j: j / 0.0254)),
    ("Z is up", "stand", "up-axis", partial(_joints, lambda j: j @ _TURNED_Z.T)),
    ("X is up", "stand", "up-axis", partial(_joints, lambda j: j @ _TURNED_X)),
    ("60 fps labelled 20", "smooth", "frame-rate", partial(_joints, _slower)),
    ("20 fps labelled 60", "run", "frame-rate", lambda item: replace(item, fps=60.0)),
    ("2000 fps", "any", "frame-rate", lambda item: replace(item, fps=2000.0)),
    ("mirrored axis", "stand", "swapped-sides", partial(_joints, lambda j: j * [-1, 1, 1])),
    ("arms exchanged", "any", "swapped-sides", partial(_joints, _arms_swapped)),
    ("feet turned round", "stand", "facing", partial(_joints, _feet_backwards)),
    ("played backwards", "walk", "walks-backwards", partial(_joints, lambda j: j[::-1])),
    ("arm grows", "any", "bone-length", partial(_joints, _growing_arm)),
    ("teleport", "any", "jump", partial(_joints, _teleport)),
    ("spike", "any", "jump", partial(_joints, _spike)),
    ("noise", "any", "noise", partial(_joints, _noisy)),
    ("frozen", "any", "frozen", partial(_joints, _freeze)),
    ("sinks", "stand", "below-floor", partial(_joints, partial(_lift, -0.4))),
    ("levitates", "stand", "floating", partial(_joints, partial(_lift, 0.5))),
    ("dragged along", "stand", "foot-skate", partial(_joints, _drag)),
    ("ten frames", "any", "too-short", partial(_joints, lambda j: j[:10])),
    ("the wrong hand", "left", "caption-side", _said("a person waves the right hand.")),
    ("the wrong way", "walk", "caption-direction", _said("a person walks backwards.")),
    ("no words", "any", "caption-empty", _said("...")),
    ("markup", "any", "caption-garbled", _said("<p>a person moves &amp; stops</p>")),
    ("wrong encoding", "any", "caption-garbled", _said("a person\u00e2\u20ac\u2122s arm moves")),
    ("control signs", "any", "caption-garbled", _said("a person\x07 moves")),
    ("no caption", "any", "caption-missing", _said()),
    ("part after the end", "any", "caption-part", _said("walks", part=("50", "60"))),
    ("another split", "any", "leak", lambda item: replace(item, split=_other(item))),
)  # fmt: skip


def _suits(need: str, item: Item) -> bool:
    words, (metres, ahead) = item.captions[0].lower(), travelled(item.joints, 20)
    j = item.joints
    still = metres < 0.05 and len(j) >= 70 and any(w in words for w in ("raise", "wave", "lift"))
    match need:
        case "stand":
            return still and j[:, 0, 1].max() - j[:, 0, 1].min() < 0.1
        case "walk":
            calm = metres / len(j) * 20 < 1.6 and not any(w in words for w in ("back", "jump"))
            return metres > 2.5 and ahead > 0.95 and calm
        case "run":
            return metres / len(j) * 20 > 2.2 and len(j) >= 72 and ahead > 0.9
        case "left":
            return still and "left" in words and "right" not in words
        case "smooth":
            return still and "Rehab" not in words
        case _:
            return 60 <= len(j) <= 190


def plant(items: Sequence[Item]) -> tuple[list[Item], list[Planted]]:
    """The clips with a fault in each of some, and which."""
    changed = {item.name: item for item in items}
    free = [item for item in items]
    planted: list[Planted] = []
    rare_first = sorted(MOTIONS, key=lambda fault: fault[1] == "any")
    for what, need, kind, change in rare_first:
        item = next(item for item in free if _suits(need, item))
        free.remove(item)
        changed[item.name] = change(item)
        planted.append(Planted(what, f"{item.name}.npz", kind))
    lively = [item for item in free if _suits("walk", item) or _suits("left", item)]
    for n, (what, kind, change) in enumerate(COPIES):
        original = lively[n]
        copy = change(replace(original, name=f"copy{n}"))
        changed[copy.name] = copy
        planted.append(Planted(what, f"{copy.name}.npz", kind))
    return list(changed.values()), planted


COPIES: tuple[tuple[str, Kind, Change], ...] = (
    ("a copy", "duplicate", lambda item: item),
    ("a mirrored copy", "duplicate", partial(_joints, mirror_joints)),
    ("a trimmed copy", "duplicate", partial(_joints, lambda j: j[5:-8])),
    ("a copy at 30 fps", "duplicate", lambda item: replace(
        item, fps=30.0, joints=Motion(item.joints).resample(30).joints)),
    ("a slowed copy", "duplicate", partial(_joints, lambda j: interpolated(
        j, np.arange(0, len(j) - 1, 2 / 3)))),
    ("a copy in another split", "leak", lambda item: replace(
        item, split=_other(item), subject="someone")),
)  # fmt: skip
