"""The paper's model used as its own code uses it: the baseline that the engine is measured against.

Every prompt is padded to 192 tokens, both branches compute every token, the condition and all
modulations are worked out anew at every denoising step, twice for guidance, and layers multiply
with weights as PyTorch lays them. What comes out is the same.

Shapes: B sequences, T tokens, S tokens so far, D width, N motions, Z size of a latent.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from motiongpt3.model.branches import PerBranch
from motiongpt3.model.gpt import GPT, MOTION, TEXT
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.noise import noise_rows
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.schedule import drawn
from motiongpt3.model.sequence import Tokens

PADDED = 192
"""Tokens that every prompt is filled up to."""


class Naive:
    """A model whose weights are not packed, in the plain way."""

    def __init__(self, model: MotionGPT):
        self.model, self.gpt = model, model.network.gpt
        heads = model.network.heads
        assert isinstance(heads, LatentHeads)
        self.heads = heads

    @torch.no_grad()
    def make(
        self,
        prompt: Tokens,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "B T F"]:
        """Normalised features of a motion for each prompt, which holds none."""
        slots = self.heads.asked_slots
        ids, valid = self._padded(prompt)
        x, ends = self.gpt.embed(ids), valid.sum(1)
        modality = torch.full_like(ids, TEXT)
        at = ends[:, None] + torch.arange(slots)
        rows = torch.arange(len(ids))[:, None]
        x[rows, at], modality[rows, at] = self.heads.motion_out.clone(), MOTION
        hidden, _ = dense(self.gpt, x, modality, torch.arange(PADDED), None)
        latents = self._denoised(hidden[rows, at], generators, sampling) / self.heads.latent_scale
        return self.model.codec.vae.from_codes(latents, torch.tensor(list(frames)))

    def _denoised(
        self, hidden: Float[Tensor, "N K D"], generators: Sequence[Generator], sampling: Sampling
    ) -> Float[Tensor, "N Z"]:
        head = self.heads.diffusion
        both = torch.cat([hidden, head.nothing.expand_as(hidden)])

        def says(x: Float[Tensor, "n Z"], t: int) -> Float[Tensor, "n Z"]:
            return head.said(x, torch.tensor([t] * len(both)), head.pool(both))

        noise = partial(noise_rows, generators, (head.config.latent,), hidden)
        return drawn(says, head.config.prediction, head.levels, sampling, noise)

    @torch.no_grad()
    def write(
        self, prompt: Tokens, told: Float[Tensor, "B Z"], number: int
    ) -> Int[Tensor, "B number"]:
        """So many of the likeliest next tokens of each prompt, which all have one length."""
        ids, valid = self._padded(prompt)
        x = self.gpt.embed(ids)
        width = prompt.told.shape[1]
        x[:, :width][prompt.told] = self.heads.embed(told)
        modality = torch.full_like(ids, TEXT)
        modality[:, :width] = prompt.modality
        hidden, cache = dense(self.gpt, x, modality, torch.arange(PADDED), None)
        end = int(valid[0].sum())
        chosen, seen = [], valid
        state = hidden[:, end - 1]
        for place in range(number):
            chosen.append(self.gpt.logits(state)[:, : self.gpt.wte.num_embeddings].argmax(-1))
            seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1)
            x = self.gpt.embed(chosen[-1][:, None])
            where = torch.tensor([end + place])
            hidden, cache = dense(self.gpt, x, torch.full((len(x), 1), TEXT), where, (cache, seen))
            state = hidden[:, -1]
        return torch.stack(chosen, 1)

    def _padded(self, prompt: Tokens) -> tuple[Int[Tensor, "B padded"], Bool[Tensor, "B padded"]]:
        missing = PADDED - prompt.ids.shape[1]
        return F.pad(prompt.ids, (0, missing)), F.pad(prompt.valid, (0, missing))


Cache = list[Float[Tensor, "two B H S d"]]


def dense(
    gpt: GPT,
    x: Float[Tensor, "B T D"],
    modality: Int[Tensor, "B T"],
    positions: Int[Tensor, " T"],
    before: tuple[Cache, Bool[Tensor, "B S"]] | None,
) -> tuple[Float[Tensor, "B T D"], Cache]:
    """Hidden states with both branches computed for all tokens, and keys and values of them.

    Args:
        before: keys and values of earlier tokens, and which tokens, the new one too, may be seen.
    """
    x, cache = x + gpt.wpe(positions), []
    for layer, block in enumerate(gpt.layers):
        qkv = both(block.qkv, both(block.norm1, x, modality), modality)
        q, k, v = rearrange(qkv, "B T (three H d) -> three B H T d", three=3, H=block.heads)
        mask = None
        if before is not None:
            k, v = (
                torch.cat([old, new], 2) for old, new in zip(before[0][layer], (k, v), strict=True)
            )
            mask = before[1][:, None, None]
        cache.append(torch.stack([k, v]))
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None)
        x = x + both(block.proj, rearrange(y, "B H T d -> B T (H d)"), modality)
        x = x + both(block.mlp, both(block.norm2, x, modality), modality)
    return both(gpt.norm, x, modality), cache


def both(
    layer: PerBranch, x: Float[Tensor, "B T D"], modality: Int[Tensor, "B T"]
) -> Float[Tensor, "B T E"]:
    """A layer's two copies for every token, and the one of its modality kept."""
    text, motion = (layer.of(kind)(x) for kind in (TEXT, MOTION))
    return torch.where((modality == MOTION)[..., None], motion, text)
