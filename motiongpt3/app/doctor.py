"""`motiongpt3 doctor`: is everything here that the package needs, and is it whole?"""

import os
import platform
import time
from argparse import Namespace
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import motiongpt3
from motiongpt3.app.show import say, say_error, say_json, working
from motiongpt3.errors import InputError, MotionGPTError

if TYPE_CHECKING:
    import torch

    from motiongpt3.model.packing import Precision

_SIZE = 1024
"""Side of the matrices whose product is timed."""


def doctor(options: Namespace) -> int:
    """Check versions, speed, checkpoint, licence and data."""
    facts = {"motiongpt3": f"{motiongpt3.__version__}, Python {platform.python_version()}"}
    problem: MotionGPTError | None = None
    with working("looking around"):
        facts["torch"], facts["speed"] = _torch(), _speed()
        facts["libraries"], facts["ffmpeg"] = _libraries(), _ffmpeg()
        try:
            facts.update(_model(options.model, options.device, options.precision))
        except MotionGPTError as error:
            facts["model"], problem = "cannot be used", error
        facts["data"] = _data()
    if options.json:
        say_json(facts)
    else:
        for name, fact in facts.items():
            say(f"{name:<11} {fact}")
    if problem:
        say_error(str(problem))
        return problem.exit_code
    return 0


def _torch() -> str:
    import torch

    threads = f"{torch.get_num_threads()} thread(s) of {os.cpu_count()} cores"
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append(f"cuda ({torch.cuda.get_device_name()})")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return f"{torch.__version__}, {threads}, {' '.join(devices)}"


def _speed() -> str:
    """Matrix products in single precision and bfloat16: which one is worth training in."""
    import torch

    single, half = _rate(torch.float32), _rate(torch.bfloat16)
    return f"matrix product {single:.0f} GFLOP/s fp32, {half:.0f} GFLOP/s bf16"


def _rate(kind: "torch.dtype") -> float:
    """Billions of operations a second in the best of three products."""
    import torch

    matrix = torch.ones(_SIZE, _SIZE, dtype=kind)
    best = min(_seconds(lambda: torch.mm(matrix, matrix)) for _ in range(3))
    return 2 * _SIZE**3 / best / 1e9


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _libraries() -> str:
    found = []
    for name in ("numpy", "tokenizers", "safetensors", "pillow", "pygltflib"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} missing")
    return ", ".join(found)


def _ffmpeg() -> str:
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return "missing: mp4 cannot be written (install ffmpeg)"


def _model(path: str | None, device: str, precision: "Precision") -> dict[str, str]:
    """Loading compares every file with the manifest; the card names licence and sources."""
    model = motiongpt3.load(path, device=device, precision=precision)
    card, millions = model.card, model.parameters / 1e6
    return {
        "model": f"{card.get('name', 'unnamed')}, {millions:.1f} M weights, files as in manifest",
        "licence": str(card.get("licence", "not stated")),
        "sources": ", ".join(map(str, card.get("sources", ["not stated"]))),
    }


def _data() -> str:
    from motiongpt3.data.folder import data_folder

    try:
        return str(data_folder())
    except InputError as error:
        return f"none: {error}"
