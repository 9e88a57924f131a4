"""What this machine can do at most, and so how long a model must take at least.

A matrix product takes as long as its sums, or as long as reading its weights, whichever is longer.
Weights that fit a cache are read faster when they are read again, so that reading is measured on as
many bytes as the weights have that are read in a row.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from motiongpt3.model.packing import Precision, packed

_SIZE = 1024
"""Rows and columns of the matrices that are multiplied."""
_COPIED_BYTES = 2**28
_TRIES = 8


@dataclass(frozen=True)
class Product:
    """A product of some rows with a matrix of weights."""

    rows: int
    weights: int
    bytes: int

    @property
    def sums(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.weights


@dataclass(frozen=True)
class Machine:
    """Measured limits of a CPU."""

    cpu: str
    threads: int
    gflops: float
    """Products of matrices in the precision asked for, 10^9 sums per second."""
    copy_gbs: float
    """Copying 256 MB, 10^9 bytes read and written per second."""
    _read: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    def floor(self, products: Sequence[Product], weights: int) -> float:
        """Seconds that products take at least, whose weights have so many bytes together."""
        if not products:
            return 0.0
        rate = self._reading(weights)
        return sum(max(p.sums / self.gflops / 1e9, p.bytes / rate) for p in products)

    def _reading(self, size: int) -> float:
        """Bytes per second that so many are read with, over and over."""
        if size not in self._read:
            values = torch.ones(max(size // 4, 1024))
            self._read[size] = 4 * len(values) / _quickest(values.sum)
        return self._read[size]


def measure_machine(precision: Precision) -> Machine:
    """The limits of this one, now: a second's work."""
    rows = torch.randn(_SIZE, _SIZE)
    layer = packed(torch.randn(_SIZE, _SIZE), None, precision)
    source = torch.ones(_COPIED_BYTES // 4)
    target = torch.empty_like(source)
    with torch.no_grad():
        product = _quickest(lambda: layer(rows))
        copy = _quickest(lambda: target.copy_(source))
    return Machine(
        _cpu(),
        torch.get_num_threads(),
        2 * _SIZE**3 / product / 1e9,
        2 * _COPIED_BYTES / copy / 1e9,
    )


def _quickest(call: Callable[[], object]) -> float:
    """Seconds of the quickest of some calls: what the machine can do undisturbed."""
    times = []
    for _ in range(_TRIES):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def _cpu() -> str:
    """The processor's name, as far as the system tells."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
