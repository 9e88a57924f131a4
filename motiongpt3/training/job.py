"""What the training loop knows of what it trains."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


class Batch(Protocol):
    """Rows of a step's batch, as arrays."""

    @property
    def counts(self) -> Mapping[str, float]:
        """Of how many things each loss is the mean here: tokens, motions, frames."""
        ...


@runtime_checkable
class Job(Protocol):
    """What a stage trains and how it fares on a step."""

    @property
    def terms(self) -> Mapping[str, float]:
        """Names of the losses and their weights in what is minimised; 0: only reported."""
        ...

    @property
    def module(self) -> nn.Module:
        """Everything a state must hold."""
        ...

    @property
    def shardable(self) -> Sequence[nn.Module]:
        """Parts of the module that many processes may hold in shards."""
        ...

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """Groups of trained weights, each with a factor on the learning rate."""
        ...

    def draw(self, step: int, rows: range) -> Any:
        """The `Batch` of these rows of a step, a function of the step alone; may run elsewhere."""
        ...

    def losses(self, batch: Any) -> Mapping[str, Tensor]:
        """The terms' means over what a batch holds."""
        ...

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        ...
