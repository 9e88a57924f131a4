"""Which model works on a library, and how it computes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import motiongpt3
from motiongpt3.evaluation.replications import Identity

if TYPE_CHECKING:
    from typing import Literal

    from motiongpt3.model.motiongpt import MotionGPT
    from motiongpt3.model.onnx_backend import Backend
    from motiongpt3.model.packing import Precision


@dataclass(frozen=True)
class Chosen:
    """What `motiongpt3.load` is given; it can be sent to another machine."""

    place: str | None = None
    device: str = "cpu"
    backend: "Literal['torch'] | Backend" = "torch"
    precision: "Precision" = "fp32"

    def load(self) -> "MotionGPT":
        """The model, ready for use; refusals are those of `motiongpt3.load`."""
        return motiongpt3.load(
            self.place, self.device, backend=self.backend, precision=self.precision
        )

    @property
    def identity(self) -> Identity:
        """What of it decides the results."""
        from motiongpt3.model.loading import fingerprint

        return {
            "model": fingerprint(self.place),
            "backend": self.backend,
            "precision": self.precision,
        }
