"""Reading the animated skeleton of a glTF 2.0 file, .glb or .gltf.

The first animation is played at a fixed rate and becomes a `Rig`: joints of the first skin with
what they hang from, or all nodes where there is no skin. In a `Rig` nothing is turned at rest and
nothing is scaled, so rest rotations and scales are worked into the positions; where the nodes are
stays the same.

Shapes: T frames, N nodes, K keys. Quaternions are w, x, y, z here and x, y, z, w in the file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.gltf import Gltf
from motiongpt3.formats.rig import Rig
from motiongpt3.motion import rotation

MAX_NODES = 4096
MAX_JOINTS = 1024
MAX_PLACES = 2_000_000
"""Largest number of frames times nodes."""
USUAL_FPS = 30.0
"""Where the keys have no common rate."""

_FPS = (5.0, 480.0)
_PARTS = {"translation": ("VEC3", 3), "rotation": ("VEC4", 4), "scale": ("VEC3", 3)}


@dataclass(frozen=True, eq=False)
class _Channel:
    """How one property of one node moves."""

    node: int
    what: str
    times: Float[np.ndarray, " K"]
    values: Float[np.ndarray, "K n w"]
    """n is 3 for a cubic spline: tangent in, value, tangent out."""
    how: str


def read(path: str | Path) -> Rig:
    """Read the first animation of a file.

    Raises:
        InputError: when the file is damaged, without animation, or far too long.
    """
    file = Gltf(path)
    parents = _tree(file)
    channels = _channels(file, len(parents))
    order = _chosen(file, parents, {channel.node for channel in channels})
    times, fps = _clock(channels)
    if len(times) * len(order) > MAX_PLACES:
        raise file.error(f"{len(times)} frames are too many", hint="cut it into shorter clips")
    local = {node: _resting(file, node) for node in order}
    rest = _world(order, parents, dict(local))
    for channel in channels:
        if channel.node in local:
            local[channel.node] = {**local[channel.node], channel.what: _sample(channel, times)}
    moving = _world(order, parents, local)
    return _rig(file, order, parents, (len(times), fps), rest, moving)


def _tree(file: Gltf) -> list[int]:
    """Parent of each node, -1 for those without."""
    nodes = file.items("nodes")
    if not 0 < len(nodes) <= MAX_NODES:
        raise file.error(f"has {len(nodes)} nodes", hint=f"1 to {MAX_NODES} are read")
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        children = node.get("children", [])
        if not isinstance(children, list):
            raise file.error("children are no list", f"nodes[{index}]")
        for child in children:
            child = file.index(child, len(nodes), f"nodes[{index}]: children")
            if parents[child] >= 0 or child == index:
                raise file.error("a node has two parents", f"nodes[{child}]")
            parents[child] = index
    return parents


def _channels(file: Gltf, nodes: int) -> list[_Channel]:
    """What the first animation that moves nodes does."""
    for number, animation in enumerate(file.items("animations")):
        at = f"animations[{number}]"
        channels, samplers = animation.get("channels"), animation.get("samplers")
        if not isinstance(channels, list) or not isinstance(samplers, list):
            raise file.error("has no channels and samplers", at)
        found: list[_Channel] = []
        keys = 0
        for channel in channels:
            one = _channel(file, channel, samplers, nodes, at)
            found += [one] if one else []
            keys += len(one.times) if one else 0
            if keys > MAX_PLACES:
                raise file.error("has too many keys", at, "cut it into shorter clips")
        if found:
            return found
    raise file.error("has no animation of nodes", hint="export it with its animation")


def _channel(file: Gltf, channel: Any, samplers: list[Any], nodes: int, at: str) -> _Channel | None:
    """One channel; nothing for those that move no node, such as morph weights."""
    target = channel.get("target") if isinstance(channel, dict) else None
    if not isinstance(target, dict):
        raise file.error("a channel has no target", at)
    what = target.get("path")
    if not isinstance(what, str) or what not in _PARTS or target.get("node") is None:
        return None
    node = file.index(target["node"], nodes, f"{at}: target")
    sampler = samplers[file.index(channel.get("sampler"), len(samplers), f"{at}: sampler")]
    if not isinstance(sampler, dict):
        raise file.error("a sampler is no object", at)
    how = sampler.get("interpolation", "LINEAR")
    if how not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise file.error(f"interpolation is {str(how)[:20]!r}", at)
    kind, width = _PARTS[what]
    times = file.array(sampler.get("input"), "SCALAR")[:, 0]
    values = file.array(sampler.get("output"), kind)
    each = 3 if how == "CUBICSPLINE" else 1
    if len(values) != each * len(times) or (np.diff(times) <= 0).any() or times[0] < 0:
        raise file.error("keys are out of order, or not one for each value", at)
    return _Channel(node, what, times, values.reshape(len(times), each, width), how)


def _chosen(file: Gltf, parents: list[int], moved: set[int]) -> list[int]:
    """Nodes to read, parents first."""
    skins = [_joints(file, skin, len(parents)) for skin in file.items("skins")[:64]]
    wanted: set[int] = set()
    for joints in skins:
        if not wanted or wanted & joints:
            wanted |= joints
    wanted = wanted or moved
    above = {node: _way_up(file, node, parents) for node in wanted}
    wanted = wanted.union(*above.values())
    if len(wanted) > MAX_JOINTS:
        raise file.error(f"has {len(wanted)} joints", hint=f"at most {MAX_JOINTS} are read")
    return sorted(wanted, key=lambda node: (len(_way_up(file, node, parents)), node))


def _joints(file: Gltf, skin: dict[str, Any], nodes: int) -> set[int]:
    joints = skin.get("joints")
    if not isinstance(joints, list):
        raise file.error("a skin has no joints", "skins")
    return {file.index(joint, nodes, "skins: joints") for joint in joints}


def _way_up(file: Gltf, node: int, parents: list[int]) -> list[int]:
    found = []
    while (node := parents[node]) >= 0:
        found.append(node)
        if len(found) > 256:
            raise file.error("nodes are nested too deep, or in a circle", "nodes")
    return found


def _clock(channels: list[_Channel]) -> tuple[Float[np.ndarray, " T"], float]:
    """Times to look at the animation, and their rate: that of the keys where they have one."""
    keys = np.unique(np.concatenate([channel.times for channel in channels]))
    start, end = keys[0], keys[-1]
    steps = np.diff(keys)
    steps = steps[steps > 1e-4]  # keys of two channels that mean the same moment
    fps = USUAL_FPS
    if len(steps) and _FPS[0] <= 1 / steps.min() <= _FPS[1]:
        many = steps / steps.min()
        if (np.abs(many - np.round(many)) < 0.05).all():
            fps = float(np.round(many).sum() / (end - start))
            fps = float(round(fps)) if abs(fps - round(fps)) < 1e-3 else round(fps, 4)
    frames = int(round((end - start) * fps)) + 1
    if frames > MAX_PLACES:  # refused by the caller; nothing is made for it
        return np.broadcast_to(start, frames), fps
    return np.minimum(start + np.arange(frames) / fps, end), fps


def _resting(file: Gltf, node: int) -> dict[str, np.ndarray]:
    """A node's own translation, rotation and scale."""
    item = file.items("nodes")[node]
    at = f"nodes[{node}]"
    if "matrix" in item:
        return _taken_apart(file, _numbers(file, item["matrix"], 16, at), at)
    turn = _numbers(file, item.get("rotation", [0, 0, 0, 1]), 4, at)
    return {
        "translation": _numbers(file, item.get("translation", [0, 0, 0]), 3, at)[None],
        "rotation": rotation.normalize(np.roll(turn, 1))[None],
        "scale": _numbers(file, item.get("scale", [1, 1, 1]), 3, at)[None],
    }


def _taken_apart(file: Gltf, matrix: np.ndarray, at: str) -> dict[str, np.ndarray]:
    m = matrix.reshape(4, 4).T
    scale = np.linalg.norm(m[:3, :3], axis=0)
    if not (scale > 0).all():
        raise file.error("the matrix is flat", at)
    scale[0] *= np.sign(np.linalg.det(m[:3, :3])) or 1.0
    turn = rotation.from_matrix(m[:3, :3] / scale)
    return {"translation": m[None, :3, 3], "rotation": turn[None], "scale": scale[None]}


def _numbers(file: Gltf, value: Any, count: int, at: str) -> Float[np.ndarray, " n"]:
    fine = isinstance(value, list) and len(value) == count
    if not fine or not all(type(v) in (int, float) and abs(v) < 1e9 for v in value):
        raise file.error(f"{count} numbers are needed", at)
    return np.array(value, np.float64)


def _sample(channel: _Channel, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T w"]:
    """Values at times; before the first key and after the last they stay."""
    keys, turns = channel.times, channel.what == "rotation"
    values = np.roll(channel.values, 1, axis=-1) if turns else channel.values
    last = max(len(keys) - 2, 0)
    at = np.clip(np.searchsorted(keys, times + 1e-6, side="right") - 1, 0, len(keys) - 1)
    if channel.how == "STEP":
        found = values[at, 0]
        return rotation.normalize(found) if turns else found
    at = np.minimum(at, last)
    after = np.minimum(at + 1, len(keys) - 1)
    gap = (keys[after] - keys[at])[:, None]
    share = np.clip((times - keys[at])[:, None] / np.where(gap > 0, gap, 1), 0, 1)
    if channel.how == "CUBICSPLINE":
        (_, a, out), (into, b, _) = values[at].swapaxes(0, 1), values[after].swapaxes(0, 1)
        t, t2, t3 = share, share**2, share**3
        found = (2 * t3 - 3 * t2 + 1) * a + gap * (t3 - 2 * t2 + t) * out
        found = found + (3 * t2 - 2 * t3) * b + gap * (t3 - t2) * into
        return rotation.normalize(found) if turns else found
    a, b = values[at, 0], values[after, 0]
    if not turns:
        return a + share * (b - a)
    return rotation.slerp(rotation.normalize(a), rotation.normalize(b), share[:, 0])


def _world(
    order: list[int], parents: list[int], local: dict[int, dict[str, np.ndarray]]
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rotation, position and linear part (with scales) of each node in the world."""
    found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for node in order:
        move, turn, scale = (local[node][what] for what in _PARTS)
        linear = rotation.to_matrix(turn) * scale[:, None]
        if parents[node] >= 0:
            above, place, stretch = found[parents[node]]
            move = place + (stretch @ move[..., None])[..., 0]
            turn = rotation.multiply(*np.broadcast_arrays(above, turn))
            linear = stretch @ linear
        found[node] = turn, move, linear
    return found


def _rig(
    file: Gltf,
    order: list[int],
    parents: list[int],
    clock: tuple[int, float],
    rest: dict[int, Any],
    moving: dict[int, Any],
) -> Rig:
    """A rig whose nodes are where the file has them, turned from the rest pose."""
    frames, fps = clock
    place = {node: at for at, node in enumerate(order)}
    above = [place[parents[node]] if parents[node] >= 0 else -1 for node in order]
    still = np.stack([rest[node][1][0] for node in order])
    world = np.empty((frames, len(order), 4))
    points = np.empty((frames, len(order), 3))
    for at, node in enumerate(order):
        world[:, at] = rotation.multiply(moving[node][0], rotation.conjugate(rest[node][0]))
        points[:, at] = moving[node][1]
    offsets, turns, moves = still.copy(), world.copy(), points.copy()
    for at, up in enumerate(above):
        if up >= 0:
            back = rotation.conjugate(world[:, up])
            offsets[at] = still[at] - still[up]
            turns[:, at] = rotation.multiply(back, world[:, at])
            moves[:, at] = rotation.rotate(back, points[:, at] - points[:, up])
    return Rig(_names(file, order), tuple(above), offsets, fps, turns, moves)


def _names(file: Gltf, order: list[int]) -> tuple[str, ...]:
    """Names of nodes, made different where they are not."""
    found: dict[str, None] = {}
    for node in order:
        name = file.items("nodes")[node].get("name")
        name = name if isinstance(name, str) and name else f"node{node}"
        found[name if name not in found else f"{name}#{node}"] = None
    return tuple(found)
