"""What a language stage costs per step, and how it does on clips that it is not trained on."""

from collections import defaultdict
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.training.codes import clip_codes
from motiongpt3.training.language import LanguageJob
from motiongpt3.training.recipe import LanguageRecipe

_SEED = 7_000_000
"""Of what is drawn: the same for every model, so that curves compare."""


def job_on(bundle: Bundle, data: MotionText, recipe: LanguageRecipe, folder: Path) -> LanguageJob:
    """A stage's job on other clips, each as likely as any other.

    Args:
        folder: where the clips' codes are kept.
    """
    order = Order(data.weights(0.0), data.lengths(), recipe.schedule.batch, _SEED)
    return LanguageJob(bundle, data, order, recipe.stage, clip_codes(bundle.vae, data, folder))


@torch.no_grad()
def held_out_losses(job: LanguageJob, steps: int) -> dict[str, float]:
    """The stage's losses by name, over so many batches that are the same for every model."""
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, float] = defaultdict(float)
    for step in range(steps):
        batch = job.draw(step, range(job.order.batch))
        for name, loss in job.losses(batch).items():
            sums[name] += float(loss) * batch.counts[name]
            counts[name] += batch.counts[name]
    return {name: total / counts[name] for name, total in sums.items()}


def work_per_step(job: LanguageJob, steps: int) -> float:
    """Floating-point operations of a step's products, forwards and backwards; no gradient stays."""
    counter = FlopCounterMode(display=False)
    with counter:
        for step in range(steps):
            losses = job.losses(job.draw(step, range(job.order.batch)))
            torch.as_tensor(sum(job.terms[name] * term for name, term in losses.items())).backward()
    job.module.zero_grad(set_to_none=True)
    return counter.get_total_flops() / steps
