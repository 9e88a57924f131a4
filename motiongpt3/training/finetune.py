"""The recipe that teaches the shipped model a user's own clips and keeps what it can do."""

from dataclasses import replace

from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import Replay
from motiongpt3.training.stage import Schedule

_TOGETHER = NANO.stages[-1]

FINETUNE = replace(
    NANO,
    name="finetune",
    replay=Replay(motions=480),
    stages=(
        replace(
            _TOGETHER,
            name="own",
            schedule=Schedule(steps=300, batch=64, lr=4e-4, warmup=20, average=0.98, floor=0.05),
            stage=replace(_TOGETHER.stage, text_rate=0.5),
            balance=0.5,
        ),
    ),
)
"""`nano`'s last stage at a quarter of its rate, half of it the model's own motions: ten minutes on
two CPU cores. The licence of the weights stays that of the model it goes on from."""
