"""Bones: joint positions from local rotations, and the rigid bones that follow captured joints.

Captured, and generated, joints do not keep exact distances. Files that animators open hold a rest
pose and rotations, so `fit` looks for one rest pose per clip and the rotations that bring it
nearest to the joints in every frame.

Shapes: T frames, J joints. Quaternions are w, x, y, z; lengths are metres (KIT-ML: its own unit).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.motion import rotation
from motiongpt3.motion.skeleton import Skeleton

_SHAPE_PASSES = 4
"""Alternations between one shape per clip and one rotation per frame for joints that branch."""

_LENGTH_PASSES = 2
"""Alternations between bone lengths and the frames aimed with them."""

_PRIOR = 1e-9
"""Weight of "as the parent" in a branching joint: it only decides what the bones leave open."""


@dataclass(frozen=True, eq=False)
class RigidFit:
    """A clip as a rest pose and rotations.

    Attributes:
        offsets: (J, 3) joint minus parent in the rest pose, a T-pose facing +Z; zero for the root.
        rotations: (T, J, 4) local rotation of every joint; identity where a chain ends.
        root: (T, 3) position of the root.
        error: largest distance between a joint of the clip and of the fit.
    """

    offsets: Float[np.ndarray, "J 3"]
    rotations: Float[np.ndarray, "T J 4"]
    root: Float[np.ndarray, "T 3"]
    skeleton: Skeleton = field(repr=False)
    error: float

    @property
    def joints(self) -> Float[np.ndarray, "T J 3"]:
        """Joint positions of the fit."""
        return forward(self.rotations, self.root, self.offsets, self.skeleton)


def forward(
    rotations: Float[np.ndarray, "T J 4"],
    root: Float[np.ndarray, "T 3"],
    offsets: Float[np.ndarray, "J 3"],
    skeleton: Skeleton,
) -> Float[np.ndarray, "T J 3"]:
    """Forward kinematics: joint positions from local rotations, root path and rest pose."""
    world = np.empty_like(rotations)
    joints = np.empty((*rotations.shape[:-1], 3), rotations.dtype)
    world[:, 0], joints[:, 0] = rotations[:, 0], root
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        world[:, joint] = rotation.multiply(world[:, parent], rotations[:, joint])
        joints[:, joint] = joints[:, parent] + rotation.rotate(world[:, parent], offsets[joint])
    return joints


def fit(joints: Float[np.ndarray, "T J 3"], skeleton: Skeleton) -> RigidFit:
    """The rigid bones that follow a clip most closely.

    Joints with several children (pelvis, chest) take one shape per clip, found by alternating
    least squares. Every other bone is aimed from where the fit has its parent at where the clip
    has its end, so that deviations do not add up along a limb; it takes the shortest turn from
    its parent. Lengths sit halfway between the shortest and the longest the clip shows.

    A clip whose bones are rigid is reproduced exactly. The rest pose is a T-pose, so no shortest
    turn comes near its singular direction in ordinary movement and rotations are smooth in time.
    """
    joints = np.asarray(joints, np.float64)
    offsets = _rest_pose(joints, skeleton)
    root = joints[:, 0]
    for joint, children in enumerate(skeleton.children):
        if len(children) > 1:
            bones = joints[:, children] - joints[:, joint, None]
            shift = _branch_shape(bones, offsets, list(children), free_centre=joint == 0)
            root = root + shift if joint == 0 else root
    for _ in range(_LENGTH_PASSES):
        world, placed = _aim(joints, root, offsets, skeleton)
        _set_lengths(offsets, joints, placed, skeleton)
    world, placed = _aim(joints, root, offsets, skeleton)
    local = world.copy()
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        local[:, joint] = rotation.multiply(rotation.conjugate(world[:, parent]), world[:, joint])
    error = float(np.linalg.norm(placed - joints, axis=-1).max())
    return RigidFit(offsets, _continuous(local), root, skeleton, error)


def on_rest(fit: RigidFit, rest: Float[np.ndarray, "J 3"]) -> RigidFit:
    """The same motion told from another rest pose: rotations change, joints do not.

    Args:
        rest: (J, 3) joint minus parent in the other rest pose. Only directions count, since the
            bones keep their lengths; where several leave a joint they keep their shape too, and are
            turned as near to the given ones as they go. The others take the shortest turn from
            their parent, as in `fit`.
    """
    world = np.empty_like(fit.rotations)
    local, offsets = np.empty_like(world), np.zeros_like(fit.offsets)
    turned = np.empty_like(world)
    for joint, children in enumerate(map(list, fit.skeleton.children)):
        parent = fit.skeleton.parents[joint]
        above = turned[:, parent] if joint else np.eye(4)[:1]
        once = world[:, parent] if joint else above
        world[:, joint] = rotation.multiply(once, fit.rotations[:, joint])
        if len(children) > 1:
            turn = _align(rest[children], fit.offsets[None, children])[0]
            offsets[children] = rotation.rotate(rotation.conjugate(turn), fit.offsets[children])
            turned[:, joint] = rotation.multiply(world[:, joint], turn)
        elif children:
            bone = fit.offsets[children[0]]
            offsets[children[0]] = rotation.normalize(rest[children[0]]) * np.linalg.norm(bone)
            now = rotation.rotate(above, offsets[children[0]])
            aimed = rotation.between(now, rotation.rotate(world[:, joint], bone))
            turned[:, joint] = rotation.multiply(aimed, above)
        else:
            turned[:, joint] = above
        local[:, joint] = rotation.multiply(rotation.conjugate(above), turned[:, joint])
    return replace(fit, offsets=offsets, rotations=_continuous(local))


def rest_directions(skeleton: Skeleton) -> Float[np.ndarray, "J 3"]:
    """Unit bone directions of the T-pose: arms out to the sides, spine and head straight up.

    The skeleton's own directions let arms hang and the head look ahead; a raised arm would be
    opposite to that, where the shortest turn is not defined. The left is at +X, also for KIT-ML.
    """
    directions = skeleton.raw_offsets.astype(np.float64)
    for joint, name in enumerate(skeleton.joints):
        side = {"left": 1.0, "right": -1.0}.get(name.partition("_")[0])
        if side is not None and directions[joint, 0]:
            directions[joint, 0] = side
    for chain in skeleton.chains:
        first = directions[chain[1]]
        if chain[0] != 0 or first[1] > 0:
            directions[list(chain[1:])] = first
    return directions


def _rest_pose(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    offsets = rest_directions(skeleton)
    parents = list(skeleton.parents)
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, parents[1:]], axis=-1)
    offsets[0] = 0
    offsets[1:] *= (lengths.min(0) + lengths.max(0))[:, None] / 2
    return offsets


def _branch_shape(
    bones: Float[np.ndarray, "T n 3"], offsets: np.ndarray, children: list[int], free_centre: bool
) -> Float[np.ndarray, "T 3"] | float:
    """Replace the children's offsets by the one shape nearest to all frames.

    Returns:
        How far the centre moves in each frame to share the deviation; 0 where it is fixed.
    """
    template = offsets[children]
    shape, shift = template, np.zeros((len(bones), 1, 3))
    for _ in range(_SHAPE_PASSES):
        turn = _align(shape, bones - shift)
        shape = rotation.rotate(rotation.conjugate(turn)[:, None], bones - shift).mean(0)
        if free_centre:  # the centre is one more point of the shape, at its origin
            miss = bones - rotation.rotate(turn[:, None], shape)
            shift = miss.sum(1, keepdims=True) / (len(children) + 1)
    offsets[children] = rotation.rotate(_align(shape, template[None]), shape)
    return shift[:, 0] if free_centre else 0.0


def _align(
    shape: Float[np.ndarray, "n 3"],
    points: Float[np.ndarray, "T n 3"],
    prior: Float[np.ndarray, "T 4"] | None = None,
) -> Float[np.ndarray, "T 4"]:
    """Rotations about the origin that bring a shape nearest to points (Kabsch)."""
    spread = np.einsum("tni,nj->tij", points, shape)
    scale = _PRIOR * max(float((shape**2).sum()), 1e-12)
    spread = spread + scale * (np.eye(3) if prior is None else rotation.to_matrix(prior))
    u, _, v = np.linalg.svd(spread)
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[:, None]  # a rotation, never a reflection
    return rotation.from_matrix(u @ v)


def _aim(
    joints: np.ndarray, root: np.ndarray, offsets: np.ndarray, skeleton: Skeleton
) -> tuple[Float[np.ndarray, "T J 4"], Float[np.ndarray, "T J 3"]]:
    """World rotations that point the bones of a rest pose at the joints, and where they end."""
    world = np.zeros((*joints.shape[:2], 4))
    placed = np.empty_like(joints)
    placed[:, 0] = root
    upright = np.zeros((len(joints), 4))
    upright[:, 0] = 1
    for joint, children in enumerate(skeleton.children):
        above = upright if joint == 0 else world[:, skeleton.parents[joint]]
        bones = joints[:, children] - placed[:, joint, None]
        if len(children) == 0:
            world[:, joint] = above
        elif len(children) == 1:
            now = rotation.rotate(above, offsets[children[0]])
            world[:, joint] = rotation.multiply(rotation.between(now, bones[:, 0]), above)
        else:
            world[:, joint] = _align(offsets[list(children)], bones, above)
        for child in children:
            placed[:, child] = placed[:, joint] + rotation.rotate(world[:, joint], offsets[child])
    return world, placed


def _set_lengths(
    offsets: np.ndarray, joints: np.ndarray, placed: np.ndarray, skeleton: Skeleton
) -> None:
    """Length of each aimed bone: the middle of what it would need over the clip."""
    for joint, children in enumerate(skeleton.children):
        if len(children) == 1:
            child = children[0]
            needed = np.linalg.norm(joints[:, child] - placed[:, joint], axis=-1)
            length = (needed.min() + needed.max()) / 2
            offsets[child] = rotation.normalize(offsets[child]) * length


def _continuous(rotations: Float[np.ndarray, "T J 4"]) -> Float[np.ndarray, "T J 4"]:
    """The same rotations with signs chosen so that neighbouring frames agree."""
    flips = (rotations[1:] * rotations[:-1]).sum(-1, keepdims=True) < 0
    signs = np.where(np.cumsum(flips, axis=0) % 2 == 1, -1.0, 1.0)
    return np.concatenate([rotations[:1], rotations[1:] * signs])
