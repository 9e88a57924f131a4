"""Noise that belongs to a motion and not to its place in a batch, nor to a device."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor


def item_generators(seed: int, indices: Sequence[int]) -> list[Generator]:
    """A source of noise per sample that depends only on the seed and the sample's index."""
    entropy = [np.random.SeedSequence([seed % 2**64, index]) for index in indices]
    return [Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]


def seeded(seeds: Sequence[int]) -> list[Generator]:
    """A source of noise from each seed."""
    return [Generator().manual_seed(seed) for seed in seeds]


def noise_rows(
    generators: Sequence[Generator], shape: Sequence[int], like: Tensor
) -> Float[Tensor, "N ..."]:
    """Unit Gaussian noise of a shape from each generator, where `like` is and of its type."""
    rows = [torch.randn(tuple(shape), generator=g, device=g.device) for g in generators]
    return torch.stack(rows).to(like)
