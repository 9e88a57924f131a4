"""The two skeletons of the field: HumanML3D's 22 joints and KIT-ML's 21."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError


@dataclass(frozen=True)
class Skeleton:
    """Joints, the tree they form, and which of them the features treat specially."""

    name: str
    joints: tuple[str, ...]
    chains: tuple[tuple[int, ...], ...]
    """Root-to-tip joint lists, in the order HumanML3D's inverse kinematics visits them."""
    raw_offsets: Float[np.ndarray, "J 3"] = field(repr=False, compare=False)
    """Unit direction of the bone that ends at each joint, as the published features have it.

    KIT-ML's put the right side at +X, where somebody facing +Z has the left; every rotation of its
    right and left limbs starts from there. `kinematics.rest_directions` is the T-pose.
    """
    left_foot: tuple[int, int]
    """The two left joints whose contact with the ground is a feature; the second is the toe."""
    right_foot: tuple[int, int]
    facing: tuple[int, int, int, int]
    """Right hip, left hip, right shoulder, left shoulder: they say where the body looks."""
    mirror: tuple[int, ...]
    """Index of the joint that takes each joint's place when left and right are swapped."""
    fps: float
    metres: float
    """Size of the unit that positions are in, metres."""
    contact_threshold: float
    """A foot is in contact when its squared step from frame to frame is below this."""
    neck_beyond: float = 0.0
    """How far the neck goes on beyond the joint named head, in lengths of the bone before it."""

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Parent of each joint, -1 for the root. A parent always comes before its children."""
        parents = [-1] * len(self.joints)
        for chain in self.chains:
            for parent, child in zip(chain, chain[1:], strict=False):
                parents[child] = parent
        return tuple(parents)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of each joint, in index order."""
        return tuple(
            tuple(c for c, p in enumerate(self.parents) if p == j) for j in range(len(self.joints))
        )

    @cached_property
    def legs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Left and right leg: hip, knee, ankle and what follows to the toe."""
        left, right = (
            next(chain[1:] for chain in self.chains if foot[1] in chain)
            for foot in (self.left_foot, self.right_foot)
        )
        return left, right

    @property
    def dim(self) -> int:
        """Length of one frame's feature vector: 263 for 22 joints, 251 for 21."""
        return 12 * len(self.joints) - 1

    def index(self, joint: str) -> int:
        """Position of a joint by name."""
        return self.joints.index(joint)


def _swap(joints: tuple[str, ...]) -> tuple[int, ...]:
    other = {"left": "right", "right": "left"}

    def mirrored(name: str) -> str:
        side, _, rest = name.partition("_")
        return f"{other[side]}_{rest}" if side in other else name

    return tuple(joints.index(mirrored(name)) for name in joints)


_HUMANML3D_JOINTS = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 "
    "left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder "
    "left_elbow right_elbow left_wrist right_wrist"
)
_KIT_JOINTS = (
    "root spine1 spine2 neck head right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist right_hip right_knee right_ankle right_foot right_toe left_hip left_knee "
    "left_ankle left_foot left_toe"
)
_X, _Y, _Z = np.eye(3)

HUMANML3D = Skeleton(
    name="humanml3d",
    joints=tuple(_HUMANML3D_JOINTS.split()),
    chains=(
        (0, 2, 5, 8, 11),
        (0, 1, 4, 7, 10),
        (0, 3, 6, 9, 12, 15),
        (9, 14, 17, 19, 21),
        (9, 13, 16, 18, 20),
    ),
    raw_offsets=np.stack(
        [0 * _X, _X, -_X, _Y, -_Y, -_Y, _Y, -_Y, -_Y, _Y, _Z, _Z, _Y, _X, -_X, _Z] + [-_Y] * 6
    ),
    left_foot=(7, 10),
    right_foot=(8, 11),
    facing=(2, 1, 17, 16),
    mirror=_swap(tuple(_HUMANML3D_JOINTS.split())),
    fps=20.0,
    metres=1.0,
    contact_threshold=0.002,
)
"""SMPL's first 22 joints in metres at 20 frames per second (HumanML3D)."""

KIT = Skeleton(
    name="kit",
    joints=tuple(_KIT_JOINTS.split()),
    chains=(
        (0, 11, 12, 13, 14, 15),
        (0, 16, 17, 18, 19, 20),
        (0, 1, 2, 3, 4),
        (3, 5, 6, 7),
        (3, 8, 9, 10),
    ),
    raw_offsets=np.stack(
        [0 * _X, _Y, _Y, _Y, _Y, _X, -_Y, -_Y, -_X, -_Y, -_Y]
        + [_X, -_Y, -_Y, _Z, _Z, -_X, -_Y, -_Y, _Z, _Z]
    ),
    left_foot=(19, 20),
    right_foot=(14, 15),
    facing=(11, 16, 5, 8),
    mirror=_swap(tuple(_KIT_JOINTS.split())),
    fps=12.5,
    metres=0.75 / 480,
    contact_threshold=0.05,
    neck_beyond=2.0,
)
"""The Master Motor Map joints of KIT-ML at 12.5 frames per second.

KIT-ML scales every subject to the Master Motor Map's reference body, which is 1000 units tall. The
unit is near a millimetre in number only: 480 units are the 0.75 m of an adult's leg (TEMOS). There
is no joint in the head: the one of that name is the top of the neck.
"""

SKELETONS = (HUMANML3D, KIT)


def skeleton_of(dim: int, where: str = "features") -> Skeleton:
    """The skeleton whose features have this many numbers per frame.

    Raises:
        InputError: when it is neither HumanML3D's 263 nor KIT-ML's 251.
    """
    for skeleton in SKELETONS:
        if skeleton.dim == dim:
            return skeleton
    raise InputError(
        f"features have {dim} numbers per frame",
        where=where,
        hint="HumanML3D has 263 and KIT-ML 251",
    )
