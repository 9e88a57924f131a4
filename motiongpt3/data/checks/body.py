"""What is wrong with a clip's motion, by limits that real capture has set (`limits`)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from motiongpt3.data.checks.finding import Finding
from motiongpt3.data.checks.limits import USUAL, Limits
from motiongpt3.data.checks.notes import Notes
from motiongpt3.data.checks.place import LOW, in_place
from motiongpt3.data.prepare import LIMITS
from motiongpt3.motion import faults
from motiongpt3.motion.faults import Joints
from motiongpt3.motion.features import canonicalize
from motiongpt3.motion.motion import interpolated
from motiongpt3.motion.physics import skating_ratio
from motiongpt3.motion.skeleton import HUMANML3D

_BACK = re.compile(r"\b(?:back|revers|retreat|moon ?walk|rear|away|recoil)", re.IGNORECASE)
_FEWEST = 6
"""Frames below which there is no movement to measure."""


@dataclass(frozen=True, eq=False)
class Examined:
    """What was found, and the clip in metres, Y up, left on the left, all of it finite.

    Attributes:
        joints: None where nothing is left of it.
    """

    findings: tuple[Finding, ...]
    joints: Joints | None


def examine(
    clip: str, joints: Joints, fps: float, captions: Sequence[str], limits: Limits = USUAL
) -> Examined:
    """Look at one clip of HumanML3D's joints, in any unit and axes."""
    notes = Notes(clip, fps, " ".join(captions), limits)
    if not limits.fps[0] <= fps <= limits.fps[1]:
        limit = limits.fps[int(fps > limits.fps[1])]
        what = f"{fps:g} frames per second"
        notes.add(("error", "frame-rate"), what, "state the real rate", (fps, limit))
        return Examined(tuple(notes.found), None)
    whole = in_place(notes, np.asarray(joints, np.float64))
    if whole is None:
        return Examined(tuple(notes.found), None)
    _length(notes, whole)
    if len(whole) >= _FEWEST:
        for look in (_steps, _trembling, _frozen, _bones, _floor, _skating, _tempo, _way):
            look(notes, whole)
    return Examined(tuple(notes.found), whole)


def usual_rate(joints: Joints, fps: float) -> Float[np.ndarray, "S 22 3"]:
    """The same at 20 frames per second."""
    frames = max(1, round(len(joints) * HUMANML3D.fps / fps))
    return interpolated(joints, np.arange(frames) * fps / HUMANML3D.fps)


def _length(notes: Notes, joints: Joints) -> None:
    least, most = LIMITS[HUMANML3D.name]
    frames = round(len(joints) * HUMANML3D.fps / notes.fps)
    what = f"{frames} frames at 20 per second"
    if frames < least:
        notes.add(("error", "too-short"), what, "leave it out", (frames, least))
    elif frames > most:
        fix = "`data prepare` cuts it where it is calm; captions of its parts say more"
        notes.add(("note", "too-long"), what, fix, (frames, most))


def _steps(notes: Notes, joints: Joints) -> None:
    limits, jumps = notes.limits, faults.jumps(joints, notes.fps)
    worst = float(jumps.max())
    if worst > limits.jump:
        what = f"a joint jumps, {worst:.0f} m/s faster than before and after"
        fix = "fill single frames between their neighbours, or cut there"
        mask = np.r_[jumps, 0] > limits.jump
        notes.add(("error", "jump"), what, fix, (worst, limits.jump), mask)
        return
    speed = faults.speeds(joints, notes.fps).max(1)
    if speed.max() > limits.speed:
        what, mask = f"a joint moves at {speed.max():.0f} m/s", np.r_[speed, 0] > limits.speed
        fix = "is the frame rate right?"
        notes.add(("error", "frame-rate"), what, fix, (speed.max(), limits.speed), mask)


def _trembling(notes: Notes, joints: Joints) -> None:
    figure, limit = faults.noise(joints), notes.limits.noise
    if figure > limit:
        what = f"trembles by {1000 * figure:.0f} mm in every frame"
        notes.add(("warning", "noise"), what, "smooth it", (figure, limit))


def _frozen(notes: Notes, joints: Joints) -> None:
    first, last = _longest(faults.frozen(joints))
    seconds = (last - first) / notes.fps
    if seconds >= notes.limits.frozen:
        what, mask = f"nothing moves for {seconds:.1f} s", _mask(len(joints), first, last + 1)
        measured = (seconds, notes.limits.frozen)
        notes.add(("warning", "frozen"), what, "cut that part out", measured, mask)


def _bones(notes: Notes, joints: Joints) -> None:
    each, frames = faults.bone_change(joints)
    worst, limit = int(each.argmax()), notes.limits.bone
    if each[worst] > limit:
        what = f"the bone to {HUMANML3D.joints[worst + 1]} changes by {each[worst]:.2f} m"
        measured = (each[worst], limit)
        notes.add(("warning", "bone-length"), what, "fit rigid bones", measured, frames > limit)


def _floor(notes: Notes, joints: Joints) -> None:
    if LOW.search(notes.words):
        return
    height = faults.lowest(joints)
    (low, low_for), (high, high_for) = notes.limits.below, notes.limits.above
    first, last = _longest(height < low)
    if (last - first) / notes.fps >= low_for:
        far, part = float(height[first:last].min()), _mask(len(joints), first, last)
        seconds = (last - first) / notes.fps
        what = f"up to {-far:.2f} m below where the feet stand, for {seconds:.1f} s"
        notes.add(("warning", "below-floor"), what, "put it on the floor", (far, low), part)
    first, last = _longest(height > high)
    if (last - first) / notes.fps >= high_for:
        far, part = float(height[first:last].max()), _mask(len(joints), first, last)
        seconds = (last - first) / notes.fps
        what = f"up to {far:.2f} m above where the feet stand, for {seconds:.1f} s"
        notes.add(("warning", "floating"), what, "put it on the floor", (far, high), part)


def _skating(notes: Notes, joints: Joints) -> None:
    ratio, limit = skating_ratio(canonicalize(joints), notes.fps), notes.limits.skate
    if ratio > limit and not LOW.search(notes.words):
        what = f"a foot on the floor slides in {ratio:.0%} of the steps"
        notes.add(("warning", "foot-skate"), what, "lock the feet, or leave it out", (ratio, limit))


def _tempo(notes: Notes, joints: Joints) -> None:
    """People's movement has a tempo: a clip that is much slower or quicker has another rate."""
    usual, limits = usual_rate(joints, notes.fps), notes.limits
    if notes.has("noise", "jump", "frame-rate", "frozen") or len(usual) < _FEWEST:
        return
    smooth, fps = faults.smoothness(usual), HUMANML3D.fps
    steps, _, cadence = faults.gait(usual, fps)
    least, most = limits.smooth
    if steps >= 3 and cadence > limits.steps:
        what, fix = f"{cadence:.1f} steps a second", "is the frame rate too high?"
        notes.add(("error", "frame-rate"), what, fix, (cadence, limits.steps))
    elif smooth > most:
        what, fix = "quicker than people move", "is the frame rate too high?"
        notes.add(("error", "frame-rate"), what, fix, (smooth, most))
    elif smooth < least and faults.speeds(usual, fps).max() > 0.2:
        what, fix = "slower and smoother than people move", "is the frame rate too low?"
        notes.add(("error", "frame-rate"), what, fix, (smooth, least))


def _way(notes: Notes, joints: Joints) -> None:
    metres, ahead = faults.travelled(joints, notes.fps)
    least, share = notes.limits.backwards
    if metres > least and ahead < share and not _BACK.search(notes.words):
        what = f"goes backwards for {metres:.1f} m, and no caption says so"
        fix = "is it played backwards, or does it face the wrong way?"
        notes.add(("warning", "walks-backwards"), what, fix, (ahead, share))


def _mask(frames: int, first: int, last: int) -> Bool[np.ndarray, " T"]:
    mask = np.zeros(frames, bool)
    mask[first:last] = True
    return mask


def _longest(mask: Bool[np.ndarray, " n"]) -> tuple[int, int]:
    """The longest stretch of True: its first place and the one after its last."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    if not len(edges):
        return 0, 0
    best = int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[2 * best]), int(edges[2 * best + 1])
