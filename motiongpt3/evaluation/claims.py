"""Claims of the paper as numbers, and the rule that decides what a table says of them.

A claim says that one figure is better than another, or larger than a number. Each seed gives one
value of it: a difference between two cells that began alike, counted so that the claim makes it
positive, or the figure itself. Over the seeds that is a mean with its 95 % interval by Student's t,
and the rule is

    reproduced        the whole interval is above what the claim asks for
    not reproduced    the whole interval is below it
    inconclusive      it lies on both sides, or there are fewer than two seeds

The interval is Student's and not the 1.96 of tables of replications: replications of one model say
nothing of what another seed would have made, and there are few seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.table import Better, Estimate

_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""The 97.5 % point of Student's t for 1 to 20 degrees of freedom; of more it is a little less."""

Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not measured"]
Measured = Mapping[str, Mapping[int, Mapping[str, Figure]]]
"""Figures by the name of the cell, the seed and the name of the figure."""


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of what every seed gives, one at least, with its interval by Student's t."""
    return Estimate.of(values, _T[min(max(len(values) - 1, 1), len(_T)) - 1])


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper as an inequality between figures."""

    said: str
    """In words, with what the paper means by it."""
    paper: str
    """The paper's own figures."""
    figure: str
    """Name of the figure that is compared; none where it cannot be measured here."""
    cell: str
    """The cell that the claim favours."""
    than: str = ""
    """The other cell; without it, the figure itself is held against `above`."""
    better: Better = "higher"
    above: float = 0.0
    """What the difference, or the figure, must exceed."""
    differs: str = ""
    """What is different here, which is the most likely reason where the claim is not reproduced."""
    unmeasured: str = ""
    """Why nothing here can decide it."""


@dataclass(frozen=True)
class Finding:
    """What was found of a claim."""

    claim: Claim
    verdict: Verdict
    value: Estimate | Missing


def judged(claim: Claim, measured: Measured) -> Finding:
    """What figures say of a claim, by the rule of this file."""
    values = _values(claim, measured)
    if isinstance(values, Missing):
        return Finding(claim, "not measured", values)
    estimate = over_seeds(values)
    return Finding(claim, _verdict(estimate, claim.above), estimate)


def _verdict(estimate: Estimate, above: float) -> Verdict:
    if estimate.interval is None:
        return "inconclusive"
    if estimate.mean - estimate.interval > above:
        return "reproduced"
    return "not reproduced" if estimate.mean + estimate.interval < above else "inconclusive"


def _values(claim: Claim, measured: Measured) -> list[float] | Missing:
    """One value for each seed that all cells of the claim have."""
    if claim.unmeasured:
        return Missing(claim.unmeasured)
    cells = [measured.get(name, {}) for name in (claim.cell, claim.than) if name]
    seeds = sorted(set.intersection(*(set(cell) for cell in cells)))
    if not seeds:
        return Missing("not run")
    sign = -1 if claim.better == "lower" else 1
    values = []
    for seed in seeds:
        figures = [cell[seed].get(claim.figure, Missing("not measured")) for cell in cells]
        known = [figure for figure in figures if not isinstance(figure, Missing)]
        if len(known) < len(figures):
            return next(figure for figure in figures if isinstance(figure, Missing))
        values.append(sign * (known[0] - known[1]) if claim.than else known[0])
    return values
