"""`motiongpt3 train`: a recipe from a processed set to a model folder, resumable at any step."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.tasks import Task, Templates
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, MotionCodec, fill, motion_codec, save
from motiongpt3.model.gpt2 import load_gpt2, read_gpt2
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.tokenizer import GPT2_VOCABULARY, Tokenizer
from motiongpt3.model.vae import MotionVAE
from motiongpt3.training.codes import ClipCodes, clip_codes
from motiongpt3.training.language import LanguageJob
from motiongpt3.training.loop import Report, Schedule, Stage, fit
from motiongpt3.training.recipe import LanguageRecipe, Recipe
from motiongpt3.training.vae import VAEJob


@dataclass(frozen=True)
class Run:
    """A recipe at work on a processed set, in a folder of its own."""

    recipe: Recipe
    data: MotionText
    folder: Path
    report: Report
    device: torch.device

    def stage(self, name: str, schedule: Schedule, number: int) -> Stage:
        """A stage's place in the run; stages have seeds of their own."""
        recipe = self.recipe
        return Stage(name, schedule, self.folder, recipe.seed * 100 + number, recipe.precision)

    def order(
        self, batch: int, weights: Float[np.ndarray, "N"], number: int, pool: int = 1
    ) -> Order:
        """The order in which a stage sees the data."""
        return Order(weights, self.data.lengths(), batch, self.recipe.seed * 100 + number, pool)


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    report: Report,
    resume: bool = False,
    start: Bundle | None = None,
) -> Path:
    """Train every stage, on a GPU if there is one, and write the model.

    Args:
        data: a processed set (`motiongpt3 data prepare`).
        out: folder of the run; the model is written to `out/model`.
        resume: go on from the last state of each stage; without it the folder must be new.
        start: a model to begin with: its codec and vocabulary stay, its weights go on.

    Raises:
        InputError: when the run folder is in use and `resume` is not asked for.
        NonFiniteError, ResourceError: see `fit`.
    """
    if out.exists() and any(out.iterdir()) and not resume:
        raise InputError("holds a run already", where=str(out), hint="--resume goes on with it")
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(recipe, MotionText(data, "train"), out, report, device)
    model, vae, tokenizer = _begun(run) if start is None else _begun_from(run, start)
    cache = data if os.access(data, os.W_OK) else out
    codes = clip_codes(vae, run.data, cache)
    for number, language in enumerate(recipe.stages, 1):
        train_stage(run, (model, vae, tokenizer), (language, number), codes)
    mean, std = (run.data.mean, run.data.std) if start is None else (start.mean, start.std)
    return save(Bundle(vae, model, tokenizer, mean, std, _card(run, start)), out / "model")


Parts = tuple[Bimodal, MotionCodec, Tokenizer]


def _begun(run: Run) -> Parts:
    """A fresh language model around a codec that is trained first."""
    tokenizer = _tokenizer(run)
    vae = train_vae(run)
    model = _language_model(run.recipe, tokenizer).to(run.device)
    if isinstance(vae, MotionVAE) and isinstance(model.heads, LatentHeads):
        model.heads.set_spread(latent_spread(vae, run))
    return model, vae, tokenizer


def _begun_from(run: Run, start: Bundle) -> Parts:
    """The language model of another, in the sizes and with the training values of the recipe."""
    model = Bimodal(run.recipe.sizes(start.tokenizer.text_vocab))
    fill(model, "", start.network.state_dict())
    return model.to(run.device), start.vae.to(run.device), start.tokenizer


def train_vae(run: Run) -> MotionCodec:
    """The first stage."""
    recipe = run.recipe.vae
    torch.manual_seed(run.recipe.seed)
    # The data says how many numbers a frame has: the same recipe makes models of either skeleton.
    config = replace(recipe.config, features=run.data.skeleton.dim)
    vae = motion_codec(config).to(run.device)
    order = run.order(recipe.schedule.batch, run.data.weights(recipe.balance), 0, pool=8)
    job = VAEJob(vae, run.data, order, recipe.loss)
    stage = run.stage("vae", recipe.schedule, 0)
    if not stage.state.is_file():
        job.fit_spline(recipe.spline_batches)
    fit(job, stage, run.report)
    return vae


def train_stage(
    run: Run,
    model: Parts,
    numbered: tuple[LanguageRecipe, int],
    codes: ClipCodes,
) -> None:
    """One stage of the language model."""
    language, number = numbered
    weights = run.data.weights(language.balance, language.rare)
    order = run.order(language.schedule.batch, weights, number)
    torch.manual_seed(run.recipe.seed * 100 + number)
    job = LanguageJob(model, run.data, order, language.stage, codes)
    fit(job, run.stage(language.name, language.schedule, number), run.report)


def _tokenizer(run: Run) -> Tokenizer:
    path = run.folder / "tokenizer.json"
    if run.recipe.gpt2:
        return Tokenizer.load(GPT2_VOCABULARY)
    if not path.is_file():
        captions = [text for record in run.data.records for text in record.captions]
        templates = Templates.load()
        words = [
            part
            for task in Task
            for template in templates.all(task)
            for part in (*template.question, *template.answer)
            if isinstance(part, str)
        ]
        # Sorted and unique: the vocabulary must not depend on how often a pattern was repeated.
        texts = sorted({*captions, *run.data.corpus, *words})
        Tokenizer.train(texts, run.recipe.vocab).save(path)
    return Tokenizer.load(path)


def _language_model(recipe: Recipe, tokenizer: Tokenizer) -> Bimodal:
    torch.manual_seed(recipe.seed + 1)
    model = Bimodal(recipe.sizes(tokenizer.text_vocab))
    if recipe.gpt2:
        load_gpt2(model.gpt, read_gpt2(recipe.gpt2))
    return model


@torch.no_grad()
def latent_spread(vae: MotionVAE, run: Run) -> Float[Tensor, " Z"]:
    """Standard deviation of every component of the VAE's latents."""
    job = VAEJob(
        vae, run.data, run.order(64, run.data.weights(), 99), replace(run.recipe.vae.loss, crop=0.0)
    )
    return torch.cat([vae.to_codes(*job.batch(step)) for step in range(64)]).std(0)


def _card(run: Run, start: Bundle | None) -> Mapping[str, object]:
    """What must be known about a model: what made it, and from what."""
    begun = {} if start is None else {"begun_from": dict(start.card)}
    return {
        **begun,
        "name": run.recipe.name,
        "command": f"motiongpt3 train {run.recipe.name}",
        "seed": run.recipe.seed,
        "data_sha256": run.data.manifest["sha256"],
        "skeleton": run.data.skeleton.name,
        "hip_sign": run.data.manifest["config"]["hip_sign"],
        "clips": run.data.manifest["clips"],
        "plants_feet": run.recipe.plants_feet,
        "licence": run.recipe.licence,
        "sources": list(run.recipe.sources),
    }
