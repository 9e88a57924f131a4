"""Clips read for a model or an evaluator: features in windows, or why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.library.inputs import Input
from motiongpt3.library.work import together_or_alone
from motiongpt3.model.observer import Observer
from motiongpt3.motion.motion import Motion

Windows = tuple[Float[np.ndarray, "_ F"], ...]
"""Features of a motion, in parts that are read at once."""


@dataclass(frozen=True, eq=False)
class ReadClip:
    """A clip in memory."""

    name: str
    seconds: float = 0.0
    windows: Windows = ()
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
    read = [_read(one) for one in inputs]
    motions = [motion for motion in read if isinstance(motion, Motion)]
    seen = motions if as_decoded else [replace(motion, decoded=None) for motion in motions]
    windows = iter(together_or_alone(observer.windows, seen))
    return [
        ReadClip(one.name, error=motion)
        if isinstance(motion, str)
        else _clip(one, motion, next(windows))
        for one, motion in zip(inputs, read, strict=True)
    ]


def _read(one: Input) -> Motion | str:
    """A motion, or why there is none."""
    try:
        return Motion.read(one.place)
    except InputError as error:
        return error.told(one.place)


def _clip(one: Input, motion: Motion, windows: Windows | str) -> ReadClip:
    if isinstance(windows, str):
        return ReadClip(one.name, error=windows)
    return ReadClip(one.name, round(motion.seconds, 3), windows, motion.caption)
