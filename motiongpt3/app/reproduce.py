"""`motiongpt3 reproduce`: the paper's tables at the scale of motion5h, run by run.

OUT/CELL-seedN/   a run and its evaluation (see `app.reproducing`); tables share the cells of others
OUT/main-TASK/    the evaluation of the model that ships, as `evaluate` writes it
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from motiongpt3.app import evaluate
from motiongpt3.app.show import doing, duration, progress, say, say_json, say_table
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.app.experiments import Experiment
    from motiongpt3.app.reproducing import Bench, Hears
    from motiongpt3.training.recipe import Recipe
    from motiongpt3.training.stage import Report

Table = Literal["components", "stages", "cross-modal-layers", "convergence", "main"]
TABLES: tuple[Table, ...] = get_args(Table)
MAIN_TASKS: tuple[evaluate.Task, ...] = ("t2m", "m2t")
MAIN_REPLICATIONS = 20
MOST_SEEDS = 20
_COLUMNS = ("cell", "weights", "steps", "s/step", "time")


def reproduce(options: Namespace) -> int:
    """Train and evaluate the cells of one of the paper's tables, and say what it shows."""
    from motiongpt3.data.dataset import read_manifest

    read_manifest(options.data)
    if options.table == "main":
        return _main(options)
    experiment = _chosen(options)
    if options.dry_run:
        return _plan(experiment, options)
    if options.json:
        raise InputError("a run has no result to print", where="--json", hint="with --dry-run")
    with hearing() as hears:
        bench = _bench(options, hears)
        for seed in range(experiment.seeds):  # all cells of a seed first: they are what compares
            for recipe in experiment.cells:
                bench.run(recipe, seed)
    return _write(options)


def _main(options: Namespace) -> int:
    """Evaluate the model that ships, as `evaluate` does with these options."""
    if options.cells or options.seeds:
        raise InputError("main is of one model", where="--cells, --seeds", hint="leave them out")
    if options.dry_run:
        for task in MAIN_TASKS:
            say(f"evaluate shipped, {task}, {MAIN_REPLICATIONS} replications")
        return 0
    for task in MAIN_TASKS:
        evaluate.evaluate(
            Namespace(
                model=evaluate.SHIPPED,
                data=options.data,
                task=task,
                replications=MAIN_REPLICATIONS,
                evaluator=options.evaluator,
                split="test",
                out=main_folder(options.out, task),
                seed=0,
                limit=None,
                device="cpu",
                json=False,
            )
        )
    return _write(options)


def main_folder(out: Path, task: evaluate.Task) -> Path:
    """Where the evaluation of the model that ships lies."""
    return out / f"main-{task}"


def _chosen(options: Namespace) -> "Experiment":
    """The table, or some cells of it, with as many seeds as asked for.

    Raises:
        InputError: for a cell that the table has not.
    """
    from motiongpt3.app.experiments import EXPERIMENTS

    experiment = EXPERIMENTS[options.table]
    known = {recipe.name: recipe for recipe in experiment.cells}
    names = options.cells or list(known)
    for name in names:
        if name not in known:
            raise InputError(f"no cell '{name}'", where="--cells", hint=f"of {', '.join(known)}")
    cells = tuple(known[name] for name in names)
    return replace(experiment, cells=cells, seeds=options.seeds or experiment.seeds)


def _bench(options: Namespace, hears: "Hears") -> "Bench":
    from motiongpt3.app.reproducing import Bench
    from motiongpt3.model.evaluator import read_evaluator

    evaluator = read_evaluator(options.evaluator)
    return Bench(options.data, evaluator, options.out, options.replications, hears)


@contextmanager
def hearing() -> Iterator["Hears"]:
    """Progress of one run after another, each named."""
    with progress() as shown:

        def hears(name: str) -> "Report":
            return lambda stage, *rest: shown(f"{name} {stage}", *rest)

        yield hears


@dataclass(frozen=True)
class Estimate:
    """What one run will take, as far as trying it tells."""

    cell: str
    weights: int
    steps: int
    seconds: float


def _plan(experiment: "Experiment", options: Namespace) -> int:
    """Try the stages of every cell for a moment; print what the table will take."""
    from motiongpt3.training.cells import codec_of

    runs: dict[str, Recipe] = {}
    for recipe in experiment.cells:
        codec = codec_of(recipe)
        runs |= {codec.name: codec, recipe.name: recipe}
    with doing("trying") as report:
        tried = [_estimate(recipe, options.data, report) for recipe in runs.values()]
    total = experiment.seeds * sum(estimate.seconds for estimate in tried)
    if options.json:
        rows = [asdict(estimate) for estimate in tried]
        say_json(
            {"table": experiment.name, "seeds": experiment.seeds, "seconds": total, "runs": rows}
        )
        return 0
    say_table(_COLUMNS, [_row(estimate) for estimate in tried])
    seeds = experiment.seeds
    say(
        f"{experiment.name}: {duration(total)} for {seeds} seed(s), validation and evaluation aside"
    )
    return 0


def _estimate(recipe: "Recipe", data: Path, report: Callable[[str], None]) -> Estimate:
    """Of a cell without its codec, which is a run of its own and has no stages."""
    from motiongpt3.app.bench import peak_memory
    from motiongpt3.training.plan import plan

    report(recipe.name)
    tried = plan(recipe, data, peak_memory).stages
    stages = [stage for stage in tried if stage.name not in ("vae", "codes")] or tried[:1]
    return Estimate(
        recipe.name,
        max(stage.trained for stage in stages),
        sum(stage.steps for stage in stages),
        sum(stage.seconds for stage in stages),
    )


def _row(estimate: Estimate) -> tuple[str, ...]:
    return (
        estimate.cell,
        f"{estimate.weights / 1e6:.2f} M",
        f"{estimate.steps:,}",
        f"{estimate.seconds / estimate.steps:.2f}",
        duration(estimate.seconds),
    )


def _write(options: Namespace) -> int:
    """Say what there is of all tables, in a document."""
    from motiongpt3.app.results import write_results

    if options.write is None:
        say(f"{options.out}  write it up: repeat the command with --write docs/results.md")
        return 0
    with hearing() as hears:
        write_results(_bench(options, hears), options.write)
    say(str(options.write))
    return 0
