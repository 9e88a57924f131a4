"""Models as ONNX graphs: a folder that runs without PyTorch.

    text.onnx tell.onnx motion.onnx    the language model: text tokens, motions told, their slots
    condition.onnx step.onnx           the diffusion head: what to draw, and one denoising step
    encode.onnx decode.onnx            the VAE
    constants.safetensors              mean and std of features, and what else is no graph
    config.json tokenizer.json card.json manifest.json    as in a model folder

docs/export.md says what each graph takes and gives. Letters name the axes that may change:
B sequences or clips, T new tokens or frames, S tokens already read, R places read off, N motions.
"""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, seal
from motiongpt3.model.codec import Codec
from motiongpt3.model.gpt import MOTION
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.onnx_parts import Branch, Decode, Encode, Step, Tell, Text
from motiongpt3.model.vae import MotionVAE

GRAPHS = ("text", "tell", "motion", "condition", "step", "encode", "decode")
EXPORTED = (
    *(f"{name}.onnx" for name in GRAPHS),
    *("constants.safetensors", "config.json", "tokenizer.json", "card.json"),
)
_OPSET = 20
"""The first with GELU as one operation."""
_LARGEST_BYTES = 2**31
"""What one ONNX file holds."""


@dataclass(frozen=True)
class Part:
    """A part of the model, an example of what it takes, and the letters of the axes that change."""

    module: nn.Module
    inputs: Mapping[str, tuple[Tensor, Mapping[int, str]]]
    outputs: tuple[str, ...]


def export(
    bundle: Bundle, folder: Path, begin: Callable[[str], object] = lambda name: None
) -> Path:
    """Write a model as graphs; the manifest comes last, so an unfinished folder is not a model.

    Args:
        begin: called with the name of each graph, which takes some seconds to write.

    Raises:
        InputError: for a model of another kind than the paper's, one too large, or without the
            libraries that write ONNX.
        ResourceError: when the folder cannot be written.
    """
    vae, network = bundle.vae.cpu().eval(), bundle.network.cpu().eval()
    heads = network.heads
    if not isinstance(vae, MotionVAE) or not isinstance(heads, LatentHeads):
        raise InputError(
            "a model that writes ids cannot be exported", hint="a model with a motion VAE can"
        )
    _check_libraries()
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in {**_language(network, heads), **_codec(vae)}.items():
        begin(name)
        _write(part, folder / f"{name}.onnx")
    weights = sum(p.numel() for m in (vae, network) for p in m.parameters())
    config = {"vae": asdict(vae.config), "network": asdict(network.config)}
    contents = {"config.json": config, "card.json": {**bundle.card, "weights": weights}}
    for name, content in contents.items():
        with atomic_write(folder / name) as path:
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    with atomic_write(folder / "constants.safetensors") as path:
        path.write_bytes(to_bytes(_constants(bundle, vae, heads)))
    bundle.tokenizer.save(folder / "tokenizer.json")
    seal(folder, EXPORTED)
    return folder


def _language(network: Bimodal, heads: LatentHeads) -> dict[str, Part]:
    """The parts of the language model and its heads, with examples: 3 sequences of 5 tokens each
    after 7 others."""
    c, d = network.config.gpt, network.config.diffusion
    cached = (c.layers, 3, c.heads, 7, c.width // c.heads)
    past: dict[str, tuple[Tensor, Mapping[int, str]]] = {
        "keys": (torch.zeros(cached), {1: "B", 3: "S"}),
        "values": (torch.zeros(cached), {1: "B", 3: "S"}),  # of its own: one tensor is one input
        "kinds": (torch.zeros(3, 7, dtype=torch.long), {0: "B", 1: "S"}),
    }
    ids, at = torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long)
    text = {"ids": (ids, {0: "B", 1: "T"}), "at": (at, {0: "B", 1: "R"}), **past}
    slots = {"embeddings": (torch.zeros(3, 5, c.width), {0: "B", 1: "T"}), **past}
    latents, condition = torch.zeros(3, d.latent), torch.zeros(3, d.width)
    step = {
        "noisy": (latents, {0: "N"}),
        "level": (torch.zeros(1, dtype=torch.long), {}),
        "condition": (condition, {0: "N"}),
    }
    hidden = {"hidden": (torch.zeros(3, d.slots, c.width), {0: "N"})}
    new = ("new_keys", "new_values")
    return {
        "text": Part(Text(network.gpt), text, ("logits", *new)),
        "tell": Part(Tell(heads), {"codes": (latents, {0: "N"})}, ("embeddings",)),
        "motion": Part(Branch(network.gpt, MOTION), slots, ("hidden", *new)),
        "condition": Part(heads.diffusion.pool, hidden, ("condition",)),
        "step": Part(Step(heads.diffusion), step, ("said",)),
    }


def _codec(vae: MotionVAE) -> dict[str, Part]:
    """The parts of the VAE, with examples: 3 clips of 21 frames."""
    c, free = vae.config, {0: "B", 1: "T"}
    inside = (torch.ones(3, 21, dtype=torch.bool), free)
    clips = {"features": (torch.zeros(3, 21, c.features), free), "inside": inside}
    latents = {"latents": (torch.zeros(3, c.latents, c.width), {0: "B"}), "inside": inside}
    return {
        "encode": Part(Encode(vae, Codec.longest), clips, ("mean", "log_variance")),
        "decode": Part(Decode(vae), latents, ("features",)),
    }


def _constants(bundle: Bundle, vae: MotionVAE, heads: LatentHeads) -> dict[str, Tensor]:
    """What the program around the graphs needs."""
    constants = {
        "mean": torch.tensor(bundle.mean),
        "std": torch.tensor(bundle.std),
        "latent_scale": heads.latent_scale,
        "signal": torch.tensor(heads.diffusion.levels, dtype=torch.float64),
        "motion_out": heads.motion_out,
        "nothing": heads.diffusion.nothing,
    }
    if heads.masked is not None:
        constants["masked"] = heads.masked
    if vae.spline is not None:
        constants |= {f"spline.{name}": x for name, x in vae.spline.state_dict().items()}
    return {name: x.detach().contiguous() for name, x in constants.items()}


def _write(part: Part, file: Path) -> None:
    """Write one graph."""
    weights = [*part.module.parameters(), *part.module.buffers()]
    if sum(w.nbytes for w in weights) >= _LARGEST_BYTES:
        raise InputError("is too large for one ONNX file", where=file.name)
    inputs: dict[str, Any] = {name: example for name, (example, _) in part.inputs.items()}
    axes = {name: dict(letters) for name, (_, letters) in part.inputs.items()}
    with atomic_write(file) as path, _quietly(), torch.no_grad():
        torch.onnx.export(
            part.module.eval(),
            kwargs=inputs,
            f=path,
            input_names=list(inputs),
            output_names=part.outputs,
            dynamic_shapes=axes,
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Export as plain operations, and without what exporters say to those who write them.

    PyTorch's fast path through transformer layers is one operation that ONNX does not know.
    """
    talkers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [talker.level for talker in talkers]
    fast = torch.backends.mha.get_fastpath_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for talker in talkers:
                talker.setLevel(logging.ERROR)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for talker, level in zip(talkers, levels, strict=True):
                talker.setLevel(level)


def _check_libraries() -> None:
    try:
        import onnxscript  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
    except ImportError as error:
        raise InputError(
            "ONNX graphs cannot be written here",
            where=str(error.name),
            hint='pip install "motiongpt3[onnx]"',
        ) from error
