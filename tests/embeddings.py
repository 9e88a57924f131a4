"""Embeddings with known relations."""

import numpy as np
from scipy import linalg

from motiongpt3.evaluation.figure import Figure


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
