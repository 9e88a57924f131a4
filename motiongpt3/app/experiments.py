"""The paper's experiments as values: which cells, how many seeds, what is claimed of them."""

from dataclasses import dataclass

from motiongpt3.evaluation import paper_claims
from motiongpt3.evaluation.claims import Claim
from motiongpt3.training import cells
from motiongpt3.training.recipe import Recipe


@dataclass(frozen=True)
class Experiment:
    """One table. Cells that tables share are run once."""

    name: str
    title: str
    about: str
    """What its cells have in common, and what is different from the paper, in a paragraph."""
    cells: tuple[Recipe, ...]
    seeds: int
    claims: tuple[Claim, ...]


COMPONENTS = Experiment(
    "components",
    "One branch or two, ids or latents",
    "One branch is wider than each of two, and a model of ids, which has no diffusion head, than "
    "one of latents, so that all have about as many weights; the paper gives its one branch half "
    "of them. The VQ-VAE is trained for five times the VAE's steps.",
    (cells.UNIFIED_VQ, cells.UNIFIED_VAE, cells.BIMODAL_VQ, cells.BASE),
    3,
    paper_claims.COMPONENTS,
)
STAGES = Experiment(
    "stages",
    "Stages I, II and III",
    "All cells have the same steps, divided evenly among their stages; in the paper a stage more "
    "is more steps. Stages I and II leave the text branch as a stage of words made it.",
    cells.STAGED,
    3,
    paper_claims.STAGES,
)
CROSS_MODAL_LAYERS = Experiment(
    "cross-modal-layers",
    "In how many of the last layers text and motion meet",
    f"Of {cells.LAYERS} layers, where the paper has twelve; bimodal-vae is L = {cells.LAYERS}.",
    (*(cells.meeting(n) for n in (1, 2, 3, 5)), cells.BASE),
    3,
    paper_claims.CROSS_MODAL_LAYERS,
)
CONVERGENCE = Experiment(
    "convergence",
    "How fast two branches learn, against one",
    "How many times sooner two branches are as far as one is at its end, by steps and by "
    "floating-point operations; below one, how much later. unified-narrow-vae has the width of "
    "either branch and half of the weights (the paper's comparison), unified-vae as many weights.",
    (cells.BASE, cells.UNIFIED_NARROW, cells.UNIFIED_VAE),
    3,
    paper_claims.CONVERGENCE,
)

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (COMPONENTS, STAGES, CROSS_MODAL_LAYERS, CONVERGENCE)
}
"""The tables of trained cells; `main` is an evaluation of the model that ships."""
