"""The training loop: steps, learning rate, log, and states from which a run goes on exactly.

Everything random about a step is a function of (seed, step), so a state holds weights, their
average, the optimiser's moments and the step, and nothing else.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from motiongpt3.errors import InputError, NonFiniteError
from motiongpt3.formats.files import atomic_write

Precision = Literal["auto", "fp32", "bf16"]


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

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine."""
        done = step / max(1, self.steps)
        cosine = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * min(1.0, (step + 1) / self.warmup) * cosine


@runtime_checkable
class Job(Protocol):
    """What a stage trains and how it fares on a step."""

    @property
    def module(self) -> nn.Module:
        """Everything a state must hold."""
        ...

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """Groups of trained weights, each with a factor on the learning rate."""
        ...

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Named losses of a step's batch; "loss" is the one that is minimised."""
        ...

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        ...


Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with stage, step, steps and the latest losses."""


@dataclass(frozen=True)
class Stage:
    """A named stretch of training, kept in its own folder of the run."""

    name: str
    schedule: Schedule
    folder: Path
    seed: int = 0
    precision: Precision = "auto"
    save_every: int = 100
    """Steps between states."""

    @property
    def state(self) -> Path:
        """Where the stage can be resumed from."""
        return self.folder / f"{self.name}.state.safetensors"

    @property
    def finished(self) -> bool:
        """True once all steps are done."""
        return self.state.is_file() and _step_of(self.state) >= self.schedule.steps


def fit(job: Job, stage: Stage, report: Report) -> None:
    """Run a stage from its last state, or from the start; the averaged weights are left in the
    module.

    Raises:
        InputError: when the last state is of a model of other sizes.
        NonFiniteError: when a loss or gradient is not finite; weights stay those before the step.
        ResourceError: when a state cannot be written.
    """
    schedule = stage.schedule
    groups: list[dict[str, Any]] = [
        {"params": list(weights), "factor": factor} for weights, factor in job.parameters()
    ]
    optimizer = torch.optim.AdamW(groups, schedule.lr, (0.9, 0.99), weight_decay=0.0, fused=True)
    trained = [p for group in groups for p in group["params"]]
    average = [p.detach().clone() for p in trained]
    first = _restore(stage.state, job.module, optimizer, average) if stage.state.is_file() else 0
    stage.folder.mkdir(parents=True, exist_ok=True)
    device = next(job.module.parameters()).device.type
    autocast = torch.autocast(device, torch.bfloat16, enabled=use_bf16(stage.precision, device))
    job.module.train()
    started = time.monotonic()
    with open(stage.folder / f"{stage.name}.jsonl", "a", encoding="utf-8") as log:
        for step in range(first, schedule.steps):
            losses = _step(job, optimizer, stage, step, autocast)
            decay = min(schedule.average, (step + 1) / (step + 10))
            torch._foreach_lerp_(average, [p.detach() for p in trained], 1 - decay)
            rate = (step + 1 - first) / (time.monotonic() - started)
            record = {"step": step, "lr": schedule.rate(step), "steps_per_s": rate, **losses}
            log.write(json.dumps(record) + "\n")
            report(stage.name, step + 1, schedule.steps, record)
            if (step + 1) % stage.save_every == 0 or step + 1 == schedule.steps:
                log.flush()
                _save(stage.state, job.module, optimizer, average, step + 1)
    with torch.no_grad():
        for weight, mean in zip(trained, average, strict=True):
            weight.copy_(mean)
    job.module.eval()


def _step(
    job: Job, optimizer: torch.optim.AdamW, stage: Stage, step: int, autocast: torch.autocast
) -> dict[str, float]:
    torch.manual_seed(stage.seed * 1_000_003 + step)  # dropout and noise of this step
    with autocast:
        losses = job.losses(step)
    for group in optimizer.param_groups:
        group["lr"] = stage.schedule.rate(step) * group["factor"]
    optimizer.zero_grad(set_to_none=True)
    losses["loss"].backward()
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(weights, stage.schedule.clip)
    values = {name: float(loss.detach()) for name, loss in losses.items()}
    if not math.isfinite(values["loss"]) or not math.isfinite(float(norm)):
        raise NonFiniteError(
            f"loss {values['loss']}, gradient {float(norm)}; clips {', '.join(job.samples(step))}",
            where=f"{stage.name}, step {step}",
            hint="the state before this step is kept",
        )
    optimizer.step()
    return values


def use_bf16(precision: Precision, device: str) -> bool:
    """Whether to compute in bfloat16; "auto" times one product, since not every CPU gains."""
    if precision != "auto" or device != "cpu":
        return precision != "fp32"
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(768, 768, dtype=dtype)
        torch.mm(a, a)
        start = time.perf_counter()
        for _ in range(5):
            torch.mm(a, a)
        seconds[dtype] = time.perf_counter() - start
    return seconds[torch.bfloat16] < 0.7 * seconds[torch.float32]


def _save(
    path: Path, module: nn.Module, optimizer: torch.optim.AdamW, average: list[Tensor], step: int
) -> None:
    tensors = {f"weights.{k}": v for k, v in module.state_dict().items()}
    tensors |= {f"average.{i}": v for i, v in enumerate(average)}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moments.{i}.{k}": v for k, v in moments.items()}
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(to_bytes(tensors, {"step": str(step)}))


def _restore(
    path: Path, module: nn.Module, optimizer: torch.optim.AdamW, average: list[Tensor]
) -> int:
    with safe_open(path, "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    weights = {k.removeprefix("weights."): v for k, v in tensors.items() if k[:8] == "weights."}
    own = {k: v.shape for k, v in module.state_dict().items()}
    if {k: v.shape for k, v in weights.items()} != own:
        raise InputError(
            "weights of other sizes than those to train",
            where=str(path),
            hint="resume with the recipe and the set the run began with, or take a new folder",
        )
    module.load_state_dict(weights)
    for i, mean in enumerate(average):
        mean.copy_(tensors[f"average.{i}"])
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "moments":
            index, _, field = rest.partition(".")
            state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return _step_of(path)


def _step_of(path: Path) -> int:
    with safe_open(path, "pt") as file:
        return int(file.metadata()["step"])
