"""`motiongpt3.load`: a model by folder or file, by name on the hub, or the one in the package."""

import json
import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import torch

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import digest
from motiongpt3.model.checkpoint import SHIPPED, Bundle, load_bundle
from motiongpt3.model.exported import is_exported, load_exported
from motiongpt3.model.gpt2 import from_hub
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.official import Compat, read_official
from motiongpt3.model.onnx_backend import Backend
from motiongpt3.model.onnx_export import export
from motiongpt3.model.packing import Precision

RELEASE = "motiongpt3.ckpt"
"""Name of the released file."""


def load(
    path: str | Path | None = None,
    device: str = "cpu",
    *,
    compat: Compat | None = None,
    precision: Precision = "fp32",
    backend: Literal["torch"] | Backend = "torch",
) -> MotionGPT:
    """A model ready to use.

    Args:
        path: a model folder, the file of MotionGPT3's official release or a folder that holds it,
            or the name of either on the Hugging Face hub ("owner/name"); None is the checkpoint
            that ships in the package. Beside an official file lie Mean.npy and Std.npy.
        device: "cpu", "cuda" or "mps".
        compat: "official" asks and samples as the official evaluation does, prompts, separators
            and 100 DDPM steps included; for the official release only.
        precision: of the products on a CPU. Less than fp32 is faster and less exact; what it
            changes is in docs/performance.md.
        backend: what computes: PyTorch, or on a CPU ONNX Runtime ("onnx") or OpenVINO. These run
            folders that `motiongpt3 export-onnx` made; any other model is exported when it is
            first asked for, which a warning says, and kept in the user's cache.

    Raises:
        InputError: when there is no such model, device or backend.
        CorruptError: when a file of the model is damaged.
        ResourceError: for a precision that this CPU has no instructions for.
    """
    _check_device(device)
    _check_backend(backend, device, precision)
    if path is None and not SHIPPED.is_dir():
        raise InputError(
            "this version ships without a trained model",
            where="model",
            hint="train one with `motiongpt3 train nano` and name its folder",
        )
    place = SHIPPED if path is None else path
    if backend == "torch":
        return MotionGPT(read_bundle(place, compat), device, precision if device == "cpu" else None)
    return MotionGPT(load_exported(_exported(place, compat), backend))


def read_bundle(path: str | Path, compat: Compat | None = None) -> Bundle:
    """Everything a model consists of; arguments and refusals are those of `load`."""
    place = _found(path)
    official = _official_file(place)
    if official is not None:
        return read_official(official, compat)
    if is_exported(place):
        hint = "choose backend onnx or openvino"
        raise InputError("holds graphs, not weights", where=str(path), hint=hint)
    if compat is not None:
        raise InputError("this is not the official release", where=str(path), hint="leave compat")
    return load_bundle(place)


def _found(path: str | Path) -> Path:
    """What lies at a path, or what the hub has under that name."""
    place = Path(path)
    return place if place.exists() else from_hub(str(path))


def _exported(path: str | Path, compat: Compat | None) -> Path:
    """The exported folder of a model: itself, or one in the cache, made if it is not there.

    Raises:
        InputError: as `load`, and when the model cannot be exported.
        ResourceError: when the cache cannot be written.
    """
    place = _found(path)
    if is_exported(place):
        return place
    identity = _official_file(place) or place / "manifest.json"
    key = f"{str(digest(identity))[:16]}{'-' + compat if compat else ''}"
    kept = _cache() / "onnx" / key
    if kept.is_dir():
        return kept
    bundle = read_bundle(place, compat)
    said = f"exporting {path} to {kept}, once; this takes a minute"
    warnings.warn(said, stacklevel=3)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=kept.parent) as made:
            export(bundle, Path(made, key))
            if not kept.is_dir():  # or somebody else was faster
                os.replace(Path(made, key), kept)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise ResourceError(reason, where=str(kept.parent), hint="set XDG_CACHE_HOME") from error
    return kept


def _cache() -> Path:
    """Where things are kept that can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "motiongpt3"


def fingerprint(path: str | Path | None = None) -> str:
    """SHA-256 of a model's weights; arguments and refusals are those of `load`.

    Of a folder of ours it is what the manifest says, which loading has checked.
    """
    place = _found(SHIPPED if path is None else path)
    official = _official_file(place)
    if official is not None:
        return str(digest(official))
    manifest = place / "manifest.json"
    if not manifest.is_file():
        raise InputError("is no model", where=str(place), hint="train one with `motiongpt3 train`")
    files = json.loads(manifest.read_bytes())["sha256"]
    # Graphs are several files, which the manifest stands for.
    return str(files.get("model.safetensors") or digest(manifest))


def _official_file(place: Path) -> Path | None:
    """The official release in a folder, or the file itself; None in a folder of ours."""
    if not place.is_dir():
        return place
    files = sorted(place.glob("*.ckpt"))
    if not files or (place / "manifest.json").is_file():
        return None
    # The authors' own folder holds the VAE it was trained on as well.
    named = [file for file in files if file.name == RELEASE] or files
    if len(named) > 1:
        names = ", ".join(file.name for file in named)
        raise InputError(f"which of {names}?", where=str(place), hint="name the file")
    return named[0]


def _check_device(device: str) -> None:
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    kind = device.partition(":")[0]
    if not available.get(kind, False):
        usable = ", ".join(name for name, there in available.items() if there)
        raise InputError(f"device '{device}' is not here", where="device", hint=f"use {usable}")


def _check_backend(backend: str, device: str, precision: Precision) -> None:
    """Graphs, and less than fp32, run on the CPU alone."""
    known = ("torch", *get_args(Backend))
    if backend not in known:
        hint = f"one of {', '.join(known)}"
        raise InputError(f"no backend '{backend}'", where="backend", hint=hint)
    if precision != "fp32" and (device != "cpu" or backend != "torch"):
        given = f"{precision} on {device} by {backend}"
        raise InputError(given, where="precision", hint="fp32, or PyTorch on the CPU")
    if backend != "torch" and device != "cpu":
        raise InputError(f"backend '{backend}' on {device}", where="device", hint="use cpu")
