"""The recipe between the shipped model and the paper's: 29 M weights, for a GPU."""

from dataclasses import replace

from motiongpt3.model.vae import VAEConfig
from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import LanguageRecipe


def _longer(recipe: LanguageRecipe) -> LanguageRecipe:
    """Four times the examples, in batches twice as large; a wider model learns at lower rates."""
    schedule = recipe.schedule
    longer = replace(
        schedule,
        steps=2 * schedule.steps,
        batch=2 * schedule.batch,
        lr=0.6 * schedule.lr,
        average=0.999,
    )
    return replace(recipe, schedule=longer)


SMALL = replace(
    NANO,
    name="small",
    vae=replace(
        NANO.vae,
        config=VAEConfig(
            layers=3, feedforward=1024, dropout=0.0, frames_per_token=4, spline_points=48
        ),
        schedule=replace(NANO.vae.schedule, steps=4000, batch=128, average=0.998),
    ),
    model=replace(
        NANO.model,
        gpt=replace(NANO.model.gpt, width=320, heads=5, dropout=0.1),
        diffusion=replace(NANO.model.diffusion, width=512),
    ),
    stages=tuple(map(_longer, NANO.stages)),
)
"""The stages of `nano`, longer. Four times the passes over the same clips ask for dropout."""
