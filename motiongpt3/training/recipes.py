"""The recipes that have a name."""

from motiongpt3.training.finetune import FINETUNE
from motiongpt3.training.nano import NANO
from motiongpt3.training.paper import PAPER_HUMANML3D, PAPER_KIT
from motiongpt3.training.small import SMALL

RECIPES = {recipe.name: recipe for recipe in (NANO, SMALL, PAPER_HUMANML3D, PAPER_KIT, FINETUNE)}
