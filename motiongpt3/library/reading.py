"""Clips read for a model or an evaluator: features in windows, or why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.library.inputs import Input
from motiongpt3.model.observer import Observer
from motiongpt3.motion.motion import Motion


@dataclass(frozen=True, eq=False)
class ReadClip:
    """A clip in memory."""

    name: str
    seconds: float = 0.0
    windows: tuple[Float[np.ndarray, "_ F"], ...] = ()
    text: str = ""
    """What its own file says of it: the prompt of a generated motion."""
    error: str | None = None
    """Why it cannot be read."""


def read_clips(
    observer: Observer, inputs: Sequence[Input], as_decoded: bool = True
) -> list[ReadClip]:
    """Read clips; what is wrong with one is said of it, and stops no other.

    Args:
        as_decoded: take the features that a generated motion was decoded from, where it has them.
    """
    return [_read(observer, one, as_decoded) for one in inputs]


def _read(observer: Observer, one: Input, as_decoded: bool) -> ReadClip:
    try:
        motion = Motion.read(one.place)
        seen = motion if as_decoded else replace(motion, decoded=None)
        windows = tuple(np.asarray(w, np.float32) for w in observer.windows(seen))
        return ReadClip(one.name, round(motion.seconds, 3), windows, motion.caption)
    except InputError as error:
        return ReadClip(one.name, error=str(error).replace(one.place, one.name))
