"""A bounded reader of BVH, the text format of motion capture and animation tools.

Any hierarchy, any channels per joint in any order. Nothing is allocated by what the file claims:
the declared number of frames is compared with the lines that are there first.

Shapes: T frames, N nodes (joints and End Sites).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats.files import describe, read_bytes
from motiongpt3.formats.lines import MAX_LINE, MAX_VALUE, Lines
from motiongpt3.formats.rig import Rig
from motiongpt3.motion import rotation

MAX_DEPTH = 128
MAX_JOINTS = 512
MAX_BYTES = 64 * 2**20
MAX_PLACES = 6_000_000
"""Largest number of frames times nodes; more would take over 1 GiB of memory."""

_FRAME_TIME = (1e-4, 10.0)
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Bvh(Rig):
    """A parsed file; an End Site is called after its joint, with "_End".

    Attributes:
        channels: of each node, such as ("Xposition", ..., "Yrotation"); none for End Sites.
    """

    channels: tuple[tuple[str, ...], ...]


@dataclass
class _Tree:
    """A hierarchy while it is being read."""

    names: list[str]
    parents: list[int]
    offsets: list[list[float]]
    channels: list[tuple[str, ...]]

    def add(self, name: str, parent: int) -> int:
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append([])
        self.channels.append(())
        return len(self.names) - 1


def read(path: str | Path) -> Bvh:
    """Read a BVH file.

    Position channels replace the offset, as animation tools read them.

    Raises:
        InputError: with file and line, for anything that is not a complete, finite BVH motion.
    """
    data = read_bytes(path, MAX_BYTES)
    lines = Lines(data, str(path))
    if lines.next().upper() != "HIERARCHY":
        raise lines.error(f"this is {describe(data[:64])}", "a BVH file begins with HIERARCHY")
    tree = _hierarchy(lines)
    frames, fps = _motion_header(lines)
    if frames * len(tree.names) > MAX_PLACES:
        raise lines.error(f"{frames} frames are too many", "cut the file into shorter clips")
    values = _numbers(lines, frames, sum(map(len, tree.channels)))
    offsets = np.array(tree.offsets)
    rotations, positions = _apply_channels(values, offsets, tree.channels)
    return Bvh(
        names=tuple(tree.names),
        parents=tuple(tree.parents),
        offsets=offsets,
        channels=tuple(tree.channels),
        fps=fps,
        rotations=rotations,
        positions=positions,
    )


def _hierarchy(lines: Lines) -> _Tree:
    """Everything from ROOT to its closing brace."""
    tree = _Tree([], [], [], [])
    open_nodes: list[int] = []
    while True:
        line = lines.next()
        opens = line.endswith("{") and line != "{"
        word, _, rest = line.rstrip("{").strip().replace("\t", " ").partition(" ")
        match word.upper():
            case "ROOT" | "JOINT" | "END":
                open_nodes.append(_begin(lines, tree, open_nodes, word.upper(), rest.strip()))
                if not opens and lines.next() != "{":
                    raise lines.error("expected {", "each joint has its part in braces")
            case "OFFSET" if open_nodes and not tree.offsets[open_nodes[-1]]:
                tree.offsets[open_nodes[-1]] = _offset(lines, rest)
            case "CHANNELS" if open_nodes and not tree.channels[open_nodes[-1]]:
                tree.channels[open_nodes[-1]] = _channels(lines, rest)
            case "}" if open_nodes:
                node = open_nodes.pop()
                if not tree.offsets[node]:
                    raise lines.error(f"{tree.names[node]} has no OFFSET")
                if not open_nodes:
                    return tree
            case "":
                raise lines.error("the hierarchy is not complete", "the file may be cut off")
            case _:
                raise lines.error(f"unexpected {line[:40]!r} in the hierarchy")


def _begin(lines: Lines, tree: _Tree, open_nodes: list[int], word: str, name: str) -> int:
    """A new node under the one that is open."""
    if (word == "ROOT") != (not tree.names):
        raise lines.error(f"unexpected {word}", "a hierarchy has one ROOT, then JOINTs")
    if len(open_nodes) >= MAX_DEPTH:
        raise lines.error("joints are nested too deep", f"at most {MAX_DEPTH} levels are read")
    if len(tree.names) >= MAX_JOINTS:
        raise lines.error("too many joints", f"at most {MAX_JOINTS} are read")
    parent = open_nodes[-1] if open_nodes else -1
    if word == "END":
        return tree.add(f"{tree.names[parent]}_End", parent)
    if not name:
        raise lines.error(f"{word} without a name")
    if name in tree.names:
        raise lines.error(f"a second joint is called {name[:40]!r}")
    return tree.add(name, parent)


def _offset(lines: Lines, text: str) -> list[float]:
    words = text.split()
    if len(words) != 3:
        raise lines.error(f"OFFSET has {len(words)} numbers", "it needs three")
    return [lines.number(word) for word in words]


def _channels(lines: Lines, text: str) -> tuple[str, ...]:
    count, *names = text.split() or [""]
    if count != str(len(names)) or not 1 <= len(names) <= 6:
        raise lines.error(f"CHANNELS says {count[:20]!r} and lists {len(names)}")
    found = [_CHANNEL.fullmatch(name) for name in names]
    if not all(found) or len({name.lower() for name in names}) != len(names):
        raise lines.error(f"unknown or repeated channel in {text[:60]!r}")
    return tuple(f"{m[1].upper()}{m[2].lower()}" for m in found if m)


def _motion_header(lines: Lines) -> tuple[int, float]:
    """Number of frames and frames per second."""
    if lines.next().upper() != "MOTION":
        raise lines.error("expected MOTION after the hierarchy")
    line = lines.next()
    frames = re.fullmatch(r"Frames\s*:\s*(\d{1,12})", line, re.IGNORECASE)
    if not frames or int(frames[1]) == 0:
        raise lines.error(f"expected 'Frames: <count>', found {line[:40]!r}")
    line = lines.next()
    time = re.fullmatch(r"Frame\s*Time\s*:\s*(\S+)", line, re.IGNORECASE)
    if not time:
        raise lines.error(f"expected 'Frame Time: <seconds>', found {line[:40]!r}")
    seconds = lines.number(time[1])
    if not _FRAME_TIME[0] <= seconds <= _FRAME_TIME[1]:
        raise lines.error(f"Frame Time is {time[1]}", "seconds per frame, e.g. 0.05 for 20 fps")
    return int(frames[1]), _frame_rate(seconds, len(time[1].partition(".")[2]))


def _frame_rate(seconds: float, decimals: int) -> float:
    """Frames per second; whole, where the digits given leave that open (0.033333 is 30 fps)."""
    fps = 1 / seconds
    whole = max(1, round(fps))
    if abs(seconds - 1 / whole) <= 10.0**-decimals and abs(fps / whole - 1) < 1e-3:
        return float(whole)
    return round(fps, 6)


def _numbers(lines: Lines, frames: int, columns: int) -> Float[np.ndarray, "T C"]:
    """The block of numbers, once its lines are known to be as many as declared."""
    rows = [(n, r) for n, r in enumerate(lines.lines[lines.at :], lines.at + 1) if r.strip()]
    if len(rows) != frames:
        raise lines.error(
            f"{frames} frames are declared, {len(rows)} are there", "the file may be cut off"
        )
    for number, row in rows:
        if len(row) > MAX_LINE:
            raise lines.error("a line is too long", f"at most {MAX_LINE} bytes", number)
    if columns == 0:
        raise lines.error("no joint has channels")
    if len(rows[0][1].split()) != columns:
        raise _faulty_row(lines, rows[:1], columns)
    try:
        values = np.loadtxt([row for _, row in rows], ndmin=2, comments=None)
    except ValueError as error:  # some row is faulty; numpy says near which one
        near = int((re.findall(r"at row (\d+)", str(error)) or [0])[0])
        raise _faulty_row(lines, rows[max(near - 1, 0) :], columns) from error
    usable = np.abs(values) <= MAX_VALUE
    if values.shape != (frames, columns) or not usable.all():
        raise _faulty_row(lines, rows[int(usable.all(axis=1).argmin()) :], columns)
    return values


def _faulty_row(lines: Lines, rows: list[tuple[int, bytes]], columns: int) -> InputError:
    """What is wrong with the first row that is."""
    for number, row in rows[:3]:
        lines.at = number
        words = row.decode("utf-8", "replace").split()
        if len(words) != columns:
            message = f"a frame has {len(words)} numbers, the channels need {columns}"
            return lines.error(message, "the file may be cut off")
        try:
            for word in words:
                lines.number(word)
        except InputError as error:
            return error
    return lines.error("the numbers cannot be read")


def _apply_channels(
    values: np.ndarray, offsets: np.ndarray, channels: list[tuple[str, ...]]
) -> tuple[Float[np.ndarray, "T N 4"], Float[np.ndarray, "T N 3"]]:
    """Local rotations and positions from channel values; angles are degrees in the file."""
    rotations = np.zeros((len(values), len(offsets), 4))
    rotations[..., 0] = 1
    positions = np.repeat(offsets[None], len(values), axis=0)
    first = np.cumsum([0, *map(len, channels)])
    for names in set(channels):  # nodes with the same channels together
        nodes = [node for node, theirs in enumerate(channels) if theirs == names]
        for place, name in enumerate(names):
            axis, value = "XYZ".index(name[0]), values[:, first[nodes] + place]
            if name.endswith("position"):
                positions[:, nodes, axis] = value
            else:
                turn = np.zeros((*value.shape, 4))
                angle = np.radians(value) / 2
                turn[..., 0], turn[..., 1 + axis] = np.cos(angle), np.sin(angle)
                rotations[:, nodes] = rotation.multiply(rotations[:, nodes], turn)
    return rotations, positions
