"""The language model, against Hugging Face's GPT-2 and against itself read in one piece."""

from dataclasses import replace

import pytest
import torch
from small_gpt import CLOSE, CROSS_MODAL, TINY, make
from torch import Tensor

from motiongpt3.errors import InputError
from motiongpt3.model.cache import KVCache
from motiongpt3.model.gpt import GPT, MOTION, TEXT, GPTConfig, layer_set


def prompts(lengths: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded embeddings of prompts with a motion at places 2 and 3, their kinds, validity."""
    T = max(lengths)
    modality = torch.zeros(len(lengths), T, dtype=torch.long)
    modality[:, 2:4] = MOTION
    valid = torch.arange(T) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), T, TINY.width), modality, valid


def test_sizes_are_the_papers():
    with torch.device("meta"):
        paper = GPT(GPTConfig())

    def size(weights) -> int:
        return sum(p.numel() for p in weights)

    tables = [paper.wte.weight, paper.control.weight, paper.wpe.weight]
    assert size([*paper.branch(TEXT), *tables]) == 124_441_344
    # Theirs counts 6 motion tokens and an unused 6-row output layer, which live outside ours.
    assert size(paper.branch(MOTION)) == 85_065_216 - 2 * 6 * 768
    assert size(paper.parameters()) == 124_441_344 + 85_056_000


def test_first_weights_are_drawn_as_in_gpt2():
    gpt = GPT(GPTConfig(vocab=500, context=64, width=128, layers=8, heads=4))
    for layer in [
        gpt.wte,
        gpt.wpe,
        gpt.blocks[5].qkv.of(MOTION),
        gpt.blocks[0].mlp.of(0).up,
    ]:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for layer in [gpt.blocks[5].proj.of(MOTION), gpt.blocks[0].mlp.of(TEXT).down]:
        assert layer.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize("cross_modal_layers", CROSS_MODAL)
def test_two_equal_branches_are_one_stream(cross_modal_layers):
    one = make(branches=1, cross_modal_layers=cross_modal_layers)
    two = make(branches=2, cross_modal_layers=cross_modal_layers)
    for name, p in two.named_parameters():
        p.data = one.get_parameter(name.replace("copies.1", "copies.0")).data
    x, modality = torch.randn(2, 9, 32), torch.randint(2, (2, 9))
    torch.testing.assert_close(one(x, modality), two(x, modality), **CLOSE)
    assert not one.branch(MOTION) and len(one.branch(TEXT)) == len(two.branch(TEXT))


@pytest.mark.parametrize("layers, meets", [((), False), ((3,), True), (None, True)])
def test_modalities_meet_only_in_the_cross_modal_layers(layers, meets):
    gpt = make(cross_modal_layers=layers)
    x = torch.randn(1, 6, 32, requires_grad=True)
    modality = torch.tensor([[TEXT, TEXT, TEXT, MOTION, MOTION, MOTION]])
    gpt(x, modality)[0, 5].square().mul(torch.arange(32)).sum().backward()
    assert bool(x.grad[0, :3].any()) == meets
    assert x.grad[0, 3:].any()


@pytest.mark.parametrize(
    ("name", "layers", "chosen"),
    [
        ("all", 3, (0, 1, 2)),
        ("None", 12, ()),
        ("last", 4, (3,)),
        ("last3", 4, (1, 2, 3)),
        ("first2", 4, (0, 1)),
        ("odd", 5, (0, 2, 4)),
        ("even", 5, (1, 3)),
        ("Ahalf", 5, (0, 1)),
        ("halfB", 5, (2, 3, 4)),
        ("midthird", 12, (4, 5, 6, 7)),
    ],
)
def test_the_layer_sets_of_the_ablation(name, layers, chosen):
    assert layer_set(name, layers) == chosen


@pytest.mark.parametrize("name", ["last13", "first0", "some", ""])
def test_an_unknown_layer_set_is_refused(name):
    with pytest.raises(InputError, match="of 12 layers"):
        layer_set(name, 12)


def test_no_token_sees_what_comes_after_it():
    gpt = make()
    x = torch.randn(1, 6, 32, requires_grad=True)
    gpt(x, torch.tensor([[0, 1, 0, 1, 1, 0]]))[0, 2].square().sum().backward()
    assert x.grad[0, :3].any() and not x.grad[0, 3:].any()


@pytest.mark.parametrize("cross_modal_layers", CROSS_MODAL)
@pytest.mark.parametrize("branches", [1, 2])
def test_padding_on_the_right_changes_nothing(branches, cross_modal_layers):
    gpt = make(branches=branches, cross_modal_layers=cross_modal_layers)
    x, modality, valid = prompts([9, 5])
    alone = gpt(x[1:, :5], modality[1:, :5])[0]
    torch.testing.assert_close(gpt(x, modality)[1, :5], alone, **CLOSE)
    hidden = gpt(x, modality, valid=valid)
    torch.testing.assert_close(hidden[1, :5], alone, **CLOSE)
    assert not hidden[1, 5:].any()


def test_skipping_padding_gives_the_same_gradients():
    gpt = make()
    x, modality, valid = prompts([9, 5, 7])
    grads = []
    for skip in (None, valid):
        x = x.detach().requires_grad_()
        gpt.zero_grad()
        gpt(x, modality, valid=skip)[valid].square().mean().backward()
        grads.append([x.grad, *(p.grad for p in gpt.parameters() if p.grad is not None)])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("cross_modal_layers", CROSS_MODAL)
@pytest.mark.parametrize("branches", [1, 2])
def test_a_cached_prompt_continues_as_if_read_in_one_piece(branches, cross_modal_layers):
    gpt = make(branches=branches, cross_modal_layers=cross_modal_layers)
    lengths = [4, 9, 6]
    x, modality, valid = prompts(lengths)
    slots = torch.randn(3, 4, 32)
    words = [torch.randn(3, 1, 32) for _ in range(3)]
    cache = KVCache()
    gpt(x, modality, cache=cache, valid=valid)
    parts = [gpt(slots, torch.ones(3, 4, dtype=torch.long), cache=cache)]
    text = torch.zeros(3, 1, dtype=torch.long)
    parts += [gpt(word, text, cache=cache) for word in words]
    for b, length in enumerate(lengths):
        whole = torch.cat([x[b, :length], slots[b], *(w[b] for w in words)])[None]
        kinds = torch.cat([modality[b, :length], torch.tensor([1, 1, 1, 1, 0, 0, 0])])[None]
        expected = gpt(whole, kinds)[0, length:]
        torch.testing.assert_close(torch.cat(parts, 1)[b], expected, **CLOSE)


def test_padding_in_an_appended_piece_is_not_seen_later():
    gpt = make(cross_modal_layers=(2, 3))
    x, modality, valid = prompts([9, 5])
    cache = KVCache()
    gpt(x[:, :2], modality[:, :2], cache=cache)
    gpt(x[:, 2:], modality[:, 2:], cache=cache, valid=valid[:, 2:])
    last = torch.randn(2, 1, 32)
    hidden = gpt(last, torch.zeros(2, 1, dtype=torch.long), cache=cache)
    whole = torch.cat([x[1:, :5], last[1:]], 1)
    expected = gpt(whole, torch.tensor([[0, 0, 1, 1, 0, 0]]))[0, -1]
    torch.testing.assert_close(hidden[1, 0], expected, **CLOSE)


def test_an_expanded_cache_continues_every_prompt_n_times():
    gpt = make()
    x, modality, valid = prompts([4, 7])
    slots, kinds = torch.randn(6, 4, 32), torch.ones(6, 4, dtype=torch.long)
    cache = KVCache()
    gpt(x, modality, cache=cache, valid=valid)
    many = gpt(slots, kinds, cache=cache.expand(3))
    assert len(cache) == 7  # the prompt's own cache is as it was
    for b in range(6):
        row = cache.select(torch.tensor([b // 3]))
        torch.testing.assert_close(
            many[b : b + 1], gpt(slots[b : b + 1], kinds[:1], cache=row), **CLOSE
        )


@pytest.mark.parametrize("flowing", [False, True])
def test_forks_of_a_cache_go_on_apart(flowing):
    """Whether or not the storage has room for more."""
    gpt = make()
    x, kinds = torch.randn(3, 9, 32), torch.zeros(1, 9, dtype=torch.long)
    with torch.set_grad_enabled(flowing):
        cache = KVCache()
        gpt(x[:1, :4], kinds[:, :4], cache=cache)
        gpt(x[:1, 4:5], kinds[:, :1], cache=cache)
        forks = [cache.fork(), cache.fork(), cache]
        for row, fork in enumerate(forks):
            gpt(x[row : row + 1, 5:7], kinds[:, :2], cache=fork)
        for row, fork in enumerate(forks):
            ends = gpt(x[row : row + 1, 7:], kinds[:, :2], cache=fork)
            whole = torch.cat([x[:1, :5], x[row : row + 1, 5:]], 1)
            torch.testing.assert_close(ends, gpt(whole, kinds)[:, 7:], **CLOSE)


def test_storage_that_is_outgrown_keeps_what_it_holds():
    """Token after token, with gradients and without, through every enlargement of the storage."""
    gpt = make(context=160)
    x, modality = torch.randn(2, 160, 32), torch.arange(160).expand(2, -1) % 5 // 4
    for flowing in (False, True):
        with torch.set_grad_enabled(flowing):
            cache = KVCache()
            whole = gpt(x, modality)
            parts = [gpt(x[:, t : t + 1], modality[:, t : t + 1], cache=cache) for t in range(160)]
            torch.testing.assert_close(torch.cat(parts, 1), whole, **CLOSE)
            assert len(cache) == 160


def test_training_after_a_frozen_cached_prompt_is_training_on_the_whole():
    grads = []
    for cached in (False, True):
        gpt = make()
        for p in [*gpt.branch(TEXT), gpt.wte.weight, gpt.wpe.weight]:
            p.requires_grad = False
        torch.manual_seed(1)
        x, modality, slots = torch.randn(2, 6, 32), torch.zeros(2, 6).long(), torch.randn(2, 4, 32)
        slots.requires_grad_()
        if cached:
            cache = KVCache()
            with torch.no_grad():
                gpt(x, modality, cache=cache)
            hidden = gpt(slots, torch.ones(2, 4, dtype=torch.long), cache=cache)
        else:
            kinds = torch.cat([modality, torch.ones(2, 4, dtype=torch.long)], 1)
            hidden = gpt(torch.cat([x, slots], 1), kinds)[:, 6:]
        hidden.square().mean().backward()
        assert all(p.grad is None for p in gpt.branch(TEXT))
        grads.append([slots.grad, *(p.grad for p in gpt.branch(MOTION))])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_a_branch_without_tokens_gets_no_gradient():
    gpt = make()
    gpt(torch.randn(2, 5, 32), torch.zeros(2, 5, dtype=torch.long)).sum().backward()
    assert all(p.grad is None for p in gpt.branch(MOTION))
    assert all(p.grad is not None for p in gpt.branch(TEXT))


def test_dropout_acts_in_training_only():
    gpt = make(dropout=0.5)
    x, modality = torch.randn(2, 5, 32), torch.randint(2, (2, 5))
    assert torch.equal(gpt(x, modality), gpt(x, modality))
    gpt.train()
    assert not torch.equal(gpt(x, modality), gpt(x, modality))


def test_a_sequence_beyond_the_context_is_refused():
    gpt = make(context=8)
    gpt(torch.randn(1, 8, 32), torch.zeros(1, 8, dtype=torch.long), cache=(cache := KVCache()))
    with pytest.raises(InputError, match="9 tokens"):
        gpt(torch.randn(1, 1, 32), torch.zeros(1, 1, dtype=torch.long), cache=cache)
    with pytest.raises(InputError, match="9 tokens"):
        gpt(torch.randn(1, 9, 32), torch.zeros(1, 9, dtype=torch.long))


@pytest.mark.parametrize("wrong", [{"branches": 3}, {"heads": 5}, {"cross_modal_layers": (4,)}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(InputError):
        replace(TINY, **wrong)
