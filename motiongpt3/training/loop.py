"""The training loop: steps, learning rate, log, and states from which a run goes on exactly.

Everything random about a step is a function of (seed, step, row of the batch), so a state holds
weights, their average, the optimiser's moments and the step, and nothing else; and what is learned
does not depend on how many processes or workers share the work.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from motiongpt3.errors import InputError, NonFiniteError, StoppedError
from motiongpt3.training.engine import Engine, Losses
from motiongpt3.training.feed import batches
from motiongpt3.training.job import Job
from motiongpt3.training.log import LOG, cut
from motiongpt3.training.memory import Memory
from motiongpt3.training.stage import Stage, Watch, products, use_bf16
from motiongpt3.training.stopping import SIGNALS


class Fit:
    """One stage at work."""

    def __init__(self, job: Job, stage: Stage, watch: Watch, engine: Engine):
        self.job, self.stage, self.watch, self.engine = job, stage, watch, engine
        slices = stage.schedule.parts * engine.ranks
        if stage.schedule.batch < slices:
            raise InputError(
                f"a batch of {stage.schedule.batch} for {slices} parts and processes",
                where=stage.name,
                hint="a larger batch, fewer parts or fewer processes",
            )
        job.parameters()  # says what is frozen, which the engine must know before it divides
        self.losses: Losses = engine.wrapped(job)
        self.memory = Memory(job, stage.schedule)
        kind = engine.device.type
        bf16 = use_bf16(stage.precision, kind)
        self.autocast = torch.autocast(kind, torch.bfloat16, enabled=bf16)
        self.skipped = 0

    def run(self) -> None:
        """All steps from the last state on; averaged weights are left in the module."""
        first, schedule = self._resume(), self.stage.schedule
        parts = [self.engine.rows(schedule.batch, n, schedule.parts) for n in range(schedule.parts)]
        steps = range(first, schedule.steps)
        feed = batches(self.job, steps, parts, self.stage.upkeep.workers)
        if first == 0:
            self._check(0)
        self.job.module.train()
        with self._log(first) as write, products(self.stage.precision), feed as fed:
            before = time.monotonic()
            for step, content in zip(steps, fed, strict=True):
                record, stop = self._step(step, content)
                seconds = time.monotonic() - before
                speed = {"steps_per_s": 1 / seconds, "samples_per_s": schedule.batch / seconds}
                record = {"step": step, "lr": schedule.rate(step), **speed, **record}
                write(record)
                self._after(step + 1, record, stop)
                before = time.monotonic()  # saving and looking are not counted as training
        self.memory.settle()
        self.job.module.eval()

    def _after(self, done: int, record: Mapping[str, float], stop: int) -> None:
        """What follows a step: a word, a state, a validation, or the end if a signal has come."""
        upkeep, last = self.stage.upkeep, done == self.stage.schedule.steps
        if self.engine.first:
            self.watch.report(self.stage.name, done, self.stage.schedule.steps, record)
        if stop or last or done % upkeep.save_every == 0:
            self._save(done)
        if stop:
            raise StoppedError(stop, f"{self.stage.name}, step {done}")
        if last or done % upkeep.check_every == 0:
            self._check(done)

    def _check(self, done: int) -> None:
        """Let somebody look at the averaged weights. Shards cannot be looked at."""
        if self.stage.look is None or self.engine.shards(self.job):
            return
        if self.engine.first:
            with self.memory.averaged():
                self.job.module.eval()
                self.stage.look(done)
        self.job.module.train()

    def _step(self, step: int, content: Sequence[Any]) -> tuple[dict[str, float], int]:
        """One step; its losses over the whole batch, and the signal that has come, if any."""
        torch.manual_seed(self.stage.seed * 1_000_003 + step + (self.engine.rank << 40))
        names, optimizer = list(self.job.terms), self.memory.optimizer
        own = [sum(batch.counts.get(name, 0) for batch in content) for name in names]
        total = dict(zip(names, self.engine.sum(own), strict=True))
        optimizer.zero_grad(set_to_none=True)
        sums = dict.fromkeys(names, 0.0)
        for number, batch in enumerate(content):
            last = number + 1 == len(content)
            with self.engine.syncing(self.losses, self.job, last):
                self._backward(batch, total, sums)
        norm = float(self.memory.clip(self.stage.schedule.clip))
        came = [float(self.watch.stopping.signal == number) for number in SIGNALS]
        values = self.engine.sum([*sums.values(), *came])
        stop = next((n for n, at in zip(SIGNALS, values[len(names) :], strict=True) if at), 0)
        record = {n: v / total[n] for n, v in zip(names, values, strict=False) if total[n]}
        loss = sum(self.job.terms[name] * value for name, value in record.items())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._leave_out(step, loss, norm)
            return {"skipped": 1.0}, stop
        self.skipped = 0
        self.memory.step(self.stage.schedule, step)
        return {"loss": loss, **record, "gradient": norm}, stop

    def _backward(self, batch: Any, total: Mapping[str, float], sums: dict[str, float]) -> None:
        with self.autocast:
            terms = self.losses(batch)
        # Processes average their gradients: each counts its terms by its share of the whole batch.
        shares = {name: batch.counts[name] * self.engine.ranks / total[name] for name in terms}
        weights = self.job.terms
        loss = sum(weights[name] * shares[name] * term for name, term in terms.items())
        torch.as_tensor(loss).backward()
        for name, term in terms.items():
            sums[name] += float(term.detach()) * batch.counts[name]

    def _leave_out(self, step: int, loss: float, norm: float) -> None:
        self.skipped += 1
        if self.skipped > self.stage.upkeep.skip_nonfinite:
            raise NonFiniteError(
                f"loss {loss}, gradient {norm}; clips {', '.join(self.job.samples(step))}",
                where=f"{self.stage.name}, step {step}",
                hint="the weights are those before this step",
            )

    def _resume(self) -> int:
        """Take up the newest state that is whole; the number of steps it has behind it."""
        self.engine.first_does(self._prepare)
        found = self.stage.states.newest(self.watch.warn if self.engine.first else _nothing)
        if found is None:
            return 0
        step, place = found
        self.memory.restore(place, self.engine)
        return step

    def _prepare(self) -> None:
        states = self.stage.states
        states.folder.mkdir(parents=True, exist_ok=True)
        states.clear()
        states.check_space(self.memory.size, self.watch.warn)

    def _save(self, step: int) -> None:
        states, shards = self.stage.states, self.engine.shards(self.job)
        self.engine.agree(self.memory.unfit(self.stage.name))
        self.engine.first_does(lambda: states.begin(step))
        self.memory.write(states.part(step), self.engine, shards)
        self.engine.first_does(lambda: states.finish(step))

    @contextmanager
    def _log(self, first: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
        """One JSON object per step. Lines of steps that are done again are dropped."""
        if not self.engine.first:
            yield lambda record: None
            return
        path = self.stage.folder / LOG
        cut(path, first)
        with open(path, "a", encoding="utf-8", buffering=1) as file:
            yield lambda record: print(json.dumps(record), file=file)


def _nothing(_: str) -> None:
    """What all processes but the first say."""


def fit(job: Job, stage: Stage, watch: Watch, engine: Engine | None = None) -> None:
    """Run a stage from its last state, or from the start; the averaged weights are left in the
    module.

    Raises:
        InputError: when the last state is of a model of other sizes.
        CorruptError: when no state of the stage is whole, or its log is damaged.
        NonFiniteError: when a loss or gradient is not finite; weights stay those before the step.
        ResourceError: when a state cannot be written, or a data worker dies.
        StoppedError: when a signal came; the state is saved.
    """
    Fit(job, stage, watch, engine or Engine(next(job.module.parameters()).device)).run()
