"""From any skeleton to the 22 joints of HumanML3D, in metres with Y up.

`matching` says which node stands for which joint, `trunk` places those that files rarely hold, and
`orientation` finds unit and axes. What was decided is kept in the motion's provenance.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.formats import orientation, trunk
from motiongpt3.formats.joint_map import JointMap
from motiongpt3.formats.matching import Match, match
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.units import check_size
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D


def to_motion(rig: Rig, path: str, stated: JointMap | None = None) -> Motion:
    """The motion of the person that a file's skeleton stands for.

    Its provenance says `unit`, `up`, and of every joint `node`, the file's name of it, and `by`:
    "map", "name", "shape", or "placed" where no node stands for it.

    Raises:
        InputError: when joints are missing, or the figure's size or sides make no sense.
    """
    told = stated or JointMap()
    found = match(rig, path, told.nodes(rig))
    joints = map_joints(found)
    up = told.up or orientation.up_axis(joints, lambda: map_joints(found, at_rest=True))
    joints = orientation.y_up(joints, up)
    unit: str | float = orientation.unit_of(joints, path) if told.metres is None else told.metres
    joints = joints * (orientation.UNITS[unit] if isinstance(unit, str) else unit)
    check_size(joints, HUMANML3D, path)
    orientation.check_sides(joints, path)
    origin = {"file": path, "unit": unit, "up": up, "joints": _origins(found)}
    if stated:
        origin["map"] = stated.source
    return Motion(joints, told.fps or rig.fps, HUMANML3D, provenance=origin)


def map_joints(found: Match, at_rest: bool = False) -> Float[np.ndarray, "T 22 3"]:
    """The 22 joints in the file's own unit and axes, in motion or in the rest pose."""
    rig = found.rig.at_rest if at_rest else found.rig
    at = {joint: rig.joints[:, node] for joint, node in found.nodes.items()}
    if len(at) < len(HUMANML3D.joints):
        at = trunk.place(at, [rig.joints[:, node] for node in _between(found)]) | at
    return np.stack([at[joint] for joint in HUMANML3D.joints], axis=1)


def _between(found: Match) -> list[int]:
    """Nodes on the way from the one that carries both hips and the neck up to the neck."""
    rig, nodes = found.rig, found.nodes
    hips = set(rig.above(nodes["left_hip"])) & set(rig.above(nodes["right_hip"]))
    return [node for node in rig.above(nodes["neck"]) if node not in hips][::-1]


def _origins(found: Match) -> dict[str, dict[str, Any]]:
    placed = {"node": None, "by": "placed"}
    return {
        joint: {"node": found.rig.names[found.nodes[joint]], "by": found.how[joint]}
        if found.how.get(joint, "placed") != "placed"
        else placed
        for joint in HUMANML3D.joints
    }
