"""GPT-2: our model with its weights is Hugging Face's, and what is no such weights is refused."""

import pytest
import torch
from small_gpt import CLOSE, CROSS_MODAL, make

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.gpt2 import load_gpt2, read_gpt2


def hugging_face():
    transformers = pytest.importorskip("transformers")

    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=61, n_positions=48, n_embd=32, n_layer=4, n_head=4)
    model = transformers.GPT2LMHeadModel(config).eval()
    for p in model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return model


@pytest.mark.parametrize("branches", [1, 2])
@pytest.mark.parametrize("cross_modal_layers", CROSS_MODAL)
def test_text_alone_is_gpt2(branches, cross_modal_layers):
    theirs = hugging_face()
    ours = make(branches=branches, cross_modal_layers=cross_modal_layers)
    load_gpt2(ours, theirs.state_dict())
    ids = torch.randint(61, (3, 17))
    logits = ours.logits(ours(ours.embed(ids), torch.full_like(ids, TEXT)))[..., :61]
    torch.testing.assert_close(logits, theirs(ids).logits, **CLOSE)


def test_gpt2_weights_fit_a_smaller_context_and_new_ids_start_near_the_mean_word():
    theirs = hugging_face()
    ours = make(context=20)
    load_gpt2(ours, theirs.transformer.state_dict())  # the hub's own names, without a prefix
    ids = torch.randint(61, (2, 9))
    logits = ours.logits(ours(ours.embed(ids), torch.zeros_like(ids)))
    torch.testing.assert_close(logits[..., :61], theirs(ids).logits, **CLOSE)
    mean = theirs.transformer.wte.weight.mean(0)
    assert (ours.control.weight - mean).abs().max() < 1  # drawn around the mean word
    assert not torch.equal(*ours.control.weight)
    both = torch.cat([ours.wte.weight, ours.control.weight])
    every = torch.arange(63)[None]
    assert torch.equal(ours.embed(every)[0], both[every[0]])


def test_gpt2_weights_into_the_motion_branch_leave_text_alone():
    ours = make()
    before = [p.clone() for p in [*ours.branch(TEXT), ours.wte.weight, ours.wpe.weight]]
    weights = hugging_face().state_dict()
    load_gpt2(ours, weights, MOTION)
    after = [*ours.branch(TEXT), ours.wte.weight, ours.wpe.weight]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    qkv = ours.blocks[3].qkv.of(MOTION).weight
    assert torch.equal(qkv, weights["transformer.h.3.attn.c_attn.weight"].T)


def test_unfit_gpt2_weights_are_refused():
    weights = hugging_face().state_dict()
    with pytest.raises(CorruptError, match="h.0.ln_1.weight"):
        load_gpt2(make(), {})
    with pytest.raises(CorruptError, match="shape"):
        load_gpt2(make(width=16), weights)
    with pytest.raises(CorruptError, match="shape"):
        load_gpt2(make(vocab=50), weights)


@pytest.mark.parametrize("safe", [True, False])
def test_a_hugging_face_folder_is_read(tmp_path, safe) -> None:
    theirs = hugging_face()
    theirs.save_pretrained(tmp_path, safe_serialization=safe)
    if not safe and not (tmp_path / "pytorch_model.bin").exists():  # newer versions always do
        (tmp_path / "model.safetensors").unlink()
        torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    ours = make()
    load_gpt2(ours, read_gpt2(str(tmp_path)))
    ids = torch.randint(61, (2, 9))
    logits = ours.logits(ours(ours.embed(ids), torch.zeros_like(ids)))[..., :61]
    torch.testing.assert_close(logits, theirs(ids).logits, **CLOSE)


def test_a_folder_without_weights_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no model.safetensors"):
        read_gpt2(str(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        read_gpt2(str(tmp_path / "nowhere"))
    (tmp_path / "model.safetensors").write_bytes(b"12345678 not weights")
    with pytest.raises(CorruptError):
        read_gpt2(str(tmp_path))
