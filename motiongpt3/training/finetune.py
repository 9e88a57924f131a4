"""The recipe that teaches the shipped model a user's own clips and keeps what it can do."""

from dataclasses import replace

from motiongpt3.data.tasks import Task
from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import Replay
from motiongpt3.training.stage import Schedule

_TOGETHER = NANO.stages[-1]

FINETUNE = replace(
    NANO,
    name="finetune",
    replay=Replay(motions=2000, share=0.5),
    stages=(
        replace(
            _TOGETHER,
            name="own",
            schedule=Schedule(
                steps=400, batch=64, lr=4e-4, warmup=20, average=0.98, floor=0.05, pull=50.0
            ),
            stage=replace(
                _TOGETHER.stage,
                # Lengths are not among them: text alone says them, and text stays as it is.
                tasks={
                    Task.TEXT_TO_MOTION: 0.72,
                    Task.MOTION_TO_TEXT: 0.12,
                    Task.PREDICTION: 0.08,
                    Task.INBETWEEN: 0.08,
                },
                text_frozen=True,
                kind_weight=0.0,
                own_weight=8.0,
            ),
            balance=0.5,
        ),
    ),
)
"""`nano`'s last stage at a quarter of its rate with a frozen text branch, half of it the model's
own motions (`bench/own_data.py`). The licence of the weights stays that of the model it goes on
from."""
