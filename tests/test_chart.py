"""Curves of a page: drawn from any numbers, no finer than can be seen."""

from dataclasses import replace

import numpy as np
import pytest
from pages import Reader

from motiongpt3.render import page
from motiongpt3.render.chart import Line, chart, short, smoothed


def line(y: np.ndarray) -> Line:
    return Line("", np.arange(len(y), dtype=float), y)


def test_a_chart_has_no_more_points_than_can_be_seen() -> None:
    values = np.random.default_rng(0).lognormal(size=200_000)
    assert len(chart("loss", [line(values)])) < 12_000


def test_a_chart_of_extremes_keeps_them() -> None:
    values = np.zeros(10_000)
    values[5000] = 1.0
    raw = chart("x", [replace(line(values), exact=True)], "from zero")
    heights = [float(p.split(",")[1]) for p in raw.split('points="')[1].split('"')[0].split()]
    assert min(heights) == pytest.approx(8) and max(heights) == pytest.approx(186)


def test_smoothing_keeps_means_and_lags_nowhere() -> None:
    assert smoothed(np.full(500, 3.0)) == pytest.approx(np.full(500, 3.0))
    slope = np.arange(500.0)
    assert smoothed(slope)[50:-50] == pytest.approx(slope[50:-50])
    noise = np.random.default_rng(0).normal(size=5000)
    assert smoothed(noise).std() < 0.15


@pytest.mark.parametrize("values", [[5.0], [2.0, 2.0], [0.0, 0.0], [-3.0, 1e9], [1e-9, 1.0]])
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    Reader(chart("x", [line(np.array(values))]))


def test_a_chart_without_numbers_is_left_out() -> None:
    assert chart("x", [line(np.array([np.nan]))]) == ""
    assert page.grid([chart("x", [])]) == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.25, "0.25"), (1200, "1.2k"), (3e7, "30M"), (1.5e-4, "1.5e-4"), (0, "0"), (-2e-5, "-2e-5")],
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert short(value) == said
