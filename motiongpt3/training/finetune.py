"""The recipe that teaches the shipped model a user's own clips and keeps what it can do."""

from dataclasses import replace

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
            schedule=Schedule(steps=850, batch=64, lr=2e-4, warmup=20, average=0.98, floor=0.05),
            stage=replace(
                _TOGETHER.stage,
                text_rate=0.5,
                kind_weight=0.0,
                own_weight=8.0,
                own_text_weight=2.0,
            ),
            balance=0.5,
        ),
    ),
)
"""`nano`'s last stage at an eighth of its rate, three quarters of it the model's own motions: nine
minutes on two CPU cores (`bench/own_data.py`). The licence of the weights stays that of the model
it goes on from."""
