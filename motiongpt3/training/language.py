"""Training the language model: the text branch on words, then both branches on all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order, pad
from motiongpt3.data.tasks import Field, Task
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.sequence import Packer, Tokens, Turn
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE
from motiongpt3.training.turns import Example, TurnMaker, Wording
from motiongpt3.training.vae import check_skeleton


@dataclass(frozen=True)
class LanguageStage:
    """Which tasks a stage trains, and which weights."""

    tasks: Mapping[Task, float]
    """Share of each task in a batch."""
    text_frozen: bool = False
    words_only: bool = False
    """No motions: whole questions are learned word by word, which is how the text branch learns
    to read before it meets motion (what GPT-2's pre-training is to the paper)."""
    in_words: bool = False
    """With `words_only`: what a motion would answer is answered by one of the clip's captions, so
    that the text branch learns which words of a question matter for what happens."""
    text_weight: float = 1.0
    motion_weight: float = 0.5
    head_rate: float = 2.0
    """Factor on the learning rate of the diffusion head."""
    text_rate: float = 1.0
    """Factor on the learning rate of the text branch, where it is trained."""
    bpe_dropout: float = 0.05
    """Chance that a merge is skipped, so that unknown spellings are met in training."""
    wording: Wording = field(default_factory=Wording)


class LanguageJob:
    """One stage of the language model."""

    def __init__(
        self,
        model: tuple[Bimodal, MotionVAE, Tokenizer],
        data: MotionText,
        order: Order,
        stage: LanguageStage,
    ):
        self.module, self.vae, self.tokenizer = model
        self.data, self.order, self.stage = data, order, stage
        check_skeleton(self.vae, data)
        self.turns = TurnMaker(data, stage.wording)
        self.device = self.module.latent_scale.device
        self.packer = Packer(self.tokenizer, self.module.heads.slots, self.device)
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)
        self.vae.eval()

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """Motion branch and understanding head, diffusion head, and text where it is trained."""
        gpt, heads = self.module.gpt, self.module.heads
        text = [*gpt.branch(TEXT), *gpt.wte.parameters(), *gpt.wpe.parameters()]
        motion = [*gpt.branch(MOTION), *heads.understand.parameters(), heads.motion_out]
        for weight in text:
            weight.requires_grad_(not self.stage.text_frozen)
        groups: list[tuple[Sequence[nn.Parameter], float]] = []
        if not self.stage.text_frozen:
            groups.append((text, self.stage.text_rate))
        if not self.stage.words_only:
            groups.append((motion, 1.0))
            groups.append((list(heads.diffusion.parameters()), self.stage.head_rate))
        return groups

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        return [self.data.records[i].id for i in self.order.clips(step)]

    def losses(self, step: int) -> dict[str, Tensor]:
        """Text and motion losses of a step's batch."""
        rng = self.order.rng(step)
        examples = self._examples(step, rng)
        if self.stage.words_only:
            return self._words(examples, rng)
        if set(self.stage.tasks) == {Task.TEXT_TO_MOTION} and self.stage.text_weight == 0:
            return self._drawn(examples, rng)
        tokens = self._pack([e.turn for e in examples], rng)
        latents = self._latents(examples, [*tokens.told_fields, *tokens.asked_fields])
        told, asked = latents.split([len(tokens.told_fields), len(tokens.asked_fields)])
        losses = self.module(tokens, told, asked)
        loss = self.stage.text_weight * losses.text + self.stage.motion_weight * losses.motion
        return {"loss": loss, "text": losses.text.detach(), "motion": losses.motion.detach()}

    def _words(self, examples: list[Example], rng: np.random.Generator) -> dict[str, Tensor]:
        turns = [
            Turn(e.turn.question, (e.in_words,) if self.stage.in_words else "motion")
            if Field.MOTION in e.turn.answer
            else e.turn
            for e in examples
        ]
        none = self._latents(examples, [])
        return {"loss": self.module(self._pack(turns, rng, "all"), none, none).text}

    def _drawn(self, examples: list[Example], rng: np.random.Generator) -> dict[str, Tensor]:
        """Text to motion alone: the words are read once, without gradient if they are frozen."""
        prompt = self._pack([Turn(e.turn.question, "motion") for e in examples], rng)
        asked = self._latents(examples, [(row, Field.MOTION) for row in range(len(examples))])
        return {"loss": self.module.loss_after(prompt, asked, self.stage.text_frozen)}

    def _pack(
        self,
        turns: list[Turn],
        rng: np.random.Generator,
        learn: Literal["answer", "all"] = "answer",
    ) -> Tokens:
        encode = partial(self.tokenizer.encode, dropout=self.stage.bpe_dropout, rng=rng)
        return self.packer.pack(turns, learn, encode)

    def _examples(self, step: int, rng: np.random.Generator) -> list[Example]:
        tasks, shares = list(self.stage.tasks), np.array(list(self.stage.tasks.values()))
        examples = []
        for index in self.order.clips(step).tolist():
            task = tasks[int(rng.choice(len(tasks), p=shares / shares.sum()))]
            if task is Task.PLAIN and self.data.corpus and rng.random() < 0.3:
                examples.append(Example(self.turns.sentence(rng), {}))
            else:
                examples.append(self.turns.draw(task, index, rng))
        return examples

    @torch.no_grad()
    def _latents(
        self, examples: list[Example], wanted: Sequence[tuple[int, Field]]
    ) -> Float[Tensor, "n Z"]:
        """Posterior means of the wanted motions, all encoded in one call."""
        if not wanted:
            return torch.zeros(0, self.module.config.diffusion.latent, device=self.device)
        padded, length = pad([examples[row].motions[name] for row, name in wanted])
        features = (torch.from_numpy(padded).to(self.device) - self.mean) / self.std
        posterior = self.vae.encode(features, torch.from_numpy(length).to(self.device))
        return posterior.mean.flatten(1).float()
