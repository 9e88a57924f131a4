"""The bimodal language model: a GPT of two branches, and the heads that carry motion in and out.

Shapes: B sequences, T tokens, R slots of motions, D width, V vocabulary. Codes are what the
motion codec makes of motions (`model.heads`), one row each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from motiongpt3.model.cache import KVCache
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import CONTROL_IDS, GPT, MOTION, TEXT, GPTConfig
from motiongpt3.model.heads import CodeHeads, Codes, LatentHeads, MotionHeads
from motiongpt3.model.losses import Each, Lesson, Losses, soft_targets
from motiongpt3.model.reading import Begun, Read, Sequences, joined, words
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Tokens


@dataclass(frozen=True)
class BimodalConfig:
    """Sizes of the language model and of its motion heads."""

    gpt: GPTConfig = field(default_factory=GPTConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    told_slots: int | None = None
    """Slots of a motion that the model is told about, K in; as many as it makes if None."""
    codebook: int = 0
    """Motions are ids of a codebook of this size, without diffusion; 0: latents."""
    masked: bool = False
    """There is an embedding for the place of a missing motion, as in the released model."""
    shuffled_slots: bool = False
    """Several motions of one question lie in its slots turn by turn: all first quarters, all second
    quarters and so on. The released model learned in-betweening that way (motgpt_lm.py:561)."""


@dataclass(frozen=True)
class Teacher:
    """A model whose word is learned in place of the data's (Li and Hoiem 2016)."""

    model: "Bimodal"
    """Of the same sizes and kind."""
    rows: Bool[Tensor, " B"]
    """The sequences in which it is. What is drawn untold is learned from it in all of them."""


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
            else LatentHeads(config.diffusion, config.told_slots, config.masked)
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.gpt.wte.weight.device

    def forward(
        self,
        tokens: Tokens,
        told: Codes,
        asked: Codes,
        generators: Sequence[Generator] = (),
        text_frozen: bool = False,
        teacher: Teacher | None = None,
    ) -> Losses:
        """Losses of whole sequences; tokens that nothing learned hangs on are not computed.

        Args:
            told: codes of the motions in questions, in the order of `tokens.told_fields`.
            asked: codes of the motions in answers, likewise.
            generators: sources of the noise that each motion in an answer is learned with.
            text_frozen: nothing that text passes through is trained but the embeddings of `<som>`
                and `<eom>`. Text before a sequence's first motion is then read without gradient
                and without dropout, and once where several sequences begin alike, for the teacher
                as well, whose text branch is this one: the same losses and gradients, for less
                work.
            teacher: who is asked, in some of the sequences, what each word and motion should be.
        """
        begun = self._begun(tokens) if text_frozen else None
        sequences = Sequences(tokens, told, asked, begun)
        groups = sequences.alike()
        read = self._read(sequences, groups)
        places, lesson, targets = read.places[:: self.heads.slots_per_loss], None, read.targets
        if teacher is not None:
            other, rows = teacher.model, teacher.rows
            with torch.no_grad():
                theirs = other._read(sequences, [group[rows[group]] for group in groups])
                targets = soft_targets(targets, other.gpt.logits(theirs.states), rows[read.rows])
            lesson = Lesson(other.heads, theirs.slots, rows[places])
        text = self._text_losses(read.states, targets)
        motion = self.heads.losses(read.slots, asked, generators, lesson)
        return Losses(Each(text, read.rows), Each(motion, places), read.slots)

    def _read(self, sequences: Sequences, groups: Sequence[Int[Tensor, " _"]]) -> Read:
        whole = len(sequences.tokens.ids)
        parts = [sequences if len(rows) == whole else sequences.take(rows) for rows in groups]
        return joined([self._read_together(part) for part in parts], groups)

    def _read_together(self, sequences: Sequences) -> Read:
        tokens, begun, before, cache = sequences.tokens, sequences.begun, [], None
        width = tokens.ids.shape[1]
        positions = self.gpt.next_positions(width, None, self.device)
        if begun is not None:
            before = [words(begun.first, begun.hidden, begun.own)]
            cache, tokens = begun.cache.select(begun.own), begun.rest
            positions = begun.at[:, None] + positions[: tokens.ids.shape[1]]
            positions = positions.clamp(max=width - 1)  # at padding
        x = self._embed(tokens, sequences.told)
        if len(sequences.asked):
            x[tokens.asked] = self.heads.ask(sequences.asked).to(x.dtype)
        hidden = self.gpt(x, tokens.modality, positions, cache, tokens.valid & tokens.needed)
        states, targets, rows = map(torch.cat, zip(*before, words(tokens, hidden), strict=True))
        places = tokens.asked.nonzero()[:, 0]
        return Read(states, targets, rows, hidden[tokens.asked], places)

    def _text_losses(
        self, states: Float[Tensor, "n D"], targets: Int[Tensor, " n"] | Float[Tensor, "n V"]
    ) -> Float[Tensor, " n"]:
        if not len(states):
            return states.sum(1)  # none, and still part of the graph
        return F.cross_entropy(self.gpt.logits(states), targets, reduction="none")

    def _unchanging(self, tokens: Tokens) -> Int[Tensor, "B"]:
        """Tokens of each sequence before the first that is no text or whose embedding is trained.

        Attention is causal, so what is trained does not reach them.
        """
        trained = tokens.ids >= self.config.gpt.vocab - CONTROL_IDS
        changing = trained | (tokens.modality == MOTION) | ~tokens.valid
        return (changing.cumsum(1) == 0).sum(1)

    @torch.no_grad()
    def _begun(self, tokens: Tokens) -> Begun:
        """Read the text at the beginning of sequences, each beginning once."""
        at = self._unchanging(tokens)
        first, rest = tokens.split(at)
        cache = KVCache()
        ids, own = first.ids.masked_fill(~first.valid, -1).unique(dim=0, return_inverse=True)
        training = self.gpt.training
        self.gpt.eval()
        x = self.gpt.embed(ids.clamp(min=0))
        hidden = self.gpt(x, torch.full_like(ids, TEXT), None, cache, ids >= 0)
        self.gpt.train(training)
        return Begun(first, hidden, cache, own, rest, at)

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
        cache, _ = self.prefill(prompt, told)
        return self.heads.make(partial(self.advance, cache), frames, generators, sampling)

    def advance(self, cache: KVCache, x: Float[Tensor, "B t D"]) -> Float[Tensor, "B t D"]:
        """Append embeddings of motion tokens; their hidden states."""
        modality = torch.full(x.shape[:2], MOTION, device=x.device)
        return self.gpt(x, modality, None, cache)

    @torch.no_grad()
    def write_text(
        self, prompt: Tokens, told: Codes, stop: int, limit: int, penalty: float = 1.0
    ) -> list[list[int]]:
        """The likeliest answer to each prompt, token by token, until `stop` or `limit` tokens."""
        return self.answer(*self.read(prompt, told), (stop, limit), penalty)

    @torch.no_grad()
    def answer(
        self,
        cache: KVCache,
        logits: Float[Tensor, "B V"],
        until: tuple[int, int],
        penalty: float = 1.0,
    ) -> list[list[int]]:
        """The likeliest continuation, in words alone, of prompts that have been read.

        Args:
            until: the id that ends an answer, and the most ids of one.
            penalty: what scores of ids that an answer holds already are divided by.
        """
        stop, limit = until
        answers: list[list[int]] = [[] for _ in range(len(logits))]
        open_rows = torch.ones(len(logits), dtype=torch.bool)
        for _ in range(limit):
            choice = _penalised(logits, answers, penalty)[:, :-CONTROL_IDS].argmax(-1)
            open_rows &= choice != stop
            if not open_rows.any():
                break
            for row in open_rows.nonzero().flatten().tolist():
                answers[row].append(int(choice[row]))
            logits = self.next_logits(choice[:, None], cache)
        return answers

    def read(self, prompt: Tokens, told: Codes) -> tuple[KVCache, Float[Tensor, "B V"]]:
        """Read prompts once: what later tokens need of them, and the scores of the next token."""
        cache, hidden = self.prefill(prompt, told)
        last = prompt.valid.sum(1) - 1
        return cache, self.gpt.logits(hidden[torch.arange(len(last)), last])

    def prefill(self, prompt: Tokens, told: Codes) -> tuple[KVCache, Float[Tensor, "B T D"]]:
        """Hidden states of prompts, and what later tokens need of them."""
        cache = KVCache()
        x = self._embed(prompt, told)
        return cache, self.gpt(x, prompt.modality, None, cache, prompt.valid)

    def next_logits(self, ids: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Append text tokens and score what follows the last of them."""
        modality = torch.full_like(ids, TEXT)
        return self.gpt.logits(self.gpt(self.gpt.embed(ids), modality, None, cache)[:, -1])

    def _embed(self, tokens: Tokens, told: Codes) -> Float[Tensor, "B T D"]:
        return self.with_slots(self.gpt.embed(tokens.ids), tokens, told)

    def with_slots(
        self, x: Float[Tensor, "B T D"], tokens: Tokens, told: Codes
    ) -> Float[Tensor, "B T D"]:
        """Embeddings of tokens with those of slots in their places, but for slots to make."""
        if len(told):
            slots = self.heads.embed(told)
            if self.config.shuffled_slots:
                slots = slots[_turn_by_turn(tokens, len(slots) // len(told)).to(slots.device)]
            x = x.clone()
            x[tokens.told] = slots.to(x.dtype)
        if tokens.masked.any():
            x = x.clone()
            x[tokens.masked] = self.heads.hidden_motion().to(x.dtype)
        return x


def _penalised(
    logits: Float[Tensor, "B V"], said: Sequence[Sequence[int]], penalty: float
) -> Float[Tensor, "B V"]:
    """Scores with what was said made less likely (Keskar 2019, section 4.1)."""
    if penalty == 1:
        return logits
    logits = logits.clone()
    for row, ids in zip(logits, said, strict=True):
        scores = row[list(ids)]
        row[list(ids)] = torch.where(scores > 0, scores / penalty, scores * penalty)
    return logits


def _turn_by_turn(tokens: Tokens, each: int) -> Int[Tensor, " R"]:
    """Which slot's embedding goes where, when motions of one question share its slots."""
    rows = torch.tensor([row for row, _ in tokens.told_fields])
    order = torch.arange(len(rows) * each).view(-1, each)
    return torch.cat([order[rows == row].T.flatten() for row in rows.unique()])
