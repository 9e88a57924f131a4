"""The recipes that have a name."""

from motiongpt3.training.nano import NANO
from motiongpt3.training.paper import PAPER_HUMANML3D, PAPER_KIT

RECIPES = {recipe.name: recipe for recipe in (NANO, PAPER_HUMANML3D, PAPER_KIT)}
