"""The processes that train together: one alone, or several that torchrun started.

A step's batch is the same whatever the number of processes: each computes its rows of it, and every
mean is over the whole batch. Copies of the model (DDP) or shards of it (FSDP2) then take the same
step as one process would.
"""

import gc
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from motiongpt3.errors import MotionGPTError
from motiongpt3.model.gpt import Block
from motiongpt3.training.job import Job

Spread = Literal["ddp", "fsdp"]
_PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others, who may be writing a state."""


Losses = Callable[[Any], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Engine:
    """This process among those that train."""

    device: torch.device
    rank: int = 0
    ranks: int = 1
    spread: Spread = "ddp"

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def shards(self, job: Job) -> bool:
        """Whether the job's weights are spread over processes instead of copied."""
        return self.ranks > 1 and self.spread == "fsdp" and bool(job.shardable)

    def rows(self, batch: int, part: int, parts: int) -> range:
        """This process's rows of the given part of a batch."""
        return range(part * self.ranks + self.rank, batch, parts * self.ranks)

    def wrapped(self, job: Job) -> Losses:
        """The job's losses, with gradients that are means over all processes."""
        if self.ranks == 1:
            return job.losses
        if not self.shards(job):
            places = [self.device.index] if self.device.type == "cuda" else None
            # A process whose rows hold no motion leaves the motion branch without a gradient.
            return DistributedDataParallel(_Whole(job), places, find_unused_parameters=True)
        for module in job.shardable:
            if not isinstance(module, FSDPModule):
                for block in [m for m in module.modules() if isinstance(m, Block)]:
                    fully_shard(block)
                fully_shard(module)
        return lambda batch: _touched(job, job.losses(batch))

    def syncing(self, losses: Losses, job: Job, last: bool) -> AbstractContextManager[None]:
        """Where a part of a batch is computed: gradients are exchanged after the last part."""
        if isinstance(losses, DistributedDataParallel) and not last:
            return cast("AbstractContextManager[None]", losses.no_sync())
        for module in job.shardable:
            if isinstance(module, FSDPModule):
                module.set_requires_gradient_sync(last)
        return nullcontext()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Every value added up over all processes."""
        if self.ranks == 1:
            return list(values)
        device = self.device if self.device.type == "cuda" else "cpu"
        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return cast("list[float]", total.tolist())

    def first_does(self, action: Callable[[], object]) -> None:
        """One process acts; what it is refused, all are refused."""
        error: MotionGPTError | None = None
        if self.first:
            try:
                action()
            except MotionGPTError as refused:
                error = refused
        self.agree(error)

    def agree(self, error: MotionGPTError | None) -> None:
        """Stop all processes where one of them has met an error."""
        errors: list[MotionGPTError | None] = [error]
        if self.ranks > 1:
            errors = [None] * self.ranks
            dist.all_gather_object(errors, error)
        for met in errors:
            if met is not None:
                raise met


@contextmanager
def processes(spread: Spread = "ddp") -> Iterator[Engine]:
    """The engine of this process, on a GPU of its own if there are any."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if ranks == 1:
        yield Engine(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield replace(Engine(device), rank=dist.get_rank(), ranks=ranks, spread=spread)
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # Copies of the model go before the group that they talk through. The other way round,
        # they wait for a thread of gloo's while it waits for the interpreter (PyTorch 2.13).
        gc.collect()
        dist.destroy_process_group()


def full(tensor: Tensor) -> Tensor:
    """A tensor whole, put together from its shards where it is spread over processes."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """This process's shard of a tensor, or all of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class _Whole(nn.Module):
    """A job as a module, which is what DDP wraps: the losses of a batch are its output."""

    def __init__(self, job: Job):
        super().__init__()
        self.job, self.module = job, job.module

    def forward(self, batch: Any) -> Mapping[str, Tensor]:
        return self.job.losses(batch)


def _touched(job: Job, losses: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same losses, which depend on every weight outside the blocks, if only by zero.

    All processes must exchange the same gradients, also where one's rows do not use a weight.
    """
    inside = {id(p) for m in job.module.modules() if isinstance(m, Block) for p in m.parameters()}
    outside = [p for p in job.module.parameters() if p.requires_grad and id(p) not in inside]
    nothing = sum(0 * local(p).flatten()[:1].sum() for p in outside)
    name = next(name for name, loss in losses.items() if loss.requires_grad)
    return {**losses, name: losses[name] + nothing}
