"""A short training, alone or under torchrun, for tests of several processes.

python tests/spread_run.py SET RUN ddp|fsdp STEPS [RANK STEP SIGTERM|SIGKILL|NAN|DISK]
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from clips import tiny

from motiongpt3.errors import MotionGPTError, ResourceError
from motiongpt3.training.loop import Fit
from motiongpt3.training.memory import Memory
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.stage import Upkeep, Watch
from motiongpt3.training.train import train


def recipe(steps: int) -> Recipe:
    """The codec, a stage with frozen text and one with everything; nothing drawn for a batch."""
    whole = tiny(steps)
    named = {stage.name: stage for stage in whole.stages}
    together = named["together"]
    # The shipped rate is for batches of 512; with 8 clips it would let rounding grow.
    calm = replace(together, schedule=replace(together.schedule, lr=8e-4))
    return replace(whole, stages=(named["align"], calm))


def harm_at(stage: str, step: int, what: str) -> None:
    """This process gets a signal, or meets a NaN or a full disk, at a step of a stage."""
    real, write = Fit._step, Memory._write_whole

    def hit(self: Fit, at: int, content: object) -> object:
        if self.stage.name == stage and at == step:
            if what.startswith("SIG"):
                os.kill(os.getpid(), getattr(signal, what))
            if what == "NAN":
                with torch.no_grad():
                    self.memory.trained[0].fill_(torch.nan)
        return real(self, at, content)

    def full(self: Memory, path: Path) -> None:
        if what == "DISK" and stage in path.parts:
            raise ResourceError("the disk is full", where=str(path))
        write(self, path)

    Fit._step, Memory._write_whole = hit, full


def main() -> int:
    data, run, spread, steps, *harm = sys.argv[1:]
    torch.set_num_threads(1)
    rank = int(os.environ.get("RANK", "0"))

    if harm and rank == int(harm[0]):
        harm_at("together", int(harm[1]) - 1, harm[2])
    watch = Watch(lambda *_: None, lambda text: print("warning:", text, flush=True))
    upkeep = Upkeep(save_every=10, spread=spread, resume=True)
    try:
        train(recipe(int(steps)), Path(data), Path(run), watch, upkeep)
    except MotionGPTError as error:
        print(f"rank {rank}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
