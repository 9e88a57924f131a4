"""Models at rest: a folder of weights, configuration, statistics and tokenizer, with a manifest.

    model.safetensors   weights of the VAE and the language model in half precision, mean and std
    config.json         sizes of every part
    tokenizer.json      the text vocabulary
    card.json           name, licence, sources, command, seed and data hash
    manifest.json       format version and the SHA-256 of each file above

No weight format notices flipped bits, so every file is checked against the manifest on loading.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from motiongpt3.errors import CorruptError, InputError, NonFiniteError
from motiongpt3.formats.files import atomic_write, digest, read_json
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.model.vq import MotionVQ, VQConfig

VERSION = 2
_LARGE_BYTES = 2**28
"""From here on, modules without storage save more than the two seconds that PyTorch takes to get
ready for them."""
FILES = ("model.safetensors", "config.json", "tokenizer.json", "card.json")
SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints" / "nano"


MotionCodec = MotionVAE | MotionVQ
"""What makes codes of motions, and motions of codes."""


def motion_codec(config: VAEConfig | VQConfig) -> MotionCodec:
    """A motion codec with fresh weights."""
    return MotionVQ(config) if isinstance(config, VQConfig) else MotionVAE(config)


@dataclass(frozen=True, eq=False)
class Bundle:
    """Everything a model consists of."""

    vae: MotionCodec
    network: Bimodal
    tokenizer: Tokenizer
    mean: Float[np.ndarray, " F"]
    std: Float[np.ndarray, " F"]
    card: Mapping[str, Any]


def save(bundle: Bundle, folder: Path, half: bool = True) -> Path:
    """Write a model folder; the manifest comes last, so an unfinished folder is not a model.

    Args:
        half: store weights in half precision, which moves them by up to one part in 2,000.

    Raises:
        NonFiniteError: when a weight is not a finite number.
        ResourceError: when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"vae": bundle.vae, "network": bundle.network}
    tensors = {f"{n}.{k}": v for n, part in parts.items() for k, v in part.state_dict().items()}
    dtype = torch.float16 if half else torch.float32
    tensors = {k: v.detach().to(dtype).contiguous() for k, v in tensors.items()}
    tensors |= {"mean": torch.tensor(bundle.mean), "std": torch.tensor(bundle.std)}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise NonFiniteError("weights are not finite", where=name)
    kind = "vae" if isinstance(bundle.vae, MotionVAE) else "vq"
    config = {kind: asdict(bundle.vae.config), "network": asdict(bundle.network.config)}
    with atomic_write(folder / "model.safetensors") as path:
        path.write_bytes(to_bytes(tensors))
    for name, content in (("config.json", config), ("card.json", dict(bundle.card))):
        with atomic_write(folder / name) as path:
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    bundle.tokenizer.save(folder / "tokenizer.json")
    seal(folder, FILES)
    return folder


def seal(folder: Path, files: Sequence[str]) -> None:
    """Write the manifest of a folder's files, which are all there."""
    manifest = {"version": VERSION, "sha256": {name: digest(folder / name) for name in files}}
    with atomic_write(folder / "manifest.json") as path:
        path.write_text(json.dumps(manifest, indent=1))


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a model folder.

    Raises:
        InputError: when there is no model.
        CorruptError: when a file differs from the manifest, or is of another version.
    """
    verify(folder)
    sizes = read_sizes(folder)
    tensors = load_file(folder / "model.safetensors")
    vae, network = filled(sizes, tensors)
    return Bundle(
        vae,
        network,
        Tokenizer.load(folder / "tokenizer.json"),
        tensors["mean"].numpy(),
        tensors["std"].numpy(),
        read_json(folder / "card.json"),
    )


def read_sizes(folder: Path) -> tuple[VAEConfig | VQConfig, BimodalConfig]:
    """Sizes of the motion codec and of the language model in a folder.

    Raises:
        CorruptError: when they cannot be read.
    """
    config = read_json(folder / "config.json")
    try:
        return _codec_config(config), _sizes(config["network"])
    except (KeyError, TypeError, InputError) as error:
        raise CorruptError(
            "not a configuration", where=str(folder / "config.json"), hint=str(error)
        ) from error


def filled(
    sizes: tuple[VAEConfig | VQConfig, BimodalConfig], tensors: dict[str, Tensor]
) -> tuple[MotionCodec, Bimodal]:
    """Both modules with these weights, named "vae." and "network.", which leave `tensors`.

    Of a large model no fresh weights are drawn first: nothing is held in memory twice.

    Raises:
        CorruptError: naming a tensor that is missing, that nobody asked for, or of another shape.
    """
    large = sum(tensor.nbytes for tensor in tensors.values()) > _LARGE_BYTES
    with torch.device("meta") if large else nullcontext():
        vae, network = motion_codec(sizes[0]), Bimodal(sizes[1])
    for prefix, module in (("vae.", vae), ("network.", network)):
        fill(module, prefix, tensors)
    return vae.eval(), network.eval()


def verify(folder: Path, files: Sequence[str] = FILES) -> None:
    """Compare every file of a model, or of an evaluator, with its manifest; no weights are loaded.

    Raises:
        InputError: when there is no model.
        CorruptError: naming the file, the expected and the actual hash.
    """
    if not (folder / "manifest.json").is_file():
        raise InputError("no model here", where=str(folder), hint="a folder with manifest.json")
    manifest = read_json(folder / "manifest.json")
    if manifest.get("version") != VERSION:
        raise CorruptError(
            f"format version {manifest.get('version')}, this package reads {VERSION}",
            where=str(folder),
        )
    sums = manifest.get("sha256")
    if not isinstance(sums, dict):
        raise CorruptError("lists no files", where=str(folder / "manifest.json"))
    for name in files:
        expected, found = sums.get(name), digest(folder / name)
        if found != expected:
            raise CorruptError(
                f"SHA-256 is {found}, the manifest says {expected}",
                where=str(folder / name),
                hint="the file is damaged; get it again",
            )
    if (folder / "manifest.json").read_text(encoding="utf-8") != json.dumps(manifest, indent=1):
        raise CorruptError("is not as it was written", where=str(folder / "manifest.json"))


def _codec_config(config: Mapping[str, Any]) -> VAEConfig | VQConfig:
    return VQConfig(**config["vq"]) if "vq" in config else VAEConfig(**config["vae"])


def _sizes(config: Mapping[str, Any]) -> BimodalConfig:
    meeting = config["gpt"]["cross_modal_layers"]
    gpt = {**config["gpt"], "cross_modal_layers": None if meeting is None else tuple(meeting)}
    parts = {"gpt": GPTConfig(**gpt), "diffusion": DiffusionConfig(**config["diffusion"])}
    return BimodalConfig(**{**config, **parts})


def fill(module: torch.nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Give a module its weights, named with a prefix, which leave `tensors`.

    Raises:
        CorruptError: naming a tensor that is missing, that nobody asked for, or of another shape.
    """
    expected = module.state_dict()
    names = [name for name in tensors if name.startswith(prefix)]
    own = {name.removeprefix(prefix): tensors.pop(name) for name in names}
    for name in sorted(own.keys() | expected.keys()):
        what = None
        if name not in own:
            what = "the weights lack this tensor"
        elif name not in expected:
            what = "the configuration has no place for this tensor"
        elif own[name].shape != expected[name].shape:
            sizes = (
                f"{tuple(own[name].shape)}, the configuration needs {tuple(expected[name].shape)}"
            )
            what = f"this tensor has shape {sizes}"
        if what:
            raise CorruptError(what, where=prefix + name)
    for name in own:
        own[name] = own[name].to(expected[name].dtype)
    module.load_state_dict(own, assign=True)
