"""`motiongpt3 train-evaluator`: an evaluator from a processed set, resumable at any step.

One stage, matching, where T2M first trains the movement encoder as an autoencoder. What is kept is
not the last state but the one of all checks that separates held-out pairs best.

RUN/words.json                the vocabulary
RUN/matching/best.safetensors weights of the best check so far; its step and score in the header
RUN/matching/checks.jsonl     figures of every check
RUN/evaluator/                the finished evaluator
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.variation import vary
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.checkpoint import fill
from motiongpt3.model.guo import GuoConfig
from motiongpt3.model.guo_release import read_glove
from motiongpt3.model.tagging import Tagger
from motiongpt3.model.text_motion import Networks, TextMotion, networks_of, save_evaluator
from motiongpt3.model.tmr import TMRConfig
from motiongpt3.model.words import Vocabulary
from motiongpt3.motion.mirror import mirror_words
from motiongpt3.training.engine import Engine, processes
from motiongpt3.training.folder import begin, describe, held
from motiongpt3.training.log import record
from motiongpt3.training.loop import fit
from motiongpt3.training.matching import Augmentation, Contrast, Margin, MatchJob
from motiongpt3.training.stage import Precision, Schedule, Stage, Upkeep, Watch

STAGE = "matching"
Content = TypeVar("Content")
USUAL = Upkeep(check_every=100)

Judge = Callable[[TextMotion], Mapping[str, float]]
"""Figures of an evaluator on held-out pairs; the one called "score" decides which is kept."""


@dataclass(frozen=True)
class EvaluatorRecipe:
    """Everything that decides what evaluator is made of a set."""

    name: str
    networks: GuoConfig | TMRConfig
    """Sizes; numbers per frame and words are the set's."""
    loss: Margin | Contrast
    schedule: Schedule
    augmentation: Augmentation = field(default_factory=Augmentation)
    balance: float = 0.5
    """How far rare classes are drawn more often: 0 as in the data, 1 all classes alike."""
    rare: int = 1
    """Clips of classes with fewer clips than this are not drawn more often than those with it."""
    least: int = 2
    """Times a word must be met to have a vector of its own."""
    glove: str = ""
    """Folder of T2M's GloVe vectors, which are then taken as they are. Without it word vectors
    are learned from the set's captions."""
    tagger: Tagger = "rules"
    seed: int = 0
    precision: Precision = "fp32"
    licence: str = ""
    """Licence of the weights, which follows from the data."""


@dataclass(frozen=True)
class GuoRecipe(EvaluatorRecipe):
    """A recipe of Guo et al.'s encoders."""

    networks: GuoConfig


@dataclass(frozen=True)
class TMRRecipe(EvaluatorRecipe):
    """A recipe of transformers in TMR's manner."""

    networks: TMRConfig


def train_evaluator(
    recipe: EvaluatorRecipe,
    data: Path,
    out: Path,
    watch: Watch,
    upkeep: Upkeep = USUAL,
    judge: Judge | None = None,
) -> Path:
    """Train an evaluator and write it to `out/evaluator`.

    Args:
        data: a processed set (`motiongpt3 data prepare`); its train split is learned from.
        judge: what chooses among the checks; without it the last weights are taken.

    Raises:
        InputError: when the run folder is in use or was begun with other values, for several
            processes, and for word vectors that are not as wide as the recipe says.
        NonFiniteError, ResourceError, StoppedError, CorruptError: see `fit`.
    """
    with ExitStack() as stack:
        stack.enter_context(watch.stopping)
        engine = stack.enter_context(processes(upkeep.spread))
        _check_whole(recipe, engine)
        text = MotionText(data, "train")
        stack.enter_context(held(out))
        described = describe(recipe, (STAGE,), text.manifest, engine)
        begin(out, recipe, described, upkeep.resume, upkeep.allow, watch.warn)
        job = _job(recipe, text, out, engine)
        evaluator = TextMotion(job.module, job.vocabulary, text.mean, text.std, _card(recipe, text))
        stage = Stage(STAGE, recipe.schedule, out, recipe.seed, recipe.precision, upkeep)
        if judge is None:
            fit(job, stage, watch, engine)
            return save_evaluator(evaluator, out / "evaluator")
        best = _Best(stage.folder, evaluator, judge)
        fit(job, replace(stage, look=best.look), watch, engine)
        return save_evaluator(best.chosen(), out / "evaluator")


def _check_whole(recipe: EvaluatorRecipe, engine: Engine) -> None:
    if engine.ranks > 1 or recipe.schedule.parts > 1:
        raise InputError(
            "every pair of a batch is compared with all others",
            where="train-evaluator",
            hint="use one process, and schedule.parts 1",
        )


def _job(recipe: EvaluatorRecipe, data: MotionText, out: Path, engine: Engine) -> MatchJob:
    vectors = None
    if recipe.glove:
        vectors, vocabulary = read_glove(Path(recipe.glove), recipe.tagger)
    else:
        vocabulary = _learned_words(recipe, data, out / "words.json")
    torch.manual_seed(recipe.seed)
    networks = networks_of(
        replace(recipe.networks, features=data.skeleton.dim, vocabulary=len(vocabulary))
    )
    if vectors is not None:
        _take(vectors, networks)
    weights = data.weights(recipe.balance, recipe.rare)
    order = Order(weights, data.lengths(), recipe.schedule.batch, recipe.seed)
    networks = networks.to(engine.device)
    return MatchJob(networks, vocabulary, data, order, recipe.loss, recipe.augmentation)


def _learned_words(recipe: EvaluatorRecipe, data: MotionText, path: Path) -> Vocabulary:
    """The words of the set's captions, mirrored and reworded too; kept in the run's folder."""
    if not path.is_file():
        rng = np.random.default_rng(recipe.seed)
        own = [text for record in data.records for text in record.captions]
        said = [*own, *(mirror_words(text) for text in own), *(vary(text, rng) for text in own)]
        Vocabulary.learn(said, recipe.tagger, recipe.least).save(path)
    return Vocabulary.load(path)


def _take(vectors: np.ndarray, networks: Networks) -> None:
    """Put given word vectors in the table and keep them as they are."""
    table = networks.words.weight
    if table.shape != vectors.shape:
        raise InputError(
            f"word vectors are {vectors.shape[1]} wide, the recipe says {table.shape[1]}",
            where="glove",
        )
    with torch.no_grad():
        table.copy_(torch.from_numpy(vectors))
    table.requires_grad_(False)


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


class _Best:
    """The weights of the check that scored highest, the first of equals."""

    def __init__(self, folder: Path, evaluator: TextMotion, judge: Judge):
        self.folder, self.evaluator, self.judge = folder, evaluator, judge
        self.path = folder / "best.safetensors"

    def look(self, step: int) -> None:
        """Judge the weights, and keep them if none before were better.

        A run that goes on from a state repeats checks, with the same outcome.
        """
        figures = dict(self.judge(self.evaluator))
        record(self.folder, step, figures)
        if self.path.is_file() and self._kept()[1] >= figures["score"]:
            return
        noted = {"step": str(step), "figures": json.dumps(figures)}
        tensors = self.evaluator.networks.state_dict().items()
        with atomic_write(self.path) as path:
            save_file({k: t.detach().cpu().contiguous() for k, t in tensors}, path, noted)

    def chosen(self) -> TextMotion:
        """The evaluator with the weights kept, which its card speaks of."""
        step, _, figures = self._kept()
        tensors = self._read(load_file)
        fill(self.evaluator.networks, "", tensors)
        card = {**self.evaluator.card, "chosen": {"step": step, "val": figures}}
        self.evaluator.networks.eval()
        return replace(self.evaluator, card=card)

    def _kept(self) -> tuple[int, float, dict[str, float]]:
        noted = self._read(_metadata)
        figures = json.loads(noted["figures"])
        return int(noted["step"]), float(figures["score"]), figures

    def _read(self, read: Callable[[Path], Content]) -> Content:
        try:
            return read(self.path)
        except SafetensorError as error:
            raise CorruptError(
                f"cannot be read: {error}", where=str(self.path), hint="train again in a new folder"
            ) from error


def _card(recipe: EvaluatorRecipe, data: MotionText) -> dict[str, object]:
    """What must be known about an evaluator: what made it, and from what."""
    kind = "guo" if isinstance(recipe.networks, GuoConfig) else "tmr"
    return {
        "name": recipe.name,
        "kind": kind,
        "command": f"motiongpt3 train-evaluator DATA --kind {kind} -o DIR",
        "recipe": asdict(recipe),
        "data_sha256": data.manifest["sha256"],
        "skeleton": data.skeleton.name,
        "hip_sign": data.manifest["config"]["hip_sign"],
        "clips": data.manifest["clips"],
        "words": "glove" if recipe.glove else "learned",
        "licence": recipe.licence,
        "sources": sorted({record.source for record in data.records}),
    }
