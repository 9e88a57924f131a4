"""Weights as the matrix kernels of the CPU read them: for using a model, not for training it.

PyTorch gives a product in fp32 to MKL, weights as they lie. oneDNN, which PyTorch brings as well,
is several times faster on many CPUs once the weights lie in its own order, which is worth it for
weights that are used again and again (docs/performance.md has the figures). Fewer bits per weight
are faster still wherever reading the weights is what takes the time.

Shapes: B sequences, L tokens, M tokens attended to, Z width, I and O sizes of a layer.
"""

import ctypes
import platform
import sys
import warnings
from contextlib import suppress
from functools import cache
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from typing_extensions import assert_never

from motiongpt3.errors import ResourceError
from motiongpt3.model.gpt import GPT, FeedForward

Precision = Literal["fp32", "bf16", "int8"]
"""fp32: as trained. bf16: products of numbers with 8 significant bits, added up in fp32. int8: most
layers of the language model multiply 8-bit numbers, each output's weights being multiples of one
127th of the largest, and the rest is bf16, or fp32 where the CPU has no instructions for bf16."""
_LARGE_BYTES = 2**21
"""Layers from here on leave holes that are given back at once."""
_LIKELIEST = 16
"""Words whose scores are exact whatever the precision."""
_ROWS = 16
"""Rows that weights are laid out for; the same order serves any number."""


def pack(module: nn.Module, precision: Precision = "fp32") -> None:
    """Replace the layers in a module by packed ones, which cannot be trained nor saved.

    In fp32 this does nothing on machines where it would not help.

    Raises:
        ResourceError: for a precision that this CPU has no instructions for.
    """
    if precision == "fp32" and not _helps():
        return
    _check(precision)
    module.requires_grad_(False)
    rest: Precision = precision
    if precision == "int8":
        rest = "bf16" if _has_bf16() else "fp32"
    for gpt in [part for part in module.modules() if isinstance(part, GPT)]:
        for part in gpt.modules() if precision == "int8" else ():
            if isinstance(part, FeedForward):  # what comes out of a GELU loses most by 8 bits
                part.register_module("down", packed(part.down.weight, part.down.bias, rest))
        _replace(gpt, precision)
        gpt.words = WordScores(gpt.wte.weight, precision)
    _replace(module, rest)
    _give_back()


def _replace(module: nn.Module, precision: Precision) -> None:
    for name, child in list(module.named_children()):
        size = sum(weight.nbytes for weight in child.parameters())
        if isinstance(child, nn.Linear):
            setattr(module, name, packed(child.weight, child.bias, precision))
        elif isinstance(child, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
            setattr(module, name, PackedTransformerLayer(child, precision))
        else:
            _replace(child, precision)
            continue
        if size >= _LARGE_BYTES:
            _give_back()


def _give_back() -> None:
    """Return freed memory to the system, where the C library keeps it: what it has does not fit
    packed weights, and a large model would take up its weights half as much again."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # only glibc can
            ctypes.CDLL(None).malloc_trim(0)


def packed(
    weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None, precision: Precision
) -> nn.Module:
    """A linear layer with packed weights."""
    match precision:
        case "fp32" | "bf16":
            return PackedLinear(weight, bias, precision)
        case "int8":
            return Int8Linear(weight, bias)
        case _:
            assert_never(precision)


class PackedLinear(nn.Module):
    """A linear layer whose weight lies in oneDNN's order, in fp32 or bf16."""

    def __init__(
        self,
        weight: Float[Tensor, "O I"],
        bias: Float[Tensor, " O"] | None,
        precision: Literal["fp32", "bf16"],
    ):
        super().__init__()
        self.size = weight.shape
        self.dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        own = weight.detach().to(self.dtype)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(own, _ROWS)
        self.bias = None if bias is None else bias.detach().to(self.dtype)

    @property
    def bytes_each(self) -> int:
        """Of a weight."""
        return self.dtype.itemsize

    def forward(self, x: Float[Tensor, "*n I"]) -> Float[Tensor, "*n O"]:
        y = torch.ops.mkldnn._linear_pointwise(
            x.to(self.dtype), self.weight, self.bias, "none", [], ""
        )
        return y.float()


class Int8Linear(nn.Module):
    """A linear layer of 8-bit weights, each output with a scale of its own; inputs are rounded to
    8 bits as they come (FBGEMM), to 7 where sums of 8 would overflow."""

    bytes_each = 1

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None):
        super().__init__()
        self.size = weight.shape
        scales = weight.detach().abs().amax(1).clamp(min=1e-12) / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():  # quantised tensors are to move to another package
            warnings.simplefilter("ignore")
            rounded = torch.quantize_per_channel(
                weight.detach(), scales.double(), zeros, 0, torch.qint8
            )
            own = None if bias is None else bias.detach()
            self.packed = torch.ops.quantized.linear_prepack(rounded, own)

    def forward(self, x: Float[Tensor, "*n I"]) -> Float[Tensor, "*n O"]:
        return torch.ops.quantized.linear_dynamic(x, self.packed, _overflows())


class WordScores(nn.Module):
    """The word table as an output layer. In fp32 it stays as it lies, since it is the table of
    embeddings too; with fewer bits, scores of the likeliest words are worked out again in fp32:
    close ones must not be confused, and few words have to be read for it."""

    bytes_each = 4
    """Of the table as it lies."""

    def __init__(self, table: Float[Tensor, "V D"], precision: Precision):
        super().__init__()
        self.size = table.shape
        self.table = table.detach()
        self.layer = None if precision == "fp32" else packed(table, None, precision)

    def forward(self, hidden: Float[Tensor, "*n D"]) -> Float[Tensor, "*n V"]:
        if self.layer is None:
            return torch.ops.mkldnn._linear_pointwise(hidden, self.table, None, "none", [], "")
        scores = self.layer(hidden)
        words = scores.topk(min(_LIKELIEST, len(self.table)), -1).indices
        exact = (self.table[words] * hidden[..., None, :]).sum(-1)
        return scores.scatter(-1, words, exact)


class PackedTransformerLayer(nn.Module):
    """PyTorch's post-norm layer of an encoder or a decoder, as it is when it is not trained."""

    def __init__(
        self, layer: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer, precision: Precision
    ):
        super().__init__()
        self.attention = PackedAttention(layer.self_attn, precision)
        self.norms = nn.ModuleList([layer.norm1, layer.norm2])
        self.cross: PackedAttention | None = None
        if isinstance(layer, nn.TransformerDecoderLayer):
            self.cross = PackedAttention(layer.multihead_attn, precision)
            self.norms.append(layer.norm3)
        self.activation = layer.activation
        self.up = packed(layer.linear1.weight, layer.linear1.bias, precision)
        self.down = packed(layer.linear2.weight, layer.linear2.bias, precision)

    def forward(
        self,
        x: Float[Tensor, "B L Z"],
        memory: Float[Tensor, "B M Z"] | None = None,
        *,
        src_key_padding_mask: Bool[Tensor, "B L"] | None = None,
        tgt_key_padding_mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B L Z"]:
        """Attend within x where there is no padding, then to the memory if this is a decoder's."""
        padding = src_key_padding_mask if self.cross is None else tgt_key_padding_mask
        x = self.norms[0](x + self.attention(x, x, padding))
        if self.cross is not None and memory is not None:
            x = self.norms[1](x + self.cross(x, memory, None))
        return self.norms[-1](x + self.down(self.activation(self.up(x))))


class PackedAttention(nn.Module):
    """PyTorch's multi-head attention with packed projections."""

    def __init__(self, attention: nn.MultiheadAttention, precision: Precision):
        super().__init__()
        width, self.heads = attention.embed_dim, attention.num_heads
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        self.ask = packed(weight[:width], bias[:width], precision)
        self.tell = packed(weight[width:], bias[width:], precision)
        self.out = packed(attention.out_proj.weight, attention.out_proj.bias, precision)

    def forward(
        self,
        x: Float[Tensor, "B L Z"],
        memory: Float[Tensor, "B M Z"],
        padding: Bool[Tensor, "B M"] | None,
    ) -> Float[Tensor, "B L Z"]:
        k, v = rearrange(self.tell(memory), "B M (two H d) -> two B H M d", two=2, H=self.heads)
        if memory.shape[1] == 1:  # there is nothing to choose from
            return self.out(rearrange(v, "B H M d -> B M (H d)")).expand_as(x)
        q = rearrange(self.ask(x), "B L (H d) -> B H L d", H=self.heads)
        mask = None if padding is None or not padding.any() else ~padding[:, None, None]
        y = F.scaled_dot_product_attention(q, k, v, mask)
        return self.out(rearrange(y, "B H L d -> B L (H d)"))


def _helps() -> bool:
    """Whether oneDNN's fp32 products are there, and its own rather than another library's."""
    return torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")


def _has_bf16() -> bool:
    return _helps() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def _overflows() -> bool:
    """Whether this CPU adds up two products of 8-bit numbers in 16 bits, which cannot hold them
    (x86 without VNNI); it does not say so but for its sums."""
    ones = torch.ones(1, 64)
    made = torch.ops.quantized.linear_dynamic(ones, Int8Linear(ones, None).packed, False)
    return not torch.allclose(made.float(), ones @ ones.T, rtol=0.01)


def available() -> tuple[Precision, ...]:
    """Precisions that this CPU has instructions for."""
    here = {
        "fp32": True,
        "bf16": _has_bf16(),
        "int8": "fbgemm" in torch.backends.quantized.supported_engines,
    }
    return tuple(precision for precision in get_args(Precision) if here[precision])


def _check(precision: Precision) -> None:
    if precision not in available():
        raise ResourceError(
            f"this CPU has no instructions for {precision}", where="precision", hint="use fp32"
        )
