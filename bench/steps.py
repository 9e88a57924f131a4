"""How many denoising steps are enough? Quality of the motions made in more and fewer steps.

python bench/steps.py [--model PATH] [--split val] [--seeds 3] [--json OUT]

Each row is a sampler and its number of steps: the mean of all verdicts over prompts that are
captions of the split (bench/semantics.py), how fast the feet of those who walk slide, retrieval and
distance from the split's motions (the evaluator of `motiongpt3 evaluate`), and the time of one
motion in a batch of 13. Beside each figure is its standard error over seeds. The default was chosen
on val: the fewest steps whose verdicts are within one standard error of the best.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from asked import asked_in_captions, read_classes
from common import (
    ROOT,
    arguments,
    in_turns,
    open_model,
    open_set,
    report,
    run,
    table,
    track,
)
from semantics import BATCH, generated, pooled, rows_of

from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.evaluation.judge import Judge
from motiongpt3.evaluation.text_to_motion import TextToMotion
from motiongpt3.model.evaluator import read_evaluator
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.physics import skate

TRIED = (
    *(Sampling("dpm++", steps) for steps in (4, 5, 6, 8, 10, 15, 20)),
    *(Sampling("ddim", steps) for steps in (4, 6, 10)),
    Sampling("ddpm", 100),
)
FIGURES = ("verdicts", "walking skate", "R@3", "FID-32", "KID x1000")
"""Percent, metres per second, a share, and distances."""
EVALUATOR = ROOT / "evaluators" / "motion5h-guo"
Figures = Mapping[str, Sequence[float]]
"""Of a sampling, one number per seed."""


def followed(model: MotionGPT, sampling: Sampling, split: str, seeds: int) -> Figures:
    """The mean of all verdicts, and how fast the feet of walking people slide, of each seed."""
    classes = asked_in_captions(read_classes(), split, BATCH)
    motions = generated(classes, model, seeds, None, sampling)
    verdicts, slides = [], []
    for seed in range(seeds):
        own = {name: [m for m in made if m.key[0] == seed] for name, made in motions.items()}
        rates = [row.rate for row in pooled(rows_of(classes, own, None))]
        verdicts.append(100 * float(np.mean(rates)))
        slides.append(float(np.mean([skate(m.joints) for m in own["walk"]])))
    return {"verdicts": verdicts, "walking skate": slides}


def judged(model: MotionGPT, sampling: Sampling, judge: Judge, seeds: int) -> Figures:
    """What an evaluator says, of each seed."""
    experiment = TextToMotion(model, judge.held, judge, sampling=sampling)
    rows = [experiment.told(seed) for seed in range(seeds)]
    return {name: [_number(row[name]) for row in rows] for name in FIGURES[2:]}


def _number(figure: float | Missing) -> float:
    return float("nan") if isinstance(figure, Missing) else figure


def milliseconds(model: MotionGPT, sampling: Sampling) -> float:
    """Of one motion of 4 s in a batch, the median of five batches."""
    asked = ["a person walks in a circle"] * BATCH
    [times] = in_turns([lambda: model.generate(asked, 4.0, sampling=sampling)], 5)
    return 1000 * float(np.median(times)) / BATCH


def cell(values: Sequence[float], digits: int) -> str:
    """The mean over seeds and its standard error."""
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{np.mean(values):.{digits}f} +- {error:.{digits}f}"


def cheapest(rows: Mapping[Sampling, Figures], name: str, sign: int) -> Sampling:
    """The first sampling that is not worse than the best by more than one standard error of their
    paired difference over seeds; `sign` is 1 where more is better and -1 where less is."""
    best = max(rows.values(), key=lambda row: sign * float(np.mean(row[name])))
    for sampling, row in rows.items():
        behind = sign * np.subtract(best[name], row[name])
        if behind.mean() <= behind.std(ddof=1) / len(behind) ** 0.5:
            return sampling
    raise ValueError(f"{name} is not a number")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.set_defaults(split="val")
    parser.add_argument("--seeds", type=int, default=3, help="at least 2 (default 3)")
    options = parser.parse_args()
    data, model = open_set(options), open_model(options)
    judge = Judge(read_evaluator(Path(EVALUATOR)), HeldOut(data, options.split))
    rows: dict[Sampling, Figures] = {}
    speed: dict[Sampling, float] = {}
    for sampling in track(TRIED, "sampling"):
        rows[sampling] = {
            **followed(model, sampling, options.split, options.seeds),
            **judged(model, sampling, judge, options.seeds),
        }
        speed[sampling] = milliseconds(model, sampling)
    written = [
        [
            f"{sampling.sampler} {sampling.steps}",
            f"{speed[sampling]:.1f}",
            *(cell(row[name], 3 if name in ("R@3", "walking skate") else 2) for name in FIGURES),
        ]
        for sampling, row in rows.items()
    ]
    print(table(("steps", "ms per motion", *FIGURES), written))
    usual = {sampling: row for sampling, row in rows.items() if sampling.sampler == "dpm++"}
    enough = [
        f"by {name}, {cheapest(usual, name, sign).steps} steps of dpm++ are as good as the best"
        for name, sign in (("verdicts", 1), ("walking skate", -1), ("FID-32", -1))
    ]
    named = {f"{s.sampler} {s.steps}": dict(row) | {"ms": speed[s]} for s, row in rows.items()}
    report(options, data, enough, [], {"rows": named})


if __name__ == "__main__":
    run(main)
