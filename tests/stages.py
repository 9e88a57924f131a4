"""Stages of every kind, for tests: the shipped recipe has none with a frozen branch."""

from motiongpt3.data.tasks import Task
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import LanguageRecipe
from motiongpt3.training.stage import Schedule
from motiongpt3.training.turns import Wording

_GENERATE = LanguageRecipe(
    name="generate",
    schedule=Schedule(steps=3000, batch=64, lr=1e-3),
    stage=LanguageStage(
        tasks={
            Task.TEXT_TO_MOTION: 0.85,
            Task.MOTION_TO_TEXT: 0.1,
            Task.CAPTION_TO_SECONDS: 0.05,
        },
        text_weight=0.3,
        motion_weight=1.0,
        head_rate=1.2,
        wording=Wording(canonical=0.85),
    ),
)
_ALIGN = LanguageRecipe(
    name="align",
    schedule=Schedule(steps=80, batch=64, lr=8e-4),
    stage=LanguageStage(
        tasks={
            Task.TEXT_TO_MOTION: 0.35,
            Task.MOTION_TO_TEXT: 0.35,
            Task.PREDICTION: 0.15,
            Task.INBETWEEN: 0.15,
        },
        text_frozen=True,
        motion_weight=1.0,
        head_rate=1.2,
        wording=Wording(varied=0.6),
    ),
)
_FINETUNE = LanguageRecipe(
    name="finetune",
    schedule=Schedule(steps=2200, batch=64, lr=1e-3),
    stage=LanguageStage(
        tasks={
            Task.TEXT_TO_MOTION: 0.6,
            Task.MOTION_TO_TEXT: 0.15,
            Task.PREDICTION: 0.08,
            Task.INBETWEEN: 0.07,
            Task.CAPTION_TO_SECONDS: 0.1,
        },
        motion_weight=1.0,
        head_rate=1.2,
        wording=Wording(canonical=0.75, asides=0.35),
    ),
    balance=0.6,
    rare=10,
)
_TEXT, _UNDERSTAND, _TOGETHER = NANO.stages
EVERY_KIND = (_TEXT, _UNDERSTAND, _GENERATE, _ALIGN, _FINETUNE, _TOGETHER)
"""The shipped recipe's stages, and between them one of every other kind."""
