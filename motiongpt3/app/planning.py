"""`motiongpt3 train RECIPE --dry-run`: what a run will take."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.app.bench import peak_memory
from motiongpt3.app.show import doing, duration, say, say_json, say_table

if TYPE_CHECKING:
    from motiongpt3.training.plan import StagePlan
    from motiongpt3.training.recipe import Recipe
    from motiongpt3.training.start import Start

_COLUMNS = ("stage", "trained", "frozen", "steps", "batch", "tokens", "s/step", "time", "memory")


def say_plan(recipe: "Recipe", data: Path, start: "Start | None", as_json: bool) -> None:
    """Try every stage for a moment, and print a table of them or JSON."""
    from motiongpt3.training.plan import plan

    with doing("trying") as report:
        made = plan(recipe, data, peak_memory, report, start)
    if as_json:
        stages = [{**asdict(stage), "seconds": stage.seconds} for stage in made.stages]
        say_json({**asdict(made), "seconds": made.seconds, "stages": stages})
        return
    say_table(_COLUMNS, [_row(stage) for stage in made.stages])
    where = f"{made.device}, {made.threads} thread(s), {made.precision}"
    say(f"{made.recipe}: {duration(made.seconds)} on {where}; steps tried are in brackets")


def _row(stage: "StagePlan") -> tuple[str, ...]:
    return (
        stage.name,
        f"{stage.trained / 1e6:.1f} M",
        f"{stage.frozen / 1e6:.1f} M",
        f"{stage.steps:,}",
        str(stage.batch),
        f"{stage.tokens:,.0f}",
        f"{stage.seconds_per_step:.3g} ({stage.tried})",
        duration(stage.seconds),
        f"{stage.peak_bytes / 1e9:.1f} GB",
    )
