"""What a run will take, told before it begins: weights, steps, tokens, time and memory.

Every stage is tried for a few steps, as training would do them, on fresh weights that are thrown
away. Nothing is kept, neither in the run's folder nor beside the set.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, MotionCodec
from motiongpt3.model.vae import MotionVAE
from motiongpt3.model.vq import FRAMES_PER_CODE, NO_CODE
from motiongpt3.training.codes import BATCH, ClipCodes, Encoder
from motiongpt3.training.engine import Engine
from motiongpt3.training.job import Job
from motiongpt3.training.language import LanguageBatch
from motiongpt3.training.memory import Memory
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.stage import Schedule, Upkeep, Watch, use_bf16
from motiongpt3.training.start import Start
from motiongpt3.training.train import Run, begin_codec, begin_tokenizer
from motiongpt3.training.vae import VAEJob

MOST_STEPS, MOST_SECONDS = 20, 20.0
"""A stage is tried for one step, and more until either is reached."""


@dataclass(frozen=True)
class StagePlan:
    """One stage, or the making of codes between the VAE's and the others."""

    name: str
    trained: int
    """Weights that it changes."""
    frozen: int
    """Weights that take part and stay."""
    steps: int
    batch: int
    tokens: float
    """Per step: of text and slots without padding, or frames where a codec is at work."""
    tried: int
    """Steps that were tried."""
    seconds_per_step: float
    peak_bytes: int
    """The most memory held so far: on a GPU of the stage, else of the whole process."""

    @property
    def seconds(self) -> float:
        """What the stage will take, without validations and saving."""
        return self.steps * self.seconds_per_step


@dataclass(frozen=True)
class Plan:
    """A run, stage by stage."""

    recipe: str
    device: str
    precision: str
    threads: int
    stages: tuple[StagePlan, ...]

    @property
    def seconds(self) -> float:
        """What all of it will take."""
        return sum(stage.seconds for stage in self.stages)


def plan(
    recipe: Recipe,
    data: Path,
    peak: Callable[[], int],
    report: Callable[[str], None] = lambda stage: None,
    start: Start | None = None,
) -> Plan:
    """Try every stage of a recipe on a processed set.

    Args:
        peak: the most memory this process has held, in bytes.
        report: called with the name of each stage before it is tried.
        start: the model that the run begins with, whose codec is not trained again.

    Raises:
        InputError: when the recipe and the set do not go together.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    text = MotionText(data, "train")
    silent = Watch(lambda *_: None)
    with TemporaryDirectory() as folder:
        run = Run(recipe, text, Path(folder), silent, Upkeep(), Engine(device), start)
        tokenizer = start.bundle.tokenizer if start else begin_tokenizer(run)
        codec = start.bundle.vae if start else begin_codec(run)
    # GPT-2's weights need not be fetched: how fast a model is does not depend on what it knows.
    network = Bimodal(recipe.sizes(tokenizer.text_vocab)).to(device)
    bundle = Bundle(codec.to(device), network, tokenizer, text.mean, text.std, {})
    trial = _Trial(run, bundle, peak, report)
    stages = [] if start or recipe.vae.trained else [trial.vae()]
    codes, making = trial.codes()
    stages += [
        making,
        *(trial.language(number, codes) for number, _ in enumerate(recipe.stages, 1)),
    ]
    precision = "bf16" if trial.bf16 else recipe.precision.replace("auto", "fp32")
    return Plan(recipe.name, str(device), precision, torch.get_num_threads(), tuple(stages))


class _Trial:
    """Stages tried one after another."""

    def __init__(
        self, run: Run, bundle: Bundle, peak: Callable[[], int], report: Callable[[str], None]
    ):
        self.run, self.bundle, self.report = run, bundle, report
        self.cuda = run.device.type == "cuda"
        self.peak = torch.cuda.max_memory_allocated if self.cuda else peak
        self.bf16 = use_bf16(run.recipe.precision, run.device.type)

    def vae(self) -> StagePlan:
        """The codec's own stage."""
        recipe, data = self.run.recipe.vae, self.run.data
        order = self.run.order(recipe.schedule.batch, data.weights(recipe.balance), 0, pool=8)
        job = VAEJob(self.bundle.vae, data, order, recipe.loss)
        return self._stage("vae", job, recipe.schedule)

    def language(self, number: int, codes: ClipCodes) -> StagePlan:
        """One stage of the language model."""
        recipe = self.run.recipe.stages[number - 1]
        job = self.run.language_job(self.bundle, number, codes)
        return self._stage(recipe.name, job, recipe.schedule)

    def codes(self) -> tuple[ClipCodes, StagePlan]:
        """Blank codes of all clips, and what making real ones will take."""
        data, encoder = self.run.data, Encoder(self.bundle.vae, self.run.data)
        self._begin("codes")
        rng = np.random.default_rng(0)
        seconds: list[float] = []
        frames: list[int] = []
        while _goes_on(seconds):
            rows = rng.choice(len(data), min(BATCH, len(data)), replace=False)
            begun = time.perf_counter()
            encoder.posteriors([data.features(int(i)) for i in rows]).cpu()
            seconds.append(time.perf_counter() - begun)
            frames.append(int(data.lengths()[rows].sum()))
        steps, codec = 2 * -(-len(data) // BATCH), _weights(self.bundle.vae)
        times = len(seconds), _usual(seconds), self.peak()
        blank = _blank(self.bundle.vae, data).to(self.run.device)
        return ClipCodes(blank, blank), StagePlan(
            "codes", 0, codec, steps, BATCH, mean(frames), *times
        )

    def _stage(self, name: str, job: Job, schedule: Schedule) -> StagePlan:
        self._begin(name)
        memory = Memory(job, schedule)
        job.module.train()
        seconds: list[float] = []
        tokens: list[float] = []
        while _goes_on(seconds):
            begun = time.perf_counter()
            tokens.append(self._step(job, memory, schedule, len(seconds)))
            seconds.append(time.perf_counter() - begun)
        trained = sum(p.numel() for p in memory.trained)
        codec = 0 if job.module is self.bundle.vae else _weights(self.bundle.vae)
        frozen = codec + _weights(job.module) - trained
        times = len(seconds), _usual(seconds), self.peak()
        return StagePlan(
            name, trained, frozen, schedule.steps, schedule.batch, mean(tokens), *times
        )

    def _step(self, job: Job, memory: Memory, schedule: Schedule, step: int) -> float:
        """What the loop does at a step; how many tokens or frames it had."""
        tokens = 0.0
        memory.optimizer.zero_grad(set_to_none=True)
        for part in range(schedule.parts):
            batch = job.draw(step, range(part, schedule.batch, schedule.parts))
            with torch.autocast(self.run.device.type, torch.bfloat16, enabled=self.bf16):
                losses = job.losses(batch)
            loss = sum(job.terms[name] * term for name, term in losses.items())
            torch.as_tensor(loss / schedule.parts).backward()
            tokens += _tokens(batch)
        float(memory.clip(schedule.clip))  # waits for the GPU, as the loop does
        memory.step(schedule, step)
        return tokens

    def _begin(self, name: str) -> None:
        self.report(name)
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()


def _goes_on(seconds: list[float]) -> bool:
    return not seconds or (len(seconds) < MOST_STEPS and sum(seconds) < MOST_SECONDS)


def _usual(seconds: list[float]) -> float:
    """Of a step; the first one warms up and does not count if there are others."""
    return median(seconds[1:] or seconds)


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _tokens(batch: Any) -> float:
    if isinstance(batch, LanguageBatch):
        return float(batch.tokens.valid.sum())
    return float(batch.length.sum())


def _blank(codec: MotionCodec, data: MotionText) -> Tensor:
    """Posteriors (N, P) that say nothing, of the size that real ones have."""
    if isinstance(codec, MotionVAE):
        return torch.zeros(len(data), 2 * codec.config.latents * codec.config.width)
    ids = -(-torch.from_numpy(data.lengths()) // FRAMES_PER_CODE)
    return torch.where(torch.arange(int(ids.max())) < ids[:, None], 0, NO_CODE)
