"""What training asks of whoever looks at a model between steps.

What is looked at takes pictures and metrics, which training knows nothing of: a check is a function
that is handed to `train`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from motiongpt3.model.checkpoint import Bundle


@dataclass(frozen=True, eq=False)
class Checked:
    """A model at a step of its training."""

    stage: str
    step: int
    """Steps of the stage that are done: 0 before the first."""
    bundle: Bundle
    """Averaged weights, in evaluation mode. A check leaves them as they are."""
    folder: Path
    """The stage's folder of the run, which exists; pictures and `checks.jsonl` go there."""


Check = Callable[[Checked], Mapping[str, float]]
"""Looks at a model, writes what it sees to the folder and returns the figures by name."""
