"""Training the language model: the text branch on words, then both branches on all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order, pad
from motiongpt3.data.tasks import Field, Task
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import MotionCodec
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.heads import Codes
from motiongpt3.model.sequence import Packer, Tokens, Turn
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.training.turns import Cuts, Example, TurnMaker, Wording
from motiongpt3.training.vae import check_skeleton


@dataclass(frozen=True)
class LanguageStage:
    """Which tasks a stage trains, and which weights."""

    tasks: Mapping[Task, float]
    """Share of each task in a batch."""
    text_frozen: bool = False
    """Everything text passes through but the embeddings of `<som>` and `<eom>`."""
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
    cuts: Cuts = field(default_factory=Cuts)


class LanguageJob:
    """One stage of the language model."""

    def __init__(
        self,
        model: tuple[Bimodal, MotionCodec, Tokenizer],
        data: MotionText,
        order: Order,
        stage: LanguageStage,
    ):
        self.module, self.vae, self.tokenizer = model
        self.data, self.order, self.stage = data, order, stage
        check_skeleton(self.vae, data)
        self.turns = TurnMaker(data, stage.wording, stage.cuts)
        self.device = self.module.device
        self.packer = Packer(self.tokenizer, self.module.heads.slots, self.device)
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)
        self.vae.eval()

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """Motion branch and understanding head, diffusion head, and text where it is trained."""
        gpt = self.module.gpt
        text = [*gpt.branch(TEXT), *gpt.wte.parameters(), *gpt.wpe.parameters()]
        way_in, way_out = self.module.heads.weights()
        for weight in text:
            weight.requires_grad_(not self.stage.text_frozen)
        groups: list[tuple[Sequence[nn.Parameter], float]] = []
        groups.append((list(gpt.control.parameters()), 1.0))
        if not self.stage.text_frozen:
            groups.append((text, self.stage.text_rate))
        if not self.stage.words_only:
            groups.append(([*gpt.branch(MOTION), *way_in], 1.0))
            groups.append((way_out, self.stage.head_rate))
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
        tokens = self._pack([e.turn for e in examples], rng)
        codes = self._codes(examples, [*tokens.told_fields, *tokens.asked_fields])
        told, asked = codes.split([len(tokens.told_fields), len(tokens.asked_fields)])
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
        none = self._codes(examples, [])
        return {"loss": self.module(self._pack(turns, rng, "all"), none, none).text}

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
    def _codes(self, examples: list[Example], wanted: Sequence[tuple[int, Field]]) -> Codes:
        """Codes of the wanted motions, all made in one call."""
        if not wanted:
            return torch.zeros(0, 0, device=self.device)
        padded, length = pad([examples[row].motions[name] for row, name in wanted])
        features = (torch.from_numpy(padded).to(self.device) - self.mean) / self.std
        codes = self.vae.to_codes(features, torch.from_numpy(length).to(self.device))
        return codes.float() if codes.is_floating_point() else codes
