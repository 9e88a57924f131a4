"""Layers that exist once per modality: sorting the tokens of a batch by branch and back.

Sorting happens once per forward, not once per layer: between two attentions the tokens of each
branch stay together in one dense matrix.

Shapes: B batch, T tokens, D width, E output width, n tokens of one branch, N tokens of all.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)
Streams = list[Tensor]
"""The tokens of a batch sorted by branch: one Float (n, D) per branch."""


class Route:
    """Which tokens of a batch go through which branch, worked out once per forward."""

    def __init__(
        self, modality: Int[Tensor, "B T"], branches: int, valid: Bool[Tensor, "B T"] | None
    ):
        self.shape = modality.shape
        kind = modality.flatten() if branches > 1 else torch.zeros_like(modality).flatten()
        if valid is not None:
            kind = kind.masked_fill(~valid.flatten(), -1)  # padding goes through no branch
        self.at = [(kind == m).nonzero().squeeze(1) for m in range(branches)]
        whole = [m for m, at in enumerate(self.at) if len(at) == len(kind)]
        self.only = whole[0] if whole else None
        """The branch all tokens belong to, if there is one: then nothing is gathered."""

    def split(self, x: Float[Tensor, "B T D"]) -> Streams:
        """Sort tokens by branch."""
        flat = x.flatten(0, 1)
        if self.only is None:
            return list(_Gather.apply(flat, *self.at))
        return [flat if m == self.only else flat[:0] for m in range(len(self.at))]

    def join(self, streams: Streams) -> Float[Tensor, "B T E"]:
        """Put the tokens back in their places; padding becomes zero."""
        if self.only is not None:
            return streams[self.only].unflatten(0, self.shape)
        here = [m for m, at in enumerate(self.at) if len(at)] or [0]
        places, parts = [self.at[m] for m in here], [streams[m] for m in here]
        return _Scatter.apply(self.shape.numel(), places, *parts).unflatten(0, self.shape)


def scatter_rows(number: int, places: Streams, parts: Streams) -> Float[Tensor, "N E"]:
    """A matrix with `parts` at the rows `places` and zeros at rows nobody claims."""
    size = (number, parts[0].shape[-1])
    full = sum(map(len, places)) == number
    y = parts[0].new_empty(size) if full else parts[0].new_zeros(size)
    for place, part in zip(places, parts, strict=True):
        y.index_copy_(0, place, part)
    return y


class _Gather(torch.autograd.Function):
    """Rows of x per branch. No row is in two branches, so the gradient is a plain copy back.

    PyTorch's own index_select must expect repeated rows and adds instead, which costs more.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *places: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*places)
        ctx.number = len(x)
        return tuple(x.index_select(0, place) for place in places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        places = list(ctx.saved_tensors)
        return scatter_rows(ctx.number, places, list(grads)), *(None for _ in places)


class _Scatter(torch.autograd.Function):
    """The inverse of _Gather."""

    @staticmethod
    def forward(ctx: Any, number: int, places: Streams, *parts: Tensor) -> Tensor:
        ctx.save_for_backward(*places)
        return scatter_rows(number, places, list(parts))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(grad.index_select(0, place) for place in ctx.saved_tensors)


class PerBranch(nn.Module, Generic[Layer]):
    """One copy of a layer per branch; each token goes through the copy of its modality.

    A branch without tokens in the batch is run in training only, on none of them: its gradients are
    then zeros and not missing, as processes that train together must all exchange the same ones.
    """

    def __init__(self, branches: int, make: Callable[[], Layer]):
        super().__init__()
        self.copies = nn.ModuleList(make() for _ in range(branches))

    def forward(self, streams: Streams) -> Streams:
        all_run = self.training or not any(map(len, streams))  # or nothing has the right width
        copies = zip(self.copies, streams, strict=True)
        return [f(x) if len(x) or all_run else x for f, x in copies]

    def of(self, modality: int) -> Layer:
        """The copy that tokens of this modality go through."""
        return cast(Layer, self.copies[0 if len(self.copies) == 1 else modality])
