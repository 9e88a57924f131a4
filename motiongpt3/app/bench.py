"""`motiongpt3 bench`: how fast the model answers here, and how much memory it needs."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from motiongpt3.app.show import say, say_error, say_json, working
from motiongpt3.errors import MotionGPTError

PROMPT, SECONDS = "a person waves the left hand", 4.0

# Run in a process of its own, so that import, load and memory are those of a fresh start.
_FRESH = """
import time
begun = time.perf_counter()
import sys
from motiongpt3.app.bench import measure_here
sys.exit(measure_here(begun, sys.argv[1] or None, sys.argv[2], int(sys.argv[3])))
"""


@dataclass(frozen=True)
class Figure:
    """One measured figure, and what it may be on 2 cores with the shipped model."""

    name: str
    key: str
    unit: str
    limit: float


FIGURES = (
    Figure("import and load", "load_seconds", "s", 4.0),
    Figure("generate 4 s", "generate_seconds", "s", 0.5),
    Figure("caption", "caption_seconds", "s", 0.5),
    Figure("peak memory", "peak_gigabytes", "GB", 1.5),
)


def bench(options: Namespace) -> int:
    """Time loading, generating and captioning; peak memory."""
    command = [sys.executable, "-c", _FRESH, options.model or "", options.device]
    with working("measuring"):
        done = subprocess.run([*command, str(options.repeats)], stdout=subprocess.PIPE, text=True)
    if done.returncode:  # it has said why on stderr
        return done.returncode
    values = json.loads(done.stdout)
    if options.json:
        say_json(values)
        return 0
    for figure in FIGURES:
        value = values[figure.key]
        say(f"{figure.name:<16} {value:6.2f} {figure.unit:<2}  (at most {figure.limit})")
    say(f"{values['device']}, {values['threads']} thread(s), median of {options.repeats}")
    return 0


def measure_here(begun: float, path: str | None, device: str, repeats: int) -> int:
    """Measure in this process, which began at `begun`; print the figures as JSON."""
    import motiongpt3

    try:
        model = motiongpt3.load(path, device=device)
        loaded = time.perf_counter() - begun
        motion = model.generate(PROMPT, SECONDS, seed=0)
        values = {
            "load_seconds": loaded,
            "generate_seconds": _timed(lambda: model.generate(PROMPT, SECONDS, seed=0), repeats),
            "caption_seconds": _timed(lambda: model.caption(motion), repeats),
        }
    except MotionGPTError as error:
        say_error(str(error))
        return error.exit_code
    import torch

    values["peak_gigabytes"] = peak_memory() / 1e9
    print(json.dumps({**values, "device": device, "threads": torch.get_num_threads()}))
    return 0


def _timed(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call, after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return median(times)


def peak_memory() -> int:
    """The most memory this process has held, in bytes; 0 where the system does not tell."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
