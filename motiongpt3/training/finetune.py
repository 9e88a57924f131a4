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
    replay=Replay(motions=3000, share=0.75),
    stages=(
        replace(
            _TOGETHER,
            name="own",
            schedule=Schedule(
                steps=900, batch=64, lr=2e-4, warmup=20, average=0.98, floor=0.05, pull=40.0
            ),
            stage=replace(
                _TOGETHER.stage,
                # Lengths are soon learned, and forgotten as soon: a quarter of all questions.
                tasks={
                    Task.TEXT_TO_MOTION: 0.54,
                    Task.MOTION_TO_TEXT: 0.1,
                    Task.PREDICTION: 0.06,
                    Task.INBETWEEN: 0.05,
                    Task.CAPTION_TO_SECONDS: 0.25,
                },
                text_rate=0.5,
                kind_weight=0.0,
                own_weight=8.0,
            ),
            balance=0.5,
        ),
    ),
)
"""`nano`'s last stage at an eighth of its rate, three quarters of it the model's own motions: under
ten minutes on two CPU cores (`bench/own_data.py`). The licence of the weights stays that of the
model it goes on from."""
