"""Sequences as exported graphs read them: run by run, each of one modality, after what was read.

Shapes: B sequences, T tokens, S tokens already read and room for more, L layers, H heads, d width
of a head, R rows of a batch.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motiongpt3.model.cache import KVCache
from motiongpt3.model.sequence import Tokens

PADDING = -1
"""The kind of a token that is none; the kind of any other is its modality."""
_ROOM = 16
"""Tokens by which the room for more grows."""


class Past(KVCache):
    """What graphs need of the tokens already read: keys and values of all layers together.

    There is room for more at the end, of kind PADDING.
    """

    def __init__(
        self,
        all_keys: Float[Tensor, "L B H S d"],
        all_values: Float[Tensor, "L B H S d"],
        kinds: Int[Tensor, "B S"],
    ):
        super().__init__()
        self.all_keys, self.all_values, self.kinds = all_keys, all_values, kinds
        self.used = kinds.shape[1]

    def __len__(self) -> int:
        return self.used

    def inputs(self) -> dict[str, Tensor]:
        """What every graph of the language model takes."""
        return {"keys": self.all_keys, "values": self.all_values, "kinds": self.kinds}

    def add(
        self,
        keys: Float[Tensor, "L B H T d"],
        values: Float[Tensor, "L B H T d"],
        kinds: Int[Tensor, "B T"],
    ) -> None:
        """Store new tokens."""
        start, self.used = self.used, self.used + kinds.shape[1]
        missing = self.used - self.kinds.shape[1]
        if missing > 0:
            room = -(-missing // _ROOM) * _ROOM
            wider = (0, 0, 0, room)
            self.all_keys = F.pad(self.all_keys, wider)
            self.all_values = F.pad(self.all_values, wider)
            self.kinds = F.pad(self.kinds, (0, room), value=PADDING)
        self.all_keys[:, :, :, start : self.used] = keys
        self.all_values[:, :, :, start : self.used] = values
        self.kinds[:, start : self.used] = kinds

    def select(self, rows: Int[Tensor, " R"]) -> "Past":
        """A new cache with these rows, which may leave some out or repeat some."""
        keys, values = (x.index_select(1, rows) for x in (self.all_keys, self.all_values))
        past = Past(keys, values, self.kinds.index_select(0, rows))
        past.used = self.used
        return past

    def expand(self, n: int) -> "Past":
        """A new cache with every row n times in a row: n continuations of each prompt."""
        return self.select(torch.arange(len(self.kinds)).repeat_interleave(n))


def runs(prompt: Tokens) -> Iterator[tuple[int, Int[Tensor, "B T"], Bool[Tensor, "B T"]]]:
    """The parts of sequences that are of one modality, in order: which, their places, and where
    these are not padding. A sequence that has no such part has padding there."""
    modality = prompt.modality
    changes = (modality[:, 1:] != modality[:, :-1]).long()
    number = torch.cat([modality[:, :1], changes], 1).cumsum(1)  # even ones are text
    number = number.masked_fill(~prompt.valid, -1)
    for n in range(int(number.max()) + 1):
        inside = number == n
        length = inside.sum(1)
        if length.any():
            steps = torch.arange(int(length.max()))
            places = inside.long().argmax(1)[:, None] + steps
            yield n % 2, places.clamp(max=modality.shape[1] - 1), steps < length[:, None]
