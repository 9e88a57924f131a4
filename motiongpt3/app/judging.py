"""`motiongpt3 train-evaluator`: trains a judge, and judges it on held-out pairs."""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.app.learn import replaced, told, upkeep_of
from motiongpt3.app.show import say, say_json, say_warning
from motiongpt3.errors import ResourceError

if TYPE_CHECKING:
    from motiongpt3.training.evaluator import EvaluatorRecipe


def train_evaluator(options: Namespace) -> int:
    """Train what metrics are measured with; --field value changes it."""
    from motiongpt3.data.dataset import MotionText, read_manifest
    from motiongpt3.evaluation.separation import separation
    from motiongpt3.training.evaluator import train_evaluator as run
    from motiongpt3.training.stage import Watch

    program = f"motiongpt3 train-evaluator DATA --kind {options.kind}"
    recipe = _recipe(options.kind, ["--help"] if options.fields else options.rest, program)
    out = options.out
    if out.exists() and not out.is_dir():
        raise ResourceError("is not a folder", where=str(out))
    clips = read_manifest(options.data)["clips"]
    held_out = MotionText(options.data, "val") if clips.get("val", 0) > 1 else None
    judge = partial(separation, data=held_out) if held_out else None
    with told(out) as report:
        watch = Watch(report, say_warning)
        folder = run(recipe, options.data, out, watch, upkeep_of(options), judge)
    _say(folder, options.json)
    return 0


def _recipe(kind: str, changes: Sequence[str], program: str) -> "EvaluatorRecipe":
    from motiongpt3.training.evaluators import EVALUATORS

    return replaced(EVALUATORS[kind], changes, program) if changes else EVALUATORS[kind]


def _say(folder: Path, as_json: bool) -> None:
    from motiongpt3.model.text_motion import load_evaluator

    evaluator = load_evaluator(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    result = {
        "evaluator": str(folder),
        "sha256": evaluator.hash,
        "weights": sum(weight.numel() for weight in evaluator.networks.parameters()),
        "bytes": size,
        "chosen": evaluator.card.get("chosen"),
    }
    if as_json:
        say_json(result)
        return
    say(f"{folder}  {result['weights']:,} weights, {size / 2**20:.1f} MiB, {evaluator.hash[:16]}")
    chosen = evaluator.card.get("chosen")
    if chosen:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in chosen["val"].items())
        say(f"val, step {chosen['step']}: R-precision {figures}")
