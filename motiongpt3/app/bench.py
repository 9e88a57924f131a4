"""`motiongpt3 bench`: how fast the model answers here, where the time goes, and what would be the
least it could take."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from motiongpt3.app.show import say, say_error, say_json, say_table, working
from motiongpt3.errors import InputError, MotionGPTError

if TYPE_CHECKING:
    from motiongpt3.evaluation.machine import Machine
    from motiongpt3.model.motiongpt import MotionGPT

PROMPT, SECONDS = "a person waves the left hand", 4.0
BATCHES = (1, 8, 32)

# Run in a process of its own, so that import, load and memory are those of a fresh start.
_FRESH = """
import time
begun = time.perf_counter()
import json, sys
from motiongpt3.app.bench import measure_here
sys.exit(measure_here(begun, json.loads(sys.argv[1])))
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
    Figure("generate 4 s", "generate_seconds", "s", 0.08),
    Figure("caption", "caption_seconds", "s", 0.5),
    Figure("peak memory", "peak_gigabytes", "GB", 1.5),
)


def bench(options: Namespace) -> int:
    """Time loading, generating and captioning part by part, alone and in batches; peak memory."""
    own = [options.model, options.precision, options.backend]
    other = [options.against, options.against_precision, options.against_backend]
    wanted = {"models": [own], "device": options.device, "repeats": options.repeats}
    if any(other):
        wanted["models"] = [own, [theirs or ours for ours, theirs in zip(own, other, strict=True)]]
        if wanted["models"][0] == wanted["models"][1]:
            raise InputError("compared with itself", where="--against", hint="name another model")
    with working("measuring"):
        done = subprocess.run(
            [sys.executable, "-c", _FRESH, json.dumps(wanted)], stdout=subprocess.PIPE, text=True
        )
    if done.returncode:  # it has said why on stderr
        return done.returncode
    values = json.loads(done.stdout)
    if options.json:
        say_json(values)
    elif "paired" in values:
        _say_paired(values)
    else:
        _say_figures(values)
    return 0


def measure_here(begun: float, wanted: Mapping[str, Any]) -> int:
    """Measure in this process, which began at `begun`; print the figures as JSON."""
    import motiongpt3

    try:
        models = [
            motiongpt3.load(path, wanted["device"], precision=precision, backend=backend)
            for path, precision, backend in wanted["models"]
        ]
        loaded = time.perf_counter() - begun
        values = _both(models, wanted) if len(models) > 1 else _one(models[0], wanted)
    except MotionGPTError as error:
        say_error(str(error))
        return error.exit_code
    import torch

    threads = torch.get_num_threads()
    print(json.dumps({"load_seconds": loaded, **values, **wanted, "threads": threads}))
    return 0


def _one(model: "MotionGPT", wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Parts, batches and memory of a model."""
    from motiongpt3.evaluation.machine import measure_machine
    from motiongpt3.evaluation.parts import measure_parts

    repeats = wanted["repeats"]
    calls = _calls(model)
    machine = measure_machine(wanted["models"][0][1]) if wanted["device"] == "cpu" else None
    parts = {name: measure_parts(model, call, repeats, machine) for name, call in calls.items()}
    return {
        "generate_seconds": _timed(calls["generate"], repeats),
        "caption_seconds": _timed(calls["caption"], repeats),
        "machine": None if machine is None else _limits(machine),
        "parts": {name: [asdict(part) for part in own] for name, own in parts.items()},
        "batches": [_batch(model, size, repeats) for size in BATCHES],
        "peak_gigabytes": peak_memory() / 1e9,
    }


def _calls(model: "MotionGPT") -> dict[str, Callable[[], object]]:
    """What is timed alone: making a motion, describing it, writing it to a file."""
    from motiongpt3 import Motion

    motion = model.generate(PROMPT, SECONDS, seed=0)
    assert isinstance(motion, Motion)

    def write() -> None:
        with TemporaryDirectory() as folder:
            motion.write(Path(folder) / "motion.bvh")

    return {
        "generate": lambda: model.generate(PROMPT, SECONDS, seed=0),
        "caption": lambda: model.caption(motion),
        "write": write,
    }


def _limits(machine: "Machine") -> dict[str, Any]:
    return {name: getattr(machine, name) for name in ("cpu", "threads", "gflops", "copy_gbs")}


def _batch(model: "MotionGPT", size: int, repeats: int) -> dict[str, float]:
    """Motions and caption tokens per second with so many at once."""
    motions = model.generate([PROMPT] * size, SECONDS, seed=0)
    captions = model.caption(motions)
    tokens = sum(len(model.tokenizer.encode(caption)) + 1 for caption in captions)
    making = _timed(lambda: model.generate([PROMPT] * size, SECONDS, seed=0), repeats)
    reading = _timed(lambda: model.caption(motions), repeats)
    return {"batch": size, "motions_per_s": size / making, "tokens_per_s": tokens / reading}


def _both(models: Sequence["MotionGPT"], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Two models in turns, so that what else the machine does meets both alike."""
    calls = [_calls(model) for model in models]
    paired = []
    for name in ("generate", "caption"):
        for own in calls:
            own[name]()
        times = [[_seconds(own[name]) for own in calls] for _ in range(wanted["repeats"])]
        ratios = sorted(other / first for first, other in times)
        paired.append(
            {
                "what": name,
                "seconds": [median(each) for each in zip(*times, strict=True)],
                "ratio": median(ratios),
                "least": ratios[0],
                "most": ratios[-1],
            }
        )
    return {"paired": paired}


def _timed(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call, after one that warms up."""
    call()
    return median(_seconds(call) for _ in range(repeats))


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _say_figures(values: Mapping[str, Any]) -> None:
    for figure in FIGURES:
        value = values[figure.key]
        say(f"{figure.name:<16} {value:6.2f} {figure.unit:<2}  (at most {figure.limit})")
    machine = values["machine"]
    if machine is not None:
        say(
            f"{machine['cpu']}: {machine['gflops']:.0f} GFLOP/s of products, "
            f"{machine['copy_gbs']:.0f} GB/s copied"
        )
    rows = [
        (
            call if len(parts) == 1 else f"{call}: {part['name']}",
            f"{1000 * part['seconds']:.2f}",
            *_beside_floor(part),
        )
        for call, parts in values["parts"].items()
        for part in parts
    ]
    say_table(("part", "ms", "at least, ms", "share"), rows)
    batches = [
        (str(b["batch"]), f"{b['motions_per_s']:.0f}", f"{b['tokens_per_s']:.0f}")
        for b in values["batches"]
    ]
    say_table(("batch", "motions/s", "caption tokens/s"), batches)
    say(_how(values))


def _beside_floor(part: Mapping[str, Any]) -> tuple[str, str]:
    floor = part["floor_seconds"]
    if floor is None:
        return "", ""
    return f"{1000 * floor:.2f}", f"{floor / part['seconds']:.0%}"


def _say_paired(values: Mapping[str, Any]) -> None:
    names = [", ".join([path or "shipped", *how]) for path, *how in values["models"]]
    rows = [
        (
            row["what"],
            *(f"{1000 * seconds:.1f}" for seconds in row["seconds"]),
            f"{row['ratio']:.2f} ({row['least']:.2f} to {row['most']:.2f})",
        )
        for row in values["paired"]
    ]
    say_table(("", f"ms, {names[0]}", f"ms, {names[1]}", "second / first"), rows)
    say(_how(values))


def _how(values: Mapping[str, Any]) -> str:
    how = ", ".join(values["models"][0][1:])
    return (
        f"{values['device']}, {how}, {values['threads']} thread(s), median of {values['repeats']}"
    )


def peak_memory() -> int:
    """The most memory this process has held, in bytes; 0 where the system does not tell."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
