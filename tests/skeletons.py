"""Skeletons as tools of motion capture and animation write them, with a person who walks.

Each is the tool's published tree: names, order, rest pose, unit, up axis and frame rate. After
every name stands what it is in our words, which says where it lies; a `*` begins a branch that is
there once more for the other side. The person walks forward with the left hand up.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from motiongpt3.formats.toml import read_toml

BONE = {
    "root": (0, 0, 0), "pelvis": (0, 0.95, 0), "zero": (0, 0, 0), "spine": (0, 0.12, 0),
    "bit": (0, 0.06, 0), "neck": (0, 0.13, -0.01), "nape": (0, 0.05, 0.01), "head": (0, 0.1, 0.02),
    "crown": (0, 0.18, 0), "eye": (0.03, 0.06, 0.08), "breast": (0.08, -0.02, 0.1),
    "hip": (0.09, -0.06, 0), "knee": (0, -0.41, 0), "ankle": (0, -0.42, -0.01),
    "foot": (0, -0.07, 0.13), "tip": (0, 0, 0.06), "heel": (0, -0.07, -0.04),
    "collar": (0.04, 0.07, 0), "shoulder": (0.14, 0, 0), "elbow": (0.28, 0, 0),
    "wrist": (0.25, 0, 0), "finger": (0.08, 0, 0), "thumb": (0.03, 0, 0.03), "twist": (0.1, 0, 0),
    "roll": (0, -0.15, 0), "ik": (0.1, 0.1, 0), "sole": (0, 0, 0),
}  # fmt: skip
"""Metres from the parent, seen as left, up and front, in a T-pose."""
SIDED = ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
CENTRAL = ("neck", "head")
HANGING = ("elbow", "wrist", "finger")
AXES = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""In LAFAN1's rest pose X is along the bone and up the body, Y its front, Z its left."""


@dataclass(frozen=True)
class Tool:
    """How a tool writes a person: `rest` is a T-pose, arms down (I), or all bones along X."""

    unit: str
    metres: float
    up: str
    fps: float
    sides: tuple[str, str]
    tree: str
    rest: str = "T"
    right_first: bool = False
    order: str = "ZXY"
    shaped: tuple[str, ...] = ()
    """Joints that no name says."""


@dataclass
class Node:
    name: str
    part: str
    side: int
    parent: int
    offset: np.ndarray


def nodes(tool: Tool) -> list[Node]:
    """The whole tree, left and right, depth first."""
    lines = [line for line in tool.tree.splitlines() if line.strip()]
    found: list[Node] = []
    _grow(tool, lines, -1, 0, found)
    return found


def _grow(tool: Tool, lines: list[str], parent: int, side: int, found: list[Node]) -> None:
    while lines:
        depth = len(lines[0]) - len(lines[0].lstrip())
        end = next(
            (i for i, x in enumerate(lines) if i and len(x) - len(x.lstrip()) <= depth), None
        )
        branch, lines = lines[:end], lines[end:] if end else []
        words = branch[0].split()
        name, part = " ".join(words[:-1]), words[-1]
        both = (-1, 1) if tool.right_first else (1, -1)
        for sign in both if name.startswith("*") else (side,):
            called = name.lstrip("*")
            left, right = ("Left", "Right") if "Left" in called else tool.sides
            called = called.replace(left, right, 1) if sign < 0 else called
            offset = _offset(tool, part, sign)
            found.append(Node(called, part, sign, parent, offset))
            _grow(tool, branch[1:], len(found) - 1, sign, found)


def _offset(tool: Tool, part: str, sign: int) -> np.ndarray:
    left, up, front = BONE[part]
    if tool.rest == "X" and part in ("knee", "ankle", "foot", "shoulder", *HANGING):
        return np.array([np.linalg.norm(BONE[part]), 0, 0])
    if tool.rest == "I" and part in HANGING:
        left, up = 0, -left
    way = np.array([left * (sign or 1), up, front])
    return AXES.T @ way if tool.rest == "X" else way


def write(tool: Tool, path: Path, frames: int = 40) -> None:
    """The person as a BVH file."""
    tree = nodes(tool)
    turn = np.eye(3) if tool.up == "Y" else np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    world = _posed(tool, tree, frames)
    angles = []
    for node, now in zip(tree, world, strict=True):
        above = world[node.parent] if node.parent >= 0 else np.eye(3)
        local = turn @ np.swapaxes(np.broadcast_to(above, now.shape), -1, -2) @ now @ turn.T
        angles.append(Rotation.from_matrix(local).as_euler(tool.order, degrees=True))
    path_of_root = np.zeros((frames, 3))
    path_of_root[:, 2] = np.arange(frames) / tool.fps * 1.2
    root = (path_of_root + BONE[tree[0].part]) @ turn.T / tool.metres
    rows = np.concatenate([root[:, None], np.stack(angles, 1)], axis=1).reshape(frames, -1)
    lines = _hierarchy(tool, tree, turn)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / tool.fps:.7f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def _hierarchy(tool: Tool, tree: list[Node], turn: np.ndarray) -> list[str]:
    lines = ["HIERARCHY"]

    def emit(index: int, tab: str) -> None:
        node = tree[index]
        offset = turn @ node.offset / tool.metres
        lines.append(f"{tab}{'JOINT' if index else 'ROOT'} {node.name}")
        lines.append(f"{tab}{{")
        lines.append(f"{tab}\tOFFSET {' '.join(f'{v:.6f}' for v in offset)}")
        moves = "" if index else "Xposition Yposition Zposition "
        turns = " ".join(f"{axis}rotation" for axis in tool.order)
        lines.append(f"{tab}\tCHANNELS {3 if index else 6} {moves}{turns}")
        below = [i for i, other in enumerate(tree) if other.parent == index]
        for child in below:
            emit(child, tab + "\t")
        if not below:
            end = {"ankle": "foot", "foot": "tip", "wrist": "finger", "head": "crown"}
            part = "zero" if tool.rest == "X" else end.get(node.part, "zero")
            tip = turn @ _offset(tool, part, node.side) / tool.metres
            lines.append(f"{tab}\tEnd Site")
            lines.append(f"{tab}\t{{")
            lines.append(f"{tab}\t\tOFFSET {' '.join(f'{v:.6f}' for v in tip)}")
            lines.append(f"{tab}\t}}")
        lines.append(f"{tab}}}")

    emit(0, "")
    return lines


def _posed(tool: Tool, tree: list[Node], frames: int) -> list[np.ndarray]:
    """Rotation in the world of every node (frames, 3, 3), in left, up and front."""
    body = AXES if tool.rest == "X" else np.eye(3)
    world: list[np.ndarray] = []
    for index, node in enumerate(tree):
        goal = _goal(node, frames)
        below = [other for other in tree if other.parent == index and other.part in AIMED]
        if goal is None or not below:
            aims = node.part not in ("twist", "finger", "tip", "foot") or node.parent < 0
            world.append(np.tile(body, (frames, 1, 1)) if aims else world[node.parent])
            continue
        rest = body @ below[0].offset
        world.append(_between(rest, goal) @ body)
    return world


AIMED = ("knee", "ankle", "foot", "elbow", "wrist", "finger", "shoulder")


def _goal(node: Node, frames: int) -> np.ndarray | None:
    """Where the bone that begins at a node points, in every frame (frames, 3)."""
    swing = 0.4 * np.sin(np.arange(frames) / 5) * node.side
    still = np.zeros(frames)
    match node.part:
        case "hip":
            return np.stack([still, -np.cos(swing), np.sin(swing)], -1)
        case "knee":
            bend = swing - 0.5
            return np.stack([still, -np.cos(bend), np.sin(bend)], -1)
        case "ankle":
            return np.tile(BONE["foot"], (frames, 1)).astype(float)
        case "collar":
            return np.tile([node.side, 0.0, 0], (frames, 1))
        case "shoulder" | "elbow" | "wrist":
            down = np.stack([0.2 + still, -1 + still, 0.5 * swing], -1) * [node.side, 1, 1]
            up = np.stack([0.2 + 0.3 * swing, 1 + still, still + 0.1], -1)
            return up if node.side > 0 else down
        case _:
            return None


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotations from one direction to others."""
    found = []
    for goal in b:
        axis = np.cross(a, goal)
        angle = np.arctan2(np.linalg.norm(axis), a @ goal)
        axis = axis if angle < 3.14 else np.array([1.0, 0, 0])
        axis = axis / (np.linalg.norm(axis) or 1)
        found.append(Rotation.from_rotvec(angle * axis).as_matrix())
    return np.stack(found)


def _tool(fields: dict[str, Any]) -> Tool:
    return Tool(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


_READ: dict[str, Any] = read_toml(Path(__file__).with_suffix(".toml"))
TOOLS: dict[str, Tool] = {name: _tool(fields) for name, fields in _READ["tools"].items()}
ODD = _tool(_READ["odd"])
"""37 joints of no known name, six of them the spine, and no toes."""
