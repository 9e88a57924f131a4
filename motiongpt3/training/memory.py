"""What a stage remembers from step to step: weights, their average, the optimiser's moments."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor, distribute_tensor

from motiongpt3.errors import CorruptError, InputError, NonFiniteError, ResourceError
from motiongpt3.training.engine import Engine, local
from motiongpt3.training.job import Job
from motiongpt3.training.stage import Schedule

_WHOLE = "state.safetensors"
_SHARDS = ".metadata"


class Memory:
    """The tensors of a stage that a state holds, alive. Under FSDP2 they are this process's shards.

    Moments exist from the start, as zeros, which is what the optimiser would begin with.
    """

    def __init__(self, job: Job, schedule: Schedule):
        self.module = job.module
        groups: list[dict[str, Any]] = [
            {"params": list(weights), "factor": factor} for weights, factor in job.parameters()
        ]
        self.trained: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        self.average = [p.detach().clone() for p in self.trained]
        shared = any(isinstance(p, DTensor) for p in self.trained)
        self.optimizer = torch.optim.AdamW(
            groups,
            schedule.lr,
            (0.9, 0.99),
            weight_decay=0.0,
            fused=not shared,
            foreach=shared or None,
        )
        # No part of a state: a run that goes on begins a stage with the weights it began with.
        self.start = [
            [p.detach().clone() for p in group["params"]] for group in groups if schedule.pull
        ]
        for p in self.trained:
            self.optimizer.state[p] = {
                "step": torch.zeros((), dtype=torch.float32, device=p.device),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }

    def tensors(self) -> dict[str, Tensor]:
        """Everything a state holds, by name; writing into these is how a state is restored."""
        names = {id(p): name for name, p in self.module.named_parameters()}
        held = {f"weights.{name}": t.detach() for name, t in self.module.state_dict().items()}
        for p, mean in zip(self.trained, self.average, strict=True):
            name = names[id(p)]
            held[f"average.{name}"] = mean
            held |= {f"moments.{name}.{k}": t for k, t in self.optimizer.state[p].items()}
        return held

    @property
    def size(self) -> int:
        """Bytes of a state."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def clip(self, norm: float) -> Tensor:
        """Shorten the gradient to this norm at most; the norm it had."""
        found = nn.utils.clip_grad_norm_(self.trained, norm)
        return found.full_tensor() if isinstance(found, DTensor) else found

    def step(self, schedule: Schedule, step: int) -> None:
        """Move the weights, and their average after them."""
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.rate(step) * group["factor"]
        if self.start:
            self._pull_back(schedule.pull)
        self.optimizer.step()
        decay = min(schedule.average, (step + 1) / (step + 10))
        weights = [local(p.detach()) for p in self.trained]
        torch._foreach_lerp_([local(mean) for mean in self.average], weights, 1 - decay)

    @torch.no_grad()
    def _pull_back(self, pull: float) -> None:
        """AdamW's decay, but to where the stage began instead of zero."""
        for group, start in zip(self.optimizer.param_groups, self.start, strict=True):
            weights = [local(p) for p in group["params"]]
            torch._foreach_lerp_(weights, [local(to) for to in start], pull * group["lr"])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the module, for as long as the block lasts."""
        kept = [local(p.detach()).clone() for p in self.trained]
        self.settle()
        try:
            yield
        finally:
            self._put(kept)

    def settle(self) -> None:
        """Leave the averaged weights in the module."""
        self._put([local(mean) for mean in self.average])

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self.trained, values, strict=True):
            local(weight).copy_(value)

    def unfit(self, where: str) -> NonFiniteError | None:
        """What is wrong with the weights, if they must not be kept."""
        if all(bool(torch.isfinite(local(w.detach())).all()) for w in self.trained):
            return None
        return NonFiniteError("weights are not finite, nothing is saved", where=where)

    def write(self, folder: Path, engine: Engine, shards: bool) -> None:
        """Write everything into a folder: this process's shards, or all of it if it is the first.

        Raises:
            ResourceError: on all processes, when one of them cannot write.
        """
        if not shards:
            engine.first_does(lambda: self._write_whole(folder / _WHOLE))
            return
        try:
            dcp.save(self.tensors(), checkpoint_id=folder)
        except (CheckpointException, OSError) as error:
            raise _refused(folder, error) from error

    def _write_whole(self, path: Path) -> None:
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.tensors().items()}
        try:
            save_file(tensors, path)
        except (OSError, SafetensorError) as error:  # safetensors says "I/O error" of a full disk
            raise _refused(path, error) from error

    @torch.no_grad()
    def restore(self, state: Path, engine: Engine) -> None:
        """Take every tensor from a state that has been verified, whoever wrote it.

        Raises:
            InputError: when it is of a model of other sizes.
        """
        held = self.tensors()
        if (state / _SHARDS).is_file():
            try:
                dcp.load(held, checkpoint_id=state)
            except CheckpointException as error:
                raise _other_model(state) from error
            return
        try:
            found = load_file(state / _WHOLE)
        except (OSError, SafetensorError) as error:
            raise CorruptError("cannot be read", where=str(state), hint=str(error)) from error
        if {k: v.shape for k, v in found.items()} != {k: v.shape for k, v in held.items()}:
            raise _other_model(state)
        for name, tensor in held.items():
            value = found[name].to(tensor.device)
            if isinstance(tensor, DTensor):
                value = distribute_tensor(value, tensor.device_mesh, tensor.placements)
                tensor.to_local().copy_(value.to_local())
            else:
                tensor.copy_(value)


def _other_model(state: Path) -> InputError:
    return InputError(
        "weights of other sizes than those to train",
        where=str(state),
        hint="resume with the recipe and the set the run began with, or take a new folder",
    )


def _refused(path: Path, error: BaseException) -> ResourceError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "space" in str(error).lower()
    return ResourceError(
        "the disk is full" if full else f"cannot be written: {str(error).splitlines()[0]}",
        where=str(path),
        hint="make room and go on with --resume; older states are whole",
    )
