"""Pictures of the paper's experiments, by matplotlib."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motiongpt3.evaluation.claims import Measured, over_seeds
from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.model_alone import M2T, T2M

if TYPE_CHECKING:
    from motiongpt3.app.experiments import Experiment
    from motiongpt3.app.reproducing import Bench

_SHOWN = (f"{T2M}: R@3", f"{T2M}: FID-32", f"{M2T}: R@3")
_LOOKS = (("held-out diffusion loss", "held_out_motion"), ("R@3 on val", "held_out_r3"))
_INCHES = (10.0, 3.2)


def draw(bench: "Bench", experiment: "Experiment", measured: Measured, folder: Path) -> list[str]:
    """Draw what there is of a table; names of the files, none where nothing was run."""
    if not measured:
        return []
    name = f"results-{experiment.name}.png"
    if experiment.name == "convergence":
        _save(folder / name, lambda axes: _curves(bench, experiment, measured, axes))
    else:
        _save(folder / name, lambda axes: _intervals(experiment, measured, axes))
    return [name]


def _save(path: Path, fill: Callable[[Any], None]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure.subplots(1, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _intervals(experiment: "Experiment", measured: Measured, axes: Any) -> None:
    """Mean and interval over seeds of every cell."""
    names = [recipe.name for recipe in experiment.cells]
    for place, figure in zip(axes, _SHOWN, strict=True):
        for at, name in enumerate(names):
            figures = [each[figure] for each in measured.get(name, {}).values()]
            known = [value for value in figures if not isinstance(value, Missing)]
            if known:
                estimate = over_seeds(known)
                place.errorbar(at, estimate.mean, estimate.interval or 0.0, fmt="o", capsize=4)
        place.set_xticks(range(len(names)), names, rotation=30, ha="right")
        place.set_title(figure)
        place.grid(axis="y", alpha=0.3)


def _curves(bench: "Bench", experiment: "Experiment", measured: Measured, axes: Any) -> None:
    """The diffusion loss of every cell, training and held out, and R@3 on val; a line per seed."""
    from motiongpt3.app.convergence import last_stage, seen, training_loss

    for at, recipe in enumerate(experiment.cells):
        for number, seed in enumerate(measured.get(recipe.name, {})):
            stage = last_stage(bench.folder(recipe, seed))
            curves = [training_loss(stage), *(seen(stage, name) for _, name in _LOOKS)]
            for place, curve in zip(axes, curves, strict=True):
                label = None if number else recipe.name
                place.plot(curve.at, curve.loss, color=f"C{at}", alpha=0.8, label=label)
    for place, title in zip(axes, ("diffusion loss", *(name for name, _ in _LOOKS)), strict=True):
        place.set_title(title)
        place.set_xlabel("steps")
        place.grid(alpha=0.3)
        place.margins(x=0)
    _room(axes[0])
    axes[0].legend(fontsize=8)


def _room(place: Any) -> None:
    """Show what a loss does after its first fall."""
    heights = [line.get_ydata() for line in place.get_lines()]
    if heights:
        late = np.concatenate([values[len(values) // 20 :] for values in heights])
        place.set_ylim(late.min() - 0.02, float(np.quantile(late, 0.99)) + 0.02)
