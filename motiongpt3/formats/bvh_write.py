"""Writing BVH: any rig with channels, and the rigid bones that follow a motion in our own layout.

Our layout is described in `own`. Numbers have six decimals, so a file read back equals forward
kinematics of the rigid fit to well below 0.1 mm.
"""

import io
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float

from motiongpt3.formats import own
from motiongpt3.formats.bvh import Bvh
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import EulerOrder

_TIP = 0.5
"""Length of the last piece of a limb (fingers, toe tips, crown) relative to the bone before."""


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion as BVH in centimetres, Y up.

    Raises:
        ResourceError: when the place cannot be written.
    """
    write_rig(_own(kinematics.fit(motion.joints, motion.skeleton), motion.fps), path)


def write_rig(rig: Bvh, path: str | Path) -> None:
    """Write a rig, with its channels where they suffice.

    A node that turns gets three angles; one that leaves its offset, or the root, three positions.

    Raises:
        ResourceError: when the place cannot be written.
    """
    children: list[list[int]] = [[] for _ in rig.names]
    for node, parent in enumerate(rig.parents[1:], start=1):
        children[parent].append(node)
    order = _depth_first(children)
    channels = {node: _channels(rig, node, bool(children[node])) for node in order}
    text = "\n".join(
        [*_hierarchy(rig, order, channels), "MOTION", *_motion(rig, order, channels), ""]
    )
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def _own(fit: kinematics.RigidFit, fps: float) -> Bvh:
    """The fit with the ends of its limbs, in our layout."""
    scale, skeleton = own.file_units(fit.skeleton), fit.skeleton
    tips = [joint for joint, below in enumerate(skeleton.children) if not below]
    offsets = np.concatenate([fit.offsets, _TIP * fit.offsets[tips]]) * scale
    still = np.zeros((len(fit.root), len(tips), 4))
    still[..., 0] = 1
    positions = np.repeat(offsets[None], len(fit.root), axis=0)
    positions[:, 0] = fit.root * scale
    return Bvh(
        names=(*skeleton.joints, *(f"{skeleton.joints[joint]}_End" for joint in tips)),
        parents=(*skeleton.parents, *tips),
        offsets=offsets,
        fps=fps,
        rotations=np.concatenate([fit.rotations, still], axis=1),
        positions=positions,
        channels=(
            own.MOVES + own.TURNS,
            *[own.TURNS] * (len(skeleton.joints) - 1),
            *[()] * len(tips),
        ),
    )


def _channels(rig: Bvh, node: int, inner: bool) -> tuple[str, ...]:
    """The node's own channels, or those it needs for how it moves."""
    given = rig.channels[node]
    if not given and not inner:
        return ()
    moves = tuple(c for c in given if c.endswith("position"))
    turns = tuple(c for c in given if c.endswith("rotation"))
    leaves = bool((rig.positions[:, node] != rig.offsets[node]).any())
    if len(moves) < 3 and (leaves or moves or rig.parents[node] < 0):
        moves = own.MOVES
    return moves + (turns if len(turns) == 3 else own.TURNS)


def _hierarchy(rig: Bvh, order: list[int], channels: dict[int, tuple[str, ...]]) -> list[str]:
    """Lines of the tree."""
    lines, open_nodes = ["HIERARCHY"], list[int]()
    for node in order:
        while open_nodes and open_nodes[-1] != rig.parents[node]:
            open_nodes.pop()
            lines.append("\t" * len(open_nodes) + "}")
        tab, turns = "\t" * len(open_nodes), channels[node]
        word = "ROOT" if not open_nodes else "JOINT"
        lines += [f"{tab}{word} {rig.names[node]}" if turns else f"{tab}End Site", f"{tab}{{"]
        lines += [f"{tab}\tOFFSET {_numbers(rig.offsets[node])}"]
        if turns:
            lines += [f"{tab}\tCHANNELS {len(turns)} {' '.join(turns)}"]
        open_nodes.append(node)
    return lines + ["\t" * level + "}" for level in reversed(range(len(open_nodes)))]


def _motion(rig: Bvh, order: list[int], channels: dict[int, tuple[str, ...]]) -> list[str]:
    """Lines of the frames."""
    columns = []
    for node in order:
        turns = [c for c in channels[node] if c.endswith("rotation")]
        if not turns:
            continue
        axes = cast(EulerOrder, "".join(turn[0] for turn in turns))
        # No jumps of a full turn between frames: tools that interpolate angles would spin.
        angles = np.unwrap(rotation.to_euler(rig.rotations[:, node], axes), axis=0)
        values = dict(zip(turns, np.degrees(angles).T, strict=True))
        values |= dict(zip(own.MOVES, rig.positions[:, node].T, strict=True))
        columns += [values[channel] for channel in channels[node]]
    block = io.StringIO()
    np.savetxt(block, np.stack(columns, -1), fmt="%.6f")
    frames = len(rig.positions)
    return [f"Frames: {frames}", f"Frame Time: {1 / rig.fps:.12g}", block.getvalue().rstrip()]


def _depth_first(children: list[list[int]]) -> list[int]:
    """Nodes in the order BVH lists them."""
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += reversed(children[node])
    return order


def _numbers(values: Float[np.ndarray, "3"]) -> str:
    return " ".join(f"{v:.6f}" for v in np.round(values, 6) + 0.0)  # never -0
