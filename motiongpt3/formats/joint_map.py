"""A map file: what a user states about a file's skeleton, in TOML.

    unit = "centimetre"        # or another of `orientation.UNITS`, or metres per unit as a number
    up = "Z"                   # or "Y" or "X"
    fps = 30

    [joints]                   # ours = the file's
    left_hip = "Bone.012"

Everything may be left out; what is not stated is found as without a map.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from motiongpt3.errors import InputError
from motiongpt3.formats.files import read_bytes
from motiongpt3.formats.orientation import UNITS, Axis
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.toml import TOMLDecodeError, parse_toml
from motiongpt3.motion.skeleton import HUMANML3D

MAX_BYTES = 2**18
_KEYS = ("joints", "unit", "up", "fps")


@dataclass(frozen=True)
class JointMap:
    """What is stated of a file.

    Attributes:
        joints: the file's node for some of our joints, by name.
        metres: metres per unit of the file.
        up: axis that points up.
        fps: frames per second.
        source: the map file, for messages.
    """

    joints: Mapping[str, str] = field(default_factory=dict)
    metres: float | None = None
    up: Axis | None = None
    fps: float | None = None
    source: str = "map"

    def nodes(self, rig: Rig) -> dict[str, int]:
        """Index of each stated node.

        Raises:
            InputError: for a node that the file does not have, or that is stated twice.
        """
        found: dict[str, int] = {}
        for ours, theirs in self.joints.items():
            if theirs not in rig.names:
                raise _unknown(f"the file has no joint {theirs!r}", self.source, theirs, rig.names)
            node = rig.names.index(theirs)
            if node in found.values():
                hint = "each joint of the file stands for one of ours"
                raise InputError(f"{theirs!r} is given twice", where=self.source, hint=hint)
            found[ours] = node
        return found


def read(path: str | Path) -> JointMap:
    """Read a map file.

    Raises:
        InputError: when it is not TOML, or states something unknown or impossible.
    """
    where = str(path)
    try:
        table = parse_toml(read_bytes(path, MAX_BYTES).decode("utf-8"))
    except (TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = 'lines such as: left_hip = "Bone.012"'
        raise InputError(f"is not TOML: {error}", where=where, hint=hint) from error
    for key in table:
        if key not in _KEYS:
            raise _unknown(f"does not know {key!r}", where, key, _KEYS)
    joints = table.get("joints", {})
    if not isinstance(joints, dict) or not all(isinstance(name, str) for name in joints.values()):
        hint = 'a table: [joints] and below it left_hip = "Bone.012"'
        raise InputError("joints are not names", where=where, hint=hint)
    for ours in joints:
        if ours not in HUMANML3D.joints:
            raise _unknown(f"there is no joint {ours!r} of ours", where, ours, HUMANML3D.joints)
    up = table.get("up")
    if up is not None and up not in get_args(Axis):
        raise InputError(f"up is {up!r}", where=where, hint=f"one of {', '.join(get_args(Axis))}")
    return JointMap(joints, _metres(table.get("unit"), where), up, _fps(table, where), where)


def _metres(unit: Any, where: str) -> float | None:
    if unit is None or (isinstance(unit, str) and unit in UNITS):
        return None if unit is None else UNITS[unit]
    if isinstance(unit, str):
        raise _unknown(f"does not know the unit {unit!r}", where, unit, tuple(UNITS))
    if not _is_number(unit) or not 1e-6 < unit < 1e6:
        hint = f"{', '.join(UNITS)}, or metres per unit as a number"
        raise InputError(f"unit is {unit!r}", where=where, hint=hint)
    return float(unit)


def _fps(table: Mapping[str, Any], where: str) -> float | None:
    fps = table.get("fps")
    if fps is not None and not (_is_number(fps) and 1e-3 < fps < 1e4):
        raise InputError(f"fps is {fps!r}", where=where, hint="frames per second, e.g. 30")
    return None if fps is None else float(fps)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _unknown(message: str, where: str, word: str, known: Sequence[str]) -> InputError:
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    listed = ", ".join(known)
    told = f"did you mean {' or '.join(near)}?" if near else f"there are {listed[:200]}"
    return InputError(message, where=where, hint=told)
