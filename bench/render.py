"""How fast motions are drawn, beside matplotlib's sticks in 3D.

    python bench/render.py [--clip FILE] [--size 512] [--repeats 3] [--json OUT]

Frames per second of a 4 s clip for each style and camera, by the clock and by the processor time
of this one process (a busy machine slows the first, not the second); then what `motiongpt3 render`
takes for an mp4 of it from start to end, its ffmpeg included. Each the best of the repeats.
The clip is made by the shipped model unless one is given. Targets, by the clock: 60 frames of the
mannequin per second, 3 s for the mp4.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common

import motiongpt3
from motiongpt3.motion.motion import Motion
from motiongpt3.render import figure
from motiongpt3.render.scene import Take, View

_VIEWS: dict[str, dict[str, Any]] = {
    "mannequin": {},
    "mannequin, contacts": {"contacts": True},
    "mannequin, fixed camera": {"camera": "fixed"},
    "mannequin, orbit": {"camera": "orbit"},
    "mannequin, transparent": {"background": "transparent"},
    "skeleton": {"style": "skeleton"},
}
_STICKS = 8
"""Frames that matplotlib draws: it is slow."""
_TARGET_FPS, _TARGET_SECONDS = 60.0, 3.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="speed of drawing")
    parser.add_argument("--clip", type=Path, help="a motion of 4 s (default: one is generated)")
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    motion = _motion(options.clip)
    take = Take(motion.joints, motion.fps, motion.skeleton, motion.caption)
    figures = {}
    for name, change in _VIEWS.items():
        view = View(width=options.size, height=options.size, **change)
        figures[name] = _speed(partial(_drawn, take, view), options.repeats)
    figures["matplotlib sticks"] = _speed(lambda: _sticks(motion, options.size), 1)
    rows = [[name, f"{wall:.0f}", f"{cpu:.0f}"] for name, (wall, cpu) in figures.items()]
    print(common.table(["frames/s", "by the clock", "by processor time"], rows))
    wall, cpu = _whole(motion, options)
    print(f"mp4 of {motion.seconds:.1f} s from start to end: {wall:.2f} s by the clock, "
          f"{cpu:.2f} s of processor time; {os.cpu_count()} processors")  # fmt: skip
    met = figures["mannequin"][0] >= _TARGET_FPS and wall <= _TARGET_SECONDS
    print("targets met" if met else "TARGETS MISSED")
    if options.json:
        kept = {"frames_per_s": figures, "mp4_seconds": wall, "mp4_processor_seconds": cpu}
        options.json.write_text(json.dumps(kept, indent=1))


def _motion(clip: Path | None) -> Motion:
    if clip is not None:
        return Motion.read(clip)
    return motiongpt3.load().generate("a person walks forward", seconds=4.0, seed=0)


def _drawn(take: Take, view: View) -> int:
    return sum(1 for _ in figure.frames(take, view))


def _speed(draw: Callable[[], int], repeats: int) -> tuple[float, float]:
    """Frames per second by the clock and by processor time."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        count = draw()
        walls.append(count / (time.perf_counter() - wall))
        cpus.append(count / (time.process_time() - cpu))
    return max(walls), max(cpus)


def _sticks(motion: Motion, size: int) -> int:
    """The usual way: a new 3D plot of lines for each frame."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for joints in motion.joints[:_STICKS]:
        picture = Figure(figsize=(size / 100, size / 100), dpi=100)
        FigureCanvasAgg(picture)
        axes = picture.add_subplot(projection="3d")
        for chain in motion.skeleton.chains:
            x, y, z = joints[list(chain)].T
            axes.plot(x, z, y, linewidth=4)
        picture.savefig(io.BytesIO(), format="rgba")
    return len(motion.joints[:_STICKS])


def _whole(motion: Motion, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of the command, by the clock and of processor time, its ffmpeg's included."""
    walls, cpus = [], []
    with tempfile.TemporaryDirectory() as name:
        clip, out = Path(name, "clip.npz"), Path(name, "clip.mp4")
        motion.write(clip)
        size = f"{options.size}x{options.size}"
        command = [sys.executable, "-m", "motiongpt3", "render", str(clip), "-o", str(out),
                   "--size", size]  # fmt: skip
        for _ in range(options.repeats):
            wall, before = time.perf_counter(), os.times()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            walls.append(time.perf_counter() - wall)
            after = os.times()
            cpus.append(sum(after[2:4]) - sum(before[2:4]))
    return min(walls), min(cpus)


if __name__ == "__main__":
    common.run(main)
