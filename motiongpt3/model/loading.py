"""`motiongpt3.load`: a model by folder, by name on the hub, or the one in the package."""

import re
from pathlib import Path

import torch

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.model.checkpoint import SHIPPED, load_bundle
from motiongpt3.model.motiongpt import MotionGPT


def load(path: str | Path | None = None, device: str = "cpu") -> MotionGPT:
    """A model ready to use.

    Args:
        path: a model folder, or the name of one on the Hugging Face hub ("owner/name"); None is
            the checkpoint that ships in the package.
        device: "cpu", "cuda" or "mps".

    Raises:
        InputError: when there is no such model or device.
        CorruptError: when a file of the model is damaged.
    """
    _check_device(device)
    if path is None and not SHIPPED.is_dir():
        raise InputError(
            "this version ships without a trained model",
            where="model",
            hint="train one with `motiongpt3 train nano` and name its folder",
        )
    folder = SHIPPED if path is None else Path(path)
    if not folder.is_dir():
        folder = _from_hub(str(path))
    return MotionGPT(load_bundle(folder), device)


def _check_device(device: str) -> None:
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    kind = device.partition(":")[0]
    if not available.get(kind, False):
        usable = ", ".join(name for name, there in available.items() if there)
        raise InputError(f"device '{device}' is not here", where="device", hint=f"use {usable}")


def _from_hub(name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError("no model folder", where=name, hint="a folder that holds manifest.json")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except HfHubHTTPError as error:
        raise InputError("the hub has no such model", where=name, hint=str(error)) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise ResourceError(
            "the hub cannot be reached", where=name, hint="give a folder"
        ) from error
