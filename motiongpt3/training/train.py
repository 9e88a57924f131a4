"""`motiongpt3 train`: a recipe from a processed set to a model folder, resumable at any step."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, MotionCodec, fill, motion_codec, save
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.official import read_vae
from motiongpt3.model.tokenizer import GPT2_VOCABULARY, Tokenizer
from motiongpt3.model.vae import MotionVAE
from motiongpt3.training.checks import Checked
from motiongpt3.training.codes import ClipCodes, clip_codes
from motiongpt3.training.engine import Engine, full, processes
from motiongpt3.training.folder import begin as begin_run
from motiongpt3.training.folder import describe, held, read
from motiongpt3.training.job import Job
from motiongpt3.training.language import LanguageJob
from motiongpt3.training.log import RUN
from motiongpt3.training.loop import fit
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.replay import balanced, with_replay
from motiongpt3.training.stage import Precision, Schedule, Stage, Upkeep, Watch, use_bf16
from motiongpt3.training.start import Start, fresh_network, learned_tokenizer
from motiongpt3.training.states import States
from motiongpt3.training.vae import VAEJob

USUAL = Upkeep()


@dataclass(frozen=True)
class Run:
    """A recipe at work on a processed set, in a folder of its own."""

    recipe: Recipe
    data: MotionText
    folder: Path
    watch: Watch
    upkeep: Upkeep
    engine: Engine
    start: Start | None = None

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.engine.device

    def fit(self, job: Job, named: tuple[str, Schedule, int], bundle: Bundle) -> None:
        """Run one stage, given its name, schedule and number; stages have seeds of their own."""
        name, schedule, number = named
        recipe, seed = self.recipe, self.recipe.seed * 100 + number
        stage = Stage(name, schedule, self.folder, seed, recipe.precision, self.upkeep)
        check = self.watch.check

        def look(done: int) -> None:
            if check is not None:
                bundle.vae.eval()
                bundle.network.eval()
                check(Checked(name, done, bundle, stage.folder))

        fit(job, replace(stage, look=look if check else None), self.watch, self.engine)

    def order(
        self, batch: int, weights: Float[np.ndarray, "N"], number: int, pool: int = 1
    ) -> Order:
        """The order in which a stage sees the data."""
        return Order(weights, self.data.lengths(), batch, self.recipe.seed * 100 + number, pool)

    def language_job(self, bundle: Bundle, number: int, codes: ClipCodes) -> LanguageJob:
        """What a stage of the language model, counted from 1, trains."""
        language, replay, teacher = self.recipe.stages[number - 1], self.recipe.replay, None
        weights = self.data.weights(language.balance, language.rare)
        if replay.motions and self.start:
            weights = balanced(self.data, weights, replay.share)
            teacher = self.start.bundle.network
        order = self.order(language.schedule.batch, weights, number)
        return LanguageJob(bundle, self.data, order, language.stage, codes, teacher)


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    watch: Watch,
    upkeep: Upkeep = USUAL,
    start: Start | None = None,
) -> Path:
    """Train every stage, on GPUs if there are any, and write the model.

    Under torchrun several processes share the work; the model is the one that a single process
    would make, to rounding. A finished run that is resumed stays as it is.

    Args:
        data: a processed set (`motiongpt3 data prepare`).
        out: folder of the run; the model is written to `out/model`.
        start: a model to begin with, of which the codec and the vocabulary stay.

    Raises:
        InputError: when the run folder is in use, or was begun with other values.
        NonFiniteError, ResourceError, StoppedError, CorruptError: see `fit`.
    """
    with watch.stopping, ExitStack() as stack:
        engine = stack.enter_context(processes(upkeep.spread))
        text = MotionText(data, "train")
        recipe = replace(recipe, precision=_settled(recipe, out, engine))
        described = describe(recipe, _names(recipe), text.manifest, engine)
        described |= start.origin if start else {}

        def begin() -> None:
            stack.enter_context(held(out))
            begin_run(out, recipe, described, upkeep.resume, upkeep.allow, watch.warn)

        _check_replay(recipe, start)
        engine.first_does(begin)
        if upkeep.resume and not upkeep.allow and (out / "model" / "manifest.json").is_file():
            return out / "model"  # of these very values: `begin` has compared them
        if recipe.replay.motions and start:
            text = _replayed(recipe, start, (data, out / "set"), engine, watch)
        return _trained(Run(recipe, text, out, watch, upkeep, engine, start))


def _check_replay(recipe: Recipe, start: Start | None) -> None:
    """Motions of a model's own making need a model, which says the same kind of thing of noise."""
    if not recipe.replay.motions:
        return
    if start is None or start.codec_only:
        hint = "it needs a model to go on from: --from shipped"
        raise InputError("keeps what a model can do", where=recipe.name, hint=hint)
    asked, was = (c.diffusion.prediction for c in (recipe.model, start.bundle.network.config))
    if asked != was:
        hint = f"it learned {was!r}; --replay.motions 0 forgets what it can do"
        raise InputError(f"cannot keep it as {asked!r}", where="prediction", hint=hint)


def _replayed(
    recipe: Recipe, start: Start, folders: tuple[Path, Path], engine: Engine, watch: Watch
) -> MotionText:
    """The set's clips beside motions of the model's own making; one process makes them."""
    asked = recipe.replay.motions, recipe.seed

    def tell(done: int, of: int) -> None:
        watch.report("own motions", done, of, {})
        watch.stopping.check(f"making motions, {done} of {of}")

    engine.first_does(lambda: with_replay(start.bundle, *folders, asked, tell))
    return MotionText(folders[1], "train")


def _trained(run: Run) -> Path:
    data, recipe, start = run.data, run.recipe, run.start
    if start is None:
        tokenizer = begin_tokenizer(run)
        vae, model = begin_codec(run), fresh_network(recipe, tokenizer)
    else:
        tokenizer, vae, model = start.bundle.tokenizer, start.bundle.vae, start.network(recipe)
        data.mean, data.std = start.bundle.mean, start.bundle.std  # what its codec reads
    vae, model = vae.to(run.device), model.to(run.device)
    bundle = Bundle(vae, model, tokenizer, data.mean, data.std, _card(run))
    if start is None:
        train_vae(run, bundle)
    if start is None or start.codec_only:
        _learn_spread(run, bundle)
    codes = _codes(run, vae)
    for number, language in enumerate(recipe.stages, 1):
        torch.manual_seed(recipe.seed * 100 + number)
        job = run.language_job(bundle, number, codes)
        run.fit(job, (language.name, language.schedule, number), bundle)
    whole = {name: full(tensor) for name, tensor in model.state_dict().items()}
    if run.engine.ranks > 1:  # shards and their hooks stay behind
        fresh = Bimodal(model.config)
        fill(fresh, "", {name: tensor.cpu() for name, tensor in whole.items()})
        bundle = replace(bundle, network=fresh)
    run.engine.first_does(lambda: save(bundle, run.folder / "model"))
    return run.folder / "model"


def _settled(recipe: Recipe, out: Path, engine: Engine) -> Precision:
    """The precision in which the run computes: what it was begun with decides over "auto"."""
    if recipe.precision != "auto":
        return recipe.precision
    if (out / RUN).is_file():
        begun: Precision = read(out)["recipe"]["precision"]
        return begun
    (votes,) = engine.sum([float(use_bf16("auto", engine.device.type))])
    return "bf16" if votes == engine.ranks else "fp32"


def _codes(run: Run, vae: MotionCodec) -> ClipCodes:
    """Codes of the set's clips, made by one process; beside the set if that can be written."""
    folder = run.data.folder if os.access(run.data.folder, os.W_OK) else run.folder

    def progress(done: int, clips: int) -> None:
        run.watch.stopping.check(f"encoding clips, {done} of {clips}")

    run.engine.first_does(lambda: clip_codes(vae, run.data, folder, progress))
    return clip_codes(vae, run.data, folder, progress)


def begin_codec(run: Run) -> MotionCodec:
    """The codec a run begins with: fresh, or taken over from a release."""
    recipe = run.recipe.vae
    if recipe.trained:
        vae = read_vae(Path(recipe.trained))
        if vae.config != recipe.config:
            raise InputError(
                f"is of size {vae.config}, the recipe asks for {recipe.config}",
                where=recipe.trained,
                hint="a released VAE goes with the paper's recipes",
            )
        return vae
    torch.manual_seed(run.recipe.seed)
    # The data says how many numbers a frame has: the same recipe makes models of either skeleton.
    return motion_codec(replace(recipe.config, features=run.data.skeleton.dim))


def train_vae(run: Run, bundle: Bundle) -> None:
    """The first stage, unless the codec is a release's."""
    recipe, vae = run.recipe.vae, bundle.vae
    if recipe.trained:
        return
    order = run.order(recipe.schedule.batch, run.data.weights(recipe.balance), 0, pool=8)
    job = VAEJob(vae, run.data, order, recipe.loss)
    if not States(run.folder / "vae" / "states").steps():
        job.fit_spline(recipe.spline_batches)
    run.fit(job, ("vae", recipe.schedule, 0), bundle)


def _learn_spread(run: Run, bundle: Bundle) -> None:
    """What the language model must know of the codec's latents."""
    vae = bundle.vae
    if isinstance(vae, MotionVAE) and isinstance(bundle.network.heads, LatentHeads):
        bundle.network.heads.set_spread(latent_spread(vae, run))


def begin_tokenizer(run: Run) -> Tokenizer:
    """GPT-2's vocabulary, or one learned from the set's captions and kept in the run's folder."""
    path = run.folder / "tokenizer.json"
    if run.recipe.gpt2:
        return Tokenizer.load(GPT2_VOCABULARY)

    def learn() -> None:
        if not path.is_file():
            learned_tokenizer(run.data, run.recipe.vocab).save(path)

    run.engine.first_does(learn)
    return Tokenizer.load(path)


@torch.no_grad()
def latent_spread(vae: MotionVAE, run: Run) -> Float[Tensor, " Z"]:
    """Standard deviation of every component of the VAE's latents."""
    loss = replace(run.recipe.vae.loss, crop=0.0)
    job = VAEJob(vae, run.data, run.order(64, run.data.weights(), 99), loss)
    codes = [vae.to_codes(*job.normalised(job.whole(step))) for step in range(64)]
    return torch.cat(codes).std(0)


def _names(recipe: Recipe) -> list[str]:
    return ["vae", *(stage.name for stage in recipe.stages)]


def _card(run: Run) -> Mapping[str, object]:
    """What must be known about a model: what made it, and from what."""
    start = run.start
    stages = [stage.name for stage in run.recipe.stages]
    begun = f" {start.option} MODEL --only {' '.join(stages)}" if start else ""
    return {
        **(start.origin if start else {}),
        "name": run.recipe.name,
        "command": f"motiongpt3 train {run.recipe.name}{begun}",
        "stages": stages,
        "seed": run.recipe.seed,
        "precision": run.recipe.precision,
        "data_sha256": run.data.manifest["sha256"],
        "skeleton": run.data.skeleton.name,
        "hip_sign": run.data.manifest["config"]["hip_sign"],
        "clips": run.data.manifest["clips"],
        "plants_feet": run.recipe.plants_feet,
        "licence": run.recipe.licence,
        "sources": list(run.recipe.sources),
    }
