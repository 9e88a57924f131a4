"""`motiongpt3.load`: a model by folder or file, by name on the hub, or the one in the package."""

import json
from pathlib import Path

import torch

from motiongpt3.errors import InputError
from motiongpt3.formats.files import digest
from motiongpt3.model.checkpoint import SHIPPED, Bundle, load_bundle
from motiongpt3.model.gpt2 import from_hub
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.official import Compat, read_official
from motiongpt3.model.packing import Precision

RELEASE = "motiongpt3.ckpt"
"""Name of the released file."""


def load(
    path: str | Path | None = None,
    device: str = "cpu",
    *,
    compat: Compat | None = None,
    precision: Precision = "fp32",
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

    Raises:
        InputError: when there is no such model or device.
        CorruptError: when a file of the model is damaged.
        ResourceError: for a precision that this CPU has no instructions for.
    """
    _check_device(device)
    if device != "cpu" and precision != "fp32":
        raise InputError(f"{precision} on {device}", where="precision", hint="fp32, or the CPU")
    if path is None and not SHIPPED.is_dir():
        raise InputError(
            "this version ships without a trained model",
            where="model",
            hint="train one with `motiongpt3 train nano` and name its folder",
        )
    bundle = read_bundle(SHIPPED if path is None else path, compat)
    return MotionGPT(bundle, device, precision if device == "cpu" else None)


def read_bundle(path: str | Path, compat: Compat | None = None) -> Bundle:
    """Everything a model consists of; arguments and refusals are those of `load`."""
    place = Path(path)
    if not place.exists():
        place = from_hub(str(path))
    official = _official_file(place)
    if official is not None:
        return read_official(official, compat)
    if compat is not None:
        raise InputError("this is not the official release", where=str(path), hint="leave compat")
    return load_bundle(place)


def fingerprint(path: str | Path | None = None) -> str:
    """SHA-256 of a model's weights; arguments and refusals are those of `load`.

    Of a folder of ours it is what the manifest says, which loading has checked.
    """
    place = SHIPPED if path is None else Path(path)
    if not place.exists():
        place = from_hub(str(path))
    official = _official_file(place)
    if official is not None:
        return str(digest(official))
    manifest = place / "manifest.json"
    if not manifest.is_file():
        raise InputError("is no model", where=str(place), hint="train one with `motiongpt3 train`")
    return str(json.loads(manifest.read_bytes())["sha256"]["model.safetensors"])


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
