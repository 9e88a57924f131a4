"""What a batch teaches the language model, thing by thing.

Shapes: B sequences, n things that are learned, r of them that another says, R slots of
motions, D width, V what a thing may be.
"""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

Other = TypeVar("Other")


@dataclass(frozen=True)
class Each:
    """A loss of each thing that is learned, and the sequence it stands in."""

    values: Float[Tensor, " n"]
    rows: Int[Tensor, " n"]

    def weighted(self, rows: Bool[Tensor, " B"], weight: float) -> "Each":
        """The same, but for the weight of what stands in some of the sequences."""
        return replace(self, values=torch.where(rows, weight, 1.0)[self.rows] * self.values)

    def mean(self) -> Float[Tensor, ""]:
        """What is minimised. Of nothing it is zero, and still part of the graph."""
        return self.values.mean() if len(self.values) else self.values.sum()

    @torch.no_grad()
    def mean_of(self, kind: Int[Tensor, "B"], kinds: int) -> Float[Tensor, " kinds"]:
        """The mean over the sequences of each kind; not a number where there is nothing."""
        own, zeros = kind[self.rows], self.values.new_zeros(kinds)
        count = zeros.index_add(0, own, torch.ones_like(self.values))
        return zeros.index_add(0, own, self.values) / count


@dataclass(frozen=True)
class Losses:
    """What a batch teaches: cross-entropy of text tokens, the heads' losses of motions."""

    text: Each
    motion: Each
    slots: Float[Tensor, "R D"]
    """Hidden states of the slots of motions to make."""


@dataclass(frozen=True)
class Lesson(Generic[Other]):
    """What another module of the same kind says, learned in place of some of the data (Hinton et
    al. 2015)."""

    other: Other
    hidden: Float[Tensor, "r ... D"]
    """What it reads that from, for what is learned from it alone."""
    rows: Bool[Tensor, " n"]
    """Of each thing that is learned, whether it is learned from the other; r of them are."""


@torch.no_grad()
def soft_targets(
    targets: Int[Tensor, " n"], scores: Float[Tensor, "r V"], rows: Bool[Tensor, " n"]
) -> Float[Tensor, "n V"]:
    """Probabilities to learn: of rows those that their scores say, and elsewhere certainty."""
    probabilities = F.one_hot(targets, scores.shape[-1]).float()
    probabilities[rows] = scores.float().softmax(-1)
    return probabilities
