"""How well an evaluator tells the clips of a set apart by what is said of them.

An evaluator that does not separate real clips cannot judge made ones.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from motiongpt3.data.dataset import MotionText
from motiongpt3.evaluation.retrieval import (
    GROUP,
    Group,
    distinct_groups,
    r_precision_within,
    random_groups,
)
from motiongpt3.model.evaluator import Evaluator

_TOP = (1, 2, 3)


def separation(evaluator: Evaluator, data: MotionText, draws: int = 20) -> dict[str, float]:
    """R-precision of a split's own clips, "plain 1" to "plain 3", "distinct 1" to "distinct 3".

    Plain groups are random; in distinct ones every clip differs from the others in action or
    style, which are plain ones again where clips have no action to tell them apart by. Groups
    are of 32, or smaller where the split has less. "score" is the mean of the first and the third
    in distinct groups, by which one evaluator is chosen over another.

    Args:
        draws: how often groups, and a caption for each clip, are drawn; figures are means over
            them. The same ones every time.
    """
    motions = evaluator.motions([data.features(index) for index in range(len(data))])
    said = [record.captions for record in data.records]
    texts = sorted({text for captions in said for text in captions})
    at, rows = {text: row for row, text in enumerate(texts)}, evaluator.texts(texts)
    keys = [(record.label, record.style) for record in data.records]
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        chosen = [at[captions[int(rng.integers(len(captions)))]] for captions in said]
        found.append(
            [r_precision_within(rows[chosen], motions, groups) for groups in _groupings(keys, rng)]
        )
    plain, distinct = np.array(found, float).mean(0)
    figures = {f"plain {k}": float(plain[k - 1]) for k in _TOP}
    figures |= {f"distinct {k}": float(distinct[k - 1]) for k in _TOP}
    return {**figures, "score": (figures["distinct 1"] + figures["distinct 3"]) / 2}


def _groupings(
    keys: Sequence[Hashable], rng: np.random.Generator
) -> tuple[list[Group], list[Group]]:
    """Plain groups and distinct ones."""
    plain = random_groups(len(keys), rng, min(GROUP, len(keys)))
    kinds = len(set(keys))
    distinct = distinct_groups(keys, rng, min(GROUP, kinds)) if kinds > 1 else plain
    return plain, distinct
