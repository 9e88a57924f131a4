"""Do the evaluators find real clips by their captions? R-precision of the test split.

python bench/evaluators.py [--data prepared] [--split test] [--json OUT]

In distinct groups of 32 every clip differs from the others in action or style. The rows of motion5h
leave motion_extra out.
"""

from copy import copy

import common

from motiongpt3.data.dataset import MotionText
from motiongpt3.evaluation.separation import separation
from motiongpt3.model.evaluator import read_evaluator

_MOTION5H = ("accad", "bandai_namco", "cmu", "hdm05")
_LEAST = {"distinct 1": 0.55, "distinct 3": 0.85}


def main() -> None:
    """Measure and print."""
    options = common.arguments("evaluators on real clips").parse_args()
    folder = common.open_set(options)
    data = MotionText(folder, options.split)
    own = copy(data)
    own.records = [record for record in data.records if record.source in _MOTION5H]
    found: dict[str, dict[str, float]] = {}
    targets = []
    for place in sorted((common.ROOT / "evaluators").iterdir()):
        evaluator = read_evaluator(place)
        for name, clips in (("motion5h", own), ("all", data)):
            row = f"{place.name}, {name} ({len(clips)})"
            found[row] = separation(evaluator, clips)
            if name == "motion5h":
                targets += [
                    common.Target(f"{place.name}, R@{key[-1]}", found[row][key], limit, True)
                    for key, limit in _LEAST.items()
                ]
    header = ["evaluator, clips", *(k for k in next(iter(found.values())) if k != "score")]
    lines = [[row, *(f"{value[key]:.3f}" for key in header[1:])] for row, value in found.items()]
    common.report(options, folder, [common.table(header, lines)], targets, {"rows": found})


if __name__ == "__main__":
    common.run(main)
