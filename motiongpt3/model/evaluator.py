"""Evaluators: what places texts and motions in one space, so that a metric can compare them.

Shapes: N texts or motions, T frames, F features, D embedding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from motiongpt3.model.guo_release import is_release, read_release
from motiongpt3.model.text_motion import load_evaluator


@runtime_checkable
class Evaluator(Protocol):
    """What metrics know of an evaluator."""

    @property
    def name(self) -> str:
        """What a table calls it."""
        ...

    @property
    def size(self) -> int:
        """Width of an embedding."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 that changes with anything about it."""
        ...

    def texts(self, captions: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Embeddings of captions."""
        ...

    def motions(self, clips: Sequence[Float[np.ndarray, "_ F"]]) -> Float[np.ndarray, "N D"]:
        """Embeddings of clips, features as `data prepare` gives them: not normalised."""
        ...


def read_evaluator(folder: Path) -> Evaluator:
    """An evaluator of ours, or Guo et al.'s release (`guo_release`).

    Raises:
        InputError: when there is neither, or a file of the release is missing.
        CorruptError: when a file is damaged or does not go with the others.
    """
    return read_release(folder) if is_release(folder) else load_evaluator(folder)
