"""Writing AMC with its ASF: the rest pose and rotations of the rigid bones that follow a motion.

In CMU's unit, Y up, angles in degrees about the world's axes. A bone is called after the joint
where it starts and leads to that joint's first child; `amc.bridged` says which joints need one
more, without rotation, to be reached. Numbers have seven decimals, so files read back equal forward
kinematics of the rigid fit to well below 0.1 mm.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.amc import CMU_UNIT, JOINT, bridged
from motiongpt3.formats.asf import CMU_LENGTH
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion

_TIP = 0.5
"""Length of the last bone of a limb (fingers, toe tips, crown) relative to the one before."""

_HEAD = f"""# motiongpt3
:version 1.10
:name motiongpt3
:units
  mass 1.0
  length {CMU_LENGTH}
  angle deg
:documentation
  Lengths are inches times {CMU_LENGTH}, as CMU has them. Y is up.
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
"""

_TURNS = """
  dof rx ry rz
  limits (-360 360)
    (-360 360)
    (-360 360)"""
"""Some readers take a bone without limits for one that cannot turn."""


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion as AMC, and its skeleton beside it, of the same name, as ASF.

    Raises:
        ResourceError: when the place cannot be written.
    """
    fit = kinematics.fit(motion.joints, motion.skeleton)
    texts = {Path(path).with_suffix(".asf"): _skeleton(fit), Path(path): _frames(fit, motion.fps)}
    for file, text in texts.items():
        with atomic_write(file) as part:
            part.write_text(text, encoding="ascii")


def _skeleton(fit: kinematics.RigidFit) -> str:
    """The text of the ASF."""
    skeleton, offsets = fit.skeleton, fit.offsets / CMU_UNIT * fit.skeleton.metres
    names = ["root", *skeleton.joints[1:]]
    data: list[str] = []
    tree: list[str] = []

    def add(name: str, parent: str, extent: Float[np.ndarray, "3"], turns: str = "") -> None:
        data.append(_bone(len(data) + 1, name, extent, turns))
        tree.append(f"  {parent} {name}\n")

    for joint, is_bridged in enumerate(bridged(skeleton)):
        parent, children = skeleton.parents[joint], skeleton.children[joint]
        if parent < 0:
            continue
        above = names[parent]
        if is_bridged:
            start = offsets[skeleton.children[parent][0]] if parent else np.zeros(3)
            add(names[joint] + JOINT, above, offsets[joint] - start)
            above = names[joint] + JOINT
        if children:
            add(names[joint], above, offsets[children[0]], _TURNS)
        else:
            add(names[joint], above, _TIP * offsets[joint])
    return f"{_HEAD}:bonedata\n{''.join(data)}:hierarchy\n  begin\n{''.join(tree)}  end\n"


def _bone(number: int, name: str, extent: Float[np.ndarray, "3"], turns: str) -> str:
    length = float(np.linalg.norm(extent))
    x, y, z = rotation.normalize(extent) + 0.0  # never -0
    return f"""  begin
  id {number}
  name {name}
  direction {x:.10f} {y:.10f} {z:.10f}
  length {length:.9f}
  axis 0 0 0 XYZ{turns}
  end
"""


def _frames(fit: kinematics.RigidFit, fps: float) -> str:
    """The text of the AMC."""
    skeleton = fit.skeleton
    turning = [joint for joint, children in enumerate(skeleton.children) if children]
    # X, Y and Z in turn about the world's axes are Z, Y and X in turn about the body's.
    angles = rotation.to_euler(fit.rotations[:, turning], "ZYX")[..., ::-1]
    # No jumps of a full turn between frames: tools that interpolate angles would spin.
    degrees = np.degrees(np.unwrap(angles, axis=0))
    root = fit.root / CMU_UNIT * skeleton.metres
    columns = np.concatenate([root, degrees.reshape(len(root), -1)], axis=1)
    names = [skeleton.joints[joint] for joint in turning[1:]]
    row = ["root" + 6 * " %.7f", *(name + 3 * " %.7f" for name in names)]
    numbers = np.column_stack([np.arange(1, len(root) + 1), columns])
    block = io.StringIO()
    np.savetxt(block, numbers, fmt="\n".join(["%d", *row]))
    return (
        f"# motiongpt3\n:SAMPLES-PER-SECOND {fps:.12g}\n:FULLY-SPECIFIED\n:DEGREES\n"
        + block.getvalue()
    )
