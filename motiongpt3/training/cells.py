"""The cells of the paper's tables at the scale of motion5h: recipes of one budget.

Every cell is one base recipe with a value or two replaced. All have the same optimiser steps, the
same batches of clips and about as many weights: a single branch is wider for it, and one cell that
is not (`UNIFIED_NARROW`) costs as much per token instead. A codec is trained once per kind and
seed and taken over by the cells that use it; the VQ-VAE for five times the steps, since the VAE's
linear path is fitted before its first. What stands in for GPT-2's pre-training is a stage of words
alone. As in `nano`, which they are cut from, latents lie around a linear path, and the diffusion
head says v and begins as the best guess for independent Gaussians: at this scale the paper's
epsilon from nothing learns too late.

What the paper says of them is in `evaluation.paper_claims`.
"""

from collections.abc import Mapping
from dataclasses import replace

from motiongpt3.data.tasks import Task
from motiongpt3.model.vq import VQConfig
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import LanguageRecipe, Recipe
from motiongpt3.training.stage import Schedule
from motiongpt3.training.turns import Wording
from motiongpt3.training.vae import VAELoss

WORDS, STEPS = 250, 1500
"""Steps of a cell with words alone, and with motions, in however many stages."""
LAYERS = 6
_BATCH = 64
_ASKED = Wording(varied=0.0, canonical=1.0)
"""Captions as they are, asked for in one wording: what is compared is not how instructions vary."""


def _schedule(steps: int, lr: float = 1.5e-3) -> Schedule:
    return Schedule(steps, _BATCH, lr, warmup=min(50, steps), average=0.99)


_WORDS = LanguageRecipe(
    name="words",
    schedule=_schedule(WORDS),
    stage=LanguageStage(
        tasks={Task.TEXT_TO_MOTION: 0.7, Task.PLAIN: 0.3},
        words_only=True,
        in_words=True,
        bpe_dropout=0.0,
        wording=_ASKED,
    ),
)
_TOGETHER = LanguageRecipe(
    name="together",
    schedule=_schedule(STEPS),
    stage=LanguageStage(
        tasks={Task.TEXT_TO_MOTION: 0.8, Task.MOTION_TO_TEXT: 0.2},
        motion_weight=1.0,
        head_rate=1.5,
        bpe_dropout=0.0,
        wording=_ASKED,
    ),
)

BASE = replace(
    NANO,
    name="bimodal-vae",
    vae=replace(NANO.vae, schedule=_schedule(300, 3e-4), spline_batches=200),
    model=replace(
        NANO.model,
        gpt=replace(NANO.model.gpt, width=160, layers=LAYERS),
        diffusion=replace(NANO.model.diffusion, condition=160, width=256),
    ),
    stages=(_WORDS, _TOGETHER),
    precision="bf16",
)
"""Two branches and a VAE's latent: the paper's choice, in which text and motion meet in all
layers."""


def _sized(recipe: Recipe, name: str, branches: int, width: int) -> Recipe:
    """With as many branches, so wide: 2 as in the paper, or 1 for words and motion alike."""
    gpt = replace(recipe.model.gpt, branches=branches, width=width)
    diffusion = replace(recipe.model.diffusion, condition=width)
    return replace(recipe, name=name, model=replace(recipe.model, gpt=gpt, diffusion=diffusion))


_IDS = replace(
    BASE,
    vae=replace(
        BASE.vae,
        config=VQConfig(codebook=256, width=192, depth=2),
        schedule=_schedule(1500, 1e-3),
        loss=VAELoss(latent=0.02),  # T2M-GPT's commitment
    ),
)
# Models of ids have no diffusion head: they are wider for as many weights.
BIMODAL_VQ = _sized(_IDS, "bimodal-vq", 2, 192)
UNIFIED_VAE = _sized(BASE, "unified-vae", 1, 224)
UNIFIED_VQ = _sized(_IDS, "unified-vq", 1, 272)
UNIFIED_NARROW = _sized(BASE, "unified-narrow-vae", 1, BASE.model.gpt.width)
"""Half the weights, and as much work per token as either branch of the bimodal model does."""


def meeting(layers: int) -> Recipe:
    """Text and motion meet in the last so many layers."""
    return replace(BASE, name=f"last{layers}", meeting=f"last{layers}")


def _stage(name: str, steps: int, tasks: Mapping[Task, float], frozen: bool) -> LanguageRecipe:
    return LanguageRecipe(
        name,
        _schedule(steps),
        replace(_TOGETHER.stage, tasks=tasks, text_frozen=frozen),
    )


_GENERATE = {Task.TEXT_TO_MOTION: 1.0}
_ALIGN = {
    Task.TEXT_TO_MOTION: 4.0,
    Task.MOTION_TO_TEXT: 3.0,
    Task.PREDICTION: 1.0,
    Task.INBETWEEN: 1.0,
}
_INSTRUCT = {**_ALIGN, Task.CAPTION_TO_SECONDS: 2.0, Task.SECONDS_TO_CAPTION: 3.0}


def _staged(name: str, *which: int) -> Recipe:
    """Some of the paper's stages I, II and III (`training.paper`), which share all steps alike."""
    steps = STEPS // len(which)
    stages = {
        1: _stage("generate", steps, _GENERATE, frozen=True),
        2: _stage("align", steps, _ALIGN, frozen=True),
        3: _stage("finetune", steps, _INSTRUCT, frozen=False),
    }
    return replace(BASE, name=name, stages=(_WORDS, *(stages[number] for number in which)))


STAGED = (
    _staged("stages-1", 1),
    _staged("stages-12", 1, 2),
    _staged("stages-123", 1, 2, 3),
    _staged("stages-23", 2, 3),
)


def codec_of(recipe: Recipe) -> Recipe:
    """The run that trains a cell's codec, and nothing else."""
    kind = "vq" if isinstance(recipe.vae.config, VQConfig) else "vae"
    first = BIMODAL_VQ if kind == "vq" else BASE
    return replace(recipe, name=f"codec-{kind}", model=first.model, meeting="", stages=())
