"""GPT-2 with one branch per modality: a mixture of transformers.

Every token carries a modality. Norms, projections and MLPs exist once per branch, and a token
only meets its own; self-attention is shared, and is the only place where text and motion see
each other. The position table is shared too.

Sequences are padded on the right. Attention is causal, so a real token never looks at padding
and no padding mask is needed, except over cached tokens, where padding lies in between.

Shapes: B batch, T new tokens, S tokens attended to, D width, H heads, V vocabulary.
"""

import re
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.errors import InputError
from motiongpt3.model.branches import PerBranch, Route, Streams
from motiongpt3.model.cache import KVCache, attention_mask

TEXT, MOTION = 0, 1
CONTROL_IDS = 2
"""The last ids of the vocabulary, `<som>` and `<eom>`, which no pre-trained text model knows."""


@dataclass(frozen=True)
class GPTConfig:
    """Size of the language model and how its two modalities share it."""

    vocab: int = 50259
    """Text tokens, the two that enclose a motion included."""
    context: int = 1024
    """Longest sequence, in tokens."""
    width: int = 768
    layers: int = 12
    heads: int = 12
    dropout: float = 0.1
    branches: int = 2
    """2: text and motion have their own weights. 1: one stream for both (ablation)."""
    cross_modal_layers: tuple[int, ...] | None = None
    """Layers in which text and motion may attend to each other, from 0; None is all."""

    def __post_init__(self) -> None:
        if self.branches not in (1, 2):
            raise InputError(f"{self.branches} branches", where="branches", hint="1 or 2")
        if self.width % self.heads:
            raise InputError(f"{self.heads} heads do not divide width {self.width}", where="heads")
        if not set(self.cross_modal_layers or ()) <= set(range(self.layers)):
            raise InputError(
                f"layers {self.cross_modal_layers} of {self.layers}", where="cross_modal_layers"
            )

    def check_length(self, tokens: int) -> None:
        """Refuse a sequence that is longer than the context.

        Raises:
            InputError: saying by how much.
        """
        if tokens > self.context:
            raise InputError(
                f"{tokens} tokens, but the model reads at most {self.context}",
                where="sequence",
                hint="shorten the prompt",
            )


def layer_set(name: str, layers: int) -> tuple[int, ...]:
    """The layers an ablation of the paper names: "all", "None", "last5", "first3", "odd" ...

    The names are the official code's `attention_mode`; odd and even count layers from 1.

    Raises:
        InputError: for a name that means nothing, or more layers than there are.
    """
    half, third = layers // 2, layers // 3
    named = {
        "all": slice(None),
        "None": slice(0),
        "odd": slice(0, None, 2),
        "even": slice(1, None, 2),
        "Ahalf": slice(half),
        "halfB": slice(half, None),
        "firstthird": slice(third),
        "midthird": slice(third, 2 * layers // 3),
        "lastthird": slice(2 * layers // 3, None),
    }
    counted = re.fullmatch("(first|last)([0-9]*)", name)
    if counted:
        number = int(counted[2] or 1)
        named[name] = slice(number) if counted[1] == "first" else slice(layers - number, None)
    if name not in named or (counted and not 1 <= number <= layers):
        known = ", ".join([*named, "firstN", "lastN"])
        raise InputError(f"no set '{name}' of {layers} layers", where="layers", hint=known)
    return tuple(range(layers)[named[name]])


class Block(nn.Module):
    """A pre-norm transformer block: attention over all tokens, everything else per branch."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        D, n = config.width, config.branches
        self.layer, self.heads, self.dropout = layer, config.heads, config.dropout
        meeting = config.cross_modal_layers
        self.cross_modal = meeting is None or layer in meeting
        self.norm1 = PerBranch(n, lambda: nn.LayerNorm(D, eps=1e-5))
        self.qkv = PerBranch(n, lambda: nn.Linear(D, 3 * D))
        self.proj = PerBranch(n, lambda: nn.Linear(D, D))
        self.norm2 = PerBranch(n, lambda: nn.LayerNorm(D, eps=1e-5))
        self.mlp = PerBranch(n, lambda: FeedForward(D))

    def forward(
        self,
        streams: Streams,
        route: Route,
        mask: Bool[Tensor, "B 1 T S"] | None,
        cache: KVCache | None,
    ) -> Streams:
        qkv = route.join(self.qkv(self.norm1(streams)))
        q, k, v = rearrange(qkv, "B T (three H d) -> three B H T d", three=3, H=self.heads)
        if cache is not None:
            k, v = cache.append(self.layer, k, v)
        dropout_p = self.dropout if self.training else 0.0
        # Without a mask a lone new token may see everything; several are a plain causal square.
        causal = mask is None and q.shape[2] > 1
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal=causal)
        attended = self.proj(route.split(rearrange(y, "B H T d -> B T (H d)")))
        streams = self.add(streams, attended)
        return self.add(streams, self.mlp(self.norm2(streams)))

    def add(self, streams: Streams, updates: Streams) -> Streams:
        """The residual connection, with dropout on what is added."""
        updates = [F.dropout(y, self.dropout, self.training) for y in updates]
        return [x + y for x, y in zip(streams, updates, strict=True)]


class FeedForward(nn.Module):
    """What a token does on its own, with GPT-2's tanh approximation of GELU."""

    def __init__(self, width: int):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "n D"]) -> Float[Tensor, "n D"]:
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class GPT(nn.Module):
    """Hidden states from embeddings. Embedding motion and reading it out is the heads' work."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab - CONTROL_IDS, config.width)
        self.control = nn.Embedding(CONTROL_IDS, config.width)
        """`<som>` and `<eom>`: apart, because they are learned while the text branch is frozen."""
        self.wpe = nn.Embedding(config.context, config.width)
        self.words: nn.Module | None = None
        """The word table as a layer of its own, where it is packed (`model.packing`)."""
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.layers))
        self.norm = PerBranch(config.branches, lambda: nn.LayerNorm(config.width, eps=1e-5))
        self.apply(init_gpt2)
        for block in self.layers:  # what adds to the residual stream starts smaller, as in GPT-2
            for m in range(config.branches):
                for layer in (block.proj.of(m), block.mlp.of(m).down):
                    nn.init.normal_(layer.weight, std=0.02 / (2 * config.layers) ** 0.5)

    @property
    def layers(self) -> list[Block]:
        """The blocks, from embeddings to hidden states."""
        return cast("list[Block]", list(self.blocks))

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        modality: Int[Tensor, "B T"],
        positions: Int[Tensor, "... T"] | None = None,
        cache: KVCache | None = None,
        valid: Bool[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Hidden states after the final norm.

        `positions` default to each row's next ones: 0, 1, ... after its valid cached tokens.
        `valid` is False at padding on the right, which is then neither computed (its hidden
        state is zero) nor, with a cache, seen by later tokens. Raises InputError where the
        sequence is longer than the model's context.
        """
        if positions is None:
            positions = self.next_positions(modality.shape[1], cache, x.device)
        kinds = {block.cross_modal for block in self.layers}
        masks = {cross: attention_mask(modality, cache, cross) for cross in kinds}
        route = Route(modality, self.config.branches, valid)
        x = F.dropout(x + self.wpe(positions), self.config.dropout, self.training)
        streams = route.split(x)
        for block in self.layers:
            streams = block(streams, route, masks[block.cross_modal], cache)
        if cache is not None:
            everything = torch.ones_like(modality, dtype=torch.bool)
            cache.append_tokens(modality, everything if valid is None else valid)
        return route.join(self.norm(streams))

    def next_positions(
        self, number: int, cache: KVCache | None, device: torch.device
    ) -> Int[Tensor, "*B T"]:
        """The places in the sequence of the next tokens."""
        positions, length = torch.arange(number, device=device), number
        if cache is not None and cache.valid is not None:
            positions = positions + cache.valid.sum(1, keepdim=True)
            length = int(positions.max()) + 1
        self.config.check_length(length)
        return positions

    def embed(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Embeddings of text tokens."""
        words = self.config.vocab - CONTROL_IDS
        x = self.wte(ids.clamp(max=words - 1))
        control = self.control((ids - words).clamp(min=0)).to(x.dtype)
        return torch.where((ids >= words)[..., None], control, x)

    def logits(self, hidden: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
        """Scores of the next text token; the output layer is the embedding tables themselves."""
        words = self.words(hidden) if self.words else F.linear(hidden, self.wte.weight)
        return torch.cat([words, F.linear(hidden, self.control.weight)], -1)

    def branch(self, modality: int) -> list[nn.Parameter]:
        """The weights tokens of this modality pass through: what a stage freezes.

        A single branch counts as the text's, which motion passes through as well.
        """
        if modality >= self.config.branches:
            return []
        layers = [m.of(modality) for m in self.modules() if isinstance(m, PerBranch)]
        return [p for layer in layers for p in layer.parameters()]


def init_gpt2(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and set biases to zero."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
