"""What is wrong with captions: those that are no text, and those that the motion contradicts."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape

import numpy as np

from motiongpt3.data.captions import Said
from motiongpt3.data.checks.finding import Finding, Kind
from motiongpt3.data.keywords import side_of
from motiongpt3.motion import semantics as measure
from motiongpt3.motion.faults import Joints, travelled
from motiongpt3.motion.semantics import SIDES, Side
from motiongpt3.motion.skeleton import HUMANML3D

LONGEST = 400
"""Characters; HumanML3D's longest caption has about 400, motion5h's 160."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|<!--|&(?:[a-zA-Z]{2,8}|#\d{1,6});")
_MOJIBAKE = re.compile(r"[\u00c2\u00c3][\u0080-\u00bf\u2018-\u203a]|\u00e2\u20ac|\ufffd")
_SIDED = re.compile(
    r"\b(left|right)[ -](hand|arm|wrist|elbow|fist|leg|foot|knee|ankle)\b", re.IGNORECASE
)
_BOTH = re.compile(
    r"\b(?:both|other|opposite|each|two|alternat\w+|then|hands|arms|feet|legs)\b", re.IGNORECASE
)
_TURN = re.compile(
    r"\b(?:turn|rotat|spin|veer|swerv)\w*(?: (?:around|round|to|towards?|the|his|her|their))* "
    r"(?:left|right)\b(?! (?:hand|arm|leg|foot|knee))|\b(?:left|right) turn\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(r"\b(?:forwards?|ahead|straight on)\b", re.IGNORECASE)
_BACKWARDS = re.compile(
    r"\b(?:walk|run|step|jog|stroll|go|move)\w* back(?:wards?)?\b", re.IGNORECASE
)
_HANDS = frozenset(("hand", "arm", "wrist", "elbow", "fist"))

_STILL, _BUSY, _TIMES = 0.7, 1.0, 5.0
"""Metres that the limb that is named, and the other one, are moved against the trunk, and how many
times as far the other one is."""
_TURNED = 40.0
"""Degrees."""
_WAY, _SHARE = 0.8, 0.8
"""Metres under way, and their share ahead or back."""


def look_at(clip: str, said: Said) -> Iterator[Finding]:
    """What is wrong with a caption as a text."""
    text = said.caption
    if not text.strip() or not any(c.isalnum() for c in text):
        what = "no letter in it" if text.strip() else "empty"
        yield _finding(clip, "caption-empty", f"the caption is {what}", "leave it out", text)
        return
    odd = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") and c != "\t"]
    letters = sum(c.isalpha() for c in text)
    if odd:
        what = f"control characters (U+{ord(odd[0]):04X})"
    elif _TAG.search(text):
        what = f"markup ({_TAG.search(text)[0][:20]})"  # type: ignore[index]
    elif _MOJIBAKE.search(text):
        what = "letters of a wrong encoding"
    elif letters < 0.5 * len(text.replace(" ", "")):
        what = "more signs than letters"
    else:
        if len(text) > LONGEST:
            message = f"the caption has {len(text)} characters"
            yield Finding(clip, "caption-long", "warning", message, "shorten it",
                          figure=len(text), limit=LONGEST, text=text)  # fmt: skip
        return
    yield _finding(clip, "caption-garbled", f"the caption has {what}", "clean it", text)


def cleaned(text: str) -> str:
    """The caption without markup, control characters and, where it can be undone, mojibake."""
    if _MOJIBAKE.search(text):
        for codec in ("cp1252", "latin-1"):
            try:
                text = text.encode(codec).decode("utf-8")
                break
            except UnicodeError:
                continue
    text = unescape(re.sub(r"</?[a-zA-Z][^<>]{0,80}>|<!--.*?-->", " ", text))
    kept = (" " if unicodedata.category(c) == "Cc" else c for c in text)
    kept = (c for c in kept if unicodedata.category(c) not in ("Cf", "Co", "Cs") and c != "\ufffd")
    return " ".join("".join(kept).split())


@dataclass(frozen=True)
class Measured:
    """What a motion does that captions speak of.

    Attributes:
        turn: degrees to the left, first to last heading.
        metres, ahead: under way over the ground, and the share of it that goes ahead.
        moved: metres that a limb's end moves against its root, by side and joint.
    """

    turn: float
    metres: float
    ahead: float
    moved: Mapping[tuple[Side, str], float]

    @staticmethod
    def of(joints: Joints) -> "Measured":
        """Of a motion at 20 frames per second, metres."""
        turn = float(np.degrees(measure.travel(joints).turn))
        limbs = ((side, part) for side in SIDES for part in ("wrist", "ankle"))
        moved = {(side, part): _moved(joints, side, part) for side, part in limbs}
        return Measured(turn, *travelled(joints, HUMANML3D.fps), moved)


def compare(clip: str, caption: str, seen: Measured) -> Iterator[Finding]:
    """What a caption says that the motion contradicts."""
    side = next((one for one in SIDES if side_of(caption) == one), None)
    several = _BOTH.search(caption) is not None
    limbs = {(s.lower(), part.lower() in _HANDS) for s, part in _SIDED.findall(caption)}
    if side and len(limbs) == 1 and not several:
        joint = "wrist" if limbs.pop()[1] else "ankle"
        mine, its = seen.moved[side, joint], seen.moved[_OTHER[side], joint]
        if mine < _STILL and its > max(_BUSY, _TIMES * mine):
            message = (
                f"says {side}; that {joint} moves {mine:.1f} m, the {_OTHER[side]} one {its:.1f} m"
            )
            yield _finding(clip, "caption-side", message, _MIRROR, caption, (mine, _STILL))
    if side and not several and _TURN.search(caption):
        angle = seen.turn if side == "left" else -seen.turn
        if angle < -_TURNED:
            message = f"says {side}, turns {-angle:.0f} degrees the other way"
            yield _finding(clip, "caption-direction", message, _MIRROR, caption, (angle, -_TURNED))
    back, forward = _BACKWARDS.search(caption), _AHEAD.search(caption)
    if bool(back) == bool(forward) or seen.metres < _WAY or abs(seen.turn) > 90:
        return
    if seen.ahead > _SHARE if back else seen.ahead < -_SHARE:
        says, goes = ("backwards", "ahead") if back else ("forward", "backwards")
        message = f"says {says}, goes {goes} for {seen.metres:.1f} m"
        limits = (seen.ahead, _SHARE if back else -_SHARE)
        fix = "correct the caption, or the motion"
        yield _finding(clip, "caption-direction", message, fix, caption, limits)


_OTHER: Mapping[Side, Side] = {"left": "right", "right": "left"}
_MIRROR = "exchange left and right in the caption, or mirror the motion"


def _moved(joints: Joints, side: Side, part: str) -> float:
    """Metres a limb's end moves against its root, trembling left out."""
    root = measure.joint(side, "shoulder" if part == "wrist" else "hip")
    place = (joints[:, measure.joint(side, part)] - joints[:, root])[::4]
    return float(np.linalg.norm(np.diff(place, axis=0), axis=-1).sum())


def _finding(
    clip: str, kind: Kind, message: str, fix: str, text: str,
    measured: tuple[float | None, float | None] = (None, None),
) -> Finding:  # fmt: skip
    figure, limit = measured
    return Finding(clip, kind, "error", message, fix, figure=figure, limit=limit, text=text)
