"""`motiongpt3 train-evaluator`: trains a judge, and judges it on held-out pairs."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.app.boards import tensorboard
from motiongpt3.app.learn import replaced
from motiongpt3.app.show import progress, say, say_json, say_warning
from motiongpt3.errors import ResourceError

if TYPE_CHECKING:
    from motiongpt3.data.dataset import MotionText
    from motiongpt3.model.text_motion import TextMotion
    from motiongpt3.training.evaluator import EvaluatorRecipe

_DRAWS = 20
"""Draws of a caption for each clip, and of groups, that figures are the mean of."""
_TOP = (1, 2, 3)


def train_evaluator(options: Namespace) -> int:
    """Train what metrics are measured with; --field value changes it."""
    from motiongpt3.data.dataset import MotionText, read_manifest
    from motiongpt3.training.evaluator import train_evaluator as run
    from motiongpt3.training.stage import Upkeep, Watch

    program = f"motiongpt3 train-evaluator DATA --kind {options.kind}"
    recipe = _recipe(options.kind, ["--help"] if options.fields else options.rest, program)
    out = options.out
    if out.exists() and not out.is_dir():
        raise ResourceError("is not a folder", where=str(out))
    clips = read_manifest(options.data)["clips"]
    judge = separation(MotionText(options.data, "val")) if clips.get("val", 0) > 1 else None
    upkeep = Upkeep(**{field.name: getattr(options, field.name) for field in fields(Upkeep)})
    upkeep = replace(upkeep, allow=tuple(options.allow))
    with progress() as shown, tensorboard(out) as written:

        def report(*what: object) -> None:
            shown(*what)  # type: ignore[arg-type]
            written(*what)  # type: ignore[arg-type]

        folder = run(recipe, options.data, out, Watch(report, say_warning), upkeep, judge)
    _say(folder, options.json)
    return 0


def _recipe(kind: str, changes: Sequence[str], program: str) -> "EvaluatorRecipe":
    from motiongpt3.training.evaluators import EVALUATORS

    return replaced(EVALUATORS[kind], changes, program) if changes else EVALUATORS[kind]


def separation(
    data: "MotionText", draws: int = _DRAWS
) -> "Callable[[TextMotion], Mapping[str, float]]":
    """A judge of evaluators: how well they find each caption's own clip of a split.

    "distinct 1" to "distinct 3" are R-precision in groups of 32 whose clips differ in action or
    style, "plain 1" to "plain 3" in random groups; smaller groups where a set has too little. What
    decides ("score") is the mean of the first and the third in distinct groups, and in plain ones
    where clips have no action to tell them apart by.
    """
    import numpy as np

    from motiongpt3.evaluation.retrieval import (
        GROUP,
        distinct_groups,
        r_precision_within,
        random_groups,
    )

    clips = [data.features(index) for index in range(len(data))]
    said = [record.captions for record in data.records]
    texts = sorted({text for captions in said for text in captions})
    at = {text: number for number, text in enumerate(texts)}
    keys = [(record.label, record.style) for record in data.records]
    sizes = {"plain": min(GROUP, len(keys)), "distinct": min(GROUP, len(set(keys)))}
    decides = "distinct" if sizes["distinct"] > 1 else "plain"

    def judge(evaluator: "TextMotion") -> dict[str, float]:
        motions, embedded = evaluator.motions(clips), evaluator.texts(texts)
        rng, found = np.random.default_rng(0), []
        for _ in range(draws):
            chosen = [at[captions[int(rng.integers(len(captions)))]] for captions in said]
            rows = []
            for kind in ("plain", decides):
                plain = kind == "plain"
                groups = (
                    random_groups(len(keys), rng, sizes[kind])
                    if plain
                    else distinct_groups(keys, rng, sizes[kind])
                )
                rows.append(r_precision_within(embedded[chosen], motions, groups))
            found.append(rows)
        mean = np.array(found, float).mean(0)
        named = {f"{kind} {k}": float(mean[row, k - 1])
                 for row, kind in enumerate(("plain", decides)) for k in _TOP}  # fmt: skip
        return {**named, "score": (named[f"{decides} 1"] + named[f"{decides} 3"]) / 2}

    return judge


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
