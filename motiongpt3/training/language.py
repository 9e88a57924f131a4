"""Training the language model: the text branch on words, then both branches on all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.tasks import Field, Task
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal, Teacher
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.heads import Codes, LatentHeads
from motiongpt3.model.losses import Each
from motiongpt3.model.noise import seeded
from motiongpt3.model.sequence import IGNORE, Learned, Packer, Tokens, Turn
from motiongpt3.model.vae import MotionVAE
from motiongpt3.training.codes import ClipCodes, Encoder, interleaved
from motiongpt3.training.replay import is_own
from motiongpt3.training.turns import Cuts, Example, TurnMaker, Wording
from motiongpt3.training.vae import check_skeleton

_FIELDS = list(Field)
Whole = tuple[int, bool]
"""A whole clip, or its mirror image."""


@dataclass(frozen=True)
class LanguageStage:
    """Which tasks a stage trains, and which weights."""

    tasks: Mapping[Task, float]
    """Share of each task in a batch."""
    text_frozen: bool = False
    """Everything text passes through but the embeddings of `<som>` and `<eom>`. Text before the
    first motion of a sequence is then read without gradient and without dropout."""
    words_only: bool = False
    """No motions: whole questions are learned word by word, which is how the text branch learns
    to read before it meets motion (what GPT-2's pre-training is to the paper)."""
    in_words: bool = False
    """With `words_only`: what a motion would answer is answered by one of the clip's captions, so
    that the text branch learns which words of a question matter for what happens."""
    text_weight: float = 1.0
    """0: text is not learned, and its loss not worked out."""
    motion_weight: float = 0.5
    head_rate: float = 2.0
    """Factor on the learning rate of the diffusion head."""
    kind_weight: float = 0.0
    """Weight of naming a clip's kind (`MotionText.kinds`) from the slots of the motion to make.
    Noise tells a small model slowly which words matter; one number per clip tells it at once. What
    reads the kind is thrown away after the stage. 0 where kinds are not known, as in HumanML3D."""
    own_weight: float = 1.0
    """Weight of motions of the model's own making (`training.replay`), and of what it says of them:
    beside the errors of what is new those of what it says still are small."""
    sampled_codes: bool = False
    """Motions are draws from the VAE's posterior, anew each time, in place of its means."""
    bpe_dropout: float = 0.05
    """Chance that a merge is skipped, so that unknown spellings are met in training."""
    wording: Wording = field(default_factory=Wording)
    cuts: Cuts = field(default_factory=Cuts)


@dataclass(frozen=True, eq=False)
class LanguageBatch:
    """Rows of a step, as a data worker hands them over: no codes yet, nothing on a device."""

    tokens: Tokens
    tasks: tuple[Task, ...]
    """Of each row."""
    motions: tuple[Whole | Float[np.ndarray, "_ F"], ...]
    """Told ones first, then those in answers: whole clips by name, parts as features."""
    seeds: tuple[int, ...]
    """Of what is drawn for each motion."""
    kinds: Int[np.ndarray, " N"]
    """Kind of each motion in an answer."""
    counts: Mapping[str, float]
    own: Bool[np.ndarray, " B"]
    """Whether a row is of a motion that the model made itself, and keeps."""


class LanguageJob:
    """One stage of the language model."""

    def __init__(
        self,
        bundle: Bundle,
        data: MotionText,
        order: Order,
        stage: LanguageStage,
        codes: ClipCodes,
        teacher: Bimodal | None = None,
    ):
        """Args:
        teacher: what the model was, where it learns motions of its own making again: in their
            rows it learns to say what it said, not what is there.
        """
        self.network, self.tokenizer = bundle.network, bundle.tokenizer
        self.data, self.order, self.stage, self.known = data, order, stage, codes
        check_skeleton(bundle.vae, data)
        if stage.sampled_codes and not isinstance(bundle.vae, MotionVAE):
            raise InputError("ids are not drawn, latents are", where="sampled_codes")
        self.turns = TurnMaker(data, stage.wording, stage.cuts)
        self.device = self.network.device
        self.packer = Packer(self.tokenizer, self.network.heads.slots)
        self.encoder = Encoder(bundle.vae, data)
        self.module = nn.ModuleDict({"network": self.network})
        self.teacher = teacher and teacher.to(self.device).eval().requires_grad_(False)
        self.kinds = data.kinds()
        if stage.kind_weight:
            self.module["kind"] = self._kind_reader()

    @property
    def shardable(self) -> list[nn.Module]:
        """All that is trained."""
        return list(self.module.values())

    @property
    def terms(self) -> dict[str, float]:
        """Losses of text and motion, and each for every task, which is only reported."""
        stage = self.stage
        learned = {"text": 1.0 if stage.words_only else stage.text_weight}
        if not stage.words_only:
            learned["motion"] = stage.motion_weight
        shown = {f"{name}.{task.value}": 0.0 for name in learned for task in stage.tasks}
        kind = {"kind": stage.kind_weight} if stage.kind_weight else {}
        return {**learned, **kind, **shown}

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
            groups.append((text, 1.0))
        if not self.stage.words_only:
            groups.append(([*gpt.branch(MOTION), *way_in], 1.0))
            groups.append((way_out, self.stage.head_rate))
        if self.stage.kind_weight:
            groups.append((list(self.module["kind"].parameters()), 1.0))
        return groups

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        return [self.data.records[i].id for i in self.order.clips(step)]

    def draw(self, step: int, rows: range) -> LanguageBatch:
        """These rows' examples as tokens, and the motions in them."""
        clips, rngs = self.order.clips(step), [self.order.rng(step, row) for row in rows]
        examples = [self._example(int(clips[r]), rng) for r, rng in zip(rows, rngs, strict=True)]
        seeds = [int(rng.integers(2**62)) for rng in rngs]
        tokens = self._packed(examples, rngs)
        wanted = [] if self.stage.words_only else [*tokens.told_fields, *tokens.asked_fields]
        asked = [examples[row] for row, _ in tokens.asked_fields]
        return LanguageBatch(
            tokens,
            tuple(e.task for e in examples),
            tuple(self._motion(examples[row], name) for row, name in wanted),
            tuple(seeds[row] + _FIELDS.index(name) for row, name in wanted),
            np.array([2 * self.kinds[e.clip] + e.mirrored for e in asked], np.int64),
            self._counts(tokens, examples),
            np.array([is_own(self.data.records[e.clip]) for e in examples]),
        )

    def losses(self, batch: LanguageBatch) -> dict[str, Tensor]:
        """Losses of text and motion, each also for every task in the batch.

        A task's loss is the mean over its own tokens, or its own motions.
        """
        stage, told = self.stage, len(batch.tokens.told_fields)
        codes, noise = self.codes(batch), seeded(batch.seeds[told:])
        tokens = batch.tokens.to(self.device)
        own, teacher = torch.tensor(batch.own, device=self.device), None
        if self.teacher is not None:
            teacher = Teacher(self.teacher, own)
        made = self.network(tokens, codes[:told], codes[told:], noise, stage.text_frozen, teacher)
        each: dict[str, Each] = {"text": made.text}
        if not stage.words_only:
            each["motion"] = made.motion
        if teacher is not None:
            each = {name: one.weighted(own, stage.own_weight) for name, one in each.items()}
        found = {name: one.mean() for name, one in each.items() if batch.counts[name]}
        if stage.kind_weight and len(batch.kinds):
            scores = self.module["kind"](made.slots.reshape(len(batch.kinds), -1)).float()
            found["kind"] = F.cross_entropy(scores, torch.tensor(batch.kinds, device=self.device))
        tasks = list(Task)
        kind = torch.tensor([tasks.index(task) for task in batch.tasks], device=self.device)
        for name, one in each.items():
            means = one.mean_of(kind, len(tasks))
            found |= {f"{name}.{t.value}": means[tasks.index(t)] for t in set(batch.tasks)}
        return {name: loss for name, loss in found.items() if batch.counts.get(name)}

    def codes(self, batch: LanguageBatch) -> Codes:
        """Codes of a batch's motions: those of whole clips are known, parts are made in one go."""
        if not batch.motions:
            return torch.zeros(0, 0, device=self.device)
        known = self.known.of([m for m in batch.motions if isinstance(m, tuple)])
        cut = [motion for motion in batch.motions if isinstance(motion, np.ndarray)]
        if cut:
            of_cut = [isinstance(motion, np.ndarray) for motion in batch.motions]
            known = interleaved(known, self.encoder.posteriors(cut), of_cut)
        return self.encoder.codes(known, seeded(batch.seeds) if self.stage.sampled_codes else None)

    def _example(self, clip: int, rng: np.random.Generator) -> Example:
        tasks, shares = list(self.stage.tasks), np.array(list(self.stage.tasks.values()))
        task = tasks[int(rng.choice(len(tasks), p=shares / shares.sum()))]
        if task is Task.PLAIN and self.data.corpus and rng.random() < 0.3:
            return Example(self.turns.sentence(rng), {})
        return self.turns.draw(task, clip, rng)

    def _packed(self, examples: Sequence[Example], rngs: Sequence[np.random.Generator]) -> Tokens:
        def encode(at: int, text: str) -> list[int]:
            return self.tokenizer.encode(text, dropout=self.stage.bpe_dropout, rng=rngs[at])

        if self.stage.words_only:
            return self.packer.pack([self._in_words(e) for e in examples], "all", encode)
        learn: Learned = "answer" if self.stage.text_weight else "nothing"
        return self.packer.pack([e.turn for e in examples], learn, encode)

    def _in_words(self, example: Example) -> Turn:
        turn = example.turn
        if Field.MOTION not in turn.answer:
            return turn
        return Turn(turn.question, (example.in_words,) if self.stage.in_words else "motion")

    def _motion(self, example: Example, name: Field) -> Whole | Float[np.ndarray, "_ F"]:
        motion = example.motions[name]
        whole = len(motion) == self.data.records[example.clip].frames
        return (example.clip, example.mirrored) if whole else motion

    def _counts(self, tokens: Tokens, examples: Sequence[Example]) -> dict[str, float]:
        """Of how many tokens and motions each loss is the mean."""
        text = (tokens.targets != IGNORE).sum(1).tolist()
        motion = (tokens.asked.sum(1) // self.network.heads.slots_per_loss).tolist()
        counts = {"kind": float(len(tokens.asked_fields))}
        for name, each in (("text", text), ("motion", motion)):
            counts[name] = float(sum(each))
            for example, number in zip(examples, each, strict=True):
                key = f"{name}.{example.task.value}"
                counts[key] = counts.get(key, 0.0) + number
        return counts

    def _kind_reader(self) -> nn.Linear:
        heads = self.network.heads
        if not isinstance(heads, LatentHeads):
            raise InputError("kinds are read from the slots of latents", where="kind_weight")
        size = heads.asked_slots * self.network.config.gpt.width
        # A clip and its mirror image are of different kinds.
        return nn.Linear(size, 2 * (int(self.kinds.max()) + 1), device=self.device)
