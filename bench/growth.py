"""How do time and memory grow with the batch and with the length of motions?

python bench/growth.py [--repeats 5] [--plot docs/growth.png] [--json OUT]

The shipped model and the paper's sizes with random weights, in ten steps. Dashed: what this
machine's limits leave (see bench/engine.py). Memory is what a fresh process takes more than it had
once the model was loaded.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from common import ROOT, Target, in_turns, run, table, track
from engine import FRAMES, SAYS, paper_bundle

import motiongpt3
from motiongpt3.evaluation.machine import Machine, measure_machine
from motiongpt3.evaluation.parts import measure_parts
from motiongpt3.model.motiongpt import MotionGPT

BATCHES = (1, 2, 4, 8, 16, 32, 64)
SECONDS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.8)
OF_LENGTH = 8
"""Motions at once where their length is what varies."""
MODELS = ("shipped", "paper")
Curve = list[tuple[float, float, float]]
"""What varies, the measured figure, and what it is at least (0 where nothing is known)."""


def opened(name: str) -> MotionGPT:
    """A model ready for use."""
    return motiongpt3.load() if name == "shipped" else MotionGPT(paper_bundle(), "cpu", "fp32")


def milliseconds(
    model: MotionGPT, number: int, seconds: float, repeats: int, machine: Machine
) -> tuple[float, float]:
    """Of making so many motions of that length at once, undisturbed, and at least."""

    def make() -> object:
        return model.generate([SAYS] * number, seconds, seed=0)

    floors = [part.floor_seconds or 0.0 for part in measure_parts(model, make, 1, machine)]
    return 1000 * min(in_turns([make], repeats)[0]), 1000 * sum(floors)


def megabytes(name: str, number: int) -> float:
    """That a fresh process takes for so many of the longest motions."""
    asked = [sys.executable, __file__, "--memory", name, str(number)]
    return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def used_here(name: str, number: int) -> float:
    """Megabytes that this process takes for it (Linux counts the peak anew when told to)."""
    model = opened(name)
    model.generate([SAYS], 1.0, seed=0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    model.generate([SAYS] * number, FRAMES / 20, seed=0)
    return (_status("VmHWM") - before) / 1000


def _status(name: str) -> float:
    """A figure of this process, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


def measured(name: str, repeats: int, machine: Machine) -> dict[str, Curve]:
    """The three curves of a model."""
    model = opened(name)
    by_batch, by_length = [], []
    for number in track(BATCHES, f"{name}, batches"):
        took, least = milliseconds(model, number, 4.0, repeats, machine)
        by_batch.append((float(number), took / number, least / number))
    for seconds in track(SECONDS, f"{name}, lengths"):
        took, least = milliseconds(model, OF_LENGTH, seconds, repeats, machine)
        by_length.append((20 * seconds, took, least))
    del model
    memory = [(float(n), megabytes(name, n), 0.0) for n in track(BATCHES, f"{name}, memory")]
    return {"batch": by_batch, "length": by_length, "memory": memory}


def bend(curve: Curve) -> float:
    """The farthest a curve is from a straight line, of its largest value."""
    x, y, _ = (np.array(column) for column in zip(*curve, strict=True))
    return float(np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max() / y.max())


def straightness(curve: Curve) -> float:
    """How much of a curve's variance a straight line explains."""
    x, y, _ = (np.array(column) for column in zip(*curve, strict=True))
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def draw(curves: dict[str, dict[str, Curve]], path: Path) -> None:
    """All curves in one picture."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    titles = {
        "batch": ("motions at once", "ms per motion of 4 s"),
        "length": ("frames", f"ms, {OF_LENGTH} motions at once"),
        "memory": ("motions of 196 frames at once", "MB more than the loaded model"),
    }
    for axis, (what, (across, up)) in zip(axes, titles.items(), strict=True):
        for colour, name in zip(("C0", "C1"), curves, strict=True):
            x, y, least = zip(*curves[name][what], strict=True)
            axis.plot(x, y, "o-", color=colour, label=name)
            if any(least):
                axis.plot(x, least, "--", color=colour, label=f"{name}, at least")
        axis.set(xlabel=across, ylabel=up)
        axis.legend(frameon=False)
        if what == "batch":
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
        else:
            axis.set_ylim(0)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "growth.png")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--memory", nargs=2, metavar=("MODEL", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(used_here(options.memory[0], int(options.memory[1])))
        return
    machine = measure_machine("fp32")
    print(f"{machine.gflops:.0f} GFLOP/s, {machine.copy_gbs:.0f} GB/s, {machine.threads} thread(s)")
    curves = {name: measured(name, options.repeats, machine) for name in MODELS}
    draw(curves, options.plot)
    for name, own in curves.items():
        rows = [[f"{x:g}", f"{y:.1f}", f"{least:.1f}"] for x, y, least in own["batch"]]
        print(table((f"{name}: batch", "ms per motion", "at least"), rows), end="\n\n")
        rows = [[f"{x:g}", f"{y:.1f}", f"{least:.1f}"] for x, y, least in own["length"]]
        print(table((f"{name}: frames", "ms", "at least"), rows), end="\n\n")
        rows = [[f"{x:g}", f"{y:.0f}"] for x, y, _ in own["memory"]]
        print(table((f"{name}: batch", "MB"), rows), end="\n\n")
    targets = []
    for name, own in curves.items():
        growth = own["batch"][-1][1] / own["batch"][0][1]
        targets += [
            Target(f"{name}: time per motion, batch 64 over 1", growth, 1.0),
            Target(f"{name}: time by frames, off a line", bend(own["length"]), 0.1),
            Target(f"{name}: memory by batch, R2", straightness(own["memory"]), 0.95, True),
        ]
    print(table(["target", "measured", "limit", ""], [target.row() for target in targets]))
    if options.json:
        options.json.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
