"""One cell of a table with one seed: its codec, its training, its evaluation, each taken up again.

OUT/codec-KIND-seedN/       the run of a codec, shared by the cells that use it
OUT/CELL-seedN/             the run of a cell, as `train` writes it
OUT/CELL-seedN/evaluation/  a file per replication of its evaluation on the test split
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import motiongpt3
from motiongpt3.app.runs import read_run
from motiongpt3.app.show import say_warning
from motiongpt3.evaluation.figure import Figure, Missing

if TYPE_CHECKING:
    from motiongpt3.evaluation.replications import Identity, Replications
    from motiongpt3.model.evaluator import Evaluator
    from motiongpt3.training.recipe import Recipe
    from motiongpt3.training.stage import Report, Watch
    from motiongpt3.training.start import Start

SPLIT = "test"
CHECKS = 10
"""Looks at a cell's last stage, the one before its first step aside."""
EVALUATION = "evaluation"
_SEED = 0
"""Of the evaluation; replications have seeds of their own."""
Hears = Callable[[str], "Report"]
"""Given what is at work, who hears how it fares."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What all cells of all tables have in common."""

    data: Path
    evaluator: "Evaluator"
    out: Path
    replications: int
    hears: Hears

    def folder(self, recipe: "Recipe", seed: int) -> Path:
        """Of a cell's run."""
        return self.out / f"{recipe.name}-seed{seed}"

    def run(self, recipe: "Recipe", seed: int) -> None:
        """Train and evaluate a cell, as far as that is not done.

        Raises:
            InputError: when what is there was made with another recipe, set or evaluator.
            StoppedError: when a signal came; what is done is kept.
        """
        from motiongpt3.model.loading import read_bundle
        from motiongpt3.training.cells import codec_of
        from motiongpt3.training.start import Start

        codec = self._train(codec_of(recipe), seed, None)
        self._train(recipe, seed, Start(read_bundle(codec), codec_only=True))
        self._evaluate(recipe, seed)

    def figures(self, recipe: "Recipe", seed: int) -> dict[str, Figure]:
        """Means over the replications that are there, by the task and the name of a column; none
        where not all of them are."""
        folder = self.folder(recipe, seed)
        if not (folder / "model" / "manifest.json").is_file():
            return {}
        done = self._kept(folder).done()
        if len(done) < self.replications:
            return {}
        rows = list(done.values())
        return {
            f"{row}: {name}": _mean([each[row][name] for each in rows])
            for row, figures in rows[0].items()
            for name in figures
        }

    def _train(self, recipe: "Recipe", seed: int, start: "Start | None") -> Path:
        from motiongpt3.training.stage import Upkeep
        from motiongpt3.training.train import train

        folder = self.folder(recipe, seed)
        every = max(1, recipe.stages[-1].schedule.steps // CHECKS) if recipe.stages else 10**9
        upkeep = Upkeep(resume=True, check_every=every)
        watch = self._watch(recipe, folder.name)
        return train(replace(recipe, seed=seed), self.data, folder, watch, upkeep, start)

    def _watch(self, recipe: "Recipe", name: str) -> "Watch":
        from motiongpt3.app.validation import Validation
        from motiongpt3.training.stage import Watch

        check = Validation(recipe, self.data, self.evaluator)
        return Watch(self.hears(name), say_warning, check)

    def _kept(self, folder: Path) -> "Replications":
        from motiongpt3.evaluation.replications import Replications

        return Replications(folder / EVALUATION, self._identity(folder), self.replications)

    def _identity(self, folder: Path) -> "Identity":
        """Everything that decides the figures of a cell."""
        from motiongpt3.data.dataset import read_manifest
        from motiongpt3.model.loading import fingerprint

        return {
            "model": fingerprint(folder / "model"),
            "data": read_manifest(self.data)["sha256"],
            "split": SPLIT,
            "evaluator": self.evaluator.name,
            "evaluator hash": self.evaluator.hash,
            "seed": _SEED,
            "version": motiongpt3.__version__,
        }

    def _evaluate(self, recipe: "Recipe", seed: int) -> None:
        from motiongpt3.evaluation.held_out import HeldOut
        from motiongpt3.evaluation.judge import Judge
        from motiongpt3.evaluation.model_alone import ModelAlone
        from motiongpt3.evaluation.protocol import Share, replicate

        folder = self.folder(recipe, seed)
        kept = self._kept(folder)
        if len(kept.done()) == self.replications:
            return
        held = HeldOut(self.data, SPLIT)
        experiment = ModelAlone(
            motiongpt3.load(folder / "model"), held, Judge(self.evaluator, held)
        )
        report = self.hears(folder.name)
        replicate(
            experiment, kept, _SEED, Share(), lambda done, of: report("evaluation", done, of, {})
        )


@dataclass(frozen=True)
class Cost:
    """What a trained cell took."""

    weights: int
    """Of the language model and its heads."""
    steps: int
    seconds: float
    """Of as many usual steps, looks at it and saving aside: a pause in one does not count."""


def cost(folder: Path) -> Cost:
    """What the run in a folder took, by its logs and its model.

    Raises:
        InputError, CorruptError: when they are not as training writes them.
    """
    from safetensors import safe_open

    stages = [stage.curves["steps_per_s"].values for stage in read_run(folder).begun]
    with safe_open(folder / "model" / "model.safetensors", "numpy") as file:
        names = [name for name in file.keys() if name.startswith("network.")]  # noqa: SIM118
        weights = sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    seconds = sum(len(rates) / median(rates) for rates in stages)
    return Cost(weights, sum(map(len, stages)), seconds)


def _mean(values: list[Figure]) -> Figure:
    known = [value for value in values if not isinstance(value, Missing)]
    if len(known) < len(values):
        return next(value for value in values if isinstance(value, Missing))
    return sum(known) / len(known)
