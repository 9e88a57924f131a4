"""Distances of distributions and spread, against scipy and loops that do what the papers say."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from embeddings import number, pairs, rng, samples, turned
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
    matching_distance,
    r_precision,
    r_precision_within,
)


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
