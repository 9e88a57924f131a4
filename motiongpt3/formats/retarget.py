"""A motion on the bones of another skeleton, and how much of it comes back.

Every limb points where the motion's does; the target keeps its own lengths and rest pose. Turns
about the bones are those of the motion's rigid fit, seen from its T-pose, to which the target is
brought first. The bend of the spine is spread over however many joints the target has, and what has
no counterpart (fingers, twist bones) follows its parent. The path is scaled by the length of the
legs, and moved so that the foot which stands stays in its place on the floor.

T frames, J = 22 joints, N nodes of the target.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats.bvh import Bvh
from motiongpt3.formats.target import Target, load, world_turns
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

_SIDES = ("left", "right")
LIMBS = tuple(
    (f"{side}_{start}", f"{side}_{end}")
    for side in _SIDES
    for start, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("ankle", "foot"),
        ("collar", "shoulder"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    )
) + (("neck", "head"),)
"""Bones that point as the motion's do, exactly."""

_FRAME = ("left_hip", "right_hip", "neck")
_LEG = ("hip", "knee", "ankle")
_SETTLES = 1.0
"""Seconds in which the body goes over to the place of the other foot."""
_LOW, _SLOW = 0.015, 0.5
"""Metres above the lower foot and metres per second by which a foot counts less as standing."""


@dataclass(frozen=True)
class Fidelity:
    """What came back when a file was read again.

    Attributes:
        scale: length of the target's legs, the motion's being 1.
        mean_degrees: between the directions of limbs.
        max_degrees: the worst limb and frame.
        mean_metres: between joints, the motion scaled.
        max_metres: the worst joint and frame.
    """

    scale: float
    mean_degrees: float
    max_degrees: float
    mean_metres: float
    max_metres: float


def retarget(motion: Motion, target: Target) -> Bvh:
    """The motion on the target's bones, in the target's unit and axes.

    Raises:
        InputError: for a motion without the 22 joints.
    """
    if motion.skeleton is not HUMANML3D:
        raise InputError(
            f"a motion of {motion.skeleton.name} cannot be put on other skeletons",
            where="skeleton",
            hint="only motions of the 22 joints can",
        )
    joints = motion.joints.astype(np.float64)
    turns = _turns(joints, target)
    places = _places(joints, turns, target, leg_ratio(joints, target), motion.fps)
    return _rig(turns, places, target, motion.fps)


def leg_ratio(joints: Float[np.ndarray, "T J 3"], target: Target) -> float:
    """Length of the target's legs, the motion's being 1."""
    at, theirs, ours = HUMANML3D.index, 0.0, 0.0
    for side in _SIDES:
        chain = [f"{side}_{part}" for part in _LEG]
        theirs += target.length(*chain)
        bones = np.diff(joints[:, [at(joint) for joint in chain]], axis=1)
        ours += float(np.linalg.norm(bones, axis=-1).mean(0).sum())
    return theirs / max(ours, 1e-9)


def compare(motion: Motion, back: Motion, scale: float) -> Fidelity:
    """How near a motion read from a file is to the one that was written there."""
    at = HUMANML3D.index
    # Files without our collars get them from the reader, by rule.
    bones = [bone for bone in LIMBS if "collar" not in bone[0]]
    starts, ends = ([at(bone[end]) for bone in bones] for end in (0, 1))
    said, meant = (
        rotation.normalize(m.joints[:, ends].astype(np.float64) - m.joints[:, starts])
        for m in (back, motion)
    )
    # By the sine where it is small: the cosine of tiny angles is all rounding.
    sine = np.linalg.norm(np.cross(said, meant), axis=-1)
    degrees = np.degrees(np.arctan2(sine, (said * meant).sum(-1)))
    metres = np.linalg.norm(back.joints - scale * motion.joints.astype(np.float64), axis=-1)
    return Fidelity(
        scale,
        float(degrees.mean()),
        float(degrees.max()),
        float(metres.mean()),
        float(metres.max()),
    )


def round_trip(motion: Motion, path: str | Path, skeleton: str | Path) -> Fidelity:
    """How near what a file says is to the motion that was written there on a skeleton."""
    scale = leg_ratio(motion.joints.astype(np.float64), load(skeleton))
    return compare(motion, Motion.read(path), scale)


def _turns(joints: Float[np.ndarray, "T J 3"], target: Target) -> Float[np.ndarray, "T N 4"]:
    """Turns of the target's nodes in the world from its reference pose."""
    fit = kinematics.fit(joints, HUMANML3D)
    world = world_turns(fit.rotations, HUMANML3D.parents)
    still = np.zeros((1, len(HUMANML3D.joints), 4))
    still[..., 0] = 1
    ours = kinematics.forward(still, np.zeros((1, 3)), fit.offsets, HUMANML3D)[0]
    aims = {node: aim for node, *aim in _aims(joints, world, ours, target)}
    at = HUMANML3D.index
    upright = rotation.conjugate(_facing(*(ours[at(joint)] for joint in _FRAME)))
    theirs = _facing(*(target.places[target.nodes[joint]] for joint in _FRAME))
    parents = target.rig.parents
    turns = np.zeros((len(joints), len(parents), 4))
    rest = np.zeros((len(parents), 4))  # brings the reference pose to the T-pose
    turns[..., 0], rest[:, 0] = 1, 1
    for node, parent in enumerate(parents):
        if node == target.pelvis:
            rest[node] = rotation.multiply(upright, theirs)
            turns[:, node] = rotation.multiply(world[:, 0], rest[node])
        elif parent >= 0:
            rest[node], turns[:, node] = rest[parent], turns[:, parent]
        if node in aims:
            child, ahead, guess, wanted = aims[node]
            bone = target.places[child] - target.places[node]
            now = rotation.rotate(rest[node], bone)
            rest[node] = rotation.multiply(rotation.between(now, ahead), rest[node])
            turn = rotation.multiply(guess, rest[node])
            off = rotation.between(rotation.rotate(turn, bone), wanted)
            turns[:, node] = rotation.multiply(off, turn)
    return turns


def _aims(
    joints: np.ndarray, world: np.ndarray, ours: np.ndarray, target: Target
) -> Iterator[tuple]:
    """Node, the one it points at, direction of that bone in the T-pose, its turn and direction."""
    at = HUMANML3D.index
    for start, end in LIMBS:
        if start in target.nodes and target.nodes[start] != target.nodes[end]:
            bone = joints[:, at(end)] - joints[:, at(start)]
            yield (
                target.nodes[start],
                target.nodes[end],
                ours[at(end)] - ours[at(start)],
                world[:, at(start)],
                bone,
            )
    spine = target.spine()
    if not spine:
        return
    chain = [at(joint) for joint in ("pelvis", "spine1", "spine2", "spine3", "neck")]
    nodes = [target.pelvis, *spine, target.nodes["neck"]]
    here, there = _shares(ours[chain]), _shares(target.places[nodes])
    points = np.diff(_along(joints[:, chain], here, there), axis=1)
    ahead = np.diff(_along(ours[None, chain], here, there)[0], axis=0)
    for step, (node, child) in enumerate(zip(spine, nodes[2:], strict=True), start=1):
        share = np.full(len(joints), step / len(spine))
        guess = rotation.slerp(world[:, 0], world[:, at("spine3")], share)
        yield node, child, ahead[step], guess, points[:, step]


def _shares(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """How far along a line through points each of them is, parts of its length."""
    way = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))]
    return way / max(way[-1], 1e-9)


def _along(
    points: Float[np.ndarray, "T n 3"], at: Float[np.ndarray, " n"], marks: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "T m 3"]:
    """Points at marks along a line through others."""
    piece = np.clip(np.searchsorted(at, marks, "right") - 1, 0, len(at) - 2)
    share = ((marks - at[piece]) / np.maximum(at[piece + 1] - at[piece], 1e-12))[:, None]
    return points[:, piece] * (1 - share) + points[:, piece + 1] * share


def _facing(
    left_hip: Float[np.ndarray, "3"],
    right_hip: Float[np.ndarray, "3"],
    neck: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "4"]:
    """The turn that lets a pose stand upright and face +Z."""
    left = rotation.normalize(left_hip - right_hip)
    up = neck - (left_hip + right_hip) / 2
    up = rotation.normalize(up - (up * left).sum() * left)
    return rotation.from_matrix(np.stack([left, up, np.cross(left, up)]))


def _places(
    joints: Float[np.ndarray, "T J 3"],
    turns: Float[np.ndarray, "T N 4"],
    target: Target,
    scale: float,
    fps: float,
) -> Float[np.ndarray, "T 3"]:
    """Where the target's pelvis is, metres: its hips on the scaled path, its feet on the floor."""
    at, nodes = HUMANML3D.index, target.nodes
    hips = [nodes[f"{side}_hip"] for side in _SIDES]
    hang = target.places[hips].mean(0) - target.places[target.pelvis]
    middle = joints[:, [at("left_hip"), at("right_hip")]].mean(1)
    pelvis = scale * middle - rotation.rotate(turns[:, target.pelvis], hang)
    feet = joints[:, [at("left_foot"), at("right_foot")]]
    misses = []
    for foot, side in enumerate(_SIDES):
        node = nodes[f"{side}_foot"]
        reached = pelvis.copy()
        for below in [node, *target.rig.above(node)]:
            if below == target.pelvis:
                break
            parent = target.rig.parents[below]
            bone = target.places[below] - target.places[parent]
            reached += rotation.rotate(turns[:, parent], bone)
        misses.append(scale * feet[:, foot] - reached)
    return pelvis + _correction(np.stack(misses, 1), _standing(feet, fps), fps)


def _correction(
    misses: Float[np.ndarray, "T 2 3"], weights: Float[np.ndarray, "T 2"], fps: float
) -> Float[np.ndarray, "T 3"]:
    """How to move the body so that the feet which bear it miss their places no more.

    In height at once. Along the ground it follows the feet's movement first, and goes over to the
    place of the other foot little by little: at once, the body would slide with every step.
    """
    wanted = (weights[..., None] * misses).sum(1)
    shift = wanted.copy()
    between = (weights[1:] + weights[:-1]) / 2
    moved = (between[..., None] * np.diff(misses, axis=0)).sum(1)
    leak = 1 / (_SETTLES * fps)
    for frame in range(1, len(shift)):
        at = shift[frame - 1] + moved[frame - 1]
        shift[frame] = at + min(leak, 1) * (wanted[frame] - at)
    shift[:, 1] = wanted[:, 1]
    return shift


def _standing(feet: Float[np.ndarray, "T 2 3"], fps: float) -> Float[np.ndarray, "T 2"]:
    """How much each foot bears of the body, from its height and speed; the two make up one."""
    speed = np.zeros(feet.shape[:2])
    if len(feet) > 1:
        speed = np.linalg.norm(np.gradient(feet, axis=0), axis=-1) * fps
    load = -feet[..., 1] / _LOW - speed / _SLOW
    share = np.exp(load - load.max(1, keepdims=True))
    return share / share.sum(1, keepdims=True)


def _rig(
    turns: Float[np.ndarray, "T N 4"], places: Float[np.ndarray, "T 3"], target: Target, fps: float
) -> Bvh:
    """The file's content: local turns and positions in its own axes and unit."""
    back, parents, pelvis = rotation.conjugate(target.axes), target.rig.parents, target.pelvis
    world = rotation.multiply(rotation.multiply(back, turns), target.axes)
    world = rotation.multiply(world, target.turns)
    local = world.copy()
    for node, parent in enumerate(parents):
        if parent >= 0:
            above = rotation.conjugate(world[:, parent])
            local[:, node] = rotation.multiply(above, world[:, node])
    positions = np.repeat(target.reference.positions[:1], len(turns), axis=0)
    place = rotation.rotate(back, places) / target.metres
    parent = parents[pelvis]
    if parent >= 0:  # a file with a joint above the pelvis, which stays where it is
        above = rotation.conjugate(target.turns[parent])
        place = rotation.rotate(above, place - target.reference.joints[0, parent])
    positions[:, pelvis] = place
    return replace(target.rig, fps=fps, rotations=local, positions=positions)
