"""What the language model remembers of tokens already read, and who may attend to whom.

Shapes: B batch, T new tokens, S cached tokens and, in masks, all tokens attended to, C places in
storage, H heads, d width of a head, R rows of a batch.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_ROOM = 32
"""Places for tokens to come, at least, whenever storage is outgrown."""


@dataclass
class KVCache:
    """Keys and values of the tokens already read, so that continuing does not read them again.

    Start from `KVCache()` and hand it to every `GPT.forward` of one continued sequence: the new
    tokens are appended to it in place, into storage that has room for more. Where gradients flow,
    which do not pass through shared storage, they are put into storage of their own.
    """

    keys: list[Float[Tensor, "B H C d"]] = field(default_factory=list)
    """One per layer; the first S of the C places are filled."""
    values: list[Float[Tensor, "B H C d"]] = field(default_factory=list)
    modality: Int[Tensor, "B S"] | None = None
    valid: Bool[Tensor, "B S"] | None = None
    """False at padding, which is never attended to."""

    def __len__(self) -> int:
        return 0 if self.valid is None else self.valid.shape[1]

    def append(
        self, layer: int, k: Float[Tensor, "B H T d"], v: Float[Tensor, "B H T d"]
    ) -> tuple[Float[Tensor, "B H S d"], Float[Tensor, "B H S d"]]:
        """Store the new keys and values of a layer; return those of all tokens so far."""
        if layer == len(self.keys):
            self.keys.append(k)
            self.values.append(v)
            return k, v
        self.keys[layer], k = _appended(self.keys[layer], len(self), k)
        self.values[layer], v = _appended(self.values[layer], len(self), v)
        return k, v

    def append_tokens(self, modality: Int[Tensor, "B T"], valid: Bool[Tensor, "B T"]) -> None:
        """Note what the new tokens are, once all layers have stored theirs."""
        if self.modality is None or self.valid is None:
            self.modality, self.valid = modality, valid
        else:
            self.modality = torch.cat([self.modality, modality], 1)
            self.valid = torch.cat([self.valid, valid], 1)

    def fork(self) -> "KVCache":
        """A new cache that goes on from here; neither holds what is appended to the other."""
        keys, values = ([each[:, :, : len(self)] for each in of] for of in (self.keys, self.values))
        return KVCache(keys, values, self.modality, self.valid)

    def select(self, rows: Int[Tensor, " R"]) -> "KVCache":
        """A new cache with these rows, which may leave some out or repeat some."""
        held = self.fork()
        return KVCache(
            [k.index_select(0, rows) for k in held.keys],
            [v.index_select(0, rows) for v in held.values],
            None if self.modality is None else self.modality.index_select(0, rows),
            None if self.valid is None else self.valid.index_select(0, rows),
        )

    def expand(self, n: int) -> "KVCache":
        """A new cache with every row n times in a row: n continuations of each prompt."""
        if self.valid is None:
            return KVCache()
        rows = torch.arange(len(self.valid), device=self.valid.device)
        return self.select(rows.repeat_interleave(n))


def _appended(
    storage: Float[Tensor, "B H C d"], filled: int, new: Float[Tensor, "B H T d"]
) -> tuple[Float[Tensor, "B H _ d"], Float[Tensor, "B H S d"]]:
    """Storage with new tokens after those that fill it, and its filled part."""
    if torch.is_grad_enabled():
        storage = torch.cat([storage[:, :, :filled], new], 2)
        return storage, storage
    end = filled + new.shape[2]
    if end > storage.shape[2]:
        batch, heads, _, width = storage.shape
        larger = storage.new_empty(batch, heads, end + max(_ROOM, end // 2), width)
        larger[:, :, :filled] = storage[:, :, :filled]
        storage = larger
    storage[:, :, filled:end] = new
    return storage, storage[:, :, :end]


def attention_mask(
    modality: Int[Tensor, "B T"], cache: KVCache | None, cross_modal: bool
) -> Bool[Tensor, "B 1 T S"] | None:
    """Which tokens each new token may attend to; None where causality alone decides.

    Keeping modalities apart is ours: the official code leaves bias-only keys in their place.
    """
    B, T = modality.shape
    past = None if cache is None else cache.valid
    if past is None and (cross_modal or bool((modality == modality[:1, :1]).all())):
        return None
    if past is not None and cross_modal and T == 1 and bool(past.all()):
        return None
    mask = torch.ones(T, T, dtype=torch.bool, device=modality.device).tril().expand(B, T, T)
    kinds = modality
    if cache is not None and past is not None and cache.modality is not None:
        mask = torch.cat([past[:, None].expand(B, T, -1), mask], 2)
        kinds = torch.cat([cache.modality, modality], 1)
    if not cross_modal:
        mask = mask & (modality[:, :, None] == kinds[:, None])
    return mask[:, None]
