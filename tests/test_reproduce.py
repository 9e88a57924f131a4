"""The paper's tables are made run by run, taken up after a stop, and say what their claims ask."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import archive, lines, tiny
from judges import Oracle
from scipy import stats

from motiongpt3.app import cli, experiments
from motiongpt3.app.experiments import EXPERIMENTS, Experiment
from motiongpt3.app.reproduce import TABLES
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import InputError
from motiongpt3.evaluation.claims import Claim, Spread, judged
from motiongpt3.evaluation.convergence import Curve, sooner
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.paper_claims import CLAIMS
from motiongpt3.model.vq import VQConfig
from motiongpt3.training import cells
from motiongpt3.training.recipe import Recipe

# -- the rule -----------------------------------------------------------------------------


def table(**values: Sequence[Figure]) -> dict[str, dict[int, dict[str, Figure]]]:
    """One figure, "R", of cells by seed."""
    return {cell: {n: {"R": v} for n, v in enumerate(each)} for cell, each in values.items()}


CLAIM = Claim("one is better", ".9 over .5", "R", "one", "other")
CASES: Mapping[str, tuple[Claim, dict, str]] = {
    "all of the interval above": (
        CLAIM, table(one=[0.9, 0.91, 0.92], other=[0.5, 0.5, 0.52]), "reproduced"
    ),
    "all of it below": (
        CLAIM, table(one=[0.5, 0.51, 0.5], other=[0.9, 0.9, 0.92]), "not reproduced"
    ),
    "both sides": (CLAIM, table(one=[0.5, 0.9, 0.7], other=[0.6, 0.6, 0.7]), "inconclusive"),
    "less is better": (
        replace(CLAIM, better="lower"), table(one=[1, 1.1, 1.2], other=[3, 3.2, 3.1]), "reproduced"
    ),
    "one seed": (CLAIM, table(one=[0.9], other=[0.1]), "inconclusive"),
    "pairs, not groups": (
        CLAIM, table(one=[0.2, 0.6, 0.9], other=[0.1, 0.5, 0.81]), "reproduced"
    ),
    "seeds that one cell lacks": (
        CLAIM, table(one=[0.9, 0.91, 0.0], other=[0.5, 0.51]), "reproduced"
    ),
    "more than a number": (
        replace(CLAIM, than="", above=2.0), table(one=[2.4, 2.5, 2.6]), "reproduced"
    ),
    "less than a number": (
        replace(CLAIM, than="", above=2.0), table(one=[1.4, 1.5, 1.6]), "not reproduced"
    ),
    "as good but for a margin": (
        replace(CLAIM, above=-0.02), table(one=[0.5, 0.51, 0.52], other=[0.5, 0.51, 0.521]),
        "reproduced",
    ),
    "not run": (CLAIM, table(one=[0.9]), "not measured"),
    "no figure": (
        CLAIM, table(one=[0.9, Missing("n=3")], other=[0.1, 0.1]), "not measured"
    ),
    "cannot be had": (
        replace(CLAIM, unmeasured="no model"), table(one=[0.9], other=[0.1]), "not measured"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_claim_is_judged_by_the_rule(case: str) -> None:
    claim, measured, verdict = CASES[case]
    assert judged(claim, measured).verdict == verdict


@pytest.mark.parametrize("seeds", [2, 3, 5, 21, 200])
def test_intervals_over_seeds_are_students(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(size=seeds)
    found = Spread.of(values.tolist())
    low, high = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values))
    assert found.mean == pytest.approx(values.mean())
    exact = 1e-3 if seeds <= 21 else 0.06  # of many, a little wide
    assert found.half == pytest.approx((high - low) / 2, rel=exact)
    assert found.half is not None and found.half >= (high - low) / 2 * (1 - 1e-3)


def falling(rate: float, steps: int = 200) -> Curve:
    at = np.arange(1.0, steps + 1)
    return Curve(at, np.exp(-rate * at))


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_a_loss_that_falls_faster_is_so_many_times_sooner(times: float) -> None:
    assert sooner(falling(0.01 * times), falling(0.01)) == pytest.approx(times, rel=1e-2)


def test_curves_that_only_grow_have_no_speed() -> None:
    at = np.array([1.0, 2, 3])
    low, high = Curve(at, at), Curve(at, 10 + at)
    assert sooner(high, high) == pytest.approx(3.0)  # its first point is as low as its last
    assert isinstance(sooner(Curve(at, -at), Curve(at - 1, np.full(3, 5.0))), float)
    assert low.reaches(0.5) is None
    with pytest.raises(InputError, match="two points"):
        Curve(at[:1], at[:1])


# -- the experiments ----------------------------------------------------------------------


def test_every_table_has_cells_and_claims_of_them() -> None:
    assert set(TABLES) == set(CLAIMS) == {*EXPERIMENTS, "main"}
    for name, experiment in EXPERIMENTS.items():
        known = {recipe.name for recipe in experiment.cells}
        assert experiment.claims == CLAIMS[name] and experiment.seeds >= 3
        for claim in experiment.claims:
            if name != "convergence":  # whose claims are about pairs
                assert {claim.cell, claim.than} <= known
    names = [recipe.name for e in EXPERIMENTS.values() for recipe in e.cells]
    recipes = {recipe.name: recipe for e in EXPERIMENTS.values() for recipe in e.cells}
    assert len(names) > len(recipes), "tables share cells"
    assert [recipes[r.name] for e in EXPERIMENTS.values() for r in e.cells] == [
        r for e in EXPERIMENTS.values() for r in e.cells
    ], "a name is one recipe"


def weights(recipe: Recipe) -> int:
    from motiongpt3.model.bimodal import Bimodal

    return sum(p.numel() for p in Bimodal(recipe.sizes(2048)).parameters())


def test_cells_have_equal_budgets() -> None:
    for experiment in EXPERIMENTS.values():
        for recipe in experiment.cells:
            schedules = [stage.schedule for stage in recipe.stages]
            assert {schedule.batch for schedule in schedules} == {64}
            steps = {"words": schedules[0].steps, "motion": sum(s.steps for s in schedules[1:])}
            assert steps == {"words": 150, "motion": cells.STEPS}, recipe.name
            codec = cells.codec_of(recipe)
            assert codec.vae.schedule == cells.BASE.vae.schedule and not codec.stages
    sizes = {recipe.name: weights(recipe) for recipe in EXPERIMENTS["components"].cells}
    assert max(sizes.values()) < 1.25 * min(sizes.values()), sizes
    assert weights(cells.UNIFIED_NARROW) < 0.7 * weights(cells.BASE)


# -- the command --------------------------------------------------------------------------


def small(name: str, **gpt: object) -> Recipe:
    recipe = tiny(steps=2)
    model = replace(recipe.model, gpt=replace(recipe.model.gpt, **gpt))
    words, *_, last = recipe.stages
    stage = replace(last.stage, kind_weight=0.0)
    return replace(recipe, name=name, model=model, stages=(words, replace(last, stage=stage)))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small cells in place of the tables', and an evaluator that is a toy."""
    pair = small("bimodal-vae"), small("unified-vae", branches=1)
    made = {
        name: replace(experiment, cells=pair, seeds=2) for name, experiment in EXPERIMENTS.items()
    }
    monkeypatch.setattr(experiments, "EXPERIMENTS", made)
    monkeypatch.setattr(cells, "BASE", pair[0])
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 32 clips in each of val and test."""
    base = tmp_path_factory.mktemp("reproduce")
    prepare([archive(base / "raw", lines(32))], base / "set")
    return base / "set"


def run(data: Path, out: Path, *words: object, table: str = "components") -> int:
    given = ["--data", data, "--out", out, "--replications", 2, "--evaluator", "toy", *words]
    return cli.main(["reproduce", table, *map(str, given)])


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("done")
