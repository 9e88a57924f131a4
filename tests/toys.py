"""Jobs small enough to follow by hand, for tests of the training loop."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from motiongpt3.errors import InputError
from motiongpt3.training.stage import Schedule, Watch

SCHEDULE = Schedule(steps=6, batch=4, lr=3e-3, warmup=2)


def quiet(*_: object) -> None:
    """Report nothing."""


SILENT = Watch(quiet)


@dataclass(frozen=True)
class Numbers:
    """Targets of the rows of a batch."""

    step: int
    values: tuple[float, ...]

    @property
    def counts(self) -> dict[str, float]:
        return {"distance": len(self.values), "shown": len(self.values)}


class Toy:
    """One weight, drawn towards the mean of numbers that depend on step and row."""

    shardable: tuple[nn.Module, ...] = ()

    def __init__(self, spoil: int | None = None, how: str = "loss"):
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self.spoil, self.how = spoil, how
        self.seen: list[float] = []

    @property
    def terms(self) -> Mapping[str, float]:
        return {"distance": 1.0, "shown": 0.0}

    def parameters(self):
        return [([self.module.weight], 2.0)]

    def samples(self, step: int) -> list[str]:
        return [f"clip{step}"]

    def draw(self, step: int, rows: range) -> Numbers:
        if step == self.spoil and self.how == "worker":
            os._exit(13)
        if step == self.spoil and self.how == "sample":
            raise InputError("clip cannot be read", where=f"clip{step}")
        return Numbers(step, tuple(1 + 0.1 * ((7 * step + 3 * row) % 5 - 2) for row in rows))

    def losses(self, batch: Numbers) -> dict[str, Tensor]:
        weight = self.module.weight.squeeze()
        self.seen.append(float(weight.detach()))
        loss = ((weight - torch.tensor(batch.values)) ** 2).mean()
        if batch.step == self.spoil:
            if self.how == "loss":
                loss = loss * torch.nan
            elif self.how == "gradient":
                loss = loss + (weight - weight).abs().sqrt()
            elif self.how == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
        return {"distance": loss, "shown": weight.detach()}
