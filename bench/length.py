"""How long a described motion is made when nobody says so, and whether lengths and seeds hold.

    python bench/length.py [--model FOLDER] [--split test] [--captions 1] [--limit N] [--json OUT]

The error is the median over captions of |length - the clip's own| / the clip's own. Beside it: the
same for a table that knows each clip's true label and answers with the median of the label's
training clips (15 % on motion5h, 13 % with motion_extra), and the share of lengths no shorter or
longer than any training clip of the label (to the tenth of a second in which lengths are told;
labels without a training clip are left out of the share).
"""

from typing import Any

import common
import numpy as np

from motiongpt3.data.dataset import MotionText, spread
from motiongpt3.evaluation.lengths import UsualLengths, relative_error
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.motion.motion import Motion

_ERROR = 0.12
_ALIKE_METRES = 1e-4
_TOGETHER = 6
"""Captions made one by one and as a batch."""


def main() -> None:
    """Measure and print."""
    parser = common.arguments("length of a motion nobody gave a length")
    parser.add_argument("--captions", type=int, default=1, help="captions per clip, drawn by seed")
    options = parser.parse_args()
    folder = common.open_set(options)
    model = common.open_model(options)
    data = MotionText(folder, options.split)
    train = MotionText(folder, "train")
    seconds = [float(frames) / model.codec.fps for frames in train.lengths()]
    usual = UsualLengths.fit([record.label for record in train.records], seconds)
    asked = questions(data, options.captions, options.seed, options.limit)
    rows = answers(model, data, usual, asked)
    few = [asked[at][1] for at in spread(len(asked), _TOGETHER)]
    found = _by_group(rows)
    targets = [
        common.Target("median relative error", found[common.ALL]["error"], _ERROR),
        common.Target("share within the label's range", found[common.ALL]["within"], 1.0, True),
        *promises(model, few, options.seed),
    ]
    header = ["source", "captions", "median error", "label table", "within range"]
    lines = []
    for name, value in found.items():
        shares = [f"{100 * value[key]:.1f} %" for key in ("error", "table", "within")]
        lines.append([name, str(value["captions"]), *shares])
    figures = {"by_source": found, "captions": rows}
    common.report(options, folder, [common.table(header, lines)], targets, figures)


def questions(data: MotionText, each: int, seed: int, limit: int | None) -> list[tuple[int, str]]:
    """Clips and captions of theirs, `each` per clip where there are as many."""
    chosen = []
    for index in spread(len(data), limit):
        captions = data.records[index].captions
        rng = np.random.default_rng([seed, index])
        drawn = rng.choice(len(captions), min(each, len(captions)), replace=False)
        chosen += [(index, captions[at]) for at in sorted(drawn)]
    return chosen


def answers(
    model: MotionGPT, data: MotionText, usual: UsualLengths, asked: list[tuple[int, str]]
) -> list[dict[str, Any]]:
    """The length read off each caption, beside the clip's own and the table's."""
    rows = []
    for index, caption in common.track(asked, "lengths"):
        record = data.records[index]
        made = model.lengths.read([caption])[0]
        rows.append(
            {
                "id": record.id,
                "source": record.source,
                "caption": caption,
                "label": record.label,
                "real_s": record.frames / model.codec.fps,
                "made_s": made,
                "table_s": usual.guess(record.label),
                "within": usual.within(record.label, made),
            }
        )
    return rows


def promises(model: MotionGPT, captions: list[str], seed: int) -> list[common.Target]:
    """Lengths that are asked for, and motions that depend on nothing but text and seed."""
    four = _made(model, captions, 4.0, seed)
    again = _made(model, captions, 4.0, seed)
    same = [a.joints.tobytes() == b.joints.tobytes() for a, b in zip(four, again, strict=True)]
    free = _made(model, captions, None, seed)
    apart = [
        _apart(_made(model, [caption], seconds, seed)[0], together)
        for seconds, batch in ((4.0, four), (None, free))
        for caption, together in zip(captions, batch, strict=True)
    ]
    exact = [len(motion) == round(4 * motion.fps) for motion in four]
    return [
        common.Target("seconds=4 gives 80 frames, share", float(np.mean(exact)), 1.0, True),
        common.Target("same seed, same bytes, share", float(np.mean(same)), 1.0, True),
        common.Target("batch against one by one, m", max(apart), _ALIKE_METRES, digits=6),
    ]


def _made(model: MotionGPT, captions: list[str], seconds: float | None, seed: int) -> list[Motion]:
    made = model.generate(captions, seconds, seed=seed)
    assert isinstance(made, list)
    return made


def _apart(a: Motion, b: Motion) -> float:
    """The largest distance in any coordinate, metres; endless for different lengths."""
    if len(a) != len(b):
        return float("inf")
    return float(np.abs(a.joints - b.joints).max())


def _by_group(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    found = {}
    for name, members in common.grouped(rows).items():
        real = [row["real_s"] for row in members]
        within = [row["within"] for row in members if row["within"] is not None]
        found[name] = {
            "captions": len(members),
            "error": relative_error([row["made_s"] for row in members], real),
            "table": relative_error([row["table_s"] for row in members], real),
            "within": float(np.mean(within)) if within else float("nan"),
        }
    return found


if __name__ == "__main__":
    common.run(main)
