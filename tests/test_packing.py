"""Packed weights compute what PyTorch's own layers compute, to within their precision."""

from copy import deepcopy

import pytest
import torch
from torch import nn

import motiongpt3
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.model import packing
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.checkpoint import SHIPPED
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.loading import read_bundle
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.packing import PackedTransformerLayer, Precision, pack, packed
from motiongpt3.model.vae import MotionVAE, VAEConfig

TOLERANCE: dict[Precision, float] = {"fp32": 2e-5, "bf16": 2e-2, "int8": 4e-2}
"""Of the largest output, with weights and inputs of unit Gaussian size."""
SIZES = BimodalConfig(
    GPTConfig(vocab=50, context=64, width=48, layers=2, heads=4, dropout=0.0),
    DiffusionConfig(latent=8, condition=48, width=32, depth=2, dropout=0.0, places=5),
)


@pytest.fixture(params=["fp32", "bf16", "int8"])
def precision(request) -> Precision:
    if request.param not in packing.available():
        pytest.skip(f"this CPU has no instructions for {request.param}")
    return request.param


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (300,), (2, 5), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_is_the_layer(precision, shape, bias) -> None:
    layer = nn.Linear(64, 96, bias=bias)
    nn.init.normal_(layer.weight)
    x = torch.randn(*shape, 64)
    with torch.no_grad():
        ours, theirs = packed(layer.weight, layer.bias, precision)(x), layer(x)
    assert ours.dtype == torch.float32
    scale = theirs.abs().max() if theirs.numel() else 1.0
    torch.testing.assert_close(ours / scale, theirs / scale, atol=TOLERANCE[precision], rtol=0)


def test_sums_of_8_bits_do_not_overflow(precision) -> None:
    ones = torch.ones(3, 64)
    found = packed(torch.ones(5, 64), None, precision)(ones)
    torch.testing.assert_close(found, torch.full((3, 5), 64.0), atol=0.5, rtol=0)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("memory", [None, 1, 3])
def test_a_packed_transformer_layer_is_pytorchs(precision, padded, memory) -> None:
    kind = nn.TransformerEncoderLayer if memory is None else nn.TransformerDecoderLayer
    layer = kind(32, 4, 64, 0.0, "gelu", batch_first=True).eval()
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.3)
    x = torch.randn(3, 6, 32)
    padding = torch.arange(6) >= torch.tensor([6, 4, 1])[:, None] if padded else None
    with torch.no_grad():
        if memory is None:
            theirs = layer(x, src_key_padding_mask=padding)
            ours = PackedTransformerLayer(layer, precision)(x, src_key_padding_mask=padding)
        else:
            told = torch.randn(3, memory, 32)
            theirs = layer(x, told, tgt_key_padding_mask=padding)
            ours = PackedTransformerLayer(layer, precision)(x, told, tgt_key_padding_mask=padding)
    if padding is not None:  # PyTorch's own layer may leave zeros where there is padding
        ours, theirs = ours[~padding], theirs[~padding]
    limit = 10 * TOLERANCE[precision] * float(theirs.abs().max())
    torch.testing.assert_close(ours, theirs, atol=limit, rtol=0)


@pytest.mark.parametrize("bf16", [True, False])
def test_packing_leaves_no_plain_layer_behind(bf16, monkeypatch) -> None:
    if bf16 and "bf16" not in packing.available():
        pytest.skip("this CPU has no instructions for bf16")
    monkeypatch.setattr(packing, "_has_bf16", lambda: bf16)
    network, vae = Bimodal(SIZES).eval(), MotionVAE(VAEConfig(layers=3)).eval()
    plain = deepcopy(network)
    for module in (network, vae):
        pack(module, "int8")
        left = [type(m) for m in module.modules() if isinstance(m, (nn.Linear, nn.Transformer))]
        assert not left and not any(p.requires_grad for p in module.parameters())
    ids = torch.randint(0, 48, (2, 5))
    with torch.no_grad():
        x = torch.randn(2, 5, 48)
        modality = (ids % 2).long()
        ours, theirs = network.gpt(x, modality), plain.gpt(x, modality)
        words, table = network.gpt.logits(theirs), plain.gpt.logits(theirs)
    torch.testing.assert_close(ours, theirs, atol=0.1, rtol=0.1)
    torch.testing.assert_close(words, table, atol=0.05, rtol=0.05)


def test_the_shipped_model_makes_the_same_motions_packed() -> None:
    plain, ready = MotionGPT(read_bundle(SHIPPED)), motiongpt3.load()
    prompts, seconds = ["a person waves the left hand", "a man walks in a circle"], [4.0, 7.3]
    for ours, theirs in zip(
        ready.generate(prompts, seconds), plain.generate(prompts, seconds), strict=True
    ):
        torch.testing.assert_close(
            torch.tensor(ours.features), torch.tensor(theirs.features), atol=1e-4, rtol=0
        )
        assert ready.caption(ours) == plain.caption(ours)
    assert ready.parameters == plain.parameters


def test_a_precision_that_is_not_here_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(packing, "_helps", lambda: False)
    with pytest.raises(ResourceError, match="no instructions for bf16"):
        motiongpt3.load(precision="bf16")
    assert not any(isinstance(m, packing.PackedLinear) for m in motiongpt3.load().network.modules())
    with pytest.raises(InputError, match="int8 on cuda|not here"):
        motiongpt3.load(device="cuda", precision="int8")
