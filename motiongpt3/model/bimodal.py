"""The bimodal language model: a GPT of two branches, and the heads that carry motion in and out.

Shapes: B sequences, T tokens, N motions, K slots, D width, Z latent size, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from motiongpt3.model.cache import KVCache
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPT, MOTION, TEXT, GPTConfig
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import IGNORE, Tokens


@dataclass(frozen=True)
class BimodalConfig:
    """Sizes of the language model and of its motion heads."""

    gpt: GPTConfig = field(default_factory=GPTConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)


@dataclass(frozen=True)
class Losses:
    """What a batch teaches: cross-entropy of text, diffusion loss of motion."""

    text: Float[Tensor, ""]
    motion: Float[Tensor, ""]


class Bimodal(nn.Module):
    """Text tokens and motion latents in one causal sequence."""

    latent_scale: Tensor

    def __init__(self, config: BimodalConfig):
        super().__init__()
        self.config = config
        self.gpt = GPT(config.gpt)
        self.heads = LatentHeads(config.diffusion)
        self.register_buffer("latent_scale", torch.ones(()))
        """Brings the VAE's latents to unit spread; set once the VAE is trained."""

    def set_spread(self, spread: Float[Tensor, " Z"]) -> None:
        """Learn how the VAE's latents spread, given each component's standard deviation."""
        self.latent_scale.copy_(1 / (spread**2).mean().sqrt())
        if self.config.diffusion.gaussian_start:
            self.heads.diffusion.spread.copy_(spread * self.latent_scale)

    def forward(
        self,
        tokens: Tokens,
        told: Float[Tensor, "n Z"],
        asked: Float[Tensor, "m Z"],
    ) -> Losses:
        """Losses of whole sequences.

        Args:
            told: VAE latents of the motions in questions, in the order of `tokens.told_fields`.
            asked: VAE latents of the motions in answers, likewise.
        """
        x = self._embed(tokens, told)
        if len(asked):
            x[tokens.asked] = self.heads.blank(len(asked)).flatten(0, 1).to(x.dtype)
        hidden = self.gpt(x, tokens.modality, valid=tokens.valid)
        learned = tokens.targets != IGNORE
        text = hidden.new_zeros(())
        if learned.any():
            text = F.cross_entropy(self.gpt.logits(hidden[learned]), tokens.targets[learned])
        slots = hidden[tokens.asked].unflatten(0, (-1, self.heads.slots))
        return Losses(text, self.heads.loss(slots, asked * self.latent_scale))

    def loss_after(
        self, prompt: Tokens, asked: Float[Tensor, "B Z"], frozen: bool
    ) -> Float[Tensor, ""]:
        """Motion loss of prompts of text alone; with a frozen text branch they cost no gradient."""
        with torch.set_grad_enabled(not frozen):
            cache = KVCache()
            self.gpt(self._embed(prompt, asked[:0]), prompt.modality, None, cache, prompt.valid)
        return self.heads.loss(self._slots(cache), asked * self.latent_scale)

    @torch.no_grad()
    def make_latents(
        self,
        prompt: Tokens,
        told: Float[Tensor, "n Z"],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "B Z"]:
        """VAE latents of the motions that answer prompts ending in `<som>`."""
        cache, _ = self.read(prompt, told)
        return self.heads.sample(self._slots(cache), generators, sampling) / self.latent_scale

    @torch.no_grad()
    def write_text(
        self, prompt: Tokens, told: Float[Tensor, "n Z"], stop: int, limit: int
    ) -> list[list[int]]:
        """The likeliest answer to each prompt, token by token, until `stop` or `limit` tokens."""
        return self.answer(*self.read(prompt, told), stop, limit)

    @torch.no_grad()
    def answer(
        self, cache: KVCache, logits: Float[Tensor, "B V"], stop: int, limit: int
    ) -> list[list[int]]:
        """The likeliest continuation of prompts that have been read."""
        answers: list[list[int]] = [[] for _ in range(len(logits))]
        open_rows = torch.ones(len(logits), dtype=torch.bool)
        for _ in range(limit):
            choice = logits.argmax(-1)
            open_rows &= choice != stop
            if not open_rows.any():
                break
            for row in open_rows.nonzero().flatten().tolist():
                answers[row].append(int(choice[row]))
            logits = self.next_logits(choice[:, None], cache)
        return answers

    def read(
        self, prompt: Tokens, told: Float[Tensor, "n Z"]
    ) -> tuple[KVCache, Float[Tensor, "B V"]]:
        """Read prompts once: what later tokens need of them, and the scores of the next token."""
        cache = KVCache()
        x = self._embed(prompt, told)
        hidden = self.gpt(x, prompt.modality, None, cache, prompt.valid)
        last = prompt.valid.sum(1) - 1
        return cache, self.gpt.logits(hidden[torch.arange(len(last)), last])

    def next_logits(self, ids: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Append text tokens and score what follows the last of them."""
        modality = torch.full_like(ids, TEXT)
        return self.gpt.logits(self.gpt(self.gpt.wte(ids), modality, None, cache)[:, -1])

    def _embed(self, tokens: Tokens, told: Float[Tensor, "n Z"]) -> Float[Tensor, "B T D"]:
        x = self.gpt.wte(tokens.ids)
        if len(told):
            slots = self.heads.embed(told * self.latent_scale).flatten(0, 1)
            x = _placed(x, tokens.told, slots)
        return x

    def _slots(self, cache: KVCache) -> Float[Tensor, "B K D"]:
        """Hidden states of K motion slots after what is cached."""
        assert cache.valid is not None
        x = self.heads.blank(len(cache.valid))
        modality = torch.full(x.shape[:2], MOTION, device=x.device)
        return self.gpt(x, modality, None, cache)


def _placed(
    x: Float[Tensor, "B T D"], where: Bool[Tensor, "B T"], rows: Float[Tensor, "n D"]
) -> Float[Tensor, "B T D"]:
    x = x.clone()
    x[where] = rows.to(x.dtype)
    return x
