"""How long a described motion is made when nobody says so, and whether lengths and seeds hold.

    python bench/length.py [--model FOLDER] [--split test] [--captions 1] [--limit N] [--json OUT]

The error is the median over captions of |length - the clip's own| / the clip's own. Beside it: the
same for a table that knows each clip's true label and answers with the median of the label's
training clips (15 % when first measured), and the share of lengths no shorter or longer than any
training clip of the label (to the tenth of a second in which lengths are told; labels without a
training clip are left out of the share).
"""

import common
import numpy as np

from motiongpt3.data.dataset import MotionText
from motiongpt3.evaluation.lengths import UsualLengths, relative_error
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.motion.motion import Motion

_ERROR = 0.12
_ALIKE_METRES = 1e-4
_BATCH = 6


def main() -> None:
    """Measure and print."""
    parser = common.arguments("length of a motion nobody gave a length")
    parser.add_argument("--captions", type=int, default=1, help="captions per clip, drawn by seed")
    options = parser.parse_args()
    folder = common.open_set(options)
    model = common.open_model(options)
    data = MotionText(folder, options.split)
    usual = _usual(MotionText(folder, "train"), model.codec.fps)
    asked = questions(data, options.captions, options.seed, options.limit)
    rows = []
    for index, caption in common.track(asked, "lengths"):
        record = data.records[index]
        rows.append(
            {
                "id": record.id,
                "source": record.source,
                "caption": caption,
                "real_s": record.frames / model.codec.fps,
                "made_s": model.lengths.read([caption])[0],
                "table_s": usual.guess(record.label),
            }
        )
        rows[-1]["usual"] = usual.usual(record.label, rows[-1]["made_s"])
    captions = [caption for _, caption in common.spread_items(asked, _BATCH)]
    promises = kept_promises(model, captions, options.seed)
    found = {name: summary(part) for name, part in _parts(rows).items()}
    header = ["source", "captions", "median error", "label table", "within range"]
    lines = [
        [n, str(v["captions"]), *(f"{100 * v[k]:.1f} %" for k in ("error", "table", "usual"))]
        for n, v in found.items()
    ]
    everything = found[common.ALL]
    targets = [
        common.Target("median relative error", everything["error"], _ERROR),
        common.Target("within the label's range", everything["usual"], 0.95, True),
        *promises,
    ]
    figures = {"by_source": found, "captions": rows}
    common.report(options, folder, [common.table(header, lines)], targets, figures)
