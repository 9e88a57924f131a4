"""Writing BVH: the rest pose and rotations of the rigid bones that follow a motion.

The layout is described in `own`. Numbers have six decimals, so a file read back equals forward
kinematics of the rigid fit to well below 0.1 mm.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.formats import own
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion

_TIP = 0.5
"""Length of the last piece of a limb (fingers, toe tips, crown) relative to the bone before."""


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion as BVH in centimetres, Y up.

    Raises:
        ResourceError: when the place cannot be written.
    """
    fit = kinematics.fit(motion.joints, motion.skeleton)
    text = "\n".join([*_hierarchy(fit), "MOTION", *_motion(fit, motion.fps)])
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="ascii")


def _hierarchy(fit: kinematics.RigidFit) -> list[str]:
    """Lines of the joint tree."""
    scale = own.file_units(fit.skeleton)
    lines = ["HIERARCHY"]
    depth = 0
    for joint in _depth_first(fit.skeleton.children):
        parent = fit.skeleton.parents[joint]
        while depth > _depth(fit.skeleton.parents, joint):
            depth -= 1
            lines.append("\t" * depth + "}")
        tab = "\t" * depth
        word = "ROOT" if parent < 0 else "JOINT"
        turns = own.TURNS if parent >= 0 else own.MOVES + own.TURNS
        lines += [f"{tab}{word} {fit.skeleton.joints[joint]}", f"{tab}{{"]
        lines += [f"{tab}\tOFFSET {_numbers(fit.offsets[joint] * scale)}"]
        lines += [f"{tab}\tCHANNELS {len(turns)} {' '.join(turns)}"]
        depth += 1
        if not fit.skeleton.children[joint]:
            tip = _numbers(fit.offsets[joint] * scale * _TIP)
            lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {tip}", f"{tab}\t}}"]
    return lines + ["\t" * level + "}" for level in reversed(range(depth))]


def _motion(fit: kinematics.RigidFit, fps: float) -> list[str]:
    """Lines of the frames."""
    order = _depth_first(fit.skeleton.children)
    angles = rotation.to_euler(fit.rotations[:, order], own.ORDER)
    # No jumps of a full turn between frames: tools that interpolate angles would spin.
    degrees = np.degrees(np.unwrap(angles, axis=0)).reshape(len(angles), -1)
    values = np.concatenate([fit.root * own.file_units(fit.skeleton), degrees], axis=1)
    block = io.StringIO()
    np.savetxt(block, values, fmt="%.6f")
    return [f"Frames: {len(values)}", f"Frame Time: {1 / fps:.12g}", block.getvalue().rstrip()]


def _depth_first(children: tuple[tuple[int, ...], ...]) -> list[int]:
    """Joints in the order BVH lists them."""
    order, waiting = [], [0]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        waiting += reversed(children[joint])
    return order


def _depth(parents: tuple[int, ...], joint: int) -> int:
    depth = 0
    while (joint := parents[joint]) >= 0:
        depth += 1
    return depth


def _numbers(values: Float[np.ndarray, "3"]) -> str:
    return " ".join(f"{v:.6f}" for v in np.round(values, 6) + 0.0)  # never -0
