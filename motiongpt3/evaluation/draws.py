"""The random numbers of an evaluation: each replication has a seed, each choice in it its own."""

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """What is drawn in a replication. Each has random numbers of its own, so that a metric that
    takes more of them, or a new one, changes no other."""

    CAPTIONS = 0
    GROUPS = 1
    DISTINCT = 2
    PAIRS = 3
    HALVES = 4
    SHUFFLE = 5
    RETRIEVAL = 6
    NOISE = 7
    PROMPTS = 8


def seed_of(seed: int, replication: int) -> int:
    """The seed of a replication, from 0 to 2^63 - 1."""
    state = np.random.SeedSequence([seed, replication]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def draw(seed: int, what: Draw, *which: int) -> np.random.Generator:
    """The random numbers of one thing in a replication, and of one row or clip in it."""
    return np.random.default_rng([seed, int(what), *which])
