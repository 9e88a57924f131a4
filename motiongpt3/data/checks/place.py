"""What a clip's numbers mean: unit, axes, sides. What is wrong here is put right at once, so that
everything after it measures people."""

import re

import numpy as np

from motiongpt3.data.checks.notes import Notes
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion import faults
from motiongpt3.motion.faults import Joints
from motiongpt3.motion.skeleton import HUMANML3D
from motiongpt3.motion.symmetry import mirror_joints

UNITS = (
    ("millimetres", 0.001),
    ("centimetres", 0.01),
    ("inches", 0.0254),
    ("feet", 0.3048),
    ("decimetres", 0.1),
    ("CMU's ASF unit", 0.0254 / 0.45),
)
_TYPICAL = 1.5
"""`stature` of an adult, metres."""
_ARMS = ("collar", "shoulder", "elbow", "wrist")
LOW = re.compile(
    r"\b(?:lies?|lying|lays?|laying|(?:crawl|kneel|roll|plank|sleep|cartwheel|climb|swim|somersault"
    r"|push-?up|pull-?up|sit-?up|break ?danc)\w*|ground|floor|belly|knees|fours|flips?|flipping"
    r"|hand ?stands?|on (?:the|his|her|their) hands|falls?|falling|sits?|sitting|seat\w*|stools?"
    r"|chairs?|bench|stairs?|ladder|platform|bars?|hanging on|swings? (?:on|from)|uneven)\b",
    re.IGNORECASE,
)
"""Words of captions that say why somebody is not upright, or not on the floor."""


def in_place(notes: Notes, joints: Joints) -> Joints | None:
    """The clip in metres, Y up, left on the left; None where hardly a frame is finite."""
    finite = _finite(notes, joints)
    return None if finite is None else _sides(notes, _axis(notes, _unit(notes, finite)))


def _finite(notes: Notes, joints: Joints) -> Joints | None:
    bad = faults.not_finite(joints)
    if not len(bad):
        return joints
    mask = np.zeros(len(joints), bool)
    mask[bad] = True
    what = f"{len(bad)} of {len(joints)} frames hold numbers that are not finite"
    fix = "fill short gaps between frames, or cut them out"
    notes.add(("error", "not-finite"), what, fix, (len(bad), 0), mask)
    frames, good = np.arange(len(joints)), np.flatnonzero(~mask)
    if len(good) < 2:
        return None
    columns = joints.reshape(len(joints), -1).T
    filled = np.stack([np.interp(frames, good, column[good]) for column in columns], 1)
    return filled.reshape(joints.shape)


def _unit(notes: Notes, joints: Joints) -> Joints:
    height = stature(joints, HUMANML3D)
    least, most = notes.limits.people
    if least <= height <= most:
        return joints
    off = [abs(np.log(max(height, 1e-12) * scale / _TYPICAL)) for _, scale in UNITS]
    name, scale = UNITS[int(np.argmin(off))]
    nobody = not STATURE[0] <= height <= STATURE[1]
    likely = nobody and STATURE[0] <= height * scale <= STATURE[1]
    what = f"the person is {height:.3g} m tall by legs, spine and neck"
    what += f"; these look like {name}" if likely else ""
    fix = f"multiply by {scale:.4g}" if likely else "scale it to the person's size"
    limit = most if height > most else least
    notes.add(("error" if nobody else "warning", "unit"), what, fix, (height, limit))
    return joints * scale if likely else joints


def _axis(notes: Notes, joints: Joints) -> Joints:
    up = faults.upright(joints)
    axis = int(np.argmax(np.abs(up)))
    if up[1] > 0.5 or abs(up[axis]) < 0.8 or LOW.search(notes.words):
        return joints
    name = ("" if up[axis] > 0 else "-") + "XYZ"[axis]
    what = f"stands along {name}, not Y"
    notes.add(("error", "up-axis"), what, f"turn {name} up to Y", (up[1], 0.5))
    x, y, z = np.moveaxis(joints, -1, 0)
    turned = {
        "Z": (x, z, -y),
        "-Z": (x, -z, y),
        "X": (-y, x, z),
        "-X": (y, -x, z),
        "-Y": (-x, -y, z),
    }
    return np.stack(turned[name], -1)


def _sides(notes: Notes, joints: Joints) -> Joints:
    seen, limits = faults.fronts(joints), notes.limits
    if seen.shoulders < limits.shoulders:
        what = "left and right of the arms are exchanged against the legs"
        measured = (seen.shoulders, limits.shoulders)
        notes.add(("error", "swapped-sides"), what, "exchange left and right of the arms", measured)
        arms = [n for n, name in enumerate(HUMANML3D.joints) if name.endswith(_ARMS)]
        joints = joints.copy()
        joints[:, arms] = joints[:, [HUMANML3D.mirror[n] for n in arms]]
        seen = faults.fronts(joints)
    if seen.toes >= limits.toes:
        return joints
    measured = (seen.toes, limits.toes)
    if seen.knees > 0.0:
        what = "the feet point backwards, the knees do not"
        fix = "check the feet of the skeleton, or what was exported"
        notes.add(("error", "facing"), what, fix, measured)
        return joints
    what = "left and right are exchanged: feet and knees point backwards"
    fix = "exchange left and right, or undo a mirrored axis"
    notes.add(("error", "swapped-sides"), what, fix, measured)
    return mirror_joints(joints) * np.array([-1.0, 1, 1])
