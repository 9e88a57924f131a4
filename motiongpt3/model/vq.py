"""The motion VQ-VAE of the ablation: a clip becomes a row of ids, one for every four frames.

A convolutional encoder and decoder around one codebook, as in T2M-GPT and MotionGPT. The codebook
follows its clips by moving averages; an entry that nobody uses is put where a clip is.

Shapes: B clips, T frames, F features, C ids per clip, W width, E codebook entries, n vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.errors import InputError

HALVINGS = 2
FRAMES_PER_CODE = 2**HALVINGS
NO_CODE = -1
"""Fills a row of ids past the end of its clip."""


@dataclass(frozen=True)
class VQConfig:
    """Size of the motion VQ-VAE; the defaults are the paper's (MotionGPT's)."""

    features: int = 263
    codebook: int = 512
    width: int = 512
    """Of the convolutions and of each codebook entry."""
    depth: int = 3
    """Residual convolutions at each resolution, each seeing three times as far as the last."""
    decay: float = 0.99
    """Of the moving averages that the codebook follows."""
    unused: float = 1.0
    """An entry chosen less often than this, on average per batch, is placed anew."""

    def __post_init__(self) -> None:
        if self.codebook < 2 or self.depth < 1 or not 0 <= self.decay < 1:
            raise InputError(f"impossible sizes: {self}", where="VQConfig")


class MotionVQ(nn.Module):
    """Normalised features to ids and back."""

    def __init__(self, config: VQConfig):
        super().__init__()
        self.config = config
        W = config.width
        self.into = nn.Conv1d(config.features, W, 3, padding=1)
        self.halve = nn.ModuleList(nn.Conv1d(W, W, 4, 2, 1) for _ in range(HALVINGS))
        self.down = nn.ModuleList(Residuals(config) for _ in range(HALVINGS))
        self.to_entry = nn.Conv1d(W, W, 3, padding=1)
        self.codebook = Codebook(config)
        self.from_entry = nn.Conv1d(W, W, 3, padding=1)
        self.up = nn.ModuleList(Residuals(config) for _ in range(HALVINGS))
        self.widen = nn.ModuleList(nn.Conv1d(W, W, 3, padding=1) for _ in range(HALVINGS))
        self.last = nn.Conv1d(W, W, 3, padding=1)
        self.out = nn.Conv1d(W, config.features, 3, padding=1)

    def to_codes(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Int[Tensor, "B C"]:
        """Ids of each clip, NO_CODE after its end; frames past `length` are not looked at."""
        vectors = self._vectors(features, length)
        ids = self.codebook.nearest(vectors.flatten(0, 1)).view(vectors.shape[:2])
        return ids.masked_fill(~_within(_codes(length), ids.shape[1]), NO_CODE)

    def from_codes(
        self, codes: Int[Tensor, "B C"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T F"]:
        """Normalised features of `length` frames each; zeros after a clip's end."""
        return self._features(self.codebook.entries[codes.clamp(min=0)], length)

    def forward(
        self,
        features: Float[Tensor, "B T F"],
        length: Int[Tensor, "B"],
        generators: Sequence[torch.Generator] = (),
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, ""]]:
        """Reconstruction, with the gradient passed straight through the codebook, and how far the
        encoder's vectors are from their entries. In training the codebook moves.

        Nothing is drawn: `generators` are there because a VAE draws its latents.
        """
        vectors = self._vectors(features, length)
        inside = _within(_codes(length), vectors.shape[1])
        ids = self.codebook.nearest(vectors.flatten(0, 1)).view(vectors.shape[:2])
        entries = self.codebook.entries[ids]
        commitment = F.mse_loss(vectors[inside], entries[inside])
        if self.training:
            self.codebook.follow(vectors[inside].detach(), ids[inside])
        return self._features(vectors + (entries - vectors).detach(), length), commitment

    def _vectors(self, features: Tensor, length: Tensor) -> Float[Tensor, "B C W"]:
        last = (length - 1)[:, None, None].expand(-1, 1, features.shape[2])
        missing = -features.shape[1] % FRAMES_PER_CODE
        x = F.pad(features, (0, 0, 0, missing))
        inside = _within(length, x.shape[1])[..., None]
        x = torch.where(inside, x, features.gather(1, last))  # the last frame fills the last code
        size = _codes(length) * FRAMES_PER_CODE
        x = F.relu(_masked(self.into, x.mT, size))
        for halve, residuals in zip(self.halve, self.down, strict=True):
            size = size // 2
            x = residuals(_masked(halve, x, size), size)
        return _masked(self.to_entry, x, size).mT

    def _features(self, vectors: Tensor, length: Tensor) -> Float[Tensor, "B T F"]:
        size = _codes(length)
        x = (vectors * _within(size, vectors.shape[1])[..., None]).mT
        x = F.relu(_masked(self.from_entry, x, size))
        for residuals, widen in zip(self.up, self.widen, strict=True):
            x = residuals(x, size).repeat_interleave(2, -1)
            size = size * 2
            x = _masked(widen, x, size)
        x = _masked(self.out, F.relu(_masked(self.last, x, size)), size)
        y = x.mT[:, : int(length.max())]
        return y * _within(length, y.shape[1])[..., None]


class Residuals(nn.Module):
    """Dilated convolutions, the widest first, each added to what it reads."""

    def __init__(self, config: VQConfig):
        super().__init__()
        W, reach = config.width, [3**n for n in reversed(range(config.depth))]
        self.wide = nn.ModuleList(nn.Conv1d(W, W, 3, padding=n, dilation=n) for n in reach)
        self.narrow = nn.ModuleList(nn.Conv1d(W, W, 1) for _ in reach)

    def forward(self, x: Float[Tensor, "B W L"], size: Int[Tensor, "B"]) -> Float[Tensor, "B W L"]:
        for wide, narrow in zip(self.wide, self.narrow, strict=True):
            x = x + _masked(narrow, F.relu(_masked(wide, F.relu(x), size)), size)
        return x


class Codebook(nn.Module):
    """Entries that follow the vectors nearest to them by moving averages (van den Oord 2017)."""

    entries: Float[Tensor, "E W"]
    counts: Float[Tensor, " E"]
    sums: Float[Tensor, "E W"]

    def __init__(self, config: VQConfig):
        super().__init__()
        self.decay, self.unused = config.decay, config.unused
        entries = torch.randn(config.codebook, config.width) / config.width**0.5
        self.register_buffer("entries", entries)
        self.register_buffer("counts", torch.zeros(config.codebook))
        self.register_buffer("sums", torch.zeros_like(entries))

    def nearest(self, vectors: Float[Tensor, "n W"]) -> Int[Tensor, " n"]:
        """The entry closest to each vector."""
        return torch.cdist(vectors.float(), self.entries).argmin(-1)

    @torch.no_grad()
    def follow(self, vectors: Float[Tensor, "n W"], ids: Int[Tensor, " n"]) -> None:
        """Move entries to the vectors that chose them; put unused ones where some vector is."""
        chosen = F.one_hot(ids, len(self.entries)).to(self.sums)
        self.counts.lerp_(chosen.sum(0), 1 - self.decay)
        with torch.autocast(vectors.device.type, enabled=False):  # sums are kept whole
            self.sums.lerp_(chosen.mT @ vectors.to(self.sums), 1 - self.decay)
        used = self.counts >= self.unused * (1 - self.decay)
        drawn = vectors[torch.randint(len(vectors), (len(self.entries),), device=vectors.device)]
        means = self.sums / self.counts.clamp(min=1e-8)[:, None]
        self.entries.copy_(torch.where(used[:, None], means, drawn.to(means)))


def _codes(length: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
    """Ids that so many frames take."""
    return (length + FRAMES_PER_CODE - 1) // FRAMES_PER_CODE


def _within(length: Int[Tensor, "B"], places: int) -> Bool[Tensor, "B places"]:
    return torch.arange(places, device=length.device) < length[:, None]


def _masked(
    layer: nn.Module, x: Float[Tensor, "B W L"], size: Int[Tensor, "B"]
) -> Float[Tensor, "B V K"]:
    """A convolution that sees zeros past the end of each clip, as if it were alone."""
    y = layer(x)
    return y * _within(size, y.shape[-1])[:, None]
