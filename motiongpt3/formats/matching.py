"""Which node of a file stands for which joint of a person: as a map says, by name, or by shape.

A map comes first. Names come next, as long as they agree with the tree: a knee is below its hip.
What is then still open is sought by shape (see `shape`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import shape
from motiongpt3.formats.limbs import LEG, SIDES, Shape
from motiongpt3.formats.names import candidates, smpl_spine
from motiongpt3.formats.rig import Rig
from motiongpt3.motion.rotation import cross, normalize
from motiongpt3.motion.skeleton import HUMANML3D

PLACED = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
"""Joints that few files have where HumanML3D has them; without a node they are placed."""
NEEDED = tuple(joint for joint in HUMANML3D.joints if joint not in PLACED)

_BELOW = {"knee": "hip", "ankle": "knee", "foot": "ankle", "elbow": "shoulder", "wrist": "elbow"}
_TOE = np.array([0.0, -0.075, 0.16])
"""The foot joint of SMPL seen from the ankle (left, up, front), in leg lengths."""
_ON_FOURS = 0.5
"""A trunk whose cosine with the legs is nearer to 0 than this lies along the ground."""

Nodes = dict[str, int]


@dataclass(frozen=True, eq=False)
class Match:
    """A skeleton whose nodes are known.

    Attributes:
        rig: the file's skeleton, with feet put to it where it has none.
        nodes: the node of each joint; those of `PLACED` may be missing.
        how: for each of them "map", "name" or "shape"; "placed" for a foot that was put there.
    """

    rig: Rig
    nodes: Mapping[str, int]
    how: Mapping[str, str]


def match(rig: Rig, path: str, stated: Mapping[str, int] | None = None) -> Match:
    """Find the joints of a person in a skeleton.

    Args:
        stated: nodes that are known.

    Raises:
        InputError: listing what nothing in the file stands for.
    """
    nodes, why = dict(stated or {}), ""
    how = dict.fromkeys(nodes, "map")
    named = _by_name(rig, nodes)
    nodes |= named
    how |= dict.fromkeys(named, "name")
    if any(joint not in nodes for joint in NEEDED if not joint.endswith("foot")):
        formed, missing = shape.find(rig, nodes)
        nodes |= formed
        how |= dict.fromkeys(formed, "shape")
        why = "".join(f": {words}" for words in missing)
    missing = [joint for joint in NEEDED if joint not in nodes]
    if missing and all(joint.endswith("foot") for joint in missing):
        toes = _toes(rig, nodes, missing)
        rig, feet = _with_feet(rig, nodes, [joint for joint in missing if joint not in toes])
        nodes |= toes | feet
        how |= dict.fromkeys(toes, "shape") | dict.fromkeys(feet, "placed")
        missing = [joint for joint in NEEDED if joint not in nodes]
    if missing:
        raise _refusal(rig, path, missing, why)
    if not stated and _on_fours(rig, nodes):
        raise InputError(
            "the skeleton stands on four legs",
            where=path,
            hint="a person's is needed; for a person, name the joints in a map",
        )
    return Match(rig, nodes, how)


def _refusal(rig: Rig, path: str, missing: Iterable[str], why: str) -> InputError:
    return InputError(
        f"no joint stands for {', '.join(missing)}, by name or by shape{why}",
        where=path,
        hint="a human skeleton is needed; joints of other names can be given in a map "
        f"(docs/formats.md); the file has {', '.join(rig.names)[:120]} ...",
    )


def _by_name(rig: Rig, stated: Mapping[str, int]) -> Nodes:
    """Joints that names give and the tree allows; a node stands for one joint only."""
    found = dict(stated)
    used = set(stated.values())
    for joint, nodes in candidates(rig.names):
        side, _, part = joint.rpartition("_")
        upper = found.get(f"{side}_{_BELOW.get(part)}")
        lower = found.get(f"{side}_shoulder") if part == "collar" else None
        free = [
            node
            for node in nodes
            if node not in used
            and (upper is None or upper in rig.above(node))
            and (lower is None or node in rig.above(lower))
        ]
        if joint not in found and free:
            found[joint] = free[0]
            used.add(free[0])
    trunk = smpl_spine(rig.names)
    if trunk and "left_collar" in found and "right_collar" in found:
        found = {**trunk, **found}
    else:
        found = {j: n for j, n in found.items() if j in stated or not j.endswith("collar")}
    return {joint: node for joint, node in found.items() if joint not in stated}


def _toes(rig: Rig, nodes: Nodes, missing: Iterable[str]) -> Nodes:
    """What the feet of a file without toe joints end at: often the ends of the ankles' chains."""
    seen = Shape(rig)
    found = {}
    for joint in missing:
        hip, knee, ankle = (nodes[joint.replace("foot", part)] for part in LEG)
        toe = seen.toe((hip, knee, ankle)) if {hip, knee} <= {*rig.above(ankle)} else None
        if toe is not None:
            found[joint] = toe
    return found


def _with_feet(rig: Rig, nodes: Nodes, missing: Iterable[str]) -> tuple[Rig, Nodes]:
    """Feet that look ahead from the ankles, where the rest pose stands and says where that is."""
    rest = rig.at_rest.joints[0]
    axes = _stance(rest, nodes)
    if axes is None:
        return rig, {}
    leg = float(np.linalg.norm(rest[nodes["left_ankle"]] - rest[nodes["left_hip"]]))
    found = {}
    for joint in missing:
        ankle = nodes[joint.replace("foot", "ankle")]
        rig = rig.with_node(f"{rig.names[ankle]}_Toe", ankle, axes @ (leg * _TOE))
        found[joint] = len(rig.names) - 1
    return rig, found


def _stance(rest: Float[np.ndarray, "N 3"], nodes: Nodes) -> Float[np.ndarray, "3 3"] | None:
    """Left, up and front of someone who stands; nothing where the rest pose does not."""
    left = rest[nodes["left_hip"]] - rest[nodes["right_hip"]]
    legs, trunk = _legs(rest, nodes), _trunk(rest, nodes)
    up = normalize(trunk - legs)
    left = normalize(left - (left @ up) * up)
    if legs @ trunk > -_ON_FOURS or abs(np.linalg.norm(left) - 1) > 1e-3:
        return None
    return np.stack([left, up, cross(left, up)], axis=-1)


def _on_fours(rig: Rig, nodes: Nodes) -> bool:
    """Whether trunk and legs are square to each other at rest and the arms go where legs go."""
    rest = rig.at_rest.joints[0]
    legs = _legs(rest, nodes)
    arms = _way(rest, nodes, "shoulder", "wrist")
    return bool(abs(legs @ _trunk(rest, nodes)) < _ON_FOURS and legs @ arms > 1 - _ON_FOURS / 2)


def _legs(rest: Float[np.ndarray, "N 3"], nodes: Nodes) -> Float[np.ndarray, "3"]:
    return _way(rest, nodes, "hip", "ankle")


def _trunk(rest: Float[np.ndarray, "N 3"], nodes: Nodes) -> Float[np.ndarray, "3"]:
    hips = [nodes["left_hip"], nodes["right_hip"]]
    return normalize(rest[nodes["neck"]] - rest[hips].mean(0))


def _way(
    rest: Float[np.ndarray, "N 3"], nodes: Nodes, upper: str, lower: str
) -> Float[np.ndarray, "3"]:
    """Direction of both sides' limbs together."""
    ways = [rest[nodes[f"{s}_{lower}"]] - rest[nodes[f"{s}_{upper}"]] for s in SIDES]
    return normalize(ways[0] + ways[1])
