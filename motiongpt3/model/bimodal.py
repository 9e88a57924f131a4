"""The bimodal language model: a GPT of two branches, and the heads that carry motion in and out.

Shapes: B sequences, T tokens, R slots of motions, D width, V vocabulary. Codes are what the
motion codec makes of motions (`model.heads`), one row each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from motiongpt3.model.cache import KVCache
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPT, MOTION, TEXT, GPTConfig
from motiongpt3.model.heads import CodeHeads, Codes, LatentHeads, MotionHeads
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import IGNORE, Tokens


@dataclass(frozen=True)
class BimodalConfig:
    """Sizes of the language model and of its motion heads."""

    gpt: GPTConfig = field(default_factory=GPTConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    told_slots: int | None = None
    """Slots of a motion that the model is told about, K in; as many as it makes if None."""
    codebook: int = 0
    """Motions are ids of a codebook of this size, without diffusion; 0: latents."""


@dataclass(frozen=True)
class Losses:
    """What a batch teaches: cross-entropy of text, the heads' loss of motion."""

    text: Float[Tensor, ""]
    motion: Float[Tensor, ""]


class Bimodal(nn.Module):
    """Text tokens and motions in one causal sequence."""

    heads: MotionHeads

    def __init__(self, config: BimodalConfig):
        super().__init__()
        self.config = config
        self.gpt = GPT(config.gpt)
        self.heads = (
            CodeHeads(config.codebook, config.gpt.width)
            if config.codebook
            else LatentHeads(config.diffusion, config.told_slots)
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.gpt.wte.weight.device

    def forward(self, tokens: Tokens, told: Codes, asked: Codes) -> Losses:
        """Losses of whole sequences.

        Args:
            told: codes of the motions in questions, in the order of `tokens.told_fields`.
            asked: codes of the motions in answers, likewise.
        """
        x = self._embed(tokens, told)
        if len(asked):
            x[tokens.asked] = self.heads.ask(asked).to(x.dtype)
        hidden = self.gpt(x, tokens.modality, valid=tokens.valid)
        learned = tokens.targets != IGNORE
        text = hidden.new_zeros(())
        if learned.any():
            text = F.cross_entropy(self.gpt.logits(hidden[learned]), tokens.targets[learned])
        return Losses(text, self.heads.loss(hidden[tokens.asked], asked))

    @torch.no_grad()
    def make(
        self,
        prompt: Tokens,
        told: Codes,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Codes:
        """Codes of the motions, of so many frames each, that answer prompts ending in `<som>`."""
        cache, _ = self.read(prompt, told)

        def advance(x: Float[Tensor, "B t D"]) -> Float[Tensor, "B t D"]:
            modality = torch.full(x.shape[:2], MOTION, device=x.device)
            return self.gpt(x, modality, None, cache)

        return self.heads.make(advance, frames, generators, sampling)

    @torch.no_grad()
    def write_text(self, prompt: Tokens, told: Codes, stop: int, limit: int) -> list[list[int]]:
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

    def read(self, prompt: Tokens, told: Codes) -> tuple[KVCache, Float[Tensor, "B V"]]:
        """Read prompts once: what later tokens need of them, and the scores of the next token."""
        cache = KVCache()
        x = self._embed(prompt, told)
        hidden = self.gpt(x, prompt.modality, None, cache, prompt.valid)
        last = prompt.valid.sum(1) - 1
        return cache, self.gpt.logits(hidden[torch.arange(len(last)), last])

    def next_logits(self, ids: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Append text tokens and score what follows the last of them."""
        modality = torch.full_like(ids, TEXT)
        return self.gpt.logits(self.gpt(self.gpt.embed(ids), modality, None, cache)[:, -1])

    def _embed(self, tokens: Tokens, told: Codes) -> Float[Tensor, "B T D"]:
        x = self.gpt.embed(tokens.ids)
        if len(told):
            x = x.clone()
            x[tokens.told] = self.heads.embed(told).to(x.dtype)
        return x
