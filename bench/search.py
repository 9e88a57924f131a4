"""Do texts find their motions in a whole split, and how long does a query take?

python bench/search.py [--data prepared] [--split test] [--evaluator DIR] [--rows 100000]

Every caption of every clip of motion5h (motion_extra is a row of its own) is a query over all clips
of the split. "own clip": the clip it was written for is among the first K. "so captioned": some
clip is that has this caption, or one that differs in case or full stop alone: the same sentence is
said of several clips, which nobody can tell apart by it. A query's time is that of embedding its
text and looking at so many made-up rows, in one thread.
"""

import argparse
import time
from copy import copy
from pathlib import Path

import common
import numpy as np
import torch
from jaxtyping import Float

from motiongpt3.data.dataset import MotionText
from motiongpt3.library.index import Entry, Index, Origin
from motiongpt3.model.evaluator import observer_of, read_evaluator, shipped_evaluators
from motiongpt3.model.text_motion import TextMotion
from motiongpt3.motion.motion import Motion

_MOTION5H = ("accad", "bandai_namco", "cmu", "hdm05")
_TOP = (1, 3, 5, 10)
_QUERIES, _LIMIT_MS = 200, 50.0
Places = Float[np.ndarray, " Q"]
"""For each query how many clips are nearer than the first that is right."""


def main() -> None:
    """Measure and print."""
    parser = common.arguments("text to motion over a whole split")
    parser.add_argument("--evaluator", type=Path, help="default: what `search` takes")
    parser.add_argument("--rows", type=int, default=100_000, help="made-up rows of the timed index")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = common.open_set(options)
    evaluator = read_evaluator(options.evaluator or shipped_evaluators()[0])
    data = MotionText(folder, options.split)
    own = copy(data)
    own.records = [record for record in data.records if record.source in _MOTION5H]
    found = {}
    for name, clips in (("motion5h", own), ("all", data)):
        for kind, places in ranked(evaluator, clips).items():
            found[f"{name} ({len(clips)} clips), {kind}"] = {
                **{f"R@{k}": float((places < k).mean()) for k in _TOP},
                "median rank": float(np.median(places)) + 1,
                "queries": len(places),
            }
    times = query_times(evaluator, options)
    header = ["split, right is", *next(iter(found.values()))]
    lines = [
        [row, *(f"{v:.3f}" if v < 1 else f"{v:g}" for v in value.values())]
        for row, value in found.items()
    ]
    median, worst = float(np.median(times)), float(np.percentile(times, 99))
    spoken = f"{evaluator.name}; a query over {options.rows:,} rows: median {median:.1f} ms, "
    spoken += f"99 % {worst:.1f} ms"
    targets = [common.Target("query ms, 99 %", worst, _LIMIT_MS, digits=1)]
    figures = {
        "rows": found,
        "query ms": {"median": median, "99 %": worst, "rows": options.rows},
        "evaluator": evaluator.name,
    }
    common.report(options, folder, [spoken, common.table(header, lines)], targets, figures)


def ranked(evaluator: TextMotion, clips: MotionText) -> dict[str, Places]:
    """Ranks of what every caption should find, by what counts as right."""
    observer = observer_of(evaluator)
    motions = [Motion(clips.joints(at)) for at in range(len(clips))]
    windows = observer.windows(motions)
    assert all(len(parts) == 1 for parts in windows)
    embeddings = evaluator.motions([parts[0] for parts in windows])
    said = [[_plain(text) for text in record.captions] for record in clips.records]
    queries = [(text, at) for at, texts in enumerate(said) for text in texts]
    texts = evaluator.texts([text for text, _ in queries])
    apart = np.square(embeddings).sum(1) - 2 * texts @ embeddings.T
    has = {text: np.array([text in own for own in said]) for text, _ in queries}
    rows = range(len(queries))
    alone = np.array([(apart[q] < apart[q, queries[q][1]]).sum() for q in rows])
    shared = np.array([(apart[q] < apart[q, has[queries[q][0]]].min()).sum() for q in rows])
    return {"own clip": alone.astype(float), "so captioned": shared.astype(float)}


def _plain(text: str) -> str:
    return text.lower().rstrip(" .")


def query_times(evaluator: TextMotion, options: argparse.Namespace) -> Float[np.ndarray, " Q"]:
    """Milliseconds from text to the ten nearest of made-up rows."""
    rng = np.random.default_rng(options.seed)
    rows = rng.normal(size=(options.rows, evaluator.size)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = Index.of(
        Origin(evaluator.name, evaluator.hash, "."),
        [Entry(str(n), 0, 1) for n in range(options.rows)],
        rows,
    )
    texts = ["a person waves", "somebody walks in a circle and sits down", "kick", "someone throws"]
    index.nearest(evaluator.texts(texts[:1])[0], 10)
    times = []
    for number in range(_QUERIES):
        begun = time.perf_counter()
        index.nearest(evaluator.texts([texts[number % len(texts)]])[0], 10)
        times.append(1000 * (time.perf_counter() - begun))
    return np.array(times)


if __name__ == "__main__":
    common.run(main)
