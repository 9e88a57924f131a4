"""Which way to multiply with weights is fast here? Plain and packed layers, by rows and place.

python bench/kernels.py [--repeats 20]

Six matrices of 1024 x 1024 fit a cache, thirty-six of 768 x 3072 (the size of GPT-2) do not.
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import median

import torch
from common import in_turns, run, table
from torch import nn

from motiongpt3.model.packing import available, packed

SIZES = {"in the cache": (1024, 1024, 6), "in memory": (768, 3072, 36)}
ROWS = (1, 2, 8, 32, 200)


def milliseconds(
    layers: Sequence[Callable[[torch.Tensor], torch.Tensor]], x: torch.Tensor, repeats: int
) -> float:
    """Of all layers, one after another: the median."""

    def multiply() -> None:
        for layer in layers:
            layer(x)

    return 1000 * median(in_turns([multiply], repeats)[0])


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} thread(s); ms, and GB/s of weights read or GFLOP/s of sums")
    for place, (inputs, outputs, number) in SIZES.items():
        plain = [nn.Linear(inputs, outputs) for _ in range(number)]
        ways = {"plain fp32": plain} | {
            f"packed {p}": [packed(layer.weight, layer.bias, p) for layer in plain]
            for p in available()
        }
        lines = []
        for rows in ROWS:
            x = torch.randn(rows, inputs)
            cells = []
            for layers in ways.values():
                ms = milliseconds(layers, x, options.repeats)
                sums = inputs * outputs * number
                cells.append(f"{ms:.2f} ({4e-6 * sums / ms:.0f}, {2e-6 * rows * sums / ms:.0f})")
            lines.append([f"{rows} rows", *cells])
        print(f"\nweights {place}; GB/s as if weights were fp32")
        print(table(["", *ways], lines))


if __name__ == "__main__":
    run(main)
