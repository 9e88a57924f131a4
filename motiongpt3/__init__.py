"""Human motion as a second modality of a language model (MotionGPT3).

    model = motiongpt3.load()
    motion = model.generate("a person waves the left hand", seconds=4.0, seed=0)
    motion.write("wave.bvh")
    model.caption(motion)

Importing the package is cheap: what needs torch is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from motiongpt3.errors import (
    CorruptError,
    InputError,
    MotionGPTError,
    NonFiniteError,
    ResourceError,
)

if TYPE_CHECKING:
    from motiongpt3.model.loading import load
    from motiongpt3.model.motiongpt import MotionGPT
    from motiongpt3.model.sampling import Sampling
    from motiongpt3.motion.motion import Motion
    from motiongpt3.server.client import Client

__version__ = "0.1.0"

__all__ = [
    "Client",
    "CorruptError",
    "InputError",
    "Motion",
    "MotionGPT",
    "MotionGPTError",
    "NonFiniteError",
    "ResourceError",
    "Sampling",
    "__version__",
    "load",
]

_HOME = {
    "Client": "motiongpt3.server.client",
    "Motion": "motiongpt3.motion.motion",
    "MotionGPT": "motiongpt3.model.motiongpt",
    "Sampling": "motiongpt3.model.sampling",
    "load": "motiongpt3.model.loading",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'motiongpt3' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
