"""The evaluators that have a name: sizes that two CPU cores train in some ten minutes.

Guo et al.'s own sizes are the defaults of `GuoConfig` (18 million weights, 73 MB).
"""

from motiongpt3.model.guo import GuoConfig
from motiongpt3.model.tmr import TMRConfig
from motiongpt3.training.evaluator import EvaluatorRecipe, GuoRecipe, TMRRecipe
from motiongpt3.training.matching import Contrast
from motiongpt3.training.stage import Schedule

GUO = GuoRecipe(
    name="guo",
    networks=GuoConfig(word=128, text=192, movement=192, motion=256, embedding=256),
    # Guo et al.'s own margin needs twice the steps: R@1 on val of motion5h in distinct groups was
    # 0.56 after 500 steps, where InfoNCE had 0.61 after 250.
    loss=Contrast(temperature=1.0),
    schedule=Schedule(steps=1500, batch=64, lr=1e-3, average=0.99),
)

TMR = TMRRecipe(
    name="tmr",
    networks=TMRConfig(width=128, layers=3, feedforward=256, embedding=128, frames_per_token=4),
    loss=Contrast(),
    schedule=Schedule(steps=1500, batch=64, lr=5e-4, average=0.99),
)

EVALUATORS: dict[str, EvaluatorRecipe] = {recipe.name: recipe for recipe in (GUO, TMR)}
