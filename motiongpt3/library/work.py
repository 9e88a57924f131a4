"""Work over many inputs, in parts: each input exactly once, whatever is killed in between.

Parts follow from the inputs alone. Whoever makes one, this process, another of a torchrun or a
worker of Ray, makes the same rows, and keeps them as soon as they are there.
"""

import os
import time
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from motiongpt3.errors import InputError
from motiongpt3.evaluation.protocol import Report, Share
from motiongpt3.evaluation.replications import Identity
from motiongpt3.library.parts import Parts, Row
from motiongpt3.library.processes import Processes

_POLL_SECONDS = 0.2
T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Worker(Protocol):
    """What has the model."""

    def reading(self, number: int) -> Callable[[], Any]:
        """A call that reads what a part is made of, without the model: any process may make it."""
        ...

    def rows(self, number: int, read: Any) -> list[Row]:
        """The rows of a part, from what was read for it."""
        ...


@runtime_checkable
class Job(Protocol):
    """A piece of work; it can be sent to another machine."""

    @property
    def parts(self) -> Sequence[Sized]:
        """What it is cut into, and how many inputs each holds."""
        ...

    @property
    def identity(self) -> Identity:
        """Everything that decides the rows."""
        ...

    def begin(self) -> Worker:
        """Load the model."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Local:
    """Work in this process, with others that read ahead for it, or in processes beside it."""

    share: Share = Share()
    readers: int = 1
    makers: int = 0
    """Processes that have a model and one thread each; without any, this one has the model. Cores
    are used best so: the small products of a model gain little from a second thread."""


@dataclass(frozen=True)
class OnRay:
    """Work in workers of Ray: the cluster at RAY_ADDRESS, or this machine."""

    workers: int | None = None
    """How many; as many as there are processors if None."""
    gpus: int = 0
    """Of each worker."""


Engine = Local | OnRay


def carry_out(job: Job, kept: Parts, engine: Engine, report: Report) -> list[Row] | None:
    """Make the parts that are missing; the rows of all, None but in the first process.

    Args:
        report: called with how many inputs are done, and of how many.

    Raises:
        InputError: when other work was begun in the same place.
    """
    done = kept.begin()
    share = engine.share if isinstance(engine, Local) else Share()
    _meet(share)  # the first process removes the parts: not before all have seen them
    mine = range(share.rank, kept.count, share.world)
    missing = [number for number in mine if number not in done]
    tally = _Tally(report, [len(part) for part in job.parts], mine, missing)
    if missing:
        _make(job, kept, missing, engine, tally.add)
    if share.rank:
        return None
    while len(kept.done()) < kept.count:
        time.sleep(_POLL_SECONDS)
    return kept.rows()


def together_or_alone(
    work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]
) -> list[R | str]:
    """What is made of the items at once; where one is refused, of each alone, or the reason."""
    try:
        return list(work(items)) if items else []
    except InputError:
        made: list[R | str] = []
        for item in items:
            try:
                made += work([item])
            except InputError as error:
                made.append(str(error))
        return made


class _Tally:
    """Counts inputs that are done, for a report."""

    def __init__(
        self, report: Report, sizes: Sequence[int], mine: Sequence[int], missing: Sequence[int]
    ):
        self.report, self.sizes = report, sizes
        self.total = sum(sizes[number] for number in mine)
        self.count = self.total - sum(sizes[number] for number in missing)
        report(self.count, self.total)

    def add(self, number: int) -> None:
        """A part is done."""
        self.count += self.sizes[number]
        self.report(self.count, self.total)


def _make(
    job: Job, kept: Parts, missing: Sequence[int], engine: Engine, tell: Callable[[int], None]
) -> None:
    if isinstance(engine, OnRay):
        from motiongpt3.library.on_ray import work_on_ray

        work_on_ray(job, kept, missing, engine, tell)
        return
    if engine.makers:
        with Processes(min(engine.makers, len(missing))) as makers:
            made = makers.results([partial(_made, job, number) for number in missing])
            for number, rows in zip(missing, made, strict=True):
                kept.keep(number, rows)
                tell(number)
        return
    with Processes(engine.readers) as readers:
        worker = job.begin()
        calls = [worker.reading(number) for number in missing]
        for number, read in zip(missing, readers.results(calls), strict=True):
            kept.keep(number, worker.rows(number, read))
            tell(number)


def _made(job: Job, number: int) -> list[Row]:
    """The rows of a part, in a process that keeps its model for the next."""
    worker = _worker(job)
    return worker.rows(number, worker.reading(number)())


@lru_cache(maxsize=1)
def _worker(job: Job) -> Worker:
    import torch

    torch.set_num_threads(1)
    return job.begin()


def _meet(share: Share) -> None:
    """Wait until every process of a torchrun has come here."""
    if share.world == 1 or "MASTER_ADDR" not in os.environ:
        return
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
