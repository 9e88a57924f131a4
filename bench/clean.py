"""What clean-up does to generated motion: feet that slide less, and how far joints move for it.

    python bench/clean.py [--model FOLDER] [--prompts 5] [--seed 0] [--json OUT]

So many prompts of each class of bench/prompts.toml are acted out. "Decoded" are the joints as the
model's features have them; "delivered" those that `generate` returns, whose feet the model's codec
has planted already. Either is locked by `motion.foot_lock`, and cleaned by `motion.clean`. Skate is
that of `motion.physics`, metres per second; change is the mean distance of joints before and
after, centimetres; sharpest is the largest acceleration of any leg joint.

Running has a flight phase in which no foot stands, so that its skate never goes to zero: real runs
of the development set have 0.7 m/s.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import common
import numpy as np
from asked import read_classes

from motiongpt3.motion.clean import clean, level
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.foot_lock import lock_feet
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.physics import jitter, peak_acceleration, skate

TARGET_CUT, TARGET_CHANGE = 0.6, 2.0
FIGURES = ("skate", "locked", "cut", "change", "jitter", "jitter locked", "sharpest", "then")


def main() -> None:
    """Measure and print."""
    parser = common.arguments("clean-up of generated motion")
    parser.add_argument("--prompts", type=int, default=5, help="of each class")
    options = parser.parse_args()
    folder = common.open_set(options)
    model = common.open_model(options)
    rows: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for asked in common.track(read_classes(), "cleaning"):
        prompts = list(asked.prompts[: options.prompts])
        for made in model.generate(prompts, seed=options.seed):
            decoded = features_to_joints(made.features.astype(np.float64))
            bare = Motion(decoded, made.fps, made.skeleton)
            for kind, motion in (("decoded", bare), ("delivered", made)):
                joints, fps, skeleton = motion.joints, motion.fps, motion.skeleton
                rows[kind][asked.name].append(judged(motion, lock_feet(joints, fps, skeleton)))
                # The floor moves everything alike, so it is not counted as a change of joints.
                on_floor = Motion(level(joints), fps, skeleton)
                all_of_it = clean(on_floor.joints, fps, skeleton)
                rows[f"{kind}, cleaned"][asked.name].append(judged(on_floor, all_of_it))
    tables, figures = [], {}
    for kind, classes in rows.items():
        every = [row for found in classes.values() for row in found]
        figures[kind] = {name: mean(found) for name, found in {**classes, "all": every}.items()}
        lines = [[name, *map("{:.3f}".format, row.values())] for name, row in figures[kind].items()]
        tables.append(
            f"{kind}\n\n" + common.table([f"class ({len(every)} motions)", *FIGURES], lines)
        )
    total = figures["decoded"]["all"]
    targets = [
        common.Target("skate lowered by", total["cut"], TARGET_CUT, at_least=True),
        common.Target("mean joint change, cm", total["change"], TARGET_CHANGE, digits=2),
    ]
    common.report(options, folder, tables, targets, {"figures": figures})


def judged(before: Motion, after: np.ndarray) -> dict[str, float]:
    """The figures of one motion."""
    fps, skeleton = before.fps, before.skeleton
    legs = [joint for leg in skeleton.legs for joint in leg]
    return {
        "skate": skate(before.joints, fps, skeleton),
        "locked": skate(after, fps, skeleton),
        "cut": 0.0,  # of the means, not the mean of many ratios of small numbers
        "change": 100 * float(np.linalg.norm(after - before.joints, axis=-1).mean()),
        "jitter": jitter(before.joints, fps, skeleton),
        "jitter locked": jitter(after, fps, skeleton),
        "sharpest": float(peak_acceleration(before.joints[:, legs], fps, skeleton).max()),
        "then": float(peak_acceleration(after[:, legs], fps, skeleton).max()),
    }


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over motions; the cut is that of the mean skate."""
    found = {key: float(np.mean([row[key] for row in rows])) for key in FIGURES}
    return {**found, "cut": 1 - found["locked"] / max(found["skate"], 1e-9)}


if __name__ == "__main__":
    common.run(main)
