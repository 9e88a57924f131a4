"""Where the time of a model goes, part by part, and what each part multiplies."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from torch import nn

from motiongpt3.evaluation.machine import Machine, Product
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.packing import Int8Linear, PackedLinear, WordScores

Place = tuple[Any, str]
"""An object and the name of its method that does a part."""
OTHER = "the rest"


def parts_of(model: MotionGPT) -> Mapping[str, Place]:
    """What making and reading motions consists of. Time in a part inside another is its own."""
    return {
        "tokenise": (model.packer, "pack"),
        "features of joints": (model.codec, "windows"),
        "encode": (model.codec, "codes"),
        "prefill": (model.network, "prefill"),
        "slots": (model.network, "advance"),
        "head": (model.network.heads, "make"),
        "tokens": (model.network, "next_logits"),
        "decode": (model.codec, "features"),
        "joints": (model.codec, "joints"),
    }


@dataclass(frozen=True)
class Part:
    """One part of a call."""

    name: str
    seconds: float
    floor_seconds: float | None
    """What its products take at least on this machine; None where it has none."""


@dataclass
class _Watch:
    """What happens in each part while a call runs."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    products: dict[str, list[Product]] = field(default_factory=lambda: defaultdict(list))
    weights: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    """Bytes of each matrix, by its identity."""
    open_: list[str] = field(default_factory=lambda: [OTHER])
    since: float = 0.0

    def enter(self, name: str) -> None:
        """The time so far is that of the part that is open."""
        now = time.perf_counter()
        self.seconds[self.open_[-1]] += now - self.since
        self.open_.append(name)
        self.since = time.perf_counter()

    def leave(self) -> None:
        """Back to the part around it."""
        self.seconds[self.open_.pop()] += time.perf_counter() - self.since
        self.since = time.perf_counter()

    def multiplied(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note a product; PyTorch calls this after each."""
        assert isinstance(layer, (PackedLinear, Int8Linear, WordScores))
        rows = output.numel() // layer.size[0]
        weights = layer.size[0] * layer.size[1]
        here = self.open_[-1]
        self.products[here].append(Product(rows, weights, weights * layer.bytes_each))
        self.weights[here][id(layer)] = weights * layer.bytes_each


def measure_parts(
    model: MotionGPT, call: Callable[[], object], repeats: int, machine: Machine | None
) -> list[Part]:
    """The parts of a call that it has, each the median of some calls.

    Floors are of packed weights, on the machine given.
    """
    call()
    watches = []
    for _ in range(repeats):
        with _watched(model, count=False) as watch:
            call()
        watches.append(watch)
    with _watched(model, count=True) as counted:
        call()
    parts = []
    for name in [*(name for name in parts_of(model) if name in counted.seconds), OTHER]:
        floor = None
        if machine is not None and counted.products[name]:
            floor = machine.floor(counted.products[name], sum(counted.weights[name].values()))
        parts.append(Part(name, median(watch.seconds[name] for watch in watches), floor))
    return parts


@contextmanager
def _watched(model: MotionGPT, count: bool) -> Iterator[_Watch]:
    watch = _Watch()
    layers = [*model.network.modules(), *model.codec.vae.modules()]
    with ExitStack() as stack:
        for name, place in parts_of(model).items():
            stack.enter_context(_replaced(*place, watch, name))
        for layer in layers:
            own = isinstance(layer, WordScores) and layer.layer is None
            if count and (own or isinstance(layer, (PackedLinear, Int8Linear))):
                stack.enter_context(layer.register_forward_hook(watch.multiplied))
        watch.since = time.perf_counter()
        yield watch
        watch.seconds[OTHER] += time.perf_counter() - watch.since


@contextmanager
def _replaced(place: Any, method: str, watch: _Watch, name: str) -> Iterator[None]:
    """A method that tells the watch when it begins and ends."""
    own = getattr(place, method)

    def told(*args: Any, **how: Any) -> Any:
        watch.enter(name)
        try:
            return own(*args, **how)
        finally:
            watch.leave()

    setattr(place, method, told)
    try:
        yield
    finally:
        delattr(place, method)
