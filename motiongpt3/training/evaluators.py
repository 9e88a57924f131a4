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
    # Not Guo et al.'s own margin (`loss:margin`), which separates less in as many steps: on val of
    # motion5h, in distinct groups, R@1 0.67 and R@3 0.96, where InfoNCE has 0.94 and 0.99.
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
