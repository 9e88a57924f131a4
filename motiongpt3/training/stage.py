"""A stage of training as values: how long and how fast, how it is looked after, who is told."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from motiongpt3.training.checks import Check
from motiongpt3.training.engine import Spread
from motiongpt3.training.states import States
from motiongpt3.training.stopping import Stopping

Precision = Literal["auto", "fp32", "tf32", "bf16"]
"""What a step is computed in. tf32: float32 whose matrix products a GPU shortens to 10 bits, for
small models on large GPUs, where the casts of bf16 take longer than they save."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast one stage trains."""

    steps: int
    batch: int
    lr: float
    warmup: int = 100
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what a stage hands on."""
    floor: float = 0.02
    """Learning rate at the end, as a share of `lr`."""
    pull: float = 0.0
    """Weight decay towards where the stage began (L2-SP, Li et al. 2018), decoupled as in AdamW.
    Adam moves all weights at one pace, needed or not: what is not needed comes back."""
    parts: int = 1
    """Parts a batch is computed in, one after another, where memory is short."""

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine."""
        done = step / max(1, self.steps)
        cosine = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * min(1.0, (step + 1) / self.warmup) * cosine


@dataclass(frozen=True)
class Upkeep:
    """How a run is looked after, which changes nothing about what it learns."""

    save_every: int = 100
    """Steps between states."""
    keep: int = 2
    """States kept per stage, two or more."""
    check_every: int = 1000
    """Steps between validations; there is one at the end of each stage anyway."""
    workers: int = 0
    """Processes that make batches ahead of time."""
    skip_nonfinite: int = 0
    """Steps in a row whose loss may be no number and that are then left out; 0: stop at once."""
    spread: Spread = "ddp"
    """How processes started by torchrun hold the model: copies, or shards (FSDP2)."""
    resume: bool = False
    """Go on from the last states; without it the folder must be new."""
    allow: tuple[str, ...] = ()
    """Fields of the recipe that may have changed since a resumed run began."""


@dataclass(frozen=True)
class Stage:
    """A named stretch of training, kept in its own folder of the run."""

    name: str
    schedule: Schedule
    run: Path
    seed: int = 0
    precision: Precision = "auto"
    upkeep: Upkeep = field(default_factory=Upkeep)
    look: Callable[[int], object] | None = None
    """A look at the averaged weights, in evaluation mode, told the steps that are done: before the
    first, every so many, and after the last."""

    @property
    def folder(self) -> Path:
        """The stage's own folder."""
        return self.run / self.name

    @property
    def states(self) -> States:
        """Where the stage can be resumed from."""
        return States(self.folder / "states", self.upkeep.keep)


Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with stage, step, steps and the latest losses."""


@dataclass
class Watch:
    """Who is told how a stage fares."""

    report: Report
    warn: Callable[[str], None] = lambda _: None
    check: Check | None = None
    """A look at the model before the first step, every so many steps, and after the last."""
    stopping: Stopping = field(default_factory=Stopping)


@contextmanager
def products(precision: Precision) -> Iterator[None]:
    """Matrix products of float32 as the precision has them, for as long as the block lasts."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def use_bf16(precision: Precision, device: str) -> bool:
    """Whether to compute in bfloat16; "auto" times one product, since not every CPU gains."""
    if precision != "auto" or device != "cpu":
        return precision in ("auto", "bf16")
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(768, 768, dtype=dtype)
        torch.mm(a, a)
        start = time.perf_counter()
        for _ in range(5):
            torch.mm(a, a)
        seconds[dtype] = time.perf_counter() - start
    return seconds[torch.bfloat16] < 0.7 * seconds[torch.float32]
