"""Evaluators: what places texts and motions in one space, so that a metric can compare them.

Shapes: N texts or motions, T frames, F features, D embedding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.model.guo_release import is_release, read_release
from motiongpt3.model.observer import Observer
from motiongpt3.model.text_motion import TextMotion, load_evaluator
from motiongpt3.motion.skeleton import skeleton_of

EVALUATORS = Path(__file__).resolve().parents[2] / "evaluators"
"""Beside the package, in a checkout of the project."""


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


def read_evaluator(folder: Path) -> TextMotion:
    """An evaluator of ours, or Guo et al.'s release (`guo_release`).

    Raises:
        InputError: when there is neither, or a file of the release is missing.
        CorruptError: when a file is damaged or does not go with the others.
    """
    return read_release(folder) if is_release(folder) else load_evaluator(folder)


def observer_of(evaluator: TextMotion) -> Observer:
    """How it was shown motions. The released evaluator knows the released convention only."""
    skeleton = skeleton_of(len(evaluator.mean), "evaluator")
    return Observer(skeleton, evaluator.card.get("hip_sign", "released"))


def shipped_evaluators() -> list[Path]:
    """The folders of evaluators that come with the project, the one to search with first.

    On val, guo finds 96 of 100 captions among the first ten of a whole split, tmr 90
    (`bench/search.py`).

    Raises:
        InputError: in an installation without them.
    """
    folders = sorted(EVALUATORS.glob("*/manifest.json"))
    if not folders:
        raise InputError(
            "this installation has no evaluator",
            where="evaluator",
            hint="name one with --evaluator: the project has two in evaluators/",
        )
    return [path.parent for path in folders]
