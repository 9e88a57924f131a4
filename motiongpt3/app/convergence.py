"""What the logs of runs say of how fast they learned: figures for `evaluation.paper_claims`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motiongpt3.app.runs import StageLog, read_run
from motiongpt3.errors import InputError
from motiongpt3.evaluation.convergence import Curve, sooner
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.paper_claims import (
    NARROW,
    PER_STEP,
    PER_WORK,
    SOONER_HELD_OUT,
    SOONER_LOSS,
    SOONER_R3,
    WIDE,
)
from motiongpt3.training import cells

if TYPE_CHECKING:
    from motiongpt3.app.reproducing import Bench

PAIRS = {NARROW: cells.UNIFIED_NARROW, WIDE: cells.UNIFIED_VAE}


def convergence(bench: "Bench", seed: int) -> dict[str, dict[str, Figure]]:
    """How many times sooner two branches are as far as one, by pair and by figure."""
    found = {}
    for row, other in PAIRS.items():
        folders = [bench.folder(recipe, seed) for recipe in (cells.BASE, other)]
        if all((folder / "model" / "manifest.json").is_file() for folder in folders):
            found[row] = _sooner(*map(last_stage, folders))
    return found


def last_stage(folder: Path) -> StageLog:
    """The stage of a run with motions that it ended with."""
    return read_run(folder).stages[-1]


def training_loss(stage: StageLog) -> Curve:
    """The diffusion loss over steps, smoothed."""
    logged = stage.curves["motion"]
    return Curve(np.array(logged.steps, float) + 1, np.array(logged.values)).smoothed


def seen(stage: StageLog, name: str) -> Curve:
    """A figure of the looks at a stage, over steps.

    Raises:
        InputError: when it was not looked at twice.
    """
    there = [(look.step, look.figures[name]) for look in stage.seen if name in look.figures]
    steps, values = np.array(there, float).reshape(-1, 2).T
    return Curve(steps, values)


def work(stage: StageLog) -> float:
    """Floating-point operations of a step, in 10^9."""
    counted = [look.figures["gflop"] for look in stage.seen if "gflop" in look.figures]
    if not counted:
        raise InputError("no step's work was counted", where=stage.name, hint="run it again")
    return counted[-1]


def _sooner(one: StageLog, other: StageLog) -> dict[str, Figure]:
    dearer = work(other) / work(one)
    pairs = {
        SOONER_LOSS: (training_loss(one), training_loss(other)),
        SOONER_HELD_OUT: (seen(one, "held_out_motion"), seen(other, "held_out_motion")),
        SOONER_R3: (_falling(seen(one, "held_out_r3")), _falling(seen(other, "held_out_r3"))),
    }
    figures: dict[str, Figure] = {}
    for name, pair in pairs.items():
        times = sooner(*pair)
        figures[f"{name}, {PER_STEP}"] = times
        by_work = times if isinstance(times, Missing) else times * dearer
        figures[f"{name}, {PER_WORK}"] = by_work
    return figures


def _falling(rising: Curve) -> Curve:
    return Curve(rising.at, -rising.loss)
