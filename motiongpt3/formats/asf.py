"""A bounded reader of ASF, the skeleton files that AMC motions need (Acclaim, as CMU uses it).

A bone starts where its parent ends, and turns about its start, in axes of its own. So each bone
becomes a node at its start; `lfemur` is the hip. Lengths are the file's, quaternions w, x, y, z.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.files import describe, read_bytes
from motiongpt3.formats.lines import Lines
from motiongpt3.motion import rotation

MAX_BYTES = 2**20
MAX_BONES = 512

CMU_LENGTH = 0.45
"""`length` in CMU's files: their unit is 1 / 0.45 inch."""

_MOVES, _TURNS = ("tx", "ty", "tz"), ("rx", "ry", "rz")
_DEGREES = {"deg": True, "degree": True, "degrees": True, "rad": False, "radians": False}
_ANGLES_HINT = "'angle deg' or 'angle rad' under :units"

Row = tuple[int, list[str]]
"""Number of a line, and its words."""


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone at rest.

    Attributes:
        extent: (3,) from its start to its end.
        axes: (4,) the axes it turns about, as a rotation of the world's.
        dof: what moves, in the order of the numbers: "tx" to "tz", "rx" to "rz".
    """

    name: str
    extent: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "4"]
    dof: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Asf:
    """A skeleton.

    Attributes:
        bones: the root first, parents before children.
        parents: index of each bone's parent, -1 for the root.
        position: (3,) where the root begins.
        length: the file's factor of lengths; CMU has 0.45.
        degrees: whether angles are degrees.
    """

    bones: tuple[Bone, ...]
    parents: tuple[int, ...]
    position: Float[np.ndarray, "3"]
    length: float
    degrees: bool


def read(path: str | Path) -> Asf:
    """Read an ASF file.

    Raises:
        InputError: with file and line, for anything that is not a complete skeleton.
    """
    data = read_bytes(path, MAX_BYTES)
    lines = Lines(data, str(path))
    sections = _sections(lines)
    for name in ("root", "bonedata", "hierarchy"):
        if name not in sections:
            what = "" if sections else f" (this is {describe(data[:64])})"
            raise lines.error(f"there is no :{name}{what}", "an ASF file has all its sections")
    length, degrees = _units(lines, sections.get("units", []))
    root, position = _root(lines, sections["root"], degrees)
    bones = {"root": root} | _bones(lines, sections["bonedata"], degrees)
    order, parents = _tree(lines, sections["hierarchy"], bones)
    return Asf(tuple(bones[name] for name in order), parents, position, length, degrees)


def _sections(lines: Lines) -> dict[str, list[Row]]:
    """Rows of each part that begins with a word after a colon."""
    sections: dict[str, list[Row]] = {}
    rows: list[Row] = []
    while line := lines.next():
        if line.startswith("#"):
            continue
        if line.startswith(":"):
            word, _, rest = line[1:].partition(" ")
            rows = sections.setdefault(word.strip().lower(), [])
            line = rest
        if words := line.split():
            rows.append((lines.at, words))
    return sections


def _units(lines: Lines, rows: list[Row]) -> tuple[float, bool]:
    """Factor of lengths, and whether angles are degrees."""
    length, degrees = 1.0, None
    for number, (word, *rest) in rows:
        lines.at = number
        if word.lower() == "length":
            (length,) = _numbers(lines, word, rest, 1)
            if length <= 0:
                raise lines.error(f"length is {rest[0]}")
        if word.lower() == "angle":
            degrees = _DEGREES.get(" ".join(rest).lower())
            if degrees is None:
                raise lines.error(f"angles in {' '.join(rest)[:20]!r}", _ANGLES_HINT)
    if degrees is None:
        raise lines.error("it does not say whether angles are degrees", _ANGLES_HINT, 1)
    return length, degrees


def _root(lines: Lines, rows: list[Row], degrees: bool) -> tuple[Bone, np.ndarray]:
    """The root, which has no length, and where it begins."""
    order: tuple[str, ...] = ()
    axis, position, orientation = "XYZ", [0.0] * 3, [0.0] * 3
    for number, (word, *rest) in rows:
        lines.at = number
        match word.lower():
            case "order":
                order = _dof(lines, rest)
            case "axis":
                axis = _order(lines, " ".join(rest))
            case "position":
                position = _numbers(lines, word, rest, 3)
            case "orientation":
                orientation = _numbers(lines, word, rest, 3)
    if not order:
        raise lines.error(":root has no order", "such as 'order TX TY TZ RX RY RZ'")
    axes = _axes(orientation, axis, degrees)
    return Bone("root", np.zeros(3), axes, order), np.array(position)


def _bones(lines: Lines, rows: list[Row], degrees: bool) -> dict[str, Bone]:
    """The blocks from begin to end."""
    bones: dict[str, Bone] = {}
    block: dict[str, Row] | None = None
    for number, (word, *rest) in rows:
        lines.at = number
        match word.lower():
            case "begin" if block is None:
                block = {}
            case "end" if block is not None:
                bone = _bone(lines, block, degrees)
                if bone.name in bones or bone.name == "root":
                    raise lines.error(f"a second bone is called {bone.name[:40]!r}")
                if len(bones) >= MAX_BONES:
                    raise lines.error("too many bones", f"at most {MAX_BONES} are read")
                bones[bone.name], block = bone, None
            case field if block is not None:
                block.setdefault(field, (number, rest))
            case _:
                raise lines.error(f"unexpected {word[:40]!r}", "a bone is from 'begin' to 'end'")
    if block is not None:
        raise lines.error("the last bone has no end", "the file may be cut off")
    return bones


def _bone(lines: Lines, block: dict[str, Row], degrees: bool) -> Bone:
    end: Row = (lines.at, [])
    for field in ("name", "direction", "length", *(["axis"] if "dof" in block else [])):
        if field not in block:
            raise lines.error(f"the bone that ends here has no {field}")
    lines.at, words = block["name"]
    name = " ".join(words)
    if not name:
        raise lines.error("a bone without a name")
    lines.at, words = block["direction"]
    direction = np.array(_numbers(lines, "direction", words, 3))
    lines.at, words = block["length"]
    (length,) = _numbers(lines, "length", words, 1)
    lines.at, words = block.get("axis", end)
    axes = np.eye(4)[0]
    if words:
        turns = _numbers(lines, "axis", words[:3], 3)
        axes = _axes(turns, _order(lines, " ".join(words[3:]) or "XYZ"), degrees)
    lines.at, words = block.get("dof", end)
    return Bone(name, direction * length, axes, _dof(lines, words))


def _dof(lines: Lines, words: list[str]) -> tuple[str, ...]:
    dof = tuple(word.lower() for word in words)
    unknown = [word for word in dof if word not in _MOVES + _TURNS]
    if unknown or len(set(dof)) != len(dof):
        hint = "tx ty tz rx ry rz are read; a bone that stretches (l) is not"
        raise lines.error(f"unknown or repeated in {' '.join(words)[:40]!r}", hint)
    return dof


def _order(lines: Lines, text: str) -> str:
    if sorted(text.upper()) != ["X", "Y", "Z"]:
        raise lines.error(f"{text[:20]!r} is no order of axes", "such as XYZ")
    return text.upper()


def _axes(angles: list[float], order: str, degrees: bool) -> Float[np.ndarray, "4"]:
    """Turns by the angles of X, Y and Z about the world's axes, in the order that is named."""
    axes = np.eye(4)[0]
    values = np.radians(angles) if degrees else np.array(angles)
    for axis in order:
        turn = rotation.about(axis, np.asarray(values["XYZ".index(axis)]))  # type: ignore[arg-type]
        axes = rotation.multiply(turn, axes)
    return axes


def _tree(
    lines: Lines, rows: list[Row], bones: dict[str, Bone]
) -> tuple[list[str], tuple[int, ...]]:
    """Bone names, parents before children, and each one's parent's index."""
    parent: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    for number, words in rows:
        lines.at = number
        if words[0].lower() in ("begin", "end") and len(words) == 1:
            continue
        for name in words:
            if name not in bones:
                raise lines.error(f"no bone is called {name[:40]!r}")
        for name in words[1:]:
            if name in parent or name == "root":
                raise lines.error(f"{name[:40]} has a parent already")
            parent[name] = words[0]
            children.setdefault(words[0], []).append(name)
    order, waiting = [], ["root"]
    while waiting:
        order.append(waiting.pop())
        waiting += reversed(children.get(order[-1], []))
    if lost := [name for name in bones if name not in order]:
        raise lines.error(f"{', '.join(lost)[:80]} hang on nothing", "see :hierarchy")
    return order, tuple(order.index(parent[n]) if n in parent else -1 for n in order)


def _numbers(lines: Lines, field: str, words: list[str], count: int) -> list[float]:
    if len(words) != count:
        raise lines.error(f"{field} has {len(words)} numbers", f"it needs {count}")
    return [lines.number(word) for word in words]
