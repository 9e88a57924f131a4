"""The paper's recipes: MotionGPT3 on HumanML3D and on KIT-ML, three stages after the VAE.

Figures are the paper's and its code's (configs/*.yaml at cf5bab7, threads 20 and 22); docs/paper.md
lists what is ours and why. A batch of 64 is the paper's 32 on each of two GPUs.
"""

import math
from dataclasses import replace

from motiongpt3.data.tasks import Task
from motiongpt3.model.bimodal import BimodalConfig
from motiongpt3.model.vae import VAEConfig
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.recipe import LanguageRecipe, Recipe, VAERecipe
from motiongpt3.training.stage import Schedule
from motiongpt3.training.turns import Cuts, Shares, Wording
from motiongpt3.training.vae import VAELoss

PAPER_BARE = Wording(
    varied=0.0,
    bare=True,
    said={
        Task.TEXT_TO_MOTION: Shares(caption=1),
        Task.MOTION_TO_TEXT: Shares(caption=1),
        Task.PREDICTION: Shares(nothing=1),
    },
)
"""The paper's Stage I and the first half of its Stage II."""

PAPER_INSTRUCTIONS = Wording(
    varied=0.0,
    canonical=0.0,
    quoted=0.5,
    said={
        Task.TEXT_TO_MOTION: Shares(
            nothing=1, caption=1, caption_and_seconds=1, caption_and_frames=1
        ),
        Task.MOTION_TO_TEXT: Shares(caption=1, caption_and_seconds=1, caption_and_frames=1),
        Task.PREDICTION: Shares(nothing=1),
        Task.INBETWEEN: Shares(nothing=1),
        Task.CAPTION_TO_SECONDS: Shares(caption_and_seconds=1, caption_and_frames=1),
        Task.SECONDS_TO_CAPTION: Shares(caption=1, caption_and_seconds=1, caption_and_frames=1),
    },
)
"""The paper's instructions. It draws every sub-task equally often, so tasks in the order above have
the shares 4, 3, 1, 1 in the second half of Stage II, and 4, 3, 1, 1, 2, 3 in Stage III."""

PAPER_CUTS = Cuts(head=(0.2, 0.2), gap=(0.5, 0.5), before=(0.5, 0.5))
"""A fifth of the clip is seen for prediction, its first and last quarter for in-betweening."""


def _constant(steps: int, lr: float, batch: int = 64) -> Schedule:
    """The paper's way: one learning rate throughout, no warm-up, no clipping, no average."""
    return Schedule(steps, batch, lr, warmup=1, clip=math.inf, average=0.0, floor=1.0)


_GENERATE = LanguageStage(
    tasks={Task.TEXT_TO_MOTION: 1},
    text_frozen=True,
    text_weight=0.0,
    motion_weight=1.0,
    head_rate=2.0,
    bpe_dropout=0.0,
    wording=PAPER_BARE,
    cuts=PAPER_CUTS,
)
_ALIGN = replace(
    _GENERATE,
    tasks={Task.TEXT_TO_MOTION: 1, Task.MOTION_TO_TEXT: 1, Task.PREDICTION: 1},
    text_weight=1.0,
    motion_weight=0.5,
    head_rate=1.0,
)
_INSTRUCT = replace(
    _ALIGN,
    tasks={
        Task.TEXT_TO_MOTION: 4,
        Task.MOTION_TO_TEXT: 3,
        Task.PREDICTION: 1,
        Task.INBETWEEN: 1,
    },
    wording=PAPER_INSTRUCTIONS,
)
_FINETUNE = replace(
    _INSTRUCT,
    tasks={**_INSTRUCT.tasks, Task.CAPTION_TO_SECONDS: 2, Task.SECONDS_TO_CAPTION: 3},
    text_frozen=False,
)

PAPER_HUMANML3D = Recipe(
    name="paper-humanml3d",
    licence="HumanML3D's own terms (AMASS: research use)",
    sources=("HumanML3D (AMASS and HumanAct12)",),
    vae=VAERecipe(
        config=VAEConfig(),
        # MLD's release, which the paper takes over: 1,500 epochs of 23,384 clips.
        schedule=_constant(274_000, 1e-4, batch=128),
        loss=VAELoss(joints=1.0, path=0.0, steps=0.0, crop=0.0),
        balance=0.0,
    ),
    model=BimodalConfig(masked=True),
    stages=(
        LanguageRecipe("generate", _constant(160_000, 1e-4), _GENERATE, balance=0.0),
        LanguageRecipe("align", _constant(80_000, 1e-4), _ALIGN, balance=0.0),
        LanguageRecipe("instruct", _constant(80_000, 8e-5), _INSTRUCT, balance=0.0),
        LanguageRecipe("finetune", _constant(80_000, 1e-5), _FINETUNE, balance=0.0),
    ),
    gpt2="openai-community/gpt2",
    seed=1234,
    precision="fp32",
    plants_feet=False,
)
"""200 epochs of Stage I, as the authors count; the lengths of the later stages are not known."""


def _shorter(schedule: Schedule, share: float) -> Schedule:
    return replace(schedule, steps=round(schedule.steps * share))


_KIT_SHARE = 0.27
"""KIT-ML's 3,911 motions to HumanML3D's 14,616: as many epochs."""

PAPER_KIT = replace(
    PAPER_HUMANML3D,
    name="paper-kit",
    licence="KIT-ML's own terms (research use)",
    sources=("KIT Motion-Language",),
    vae=replace(PAPER_HUMANML3D.vae, schedule=_shorter(PAPER_HUMANML3D.vae.schedule, _KIT_SHARE)),
    stages=tuple(
        replace(stage, schedule=_shorter(stage.schedule, _KIT_SHARE))
        for stage in PAPER_HUMANML3D.stages
    ),
)
"""The same on KIT-ML, which the paper names but gives no settings for. The prepared set decides the
skeleton."""
