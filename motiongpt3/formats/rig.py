"""A skeleton of any tool with its movement: what files of animation hold, before it is a person.

Shapes: T frames, N nodes (joints and the ends of chains). Quaternions are w, x, y, z.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from motiongpt3.motion import rotation


@dataclass(frozen=True, eq=False)
class Rig:
    """Nodes in a tree and how they move, in a file's own unit and axes.

    Attributes:
        names: of the nodes.
        parents: index of each node's parent, which comes before it; -1 for the root.
        offsets: (N, 3) rest position relative to the parent.
        fps: frames per second.
        rotations: (T, N, 4) local rotation.
        positions: (T, N, 3) local position: the offset, or where the node moves by itself.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[np.ndarray, "N 3"]
    fps: float
    rotations: Float[np.ndarray, "T N 4"]
    positions: Float[np.ndarray, "T N 3"]

    @cached_property
    def joints(self) -> Float[np.ndarray, "T N 3"]:
        """World positions of all nodes, by forward kinematics."""
        world = np.empty_like(self.rotations)
        joints = np.empty_like(self.positions)
        for node, parent in enumerate(self.parents):
            if parent < 0:
                world[:, node], joints[:, node] = self.rotations[:, node], self.positions[:, node]
                continue
            above = world[:, parent]
            world[:, node] = rotation.multiply(above, self.rotations[:, node])
            step = rotation.rotate(above, self.positions[:, node])
            joints[:, node] = joints[:, parent] + step
        return joints

    @cached_property
    def at_rest(self) -> "Rig":
        """One frame of the rest pose: no rotation, every node at its offset."""
        still = np.zeros((1, len(self.names), 4))
        still[..., 0] = 1
        return replace(self, rotations=still, positions=self.offsets[None])

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of each node."""
        found: list[list[int]] = [[] for _ in self.names]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(node)
        return tuple(map(tuple, found))

    def above(self, node: int) -> list[int]:
        """Ancestors of a node, its parent first."""
        found = []
        while (node := self.parents[node]) >= 0:
            found.append(node)
        return found

    def with_node(self, name: str, parent: int, offset: Float[np.ndarray, "3"]) -> "Rig":
        """The rig and one more node, fixed to another."""
        still = np.zeros((len(self.rotations), 1, 4))
        still[..., 0] = 1
        place = np.broadcast_to(offset, (len(self.rotations), 1, 3))
        return Rig(
            names=(*self.names, name),
            parents=(*self.parents, parent),
            offsets=np.concatenate([self.offsets, offset[None]]),
            fps=self.fps,
            rotations=np.concatenate([self.rotations, still], axis=1),
            positions=np.concatenate([self.positions, place], axis=1),
        )
