"""A checkpoint with the official release's names and shapes, and weights anybody can make again.

Each tensor is drawn from a generator seeded with its name. The official code run on these weights
gave `golden/released.json` (revision cf5bab7; fp32, eval mode): that is what our numbers are
compared with, without its code being here.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

Shape = tuple[int, ...]
_LM = "lm.language_model."
_NET = "lm.diffloss.net."


def shapes() -> Iterator[tuple[str, Shape]]:
    """Names and shapes of the release, aliases apart."""
    yield _LM + "transformer.wte.weight", (50259, 768)
    yield _LM + "transformer.wpe.weight", (1024, 768)
    yield _LM + "pre_processors.1.weight", (6, 768)
    yield _LM + "post_processors.1.weight", (6, 768)
    for layer in range(12):
        for branch in (0, 1):
            yield from _gpt_layer(f"{_LM}transformer.h.{layer}.", branch)
    for branch in (0, 1):
        yield from _pair(f"{_LM}transformer.ln_f.fn.{branch}.", (768,))
    yield "lm.fake_latent", (4, 768)
    yield from _pair("lm.motion_und_head.layers.", (3072, 256))
    yield from _head()
    yield "vae.global_motion_token", (2, 256)
    yield from _pair("vae.skel_embedding.", (256, 263))
    yield from _pair("vae.final_layer.", (263, 256))
    for kind in ("encoder", "decoder"):
        yield f"vae.query_pos_{kind}.pe", (500, 1, 256)
        yield from _pair(f"vae.{kind}.norm.", (256,))
        blocks = [f"{side}_blocks.{n}" for side in ("input", "output") for n in range(4)]
        for block in [*blocks, "middle_block"]:
            yield from _transformer(f"vae.{kind}.{block}.", 256, 1024, kind == "decoder")
        for n in range(4):
            yield from _pair(f"vae.{kind}.linear_blocks.{n}.", (256, 512))
    yield "metrics.TM2TMetrics.t2m_moveencoder.main.0.bias", (512,)
    yield "_losses.losses_train.total", ()


def _gpt_layer(at: str, branch: int) -> Iterator[tuple[str, Shape]]:
    """GPT-2's linear layers are stored as inputs x outputs."""
    for norm in ("ln_1", "ln_2"):
        yield from _pair(f"{at}{norm}.fn.{branch}.", (768,))
    for name, inputs, outputs in (
        (f"c_attn.fn.{branch}", 768, 2304),
        (f"c_proj.fn.{branch}", 768, 768),
        (f"mlp.fn.{branch}.c_fc", 768, 3072),
        (f"mlp.fn.{branch}.c_proj", 3072, 768),
    ):
        yield f"{at}{name}.weight", (inputs, outputs)
        yield f"{at}{name}.bias", (outputs,)


def _head() -> Iterator[tuple[str, Shape]]:
    yield _NET + "cond_embed.hidden_embedding", (1, 768)
    yield _NET + "cond_embed.hid_pos.pe", (500, 1, 768)
    yield from _transformer(_NET + "cond_embed.hid_encoder_layer.", 768, 3072, False)
    yield from _pair(_NET + "cond_embed.cond_proj.", (1024, 768))
    yield from _pair(_NET + "time_embed.mlp.0.", (1024, 256))
    yield from _pair(_NET + "time_embed.mlp.2.", (1024, 1024))
    yield from _pair(_NET + "input_proj.", (1024, 256))
    for n in range(3):
        at = f"{_NET}res_blocks.{n}."
        yield from _pair(at + "in_ln.", (1024,))
        yield from _pair(at + "mlp.0.", (1024, 1024))
        yield from _pair(at + "mlp.2.", (1024, 1024))
        yield from _pair(at + "adaLN_modulation.1.", (3072, 1024))
    yield from _pair(_NET + "final_layer.linear.", (256, 1024))
    yield from _pair(_NET + "final_layer.adaLN_modulation.1.", (2048, 1024))


def _transformer(at: str, width: int, inner: int, crossed: bool) -> Iterator[tuple[str, Shape]]:
    for attention in ("self_attn", "multihead_attn") if crossed else ("self_attn",):
        yield f"{at}{attention}.in_proj_weight", (3 * width, width)
        yield f"{at}{attention}.in_proj_bias", (3 * width,)
        yield from _pair(f"{at}{attention}.out_proj.", (width, width))
    yield from _pair(at + "linear1.", (inner, width))
    yield from _pair(at + "linear2.", (width, inner))
    for n in (1, 2, 3) if crossed else (1, 2):
        yield from _pair(f"{at}norm{n}.", (width,))


def _pair(at: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield at + "weight", shape
    yield at + "bias", shape[:1]


def numbers(name: str, shape: Shape) -> np.ndarray:
    """Standard normal numbers that belong to a name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.standard_normal(shape, dtype=np.float32)


def tensor(name: str, shape: Shape) -> torch.Tensor:
    """Weights at which nothing is trivial and nothing overflows."""
    drawn = numbers(name, shape)
    if name.endswith("bias"):
        drawn *= 0.05
    elif len(shape) < 2:  # the weights of norms
        drawn = 1 + 0.1 * drawn
    elif "embedding" in name or "token" in name or name.endswith(("pe", "latent")):
        drawn *= 0.3
    elif "wte" in name or "wpe" in name or "processors" in name:
        drawn *= 0.1
    else:
        inputs = shape[0] if ".c_" in name else shape[1]
        drawn *= 0.8 / inputs**0.5
    if name == _NET + "final_layer.linear.weight":  # noise that follows x keeps samples bounded
        drawn += 0.35 * tensor(_NET + "input_proj.weight", (1024, 256)).numpy().T
    return torch.from_numpy(np.asarray(drawn, np.float32))


def state() -> dict[str, torch.Tensor]:
    """The `state_dict`, the aliases of the word table included."""
    tensors = {name: tensor(name, shape) for name, shape in shapes()}
    words = tensors[_LM + "transformer.wte.weight"]
    for alias in ("lm_head", "pre_processors.0", "post_processors.0"):
        tensors[f"{_LM}{alias}.weight"] = words
    return tensors


def write(folder: Path) -> Path:
    """A Lightning checkpoint with statistics beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "motiongpt3.ckpt"
    torch.save({"epoch": 99, "global_step": 1, "state_dict": state()}, path)
    np.save(folder / "Mean.npy", numbers("mean", (263,)))
    np.save(folder / "Std.npy", np.abs(numbers("std", (263,))) + 0.1)
    return path
