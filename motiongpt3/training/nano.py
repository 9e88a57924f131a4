"""The recipe of the model that ships in the package."""

from motiongpt3.data.tasks import Task
from motiongpt3.model.bimodal import BimodalConfig
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.vae import VAEConfig
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.recipe import LanguageRecipe, Recipe, VAERecipe
from motiongpt3.training.stage import Schedule
from motiongpt3.training.turns import Wording

_NANO_SOURCES = (
    "Bandai-Namco Research Motiondataset (CC BY-NC 4.0)",
    "CMU Graphics Lab Motion Capture Database (free, no resale of the data)",
    "ACCAD Open Motion Project (CC BY 3.0)",
    "HDM05 (CC BY-SA 3.0)",
    "KIT Motion-Language sentences (research use)",
    "UI-PRMD (PDDL)",
    "UTD-MHAD (public domain by its paper)",
    "Mesh2Motion (CC0 1.0)",
    "Perfume dance (MIT)",
    "DeepMimic (MIT)",
    "Animated Drawings (MIT)",
    "Isaac AMP (BSD-3)",
)

NANO = Recipe(
    name="nano",
    licence="CC BY-NC 4.0",
    sources=_NANO_SOURCES,
    vae=VAERecipe(
        config=VAEConfig(
            layers=3, feedforward=512, dropout=0.0, frames_per_token=4, spline_points=48
        ),
        schedule=Schedule(steps=150, batch=64, lr=1e-4, average=0.98),
    ),
    model=BimodalConfig(
        gpt=GPTConfig(context=256, width=256, layers=6, heads=4, dropout=0.0),
        diffusion=DiffusionConfig(
            condition=256,
            width=360,
            dropout=0.0,
            draws=16,
            prediction="v",
            gaussian_start=True,
            evenness=0.5,
            told_start=True,
            quiet=0.5,
            places=5,
        ),
    ),
    stages=(
        LanguageRecipe(
            name="text",
            schedule=Schedule(steps=500, batch=512, lr=1.5e-3, warmup=50),
            stage=LanguageStage(
                tasks={
                    Task.PLAIN: 0.35,
                    Task.TEXT_TO_MOTION: 0.35,
                    Task.CAPTION_TO_SECONDS: 0.2,
                    Task.SECONDS_TO_CAPTION: 0.1,
                },
                words_only=True,
                wording=Wording(canonical=0.0),
            ),
        ),
        LanguageRecipe(
            name="understand",
            schedule=Schedule(steps=250, batch=512, lr=1.2e-3, warmup=50),
            stage=LanguageStage(
                tasks={Task.TEXT_TO_MOTION: 0.7, Task.CAPTION_TO_SECONDS: 0.15, Task.PLAIN: 0.15},
                words_only=True,
                in_words=True,
                wording=Wording(varied=0.8, canonical=0.0, unstyled=0.5, scenes=0.5),
            ),
        ),
        LanguageRecipe(
            name="together",
            schedule=Schedule(steps=4200, batch=512, lr=1.5e-3, warmup=200, average=0.999),
            stage=LanguageStage(
                tasks={
                    Task.TEXT_TO_MOTION: 0.66,
                    Task.MOTION_TO_TEXT: 0.14,
                    Task.PREDICTION: 0.06,
                    Task.INBETWEEN: 0.05,
                    Task.CAPTION_TO_SECONDS: 0.09,
                },
                motion_weight=1.0,
                head_rate=1.5,
                kind_weight=0.2,
                # Most clips are acted in a style, and most questions say none. Every action is
                # asked for at any length: how long it takes must not say what is done.
                wording=Wording(
                    varied=0.75,
                    canonical=0.8,
                    asides=0.35,
                    unstyled=0.5,
                    scenes=0.5,
                    stretched=0.6,
                ),
            ),
            balance=0.75,
            rare=10,
        ),
    ),
)
"""The model that ships in the package: nine minutes on one H200, most of a day on two CPU cores."""
