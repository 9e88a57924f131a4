"""GPT-2's own weights for the text branch, from a local folder or the Hugging Face hub."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.model.gpt import GPT, TEXT
from motiongpt3.model.state_file import read_state

_FILES = ("model.safetensors", "pytorch_model.bin")


def read_gpt2(name: str) -> dict[str, Tensor]:
    """The weights in a Hugging Face folder of GPT-2, or of a model on the hub ("owner/name").

    Raises:
        InputError: when there is no such folder or model, or no weights in it.
        CorruptError: when the file cannot be read as weights.
        ResourceError: when the hub cannot be reached.
    """
    folder = Path(name) if Path(name).is_dir() else from_hub(name, list(_FILES))
    files = [folder / file for file in _FILES if (folder / file).is_file()]
    if not files:
        raise InputError(f"no {' or '.join(_FILES)}", where=name, hint="a Hugging Face folder")
    if files[0].suffix == ".bin":
        return read_state(files[0])
    try:
        return load_file(files[0])
    except SafetensorError as error:
        raise CorruptError("cannot be read", where=str(files[0]), hint=str(error)) from error


def from_hub(name: str, only: list[str] | None = None) -> Path:
    """The local copy of a model on the hub, fetched if it is not there yet.

    Args:
        only: names of the files to fetch; all if None.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError("no such folder", where=name, hint="a folder, or owner/name on the hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=only))
    except HfHubHTTPError as error:
        raise InputError("the hub has no such model", where=name, hint=str(error)) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise ResourceError(
            "the hub cannot be reached", where=name, hint="give a folder"
        ) from error


@torch.no_grad()
def load_gpt2(gpt: GPT, weights: Mapping[str, Tensor], modality: int = TEXT) -> None:
    """Copy Hugging Face's GPT-2 weights into one branch; into text, the embeddings as well.

    Raises CorruptError for a missing tensor or one whose shape does not fit the model.
    """
    weights = {name.removeprefix("transformer."): w for name, w in weights.items()}
    if "wpe.weight" in weights:  # a model may read less than GPT-2 does
        weights["wpe.weight"] = weights["wpe.weight"][: gpt.config.context]

    def put(target: Tensor, name: str, transposed: bool = False) -> None:
        if name not in weights:
            raise CorruptError("tensor missing from the GPT-2 weights", where=name)
        source = weights[name].T if transposed else weights[name]
        if source.shape != target.shape:
            sizes = f"{tuple(source.shape)}, the model needs {tuple(target.shape)}"
            raise CorruptError(f"GPT-2 tensor has shape {sizes}", where=name)
        target.copy_(source)

    def put_layer(layer: nn.Linear | nn.LayerNorm, name: str) -> None:
        put(layer.weight, f"{name}.weight", transposed=isinstance(layer, nn.Linear))
        put(layer.bias, f"{name}.bias")

    for i, block in enumerate(gpt.layers):
        put_layer(block.norm1.of(modality), f"h.{i}.ln_1")
        put_layer(block.qkv.of(modality), f"h.{i}.attn.c_attn")
        put_layer(block.proj.of(modality), f"h.{i}.attn.c_proj")
        put_layer(block.norm2.of(modality), f"h.{i}.ln_2")
        put_layer(block.mlp.of(modality).up, f"h.{i}.mlp.c_fc")
        put_layer(block.mlp.of(modality).down, f"h.{i}.mlp.c_proj")
    put_layer(gpt.norm.of(modality), "ln_f")
    if modality == TEXT:
        put(gpt.wte.weight, "wte.weight")
        gpt.control.weight += gpt.wte.weight.mean(0)  # new tokens near the mean word
        put(gpt.wpe.weight, "wpe.weight")
