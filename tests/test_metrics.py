"""Figures on embeddings, against scipy and against loops that do what the papers say."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from motiongpt3 import InputError
from motiongpt3.evaluation.distribution import (
    PrincipalComponents,
    diversity,
    frechet_distance,
    kernel_distance,
    multimodality,
)
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.retrieval import (
    distinct_groups,
    matching_distance,
    r_precision,
    r_precision_within,
    random_groups,
)

CHANCE = np.array([1, 2, 3]) / 32


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def samples(n: int, width: int = 8, seed: int = 0, rank: int | None = None) -> np.ndarray:
    """Correlated rows off the origin, of lower rank if asked."""
    draw = rng(seed)
    mixing = draw.normal(size=(rank or width, width))
    return draw.normal(size=(n, len(mixing))) @ mixing + draw.normal(size=width)


def pairs(n: int, noise: float = 1.0, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Texts and motions that belong together, more or less."""
    texts = rng(1).normal(size=(n, width))
    return texts, texts + noise * rng(2).normal(size=(n, width))


def number(figure: Figure) -> float:
    assert isinstance(figure, float)
    return figure


def turned(width: int) -> np.ndarray:
    return linalg.qr(rng(9).normal(size=(width, width)))[0]


# --- retrieval -----------------------------------------------------------------------------------


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


# --- distributions -------------------------------------------------------------------------------


def frechet_by_scipy(made: np.ndarray, real: np.ndarray) -> float:
    covariances = np.cov(made, rowvar=False), np.cov(real, rowvar=False)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = made.mean(0) - real.mean(0)
    return float(apart @ apart + sum(np.trace(c) for c in covariances) - 2 * np.trace(root))


@pytest.mark.parametrize(
    ("made", "real"),
    [
        (samples(500, 8), samples(300, 8, seed=1)),
        (samples(400, 64), samples(400, 64, seed=1)),
        (samples(100, 128), samples(90, 128, seed=1)),  # fewer samples than dimensions
        (samples(400, 32, rank=7), samples(400, 32, seed=1)),
        (samples(400, 32, rank=7), samples(400, 32, seed=1, rank=5)),
    ],
    ids=["small", "wide", "few", "flat", "both flat"],
)
def test_frechet_distance_equals_scipys_root(made: np.ndarray, real: np.ndarray) -> None:
    found = frechet_distance(made, real, least=2)
    assert found == pytest.approx(frechet_by_scipy(made, real), rel=1e-6)
    assert frechet_distance(real, made, least=2) == pytest.approx(found, rel=1e-6)


def test_frechet_distance_of_known_gaussians() -> None:
    """Exactly scaled samples: the distance is that of the formula on diagonal covariances."""
    white = samples(100, 4)
    white = (white - white.mean(0)) @ linalg.inv(linalg.cholesky(np.cov(white.T)))
    a, b = np.array([1.0, 2, 3, 0]), np.array([2.0, 2, 1, 1])
    wanted = 4 * 0.5**2 + ((a - b) ** 2).sum()
    assert frechet_distance(white * a, white * b + 0.5) == pytest.approx(wanted)
    assert number(frechet_distance(white, white)) == pytest.approx(0, abs=1e-9)


def kernel_by_loops(made: np.ndarray, real: np.ndarray) -> float:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(float(a * b) for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    within = [mean([kernel(x, y) for x, y in combinations(rows, 2)]) for rows in (made, real)]
    return sum(within) - 2 * mean([kernel(x, y) for x in made for y in real])


def test_kernel_distance_equals_a_double_loop() -> None:
    made, real = samples(70, 5), samples(90, 5, seed=1)
    wanted = kernel_by_loops(made, real)
    assert kernel_distance(made, real) == pytest.approx(wanted, rel=1e-9)
    assert kernel_distance(real, made) == pytest.approx(wanted, rel=1e-9)


def test_kernel_distance_is_unbiased_where_frechet_distance_is_not() -> None:
    """Halves of one distribution: the mean of KID is 0 within its error, FID's is not."""
    halves = [np.split(rng(i).normal(size=(128, 16)), 2) for i in range(200)]
    kernel = np.array([number(kernel_distance(*half)) for half in halves])
    assert abs(kernel.mean()) < 4 * kernel.std() / np.sqrt(len(kernel))
    frechet = np.array([number(frechet_distance(*half)) for half in halves[:20]])
    assert frechet.min() > 1
    shifted = [number(kernel_distance(a + 0.5, b)) for a, b in halves[:20]]
    assert min(shifted) > kernel.max()


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_order_does_not_matter(distance: Callable[..., Figure]) -> None:
    made, real = samples(128), samples(100, seed=1)
    wanted = pytest.approx(distance(made, real), rel=1e-9)
    assert distance(made[rng().permutation(128)], real[::-1]) == wanted
    turn = turned(8)
    assert distance(made @ turn, real @ turn) == wanted


def test_components_keep_most_variance_and_are_those_of_the_training_set() -> None:
    train, made = samples(300, 40), samples(200, 40, seed=1)
    fitted = PrincipalComponents.fit(train, 32)
    np.testing.assert_allclose(fitted.axes @ fitted.axes.T, np.eye(32), atol=1e-12)
    _, scale, axes = linalg.svd(train - train.mean(0), full_matrices=False)
    found = fitted.apply(train)
    np.testing.assert_allclose(found.var(0, ddof=1), scale[:32] ** 2 / 299)
    np.testing.assert_allclose(
        np.abs(fitted.apply(made)), np.abs((made - train.mean(0)) @ axes[:32].T)
    )
    assert isinstance(frechet_distance(fitted.apply(made), found), float)  # 4 x 32 = 128 samples do
    for count in (41, 300):
        with pytest.raises(InputError, match="components"):
            PrincipalComponents.fit(train, count)


def test_diversity_and_multimodality_equal_loops_over_the_pairs_drawn() -> None:
    rows = samples(100)
    draw = rng(7)
    first, second = (draw.choice(100, 50, replace=False) for _ in range(2))
    wanted = sum(linalg.norm(rows[i] - rows[j]) for i, j in zip(first, second, strict=True)) / 50
    assert diversity(rows, rng(7)) == pytest.approx(wanted, rel=1e-12)

    made = samples(20 * 30).reshape(20, 30, 8)
    draw = rng(7)
    first, second = (draw.choice(30, 10, replace=False) for _ in range(2))
    found = [
        linalg.norm(prompt[i] - prompt[j])
        for prompt in made
        for i, j in zip(first, second, strict=True)
    ]
    assert multimodality(made, rng(7)) == pytest.approx(np.mean(found), rel=1e-12)
    assert multimodality(np.repeat(made[:, :1], 30, axis=1), rng()) == 0


def test_diversity_expects_the_mean_over_all_ordered_pairs() -> None:
    rows = samples(80)
    everything = np.mean([[linalg.norm(a - b) for a in rows] for b in rows])
    drawn = [number(diversity(rows, rng(i))) for i in range(400)]
    assert np.mean(drawn) == pytest.approx(everything, abs=4 * np.std(drawn) / 20)


@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_diversity_scales_with_the_embeddings(seed: int, factor: float) -> None:
    rows = samples(64)
    wanted = factor * number(diversity(rows, rng(seed)))
    assert diversity(factor * rows @ turned(8), rng(seed)) == pytest.approx(wanted)


# --- what is not measured ------------------------------------------------------------------------


def test_too_few_samples_give_no_number() -> None:
    def no(n: int) -> Missing:
        return Missing(f"n={n}")

    texts, motions = pairs(31)
    assert r_precision(texts, motions, rng()) == (no(31),) * 3
    assert r_precision_within(texts, motions, []) == (no(0),) * 3
    assert matching_distance(texts, motions) == no(31)
    wide = np.zeros((2047, 512), np.float32)
    assert frechet_distance(wide, wide) == no(2047)
    assert frechet_distance(samples(300), samples(31)) == no(31)  # 4 x 8 = 32 in either set
    assert isinstance(frechet_distance(samples(300), samples(32)), float)
    assert kernel_distance(samples(63), samples(300)) == no(63)
    assert diversity(samples(63), rng()) == no(63)
    assert multimodality(np.zeros((9, 30, 4)), rng()) == no(9)
    assert multimodality(np.zeros((10, 19, 4)), rng()) == no(19)
    assert str(no(31)) == "n/a (n=31)"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_give_no_number(bad: float) -> None:
    good, spoilt = samples(320), samples(320)
    spoilt[17, 3] = bad
    wanted = Missing("embeddings are not finite")
    assert r_precision(good, spoilt, rng()) == (wanted,) * 3
    assert matching_distance(spoilt, good) == wanted
    assert frechet_distance(spoilt, good) == wanted
    assert kernel_distance(good, spoilt) == wanted
    assert diversity(spoilt, rng()) == wanted
    assert multimodality(spoilt.reshape(10, 32, 8), rng()) == wanted
