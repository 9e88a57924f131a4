"""Whole sequences, as they are read to learn from: those of like lengths together.

Shapes: B sequences, T tokens, n text tokens that are learned, R slots of motions to make, D width,
b different beginnings, r sequences of a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motiongpt3.data.tasks import Field
from motiongpt3.model.cache import KVCache
from motiongpt3.model.heads import Codes
from motiongpt3.model.sequence import IGNORE, Tokens

Words = tuple[Float[Tensor, "n D"], Int[Tensor, " n"], Int[Tensor, " n"]]
"""Hidden states that text tokens are read from, these tokens, and their sequences."""


@dataclass(frozen=True)
class Read:
    """Hidden states that something is learned from: of text tokens, and of motions' slots."""

    states: Float[Tensor, "n D"]
    targets: Int[Tensor, " n"]
    rows: Int[Tensor, " n"]
    slots: Float[Tensor, "R D"]
    """In the order of the sequences."""
    places: Int[Tensor, " R"]
    """The sequence of each slot."""


@dataclass(frozen=True)
class Begun:
    """Sequences whose beginnings, text that a frozen branch reads, have been read."""

    first: Tokens
    hidden: Float[Tensor, "b _ D"]
    """Of each different beginning."""
    cache: KVCache
    """What follows needs of them."""
    own: Int[Tensor, "B"]
    """Which of them each sequence has."""
    rest: Tokens
    """What follows."""
    at: Int[Tensor, "B"]
    """Where that is in each sequence."""

    def take(self, rows: Int[Tensor, " r"]) -> "Begun":
        """These sequences."""
        first, rest = self.first.take(rows), self.rest.take(rows)
        return replace(self, first=first, own=self.own[rows], rest=rest, at=self.at[rows])


@dataclass(frozen=True)
class Sequences:
    """Tokens, and the codes of the motions in them."""

    tokens: Tokens
    told: Codes
    """In the order of `tokens.told_fields`."""
    asked: Codes
    """In the order of `tokens.asked_fields`."""
    begun: Begun | None = None

    def take(self, rows: Int[Tensor, " r"]) -> "Sequences":
        """These sequences, which are named in ascending order."""
        told, asked = self.tokens.told_fields, self.tokens.asked_fields
        return Sequences(
            self.tokens.take(rows),
            self.told[_of_rows(told, rows)],
            self.asked[_of_rows(asked, rows)],
            self.begun and self.begun.take(rows),
        )

    def alike(self) -> list[Int[Tensor, " _"]]:
        """The sequences in groups that are read apart: all, or two where beginnings are known.

        What is left then is four slots in one sequence and a caption in another. There are always
        two groups, one of which may be empty: processes that share a model call it equally often.
        """
        everything = torch.arange(len(self.tokens.ids), device=self.tokens.ids.device)
        if self.begun is None:
            return [everything]
        lengths, order = self.begun.rest.valid.sum(1).sort(stable=True)
        padded = everything * lengths.roll(1) + (len(order) - everything) * lengths[-1]
        cut = int(padded.argmin())
        return [order[:cut].sort().values, order[cut:].sort().values]


def joined(parts: Sequence[Read], groups: Sequence[Int[Tensor, " _"]]) -> Read:
    """What was read in groups of sequences."""
    pairs = list(zip(parts, groups, strict=True))
    places, order = torch.cat([rows[part.places] for part, rows in pairs]).sort(stable=True)
    return Read(
        torch.cat([part.states for part in parts]),
        torch.cat([part.targets for part in parts]),
        torch.cat([rows[part.rows] for part, rows in pairs]),
        torch.cat([part.slots for part in parts])[order],
        places,
    )


def words(
    tokens: Tokens, hidden: Float[Tensor, "_ T D"], own: Int[Tensor, "B"] | None = None
) -> Words:
    """What is learned in sequences, whose hidden states are those of `own`, or their own."""
    rows, places = (tokens.targets != IGNORE).nonzero(as_tuple=True)
    return hidden[rows if own is None else own[rows], places], tokens.targets[rows, places], rows


def _of_rows(fields: Sequence[tuple[int, Field]], rows: Int[Tensor, " r"]) -> Int[Tensor, " _"]:
    """Which motions are in these sequences."""
    wanted = set(rows.tolist())
    chosen = [n for n, (row, _) in enumerate(fields) if row in wanted]
    return torch.tensor(chosen, dtype=torch.long, device=rows.device)
