"""Training the language model: the text branch on words, then both branches on all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order, pad
from motiongpt3.data.tasks import Field, Task
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import MotionCodec
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.heads import Codes, LatentHeads
from motiongpt3.model.sequence import Packer, Tokens, Turn
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vq import NO_CODE
from motiongpt3.training.codes import ClipCodes
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
    kind_weight: float = 0.0
    """Weight of naming a clip's kind (`MotionText.kinds`) from the slots of the motion to make.
    Noise tells a small model slowly which words matter; one number per clip tells it at once. What
    reads the kind is thrown away after the stage. 0 where kinds are not known, as in HumanML3D."""
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
        codes: ClipCodes,
    ):
        self.network, self.vae, self.tokenizer = model
        self.data, self.order, self.stage, self.codes = data, order, stage, codes
        check_skeleton(self.vae, data)
        self.turns = TurnMaker(data, stage.wording, stage.cuts)
        self.device = self.network.device
        self.packer = Packer(self.tokenizer, self.network.heads.slots, self.device)
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)
        self.vae.eval()
        self.module = nn.ModuleDict({"network": self.network})
        self.kinds = torch.tensor(data.kinds(), device=self.device)
        if stage.kind_weight:
            self.module["kind"] = self._kind_reader()

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """Motion branch and understanding head, diffusion head, and text where it is trained."""
        gpt = self.network.gpt
        text = [*gpt.branch(TEXT), *gpt.wte.parameters(), *gpt.wpe.parameters()]
        way_in, way_out = self.network.heads.weights()
        for weight in text:
            weight.requires_grad_(not self.stage.text_frozen)
        groups: list[tuple[Sequence[nn.Parameter], float]] = []
        groups.append((list(gpt.control.parameters()), 1.0))
        if not self.stage.text_frozen:
            groups.append((text, self.stage.text_rate))
        if not self.stage.words_only:
            groups.append(([*gpt.branch(MOTION), *way_in], 1.0))
            groups.append((way_out, self.stage.head_rate))
        if self.stage.kind_weight:
            groups.append((list(self.module["kind"].parameters()), 1.0))
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
        losses = self.network(tokens, told, asked)
        loss = self.stage.text_weight * losses.text + self.stage.motion_weight * losses.motion
        terms = {"text": losses.text.detach(), "motion": losses.motion.detach()}
        if self.stage.kind_weight and len(asked):
            kind = self._kind_loss(losses.slots, [examples[row] for row, _ in tokens.asked_fields])
            loss, terms["kind"] = loss + self.stage.kind_weight * kind, kind.detach()
        return {"loss": loss, **terms}

    def _kind_reader(self) -> nn.Linear:
        heads = self.network.heads
        if not isinstance(heads, LatentHeads):
            raise InputError("kinds are read from the slots of latents", where="kind_weight")
        size = heads.asked_slots * self.network.config.gpt.width
        # A clip and its mirror image are of different kinds.
        return nn.Linear(size, 2 * (int(self.kinds.max()) + 1), device=self.device)

    def _kind_loss(self, slots: Float[Tensor, "R D"], asked: list[Example]) -> Float[Tensor, ""]:
        clips = torch.tensor([e.clip for e in asked], device=self.device)
        mirrored = torch.tensor([e.mirrored for e in asked], device=self.device)
        scores = self.module["kind"](slots.reshape(len(asked), -1))
        return F.cross_entropy(scores.float(), 2 * self.kinds[clips] + mirrored)

    def _words(self, examples: list[Example], rng: np.random.Generator) -> dict[str, Tensor]:
        turns = [
            Turn(e.turn.question, (e.in_words,) if self.stage.in_words else "motion")
            if Field.MOTION in e.turn.answer
            else e.turn
            for e in examples
        ]
        none = self._codes(examples, [])
        return {"loss": self.network(self._pack(turns, rng, "all"), none, none).text}

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
        """Codes of the wanted motions: those of whole clips are known, parts are made in one go."""
        if not wanted:
            return torch.zeros(0, 0, device=self.device)
        rows: list[Tensor | None] = []
        parts: list[np.ndarray] = []
        for row, name in wanted:
            example, motion = examples[row], examples[row].motions[name]
            if len(motion) == self.data.records[example.clip].frames:
                rows.append(self.codes.of(example.clip, example.mirrored))
            else:
                rows.append(None)
                parts.append(motion)
        made = iter(self._encoded(parts))
        known = [next(made) if row is None else row for row in rows]
        return nn.utils.rnn.pad_sequence(known, batch_first=True, padding_value=NO_CODE)

    def _encoded(self, parts: list[np.ndarray]) -> Codes:
        if not parts:
            return torch.zeros(0, 0, device=self.device)
        padded, length = pad(parts)
        features = (torch.from_numpy(padded).to(self.device) - self.mean) / self.std
        codes = self.vae.to_codes(features, torch.from_numpy(length).to(self.device))
        return codes.float() if codes.is_floating_point() else codes
