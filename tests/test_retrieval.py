"""R-precision and matching distance, against loops that do what the papers say."""

import numpy as np
import pytest
from embeddings import number, pairs, rng, turned
from scipy import linalg

from motiongpt3.evaluation.retrieval import (
    distinct_groups,
    matching_distance,
    r_precision,
    r_precision_within,
    random_groups,
)

CHANCE = np.array([1, 2, 3]) / 32


def ranked_by_loops(texts: np.ndarray, motions: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """R@1..3 by sorting one text's distances after the other."""
    hits, count = np.zeros(3), 0
    for group in groups:
        for i in group:
            far = sorted((float(np.sqrt(((texts[i] - motions[j]) ** 2).sum())), j) for j in group)
            place = [j for _, j in far].index(i)
            hits += [place < k for k in (1, 2, 3)]
            count += 1
    return hits / count


def test_r_precision_equals_a_double_loop_over_the_same_groups() -> None:
    texts, motions = pairs(200)
    groups = random_groups(200, rng(5))
    assert [len(group) for group in groups] == [32] * 6
    assert len(set(np.concatenate(groups))) == 192
    wanted = ranked_by_loops(texts, motions, groups)
    assert 0.2 < wanted[0] < wanted[1] < wanted[2] < 0.95
    np.testing.assert_allclose(r_precision(texts, motions, rng(5)), wanted, rtol=1e-12)
    np.testing.assert_allclose(r_precision_within(texts, motions, groups), wanted, rtol=1e-12)


def test_a_judge_without_knowledge_has_chance() -> None:
    texts, motions = pairs(320, noise=0.1)
    assert number(r_precision(texts, motions, rng())[0]) > 0.95
    same = np.ones_like(motions)
    for constant in ((texts, same), (same, motions), (same, same)):
        np.testing.assert_allclose(r_precision(*constant, rng()), CHANCE, atol=0.02)
    np.testing.assert_allclose(r_precision(texts, same, rng()), CHANCE, rtol=1e-12)
    shuffled = [r_precision(texts[rng(i).permutation(320)], motions, rng(i)) for i in range(200)]
    np.testing.assert_allclose(np.mean(shuffled, axis=0), CHANCE, atol=0.003)


def test_equals_share_their_places() -> None:
    texts, motions = np.zeros((3, 1)), np.array([[1.0], [1.0], [2.0]])
    found = r_precision_within(texts, motions, [np.arange(3)])
    np.testing.assert_allclose(found, [(0.5 + 0.5 + 0) / 3, 2 / 3, 1])


@pytest.mark.parametrize("noise", [0.2, 1.0, 3.0])
def test_only_distances_count(noise: float) -> None:
    texts, motions = pairs(96, noise)
    turn, shift = turned(6), rng(3).normal(size=6)
    moved = texts @ turn + shift, motions @ turn + shift
    assert r_precision(*moved, rng(1)) == r_precision(texts, motions, rng(1))
    assert number(matching_distance(*moved)) == pytest.approx(matching_distance(texts, motions))
    scaled = r_precision(5 * texts, 5 * motions, rng(1))
    assert scaled == r_precision(texts, motions, rng(1))


def test_matching_distance_is_the_mean_over_pairs() -> None:
    texts, motions = pairs(50)
    wanted = sum(linalg.norm(a - b) for a, b in zip(texts, motions, strict=True)) / 50
    assert matching_distance(texts, motions) == pytest.approx(wanted, rel=1e-12)
    single = matching_distance(texts.astype(np.float32), motions.astype(np.float32))
    assert single == pytest.approx(wanted, rel=1e-6)


def test_groups_of_distinct_keys_are_as_many_as_can_be_made() -> None:
    counts = rng(4).integers(1, 12, size=60)
    keys = [(f"action {i}", i % 5) for i, n in enumerate(counts) for _ in range(n)]
    groups = distinct_groups(keys, rng())
    most = max(g for g in range(1, 40) if np.minimum(counts, g).sum() >= 32 * g)
    assert len(groups) == most > 5
    for group in groups:
        assert len({keys[i] for i in group}) == 32
    assert len(set(np.concatenate(groups))) == 32 * most
    again = distinct_groups(keys, rng())
    np.testing.assert_array_equal(groups, again)
    assert not np.array_equal(groups, distinct_groups(keys, rng(1)))
    assert distinct_groups(keys[:100], rng(), group=90) == []


@pytest.mark.parametrize("distinct", [False, True], ids=["plain", "distinct"])
def test_a_judge_of_actions_alone_guesses_among_equals(distinct: bool) -> None:
    """Seven actions in seven styles that it cannot tell apart: right once per action and group."""
    keys = [(action, style) for action in range(7) for style in range(7) for _ in range(9)]
    texts = np.eye(7)[[action for action, _ in keys]]
    draw = distinct_groups(keys, rng()) if distinct else random_groups(len(keys), rng())
    actions = [len({keys[i][0] for i in group}) for group in draw]
    found = r_precision_within(texts, texts, draw)
    assert number(found[0]) == pytest.approx(np.mean(actions) / 32)
