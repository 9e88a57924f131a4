"""The skeleton of another tool that a motion is put on: its bones at rest, and what they stand for.

Presets are BVH files of rest poses in the package, in each tool's own names, unit and habits:
Mixamo's 65 joints in centimetres, the 31 of CMU's BVH files (cgspeed) in ASF units, SMPL's 24 in
metres. Any other BVH file with a person in it will do. N nodes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import bvh
from motiongpt3.formats.limbs import SIDES
from motiongpt3.formats.mapping import map_joints
from motiongpt3.formats.matching import Match, match
from motiongpt3.formats.orientation import UNITS, unit_of
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.units import stature
from motiongpt3.motion import rotation
from motiongpt3.motion.skeleton import HUMANML3D

PRESETS = ("mixamo", "cmu", "smpl")
_FOLDER = Path(__file__).parent / "skeletons"

_UPRIGHT = 0.8
"""Head above the feet, as a part of their distance, in a pose that can be understood."""
_APART = 0.02
"""Hips and hands of both sides are at least so far apart in such a pose, parts of the stature."""


@dataclass(frozen=True, eq=False)
class Target:
    """A skeleton to put motions on.

    Attributes:
        rig: names, tree, offsets and channels, in the file's own unit and axes.
        nodes: which node stands for each of our joints that has one.
        pelvis: the node that carries both legs and the spine.
        metres: length of the file's unit.
        axes: turn from the file's axes to ours, Y up.
        places: (N, 3) nodes in the reference pose, metres, our axes.
        turns: (N, 4) turns of the nodes in the reference pose in the world, the file's axes.
        reference: that pose: the rest pose, or the first frame of files whose rest is no person.
    """

    rig: bvh.Bvh
    nodes: dict[str, int]
    pelvis: int
    metres: float
    axes: Float[np.ndarray, "4"]
    places: Float[np.ndarray, "N 3"]
    turns: Float[np.ndarray, "N 4"]
    reference: Rig

    def spine(self) -> list[int]:
        """Nodes above the pelvis and below the neck, from below."""
        chain = self.rig.above(self.nodes["neck"])
        return chain[: chain.index(self.pelvis)][::-1]

    def length(self, *joints: str) -> float:
        """Length of a chain of bones, metres."""
        chain = self.places[[self.nodes[joint] for joint in joints]]
        return float(np.linalg.norm(np.diff(chain, axis=0), axis=-1).sum())


def load(skeleton: str | Path) -> Target:
    """A preset by its name, or the skeleton of a BVH file.

    Raises:
        InputError: for another name, a file that cannot be read, or no person's skeleton.
    """
    if str(skeleton) in PRESETS:
        return of(bvh.read(_FOLDER / f"{skeleton}.bvh"), str(skeleton))
    if Path(skeleton).suffix.lower() != ".bvh":
        raise InputError(
            f"no skeleton is called '{str(skeleton)[:80]}'",
            where="skeleton",
            hint=f"use {', '.join(PRESETS)} or a .bvh file",
        )
    return of(bvh.read(skeleton), str(skeleton))


def of(file: bvh.Bvh, path: str) -> Target:
    """The target in a file that is read.

    Raises:
        InputError: when joints are missing, or neither its rest pose nor first frame stands.
    """
    found = match(file, path)
    nodes = _nodes(file, found)
    for pose, at_rest in ((file.at_rest, True), (_first(file), False)):  # noqa: B007
        joints = map_joints(found, at_rest)[:1]
        size = stature(joints, HUMANML3D)
        up = _up(joints[0], size)
        if up:
            break
    else:
        raise InputError(
            "nobody stands upright in its rest pose or first frame",
            where=path,
            hint="export the skeleton in a T-pose",
        )
    quarter = np.array(-np.pi / 2 if up == "Z" else 0.0)
    axes, unit = rotation.about("X", quarter), UNITS[unit_of(joints, path)]
    places = rotation.rotate(axes, pose.joints[0]) * unit
    turns = world_turns(pose.rotations, file.parents)[0]
    hips = set(file.above(nodes["left_hip"])) & set(file.above(nodes["right_hip"]))
    shared = [node for node in file.above(nodes["neck"]) if node in hips]
    if not shared:
        raise InputError("legs and spine have no joint in common", where=path)
    return Target(file, nodes, shared[0], unit, axes, places, turns, pose)


def world_turns(
    rotations: Float[np.ndarray, "T N 4"], parents: tuple[int, ...]
) -> Float[np.ndarray, "T N 4"]:
    """Turns in the world from local ones."""
    world = rotations.copy()
    for node, parent in enumerate(parents):
        if parent >= 0:
            world[:, node] = rotation.multiply(world[:, parent], rotations[:, node])
    return world


def _nodes(file: Rig, found: Match) -> dict[str, int]:
    """The file's own nodes for limbs, neck and head; a foot without toes is its ankle."""
    nodes = {joint: found.nodes[joint] for joint in ("neck", "head")}
    neck = {nodes["neck"], *file.above(nodes["neck"])}
    for side in SIDES:
        for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
            nodes[f"{side}_{part}"] = found.nodes[f"{side}_{part}"]
        foot = f"{side}_foot"
        ankle = nodes[f"{side}_ankle"]
        nodes[foot] = ankle if found.how[foot] == "placed" else found.nodes[foot]
        collar = file.parents[nodes[f"{side}_shoulder"]]
        if collar not in neck:
            nodes[f"{side}_collar"] = collar
    return nodes


def _first(file: bvh.Bvh) -> Rig:
    return Rig(
        file.names,
        file.parents,
        file.offsets,
        file.fps,
        file.rotations[:1],
        file.positions[:1],
    )


def _up(joints: Float[np.ndarray, "22 3"], size: float) -> str:
    """ "Y" or "Z", the axis along which the figure stands; empty when it does not."""
    at = HUMANML3D.index
    feet = (joints[at("left_ankle")] + joints[at("right_ankle")]) / 2
    standing = rotation.normalize(joints[at("head")] - feet)
    pairs = [joints[at(f"left_{part}")] - joints[at(f"right_{part}")] for part in ("hip", "wrist")]
    if min(float(np.linalg.norm(pair)) for pair in pairs) < _APART * size:
        return ""
    return "Y" if standing[1] > _UPRIGHT else "Z" if standing[2] > _UPRIGHT else ""
