"""The tree of a skeleton as limbs: branches, how long they are, and the joints along them.

Shapes: P poses (the rest pose, or frames of the motion), N nodes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.rig import Rig
from motiongpt3.motion.rotation import normalize

LEG, ARM = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
SIDES = ("left", "right")
_UNEVEN = 2.0
"""Thigh and shin, or upper arm and forearm, differ by no more than this factor."""
_FOOT = 0.05
"""A bone beyond the ankle is a foot when it is longer than this (leg lengths)."""
_ALONG = 0.95
"""Cosine of a bone that goes on straight."""
_MOST_POSES = 60


@dataclass(frozen=True)
class Limb:
    """Nodes from the first below the hub to the tip, and the three joints among them."""

    chain: tuple[int, ...]
    joints: tuple[int, int, int]
    length: float


class Shape:
    """A skeleton's tree with bone lengths and poses to look at."""

    def __init__(self, rig: Rig):
        self.rig = rig
        self.lengths = np.median(np.linalg.norm(rig.positions, axis=-1), axis=0)
        self.lengths[[p < 0 for p in rig.parents]] = 0
        self.reach = np.zeros(len(rig.names))  # from a node to its farthest tip, along the bones
        for node in reversed(range(len(rig.names))):
            for child in rig.children[node]:
                self.reach[node] = max(self.reach[node], self.extent(child))
        step = max(1, len(rig.joints) // _MOST_POSES)
        self.poses = (rig.at_rest.joints, rig.joints[::step])

    def extent(self, node: int) -> float:
        """Length of the longest branch that begins with the bone to a node."""
        return float(self.lengths[node] + self.reach[node])

    def chain(self, node: int) -> tuple[int, ...]:
        """The longest way down from a node."""
        found = [node]
        while below := self.rig.children[found[-1]]:
            found.append(max(below, key=self.extent))
        return tuple(found)

    def limb(self, start: int) -> Limb | None:
        """The two long bones of a branch, if it has them."""
        chain = self.chain(start)
        turning = [n for n in chain if not _is_twist(self.rig.names[n])]
        best = None
        for first, middle, last in zip(turning, turning[1:], turning[2:], strict=False):
            upper, lower = self.between(first, middle), self.between(middle, last)
            short, long = sorted((upper, lower))
            if short * _UNEVEN >= long > 0 and (best is None or short > best[0]):
                best = short, Limb(chain, (first, middle, last), upper + lower)
        return best[1] if best else None

    def toe(self, joints: tuple[int, int, int]) -> int | None:
        """The first node below an ankle that a foot can end at, for a hip, knee and ankle.

        It lies away from the ankle, and not straight on down the shin over the whole clip.
        """
        hip, knee, ankle = joints
        for node in self.chain(ankle)[1:]:
            if self.between(ankle, node) > _FOOT * self.between(hip, ankle):
                rest, moving = (self._straight(p, knee, ankle, node) for p in self.poses)
                fixed = rest[0] > _ALONG and np.ptp(moving) < 1 - _ALONG
                return None if fixed else node
        return None

    def _straight(
        self, poses: Float[np.ndarray, "P N 3"], knee: int, ankle: int, toe: int
    ) -> Float[np.ndarray, " P"]:
        """Cosine between shin and foot."""
        shin, foot = poses[:, ankle] - poses[:, knee], poses[:, toe] - poses[:, ankle]
        return (normalize(shin) * normalize(foot)).sum(-1)

    def between(self, upper: int, lower: int) -> float:
        """Length of the way from a node down to another."""
        ways = [lower, *self.rig.above(lower)]
        return float(self.lengths[ways[: ways.index(upper)]].sum())


def _is_twist(name: str) -> bool:
    return any(word in name.lower() for word in ("twist", "roll"))
