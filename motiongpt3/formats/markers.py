"""From optical markers to the 22 joints of HumanML3D, in metres with Y up.

The sets known are Vicon's Plug-in Gait and the 41 markers of CMU and other Vicon laboratories.
Joint centres are placed by published proportions, each from the subject's own size:

* hip: from the middle of the front pelvis markers 36 % of their distance to the side, 19 % back and
  30 % down (Bell, Pedersen and Brand, J. Biomechanics 23, 1990);
* knee and ankle: half a joint's width inwards from the outer marker, along the line of the hips and
  square to the leg, as Plug-in Gait does (Davis et al., Human Movement Science 10, 1991), with an
  adult's widths, 13 % and 8.6 % of the leg;
* shoulder: 17 % of the distance of the shoulder markers below each (Rab et al., Gait and Posture
  15, 2002);
* elbow: half a joint's width, 5 % of the arm, inwards from the outer marker, square to the plane of
  the arm; less where the arm is so straight that it has no plane;
* wrist: between its two markers; foot: the toe marker; neck: between C7 and the collar bones'
  notch; head: 45 % of the way from there to the middle of the head markers.

A marker that is lost for up to a quarter of a second is put on the line between where it was and
where it is seen again. Frames before all are seen, and after, are left out.

Shapes: T frames, M markers.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from motiongpt3.errors import InputError
from motiongpt3.formats import orientation, trunk
from motiongpt3.formats.c3d import C3d
from motiongpt3.formats.units import check_size
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import cross, normalize
from motiongpt3.motion.skeleton import HUMANML3D

MAX_GAP = 0.25
"""Longest time a marker may be lost, seconds."""

_SIDED = ("ASI", "PSI", "KNE", "ANK", "TOE", "SHO", "ELB", "WRA", "WRB", "FHD", "BHD")
_NEEDED = ("C7", "CLAV", *(side + name for side in "LR" for name in _SIDED))
_HELPFUL = ("T10", "STRN")
_OTHER_NAMES = {"FWT": "ASI", "BWT": "PSI"}
"""CMU's front and back waist."""
_UNITS = {"mm": "millimetre", "cm": "centimetre", "m": "metre", "in": "inch"}
_HIP = np.array([0.36, -0.30, -0.19])
_KNEE, _ANKLE, _ELBOW = 0.065, 0.043, 0.05
_SHOULDER, _HEAD = 0.17, 0.45
_STRAIGHT = 0.26
"""Sine of the bend, 15 degrees, from which on an elbow's plane is certain."""

Points = Float[np.ndarray, "T 3"]


def to_motion(file: C3d, path: str) -> Motion:
    """The motion of the person who wears the markers.

    Raises:
        InputError: listing markers that are missing, or lost for too long.
    """
    subject, named = _subject(file.labels, path)
    notes = [f"subject {subject}"] if subject else []
    start, stop = _complete(file.points[:, [named[m] for m in _NEEDED]], path)
    if (start, stop) != (0, len(file.points)):
        notes.append(f"frames {start} to {stop - 1} of {len(file.points)}: others lack markers")
    at = {
        m: _filled(file.points[start:stop, i], m, start, file.fps, path)
        for m, i in named.items()
        if m in _NEEDED or not np.isnan(file.points[start:stop, i]).any()
    }
    joints = _joints(at)
    up: orientation.Axis = "Y" if file.up == "Y" else "Z"
    if not file.up:
        up = orientation.up_axis(joints)
    unit = _UNITS.get(file.unit.lower()) or orientation.unit_of(joints, path)
    joints = orientation.y_up(joints, up) * orientation.UNITS[unit]
    check_size(joints, HUMANML3D, path)
    orientation.check_sides(joints, path)
    origins = {joint: {"node": None, "by": "markers"} for joint in HUMANML3D.joints}
    origin = {"file": path, "unit": unit, "up": up, "joints": origins, "notes": notes}
    return Motion(joints, file.fps, HUMANML3D, provenance=origin)


def _subject(labels: tuple[str, ...], path: str) -> tuple[str, dict[str, int]]:
    """The first subject with all markers, and where each marker is."""
    subjects: dict[str, dict[str, int]] = {}
    for index, label in enumerate(labels):
        prefix, _, name = label.strip().rpartition(":")
        name = name.strip().upper()
        name = name[:1] + _OTHER_NAMES.get(name[1:], name[1:])
        subjects.setdefault(prefix, {}).setdefault(name, index)
    lacking = {p: [m for m in _NEEDED if m not in found] for p, found in subjects.items()}
    best = min(lacking, key=lambda p: len(lacking[p]))
    if lacking[best]:
        raise InputError(
            f"no markers {', '.join(lacking[best])}",
            where=path,
            hint="Plug-in Gait or the Vicon set of 41 is needed; the file has "
            f"{', '.join(labels)[:120]} ...",
        )
    known = (*_NEEDED, *_HELPFUL)
    return best, {m: i for m, i in subjects[best].items() if m in known}


def _complete(points: Float[np.ndarray, "T M 3"], path: str) -> tuple[int, int]:
    """The frames from the first to the last that show every marker."""
    whole = np.flatnonzero(~np.isnan(points).any((1, 2)))
    if len(whole) == 0 or whole[-1] + 1 - whole[0] < len(points) / 2:
        raise InputError(
            "markers are missing in half of the frames or more",
            where=path,
            hint="label and fill the markers first",
        )
    return int(whole[0]), int(whole[-1]) + 1


def _filled(points: Points, marker: str, start: int, fps: float, path: str) -> Points:
    """A marker's path with its gaps filled."""
    lost = np.isnan(points).any(-1)
    for begin, end in _runs(lost):
        if (end - begin) / fps > MAX_GAP:
            raise InputError(
                f"marker {marker} is lost for {(end - begin) / fps:.2f} s",
                where=f"{path}: frames {start + begin} to {start + end - 1}",
                hint=f"at most {MAX_GAP} s are filled; fill it in the capture software",
            )
    seen, frames = np.flatnonzero(~lost), np.arange(len(points))
    return np.stack([np.interp(frames, seen, points[seen, axis]) for axis in range(3)], -1)


def _runs(lost: Bool[np.ndarray, " T"]) -> list[tuple[int, int]]:
    """First frame and the one after the last of every stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _joints(at: Mapping[str, Points]) -> Float[np.ndarray, "T 22 3"]:
    """The 22 joints in the file's unit and axes."""
    found: dict[str, Points] = {}
    middle = (at["LASI"] + at["RASI"]) / 2
    across = normalize(at["LASI"] - at["RASI"])
    back = middle - (at["LPSI"] + at["RPSI"]) / 2
    front = normalize(back - (back * across).sum(-1, keepdims=True) * across)
    axes = np.stack([across, cross(front, across), front], axis=-1)
    wide = _typical(at["LASI"] - at["RASI"])
    found["neck"] = (at["C7"] + at["CLAV"]) / 2
    chest = [(at["T10"] + at["STRN"]) / 2] if "T10" in at and "STRN" in at else []
    rise = normalize(found["neck"] - (chest[0] if chest else middle))
    shoulders = _typical(at["LSHO"] - at["RSHO"])
    skull = sum(at[side + name] for side in "LR" for name in ("FHD", "BHD")) / 4
    found["head"] = found["neck"] + _HEAD * (skull - found["neck"])
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        hip = middle + axes @ (wide * _HIP * [sign, 1, 1])
        inwards = -sign * across
        found |= _leg(at, side, letter, hip, inwards)
        shoulder = at[f"{letter}SHO"] - _SHOULDER * shoulders * rise
        found |= _arm(at, side, letter, shoulder, sign)
    found |= trunk.place(found, chest)
    return np.stack([found[joint] for joint in HUMANML3D.joints], axis=1)


def _leg(
    at: Mapping[str, Points], side: str, letter: str, hip: Points, inwards: Points
) -> dict[str, Points]:
    knee, ankle = at[f"{letter}KNE"], at[f"{letter}ANK"]
    leg = _typical(knee - hip) + _typical(ankle - knee)
    line = normalize(ankle - hip)
    square = normalize(inwards - (inwards * line).sum(-1, keepdims=True) * line)
    return {
        f"{side}_hip": hip,
        f"{side}_knee": knee + _KNEE * leg * square,
        f"{side}_ankle": ankle + _ANKLE * leg * square,
        f"{side}_foot": at[f"{letter}TOE"],
    }


def _arm(
    at: Mapping[str, Points], side: str, letter: str, shoulder: Points, sign: float
) -> dict[str, Points]:
    elbow, wrist = at[f"{letter}ELB"], (at[f"{letter}WRA"] + at[f"{letter}WRB"]) / 2
    arm = _typical(elbow - shoulder) + _typical(wrist - elbow)
    # Square to the plane of a bent arm, and as long as the bend is clear.
    plane = cross(normalize(shoulder - elbow), normalize(wrist - elbow)) / _STRAIGHT
    plane = plane / np.maximum(np.linalg.norm(plane, axis=-1, keepdims=True), 1)
    return {
        f"{side}_shoulder": shoulder,
        f"{side}_elbow": elbow - sign * _ELBOW * arm * plane,
        f"{side}_wrist": wrist,
    }


def _typical(way: Points) -> float:
    return float(np.median(np.linalg.norm(way, axis=-1)))
