"""Claims of the paper: what is reproduced, what is not, and what cannot be told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from motiongpt3.errors import InputError
from motiongpt3.evaluation.claims import Claim, judged, over_seeds
from motiongpt3.evaluation.convergence import Curve, sooner
from motiongpt3.evaluation.figure import Figure, Missing


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
    found = over_seeds(values.tolist())
    low, high = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values))
    assert found.mean == pytest.approx(values.mean())
    exact = 1e-3 if seeds <= 21 else 0.06  # of many, a little wide
    assert found.interval == pytest.approx((high - low) / 2, rel=exact)
    assert found.interval is not None and found.interval >= (high - low) / 2 * (1 - 1e-3)


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
