"""Whether a text finds its own motion among others: R-precision and MM-Dist.

The figures of Guo et al. 2022 (Generating Diverse and Natural 3D Human Motions from Text) as the
code of MotionGPT3 takes them (metrics/t2m.py): one random permutation of all pairs is cut into
groups of 32, what remains is dropped, and in each group every text ranks all motions by Euclidean
distance. Captions are judged by the same figures, made captions against real motions.

Shapes: N pairs, D width of an embedding; row i of the motions belongs to row i of the texts.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.evaluation.figure import Figure, lacking, too_few

Embeddings = Float[np.ndarray, "N D"]
Group = Int[np.ndarray, "G"]

GROUP = 32
"""Pairs in a group; a judge that knows nothing has R@k of k/32."""

_TOP = (1, 2, 3)


def random_groups(n: int, rng: np.random.Generator, group: int = GROUP) -> list[Group]:
    """One random permutation of n items, cut into groups; what remains is dropped."""
    order = rng.permutation(n)
    return list(order[: n // group * group].reshape(-1, group))


def distinct_groups(
    keys: Sequence[Hashable], rng: np.random.Generator, group: int = GROUP
) -> list[Group]:
    """As many groups as can be made of items whose keys all differ within a group.

    In a plain group a motion competes with others of its own kind, and a judge that knows no more
    than the kind of action does well; here it is to tell kinds and styles apart. Each group takes
    an item of each of the keys with most items left (equals in random order), which gives the
    largest number of groups. Empty where there are fewer keys than a group has items.

    Args:
        keys: what may occur once in a group, for each item: its action and style.
    """
    left: dict[Hashable, list[int]] = defaultdict(list)
    for item in rng.permutation(len(keys)):
        left[keys[item]].append(int(item))
    groups: list[Group] = []
    while True:
        open_keys = [key for key, items in left.items() if items]
        if len(open_keys) < group:
            return groups
        shuffled = [open_keys[i] for i in rng.permutation(len(open_keys))]
        fullest = sorted(shuffled, key=lambda key: -len(left[key]))[:group]
        groups.append(np.array([left[key].pop() for key in fullest]))


def r_precision(
    texts: Embeddings, motions: Embeddings, rng: np.random.Generator, group: int = GROUP
) -> tuple[Figure, Figure, Figure]:
    """R-precision at 1, 2 and 3 over random groups; `too_few` for less than one group."""
    groups = random_groups(len(motions), rng, group)
    if not groups:
        return (too_few(len(motions)),) * 3
    return r_precision_within(texts, motions, groups)


def r_precision_within(
    texts: Embeddings, motions: Embeddings, groups: Sequence[Group]
) -> tuple[Figure, Figure, Figure]:
    """R-precision at 1, 2 and 3: the share of texts whose own motion is among the k nearest.

    Motions that are equally far share their places: each text counts as the probability that a
    random order of the equals would put its motion among the first k. So a judge that gives all
    motions one embedding has chance, and not what the sorting makes of it.
    """
    missing = lacking(1, texts, motions) or (None if len(groups) else too_few(0))
    if missing:
        return (missing,) * 3
    hits = np.concatenate([_hits(texts[group], motions[group]) for group in groups])
    first, second, third = hits.mean(0)
    return float(first), float(second), float(third)


def _hits(texts: Embeddings, motions: Embeddings) -> Float[np.ndarray, "N 3"]:
    """For each text of a group the probability that its motion is among the first 1, 2, 3."""
    # Differences, not the expansion of the square: equal embeddings are to be equally far.
    apart = texts[:, None].astype(np.float64) - motions[None]
    far = np.linalg.norm(apart, axis=-1)
    own = np.diagonal(far)[:, None]
    nearer, equal = (far < own).sum(1), (far == own).sum(1)
    return np.stack([np.clip((k - nearer) / equal, 0, 1) for k in _TOP], axis=1)


def matching_distance(texts: Embeddings, motions: Embeddings, least: int = GROUP) -> Figure:
    """MM-Dist: the mean Euclidean distance between a text and its own motion.

    Over all pairs, where the original leaves out those that fill no group.

    Args:
        least: fewer pairs than this give `too_few`.
    """
    missing = lacking(least, texts, motions)
    if missing:
        return missing
    return float(np.linalg.norm(texts.astype(np.float64) - motions, axis=-1).mean())
