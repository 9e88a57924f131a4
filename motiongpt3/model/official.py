"""The checkpoint that MotionGPT3's authors released, read as one of ours.

It is a PyTorch Lightning file whose `state_dict` holds the language model (`lm.`), the motion VAE
(`vae.`) and the networks of its evaluation. Every tensor is either used, or on the short list of
what nothing reads; anything else is refused, so that no model is loaded by halves. MLD's VAE
checkpoints hold the same VAE under `vae.` or `motion_vae.`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiongpt3.data.folder import data_folder
from motiongpt3.data.sources import read_statistics
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.bimodal import BimodalConfig
from motiongpt3.model.checkpoint import Bundle, fill, filled
from motiongpt3.model.conventions import OFFICIAL, OFFICIAL_EVALUATION
from motiongpt3.model.gpt import CONTROL_IDS
from motiongpt3.model.state_file import read_state
from motiongpt3.model.tokenizer import GPT2_VOCABULARY, Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig

LATENT_SCALE = 0.8457
"""Of the released HumanML3D model, where it is written into the code (mld_vae.py:65)."""
_PORTION_BYTES = 2**25
"""Least size of a portion that is read at once."""
MASKED_ROW, OUT_ROW, MOTION_ROWS = 0, 2, 6
"""Of the motion stream's six embeddings: the mask of in-betweening and the slots of motions to
make. Padding, the slots of told motions (their latents stand there) and two spares are not read."""

_LAYER = {
    "ln_1": "norm1", "ln_2": "norm2", "c_attn": "qkv", "c_proj": "proj", "c_fc": "up",
}  # fmt: skip
_HEAD = "heads.diffusion."
_RENAMED: tuple[tuple[str, str], ...] = (
    (r"lm\.language_model\.transformer\.wpe\.weight", "network.gpt.wpe.weight"),
    (r"lm\.language_model\.transformer\.ln_f\.fn\.([01])\.(\w+)", r"network.gpt.norm.copies.\1.\2"),
    (r"lm\.motion_und_head\.layers\.(\w+)", r"network.heads.understand.\1"),
    (r"lm\.fake_latent", f"network.{_HEAD}nothing"),
    (r"lm\.diffloss\.net\.time_embed\.mlp\.(.+)", rf"network.{_HEAD}denoiser.time.\1"),
    (r"lm\.diffloss\.net\.input_proj\.(.+)", rf"network.{_HEAD}denoiser.into.\1"),
    (r"lm\.diffloss\.net\.cond_embed\.hidden_embedding", f"network.{_HEAD}pool.query"),
    (r"lm\.diffloss\.net\.cond_embed\.hid_pos\.pe", f"network.{_HEAD}pool.position"),
    (
        r"lm\.diffloss\.net\.cond_embed\.hid_encoder_layer\.(.+)",
        rf"network.{_HEAD}pool.encoder.\1",
    ),
    (r"lm\.diffloss\.net\.cond_embed\.cond_proj\.(.+)", rf"network.{_HEAD}pool.out.\1"),
    (
        r"lm\.diffloss\.net\.res_blocks\.(\d+)\.in_ln\.(.+)",
        rf"network.{_HEAD}denoiser.blocks.\1.norm.\2",
    ),
    (
        r"lm\.diffloss\.net\.res_blocks\.(\d+)\.mlp\.(.+)",
        rf"network.{_HEAD}denoiser.blocks.\1.mlp.\2",
    ),
    (
        r"lm\.diffloss\.net\.res_blocks\.(\d+)\.adaLN_modulation\.1\.(.+)",
        rf"network.{_HEAD}denoiser.blocks.\1.modulation.\2",
    ),
    (r"lm\.diffloss\.net\.final_layer\.linear\.(.+)", rf"network.{_HEAD}denoiser.out.\1"),
    (
        r"lm\.diffloss\.net\.final_layer\.adaLN_modulation\.1\.(.+)",
        rf"network.{_HEAD}denoiser.modulation.\1",
    ),
    (r"vae\.skel_embedding\.(\w+)", r"vae.into.\1"),
    (r"vae\.final_layer\.(\w+)", r"vae.out.\1"),
    (r"vae\.global_motion_token", "vae.tokens"),
    (r"vae\.query_pos_(en|de)coder\.pe", r"vae.\1coder_positions"),
    (r"vae\.((?:en|de)coder)\.input_blocks\.(.+)", r"vae.\1.early.\2"),
    (r"vae\.((?:en|de)coder)\.middle_block\.(.+)", r"vae.\1.middle.\2"),
    (r"vae\.((?:en|de)coder)\.output_blocks\.(.+)", r"vae.\1.late.\2"),
    (r"vae\.((?:en|de)coder)\.linear_blocks\.(.+)", r"vae.\1.merge.\2"),
    (r"vae\.((?:en|de)coder)\.norm\.(\w+)", r"vae.\1.norm.\2"),
)
_GPT_LAYER = re.compile(
    r"lm\.language_model\.transformer\.h\.(\d+)\.(?:(mlp)\.fn\.([01])\.(c_fc|c_proj)"
    r"|(ln_1|ln_2|c_attn|c_proj)\.fn\.([01]))\.(weight|bias)"
)
_WORDS = "lm.language_model.transformer.wte.weight"
_MOTION_TOKENS = "lm.language_model.pre_processors.1.weight"
_ALIAS = re.compile(r"lm\.language_model\.(lm_head|(pre|post)_processors\.0)\.weight")
"""Other names of the word table."""
_UNREAD = re.compile(
    _ALIAS.pattern + r"|lm\.language_model\.post_processors\.1\.weight|(metrics|_losses)\..+"
    r"|lm\.language_model\.transformer\.h\.\d+\.(attn\.)?(masked_)?bias"
)
"""The output layer of motion tokens, which no loss ever trains, the evaluation's own networks, and
attention masks, which old versions of GPT-2 keep among their weights."""
_VAE_ALONE = "official.read_vae reads it, for a model that is to be trained"
_CARD = {
    "name": "MotionGPT3 (official release)",
    "command": "trained by the authors of MotionGPT3",
    "hip_sign": "released",
    "plants_feet": False,
    "licence": "MIT by its repository; trained on HumanML3D, whose own terms apply",
    "sources": ["HumanML3D (AMASS and HumanAct12)"],
}

Compat = Literal["official"]
"""Ask and sample as the official evaluation does, to compare numbers with it."""
SIZES = BimodalConfig(masked=True, shuffled_slots=True)
"""Of the released language model; its VAE has the sizes of `VAEConfig()`."""


def read_official(path: Path, compat: Compat | None = None) -> Bundle:
    """The released model as one of ours.

    Args:
        path: the checkpoint file. Mean.npy and Std.npy of its data lie beside it.

    Raises:
        InputError: when the file or its statistics are missing, or there is no language model.
        CorruptError: naming the tensor that is missing, unknown, of another size or not finite, or
            the object in the file that is not a weight.
    """
    _check_words(read_state(path), path)
    mean, std = statistics(path.parent, VAEConfig().features)
    tokenizer = Tokenizer.load(GPT2_VOCABULARY)  # before: reading it takes memory for a moment
    tensors = weights(path)
    tensors["network.heads.latent_scale"] = torch.tensor(LATENT_SCALE)
    conventions = OFFICIAL_EVALUATION if compat == "official" else OFFICIAL
    if f"network.{_HEAD}nothing" not in tensors:
        # Stages II and III never train the stand-in for "nothing", so there is no guidance.
        tensors[f"network.{_HEAD}nothing"] = torch.zeros(4, 768)
        conventions = replace(conventions, guidance=1.0)
    vae, network = filled((VAEConfig(), SIZES), tensors)
    card = {**_CARD, "conventions": asdict(conventions)}
    return Bundle(vae, network, tokenizer, mean, std, card)


def _check_words(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a checkpoint without a language model, or whose word table has two versions."""
    if not any(name.startswith("lm.") for name in state):
        raise InputError("holds no language model", where=str(path), hint=_VAE_ALONE)
    for name in filter(_ALIAS.fullmatch, state):
        same = [t.data_ptr() for t in (state[name], state.get(_WORDS, state[name]))]
        if len(set(same)) > 1 and not torch.equal(state[name], state[_WORDS]):
            raise CorruptError(f"is not {_WORDS}, whose other name it is", where=name)


def read_vae(path: Path) -> MotionVAE:
    """The motion VAE of a released checkpoint, MotionGPT3's or MLD's.

    Raises:
        InputError, CorruptError: as `read_official`.
    """
    with torch.device("meta"):
        vae = MotionVAE(VAEConfig())
    fill(vae, "vae.", weights(path, ("vae.", "motion_vae.")))
    return vae.eval()


def weights(path: Path, wanted: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
    """Our names and layouts for the released model's tensors, in single precision.

    Args:
        wanted: beginnings of the names that are read.

    Raises:
        CorruptError: naming a tensor that nothing here knows, or one that is not finite.
    """
    tensors: dict[str, Tensor] = {}
    for names in _portions(path):
        tensors |= _portion(path, [name for name in names if name.startswith(wanted)])
    return tensors


def _portion(path: Path, names: list[str]) -> dict[str, Tensor]:
    """Copies of some tensors; the file is mapped for them, and unmapped before the next ones."""
    tensors: dict[str, Tensor] = {}
    state = read_state(path)
    for name in names:
        for ours, value in _converted(name.replace("motion_vae.", "vae.", 1), state[name]):
            if not torch.isfinite(value).all():
                raise CorruptError("weights are not finite", where=name)
            tensors[ours] = value.to(
                torch.float32, copy=True, memory_format=torch.contiguous_format
            )
    return tensors


def _portions(path: Path) -> list[list[str]]:
    """The names in a checkpoint, in portions of a third of what is left: a portion lies in memory
    twice while it is read, but beside it only what came before."""
    state = read_state(path)
    sizes = {name: t.nbytes for name, t in state.items() if not _UNREAD.fullmatch(name)}
    left, room = sum(sizes.values()), 0
    portions: list[list[str]] = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if sizes[name] > room:
            portions.append([])
            room = max(left // 3, sizes[name], _PORTION_BYTES)
        portions[-1].append(name)
        room -= sizes[name]
        left -= sizes[name]
    return portions


def _converted(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if layer := _GPT_LAYER.fullmatch(name):
        number, mlp, of_mlp, part, kind, of_layer, what = layer.groups()
        ours = f"mlp.copies.{of_mlp}.{'up' if part == 'c_fc' else 'down'}"
        if not mlp:
            ours = f"{_LAYER[kind]}.copies.{of_layer}"
        # GPT-2 keeps its linear layers as inputs x outputs.
        turned = tensor.mT if tensor.ndim == 2 else tensor
        yield f"network.gpt.blocks.{number}.{ours}.{what}", turned
    elif name == _WORDS:
        yield "network.gpt.wte.weight", tensor[:-CONTROL_IDS]
        yield "network.gpt.control.weight", tensor[-CONTROL_IDS:]
    elif name == _MOTION_TOKENS:
        if len(tensor) != MOTION_ROWS:
            raise CorruptError(f"{len(tensor)} motion tokens, not {MOTION_ROWS}", where=name)
        yield "network.heads.motion_out", tensor[OUT_ROW : OUT_ROW + 1]
        yield "network.heads.masked", tensor[MASKED_ROW : MASKED_ROW + 1]
    elif not _UNREAD.fullmatch(name):
        for theirs, ours in _RENAMED:
            if re.fullmatch(theirs, name):
                one = tensor.squeeze(1) if name.endswith(".pe") else tensor
                yield re.sub(theirs, ours, name), one
                return
        raise CorruptError("nothing here is called that", where=name)


def statistics(
    folder: Path, features: int
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]]:
    """Mean and std of the features a checkpoint was trained on, which it does not hold itself.

    They lie beside it, or where the official repository has them, or among the reference files of
    MOTIONGPT3_DATA.

    Raises:
        InputError: when they are not there, are no statistics, or those of another skeleton.
    """
    for mean, std in _statistics_files(folder):
        if mean.is_file() and std.is_file():
            both = read_statistics(mean, std)
            for path, values in zip((mean, std), both, strict=True):
                if len(values) != features:
                    sizes = f"statistics of {len(values)} features, the model has {features}"
                    raise InputError(sizes, where=str(path), hint="those of HumanML3D belong here")
            return both
    raise InputError(
        "the checkpoint's mean and std are missing",
        where=str(folder),
        hint="put Mean.npy and Std.npy of HumanML3D beside it",
    )


def _statistics_files(folder: Path) -> Iterator[tuple[Path, Path]]:
    assets = (root / "assets" / "meta" for root in (folder, folder.absolute().parent))
    for place in (folder, folder / "meta", *assets):
        for mean, std in (("Mean.npy", "Std.npy"), ("mean.npy", "std.npy")):
            yield place / mean, place / std
    try:
        reference = data_folder() / "reference"
    except InputError:
        return
    yield reference / "humanml3d_mean.npy", reference / "humanml3d_std.npy"
