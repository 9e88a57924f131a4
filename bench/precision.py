"""What do fewer bits cost? The shipped model in each precision, held against fp32 as trained.

python bench/precision.py [--model PATH] [--clips 200] [--seeds 2] [--json OUT]

Captions of real clips of the test split, the share with identical ids; motions asked for by the
prompts of bench/semantics.py, how far their joints are and which verdicts they get.
"""

from collections.abc import Sequence

import numpy as np
from asked import read_classes
from common import Target, arguments, open_set, report, run, table, track
from semantics import generated, pooled, rows_of

from motiongpt3 import Motion, load
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.model.checkpoint import SHIPPED
from motiongpt3.model.loading import read_bundle
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.packing import available
from motiongpt3.model.sampling import Sampling

ASKED = (
    "a person walks in a circle",
    "someone waves the left hand",
    "a man kicks with the right leg",
)
BATCH = 32


def captions(model: MotionGPT, clips: Sequence[Motion]) -> list[str]:
    """Of some clips, in batches."""
    said: list[str] = []
    for at in range(0, len(clips), BATCH):
        said += model.caption(clips[at : at + BATCH])
    return said


def moved(model: MotionGPT) -> list[np.ndarray]:
    """Joints of a few motions, ten of each."""
    made = model.generate(ASKED, 4.0, samples=10)
    assert isinstance(made, list)
    return [motion.joints for motion in made]


def verdicts(model: MotionGPT, seeds: int) -> float:
    """The mean of all verdicts in percent."""
    classes = read_classes()
    rows = rows_of(classes, generated(classes, model, seeds, None, Sampling()), None)
    return 100 * float(np.mean([row.rate for row in pooled(rows)]))


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200, help="captioned (default 200)")
    parser.add_argument("--seeds", type=int, default=2, help="of the prompts (default 2)")
    options = parser.parse_args()
    data = open_set(options)
    held = HeldOut(data, options.split, options.clips)
    clips = [Motion(joints) for joints in held.joints]
    plain = MotionGPT(read_bundle(options.model or SHIPPED))
    said, motions = captions(plain, clips), moved(plain)
    figures = {"as trained": {"verdicts": verdicts(plain, options.seeds)}}
    for precision in track(available(), "precision"):
        model = load(options.model, precision=precision)
        pairs = list(zip(said, captions(model, clips), strict=True))
        apart = [
            np.linalg.norm(one - other, axis=-1).mean()
            for one, other in zip(motions, moved(model), strict=True)
        ]
        figures[precision] = {
            "identical": 100 * float(np.mean([one == other for one, other in pairs])),
            "mm": 1000 * float(np.mean(apart)),
            "verdicts": verdicts(model, options.seeds),
        }
    rows = [
        [
            name,
            *(f"{row[key]:.1f}" if key in row else "" for key in ("identical", "mm", "verdicts")),
        ]
        for name, row in figures.items()
    ]
    header = ("precision", "identical captions, %", "joints apart, mm", "verdicts, %")
    targets = [
        Target(f"{name}: identical captions, %", figures[name]["identical"], 98.0, True, 1)
        for name in figures
        if name != "as trained"
    ]
    report(options, data, [table(header, rows)], targets, {"precisions": figures})


if __name__ == "__main__":
    run(main)
