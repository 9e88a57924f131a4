"""The bimodal model: one loss however it is read, answers that stop, noise that stays its own."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from motiongpt3.data.tasks import Field
from motiongpt3.model.bimodal import Bimodal, BimodalConfig, Teacher
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import TEXT, GPTConfig
from motiongpt3.model.noise import item_generators, seeded
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Packer, Tokens, Turn
from motiongpt3.model.tokenizer import Tokenizer

WORDS = ["a person waves the left hand!", "walk", "someone jumps twice, then turns around."]
LATENT, SLOTS = 6, 2


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(WORDS * 3, 300)


@pytest.fixture(scope="module")
def packer(tokenizer: Tokenizer) -> Packer:
    return Packer(tokenizer, lambda frames, asked: SLOTS)


@pytest.fixture
def model(tokenizer: Tokenizer) -> Bimodal:
    """A small model in which every weight counts: none is left at 0 or 1."""
    torch.manual_seed(0)
    gpt = GPTConfig(tokenizer.text_vocab, context=96, width=16, layers=2, heads=2, dropout=0.0)
    diffusion = DiffusionConfig(
        latent=LATENT, condition=16, slots=SLOTS, width=24, depth=1, dropout=0.0
    )
    network = Bimodal(BimodalConfig(gpt, diffusion)).eval()
    for weight in network.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    network.heads.latent_scale.fill_(0.8)
    return network


def latents(number: int, seed: int = 1) -> Tensor:
    return torch.randn(number, LATENT, generator=torch.Generator().manual_seed(seed))


def text_to_motion(packer: Packer) -> tuple[Tokens, Tokens]:
    """The same examples as whole sequences and as prompts."""
    whole = packer.pack([Turn((words,), (Field.MOTION,)) for words in WORDS])
    return whole, packer.pack([Turn((words,), "motion") for words in WORDS])


def test_text_and_motion_of_one_batch_both_teach(model, packer, tokenizer) -> None:
    tokens = packer.pack(
        [
            Turn((WORDS[0],), (Field.MOTION,)),
            Turn(("what is this?", Field.MOTION), (WORDS[1],)),
            Turn((Field.START, Field.END), (Field.MOTION, "!")),
        ]
    )
    told = latents(3).requires_grad_()
    losses = model(tokens, told, latents(2, seed=2), seeded(range(2)))
    assert losses.text.mean() > 0 and losses.motion.mean() > 0
    (losses.text.mean() + losses.motion.mean()).backward()
    assert (told.grad.abs().sum(-1) > 0).all(), "every observed motion is heard"
    grad = model.gpt.wte.weight.grad
    assert grad[tokenizer.eos].any() and grad[tokenizer.encode("!")[0]].any()


def test_each_motion_goes_where_it_is_named(model, packer) -> None:
    """Latents are placed in the order the packer lists them, each in its own row."""
    turns = [Turn((Field.START, "and", Field.END), "text"), Turn(("x", Field.MOTION), "text")]
    tokens, told = packer.pack(turns), latents(3)
    together = model.read(tokens, told)[1]
    for row, own in ((0, told[:2]), (1, told[2:])):
        alone = model.read(packer.pack([turns[row]]), own)[1]
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=1e-4)
    swapped = model.read(tokens, told[[1, 0, 2]])[1]
    assert not torch.allclose(swapped[0], together[0]) and torch.equal(swapped[1], together[1])


def test_losses_of_nothing_are_zero(model, packer) -> None:
    words = packer.pack([Turn((WORDS[0],), (WORDS[1],))])
    losses = model(words, latents(0), latents(0))
    assert losses.motion.mean() == 0 and losses.text.mean() > 0
    prompt = packer.pack([Turn((WORDS[0],), "motion")])
    losses = model(prompt, latents(0), latents(0))
    assert losses.text.mean() == 0 and losses.text.mean().requires_grad


def test_a_failing_head_stops_training(model, packer, monkeypatch) -> None:
    """No error is swallowed into a loss of zero."""

    def broken(*_) -> Tensor:
        raise RuntimeError("the head is broken")

    monkeypatch.setattr(model.heads.diffusion, "losses", broken)
    whole, _ = text_to_motion(packer)
    with pytest.raises(RuntimeError, match="broken"):
        model(whole, latents(0), latents(3), seeded(range(3)))


def greedy(model: Bimodal, packer: Packer, words: str, limit: int) -> list[int]:
    """The likeliest answer, the whole sequence read anew for every token."""
    ids = packer.pack([Turn((words,), "text")]).ids
    start = ids.shape[1]
    for _ in range(limit):
        hidden = model.gpt(model.gpt.wte(ids), torch.full_like(ids, TEXT))
        words = model.gpt.logits(hidden[:, -1])[:, :-2]  # an answer in words holds no motion
        ids = torch.cat([ids, words.argmax(-1, keepdim=True)], 1)
    return ids[0, start:].tolist()


def test_the_likeliest_answer_is_written(model, packer) -> None:
    prompts = packer.pack([Turn((words,), "text") for words in WORDS])
    answers = model.write_text(prompts, latents(0), stop=-1, limit=9)
    assert answers == [greedy(model, packer, words, 9) for words in WORDS]


def test_writing_ends_at_the_stop_token_row_by_row(model, packer) -> None:
    prompts = packer.pack([Turn((words,), "text") for words in WORDS])
    full = model.write_text(prompts, latents(0), stop=-1, limit=9)
    for stop in {token for answer in full for token in answer}:
        ended = [a[: a.index(stop)] if stop in a else a for a in full]
        assert model.write_text(prompts, latents(0), stop, 9) == ended
    assert model.write_text(prompts, latents(0), stop=-1, limit=0) == [[], [], []]


def test_writing_is_told_about_motions(model, packer) -> None:
    turn = Turn(("what is", Field.MOTION), "text")
    prompts, told = packer.pack([turn] * 4), latents(4)
    scores = model.read(prompts, told)[1]
    assert scores.std(0).max() > 1e-3
    answers = model.write_text(prompts, told, -1, 5)
    for row, answer in enumerate(answers):
        assert model.write_text(packer.pack([turn]), told[row : row + 1], -1, 5) == [answer]


def test_a_latent_does_not_depend_on_its_place_in_the_batch(model, packer) -> None:
    _, prompt = text_to_motion(packer)
    sampling = Sampling(steps=5)
    together = model.make(prompt, latents(0), [9] * 3, item_generators(7, [0, 1, 0]), sampling)
    for row, index in enumerate((0, 1, 0)):
        alone = packer.pack([Turn((WORDS[row],), "motion")])
        made = model.make(alone, latents(0), [9], item_generators(7, [index]), sampling)
        torch.testing.assert_close(made[0], together[row], atol=1e-4, rtol=1e-4)
    again = model.make(prompt, latents(0), [9] * 3, item_generators(7, [0, 1, 0]), sampling)
    assert torch.equal(again, together)
    other = model.make(prompt, latents(0), [9] * 3, item_generators(8, [0, 1, 0]), sampling)
    assert not torch.allclose(other, together)


def test_latents_are_scaled_on_the_way_in_and_back_on_the_way_out(model, packer) -> None:
    whole, prompt = text_to_motion(packer)
    sampling = Sampling(steps=3)
    before = model.make(prompt, latents(0), [9] * 3, item_generators(0, [0, 1, 2]), sampling)
    loss = model(whole, latents(0), latents(3), seeded(range(3))).motion.mean()
    model.heads.latent_scale.mul_(2)
    after = model.make(prompt, latents(0), [9] * 3, item_generators(0, [0, 1, 2]), sampling)
    torch.testing.assert_close(after * 2, before)
    again = model(whole, latents(0), latents(3) / 2, seeded(range(3))).motion.mean()
    torch.testing.assert_close(again, loss)


MOTION_FIRST = Turn((Field.MOTION, "what is this?"), (WORDS[2],))
TEXT_ALONE = [Turn((WORDS[2],), (WORDS[1],)), Turn((), (WORDS[1],))]
MIXED = [
    Turn((WORDS[0],), (Field.MOTION,)),
    MOTION_FIRST,
    Turn((WORDS[0],), (Field.MOTION, "!")),  # begins like the first
    Turn((WORDS[2], Field.START, "then", Field.MASKED, Field.END), (Field.MOTION,)),
    *TEXT_ALONE,
]
"""Text before a motion, after it, between two, and alone."""


def taught(model: Bimodal, batch: tuple[Tokens, Tensor, Tensor], text_frozen: bool):
    """The losses of a batch and the gradients of everything but a frozen text branch."""
    torch.manual_seed(3)
    model.zero_grad()
    losses = model(*batch, seeded(range(len(batch[2]))), text_frozen)
    (losses.text.mean() + losses.motion.mean()).backward()
    return losses, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("branches", [1, 2])
@pytest.mark.parametrize("layers", [None, (1,), ()])
@pytest.mark.parametrize("turns", [MIXED, TEXT_ALONE, [MOTION_FIRST]])
def test_frozen_text_is_read_once_without_gradient(model, packer, branches, layers, turns) -> None:
    config = model.config
    gpt = replace(config.gpt, branches=branches, cross_modal_layers=layers)
    torch.manual_seed(2)
    model = Bimodal(replace(config, gpt=gpt, masked=True)).train()
    for weight in [*model.gpt.branch(TEXT), model.gpt.wte.weight, model.gpt.wpe.weight]:
        weight.requires_grad_(False)
    tokens = packer.pack(turns)
    codes = latents(len(tokens.told_fields)), latents(len(tokens.asked_fields), seed=2)
    plain, plainly = taught(model, (tokens, *codes), False)
    once, gradients = taught(model, (tokens, *codes), True)
    for ours, theirs in ((once.text, plain.text), (once.motion, plain.motion)):
        torch.testing.assert_close(ours.mean(), theirs.mean(), atol=1e-6, rtol=1e-6)
        for row in ours.rows.unique():
            pair = [each.values[each.rows == row] for each in (ours, theirs)]
            torch.testing.assert_close(*pair, atol=1e-6, rtol=1e-5)
    assert gradients.keys() == plainly.keys() and "gpt.control.weight" in gradients
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, plainly[name], atol=1e-6, rtol=1e-5, msg=name)


def test_text_that_comes_before_all_motion_takes_no_gradient_and_no_dropout(
    model, packer, monkeypatch
) -> None:
    read, teacher = [], deepcopy(model).eval()
    for who in (model, teacher):

        def watched(x, *args, gpt=who.gpt, forward=who.gpt.forward):
            read.append(
                (gpt is model.gpt, len(x), x.shape[1], torch.is_grad_enabled(), gpt.training)
            )
            return forward(x, *args)

        monkeypatch.setattr(who.gpt, "forward", watched)
    model.train()
    turns = [Turn((WORDS[0],), (Field.MOTION,))] * 3 + [Turn((), (Field.MOTION,))]
    tokens = packer.pack([*turns, Turn((WORDS[0], Field.START), (Field.MOTION,))])
    first, made = tokens.valid.sum(1)[[0, 4]].tolist(), SLOTS + 3  # <som>, slots, <eom>, <eos>
    words = first[0] - made
    codes, noise = (latents(1), latents(5, seed=1)), seeded(range(5))
    begun, short = (True, 3, words, False, False), (True, 4, made, True, True)
    long = (True, 1, first[1] - words + 1, True, True)  # the question ends with a motion
    model(tokens, *codes, noise, text_frozen=True)
    assert read == [begun, short, long], "a sequence that goes on for longer is read apart"
    read.clear()
    told = Teacher(teacher, torch.tensor([True, False, False, True, False]))
    model(tokens, *codes, noise, text_frozen=True, teacher=told)
    assert read[:3] == [begun, short, long]
    assert read[3:] == [(False, 2, made, False, False), (False, 0, 1, False, False)], "its rows"


def test_losses_of_every_kind_of_sequence_add_up(model, packer) -> None:
    model = Bimodal(replace(model.config, masked=True))
    losses = model(packer.pack(MIXED), latents(3), latents(3, seed=2), seeded(range(3)))
    kind = torch.tensor([0, 1, 0, 2, 1, 1])
    for each in (losses.text, losses.motion):
        means, counts = each.mean_of(kind, 4), kind[each.rows].bincount(minlength=4)
        assert not means.requires_grad and bool(torch.isnan(means[counts == 0]).all())
        total = (means * counts)[counts > 0].sum() / counts.sum()
        torch.testing.assert_close(total, each.mean().detach())
    assert losses.motion.rows.tolist() == [0, 2, 3]


@pytest.mark.parametrize("text_frozen", [False, True])
@pytest.mark.parametrize("codebook", [0, 8])
def test_who_is_its_own_teacher_learns_nothing_more(model, packer, codebook, text_frozen) -> None:
    torch.manual_seed(2)
    model = Bimodal(replace(model.config, masked=not codebook, codebook=codebook)).eval()
    turns = MIXED[:3] if codebook else MIXED  # ids know no missing motions
    tokens = packer.pack(turns)
    asked = (1, 2) if codebook else (3, 3)
    codes = [torch.randint(8, (n, SLOTS)) if codebook else latents(n, seed=n) for n in asked]
    plain = model(tokens, *codes, seeded(range(3)), text_frozen)
    rows = torch.tensor([True, False, False, True, True, False][: len(turns)])
    losses = model(tokens, *codes, seeded(range(3)), text_frozen, Teacher(model, rows))
    for ours, theirs in ((losses.text, plain.text), (losses.motion, plain.motion)):
        own = rows[ours.rows]
        torch.testing.assert_close(ours.values[~own], theirs.values[~own])
        assert own.any() and (ours.values[own] != theirs.values[own]).all()
        ours.values[own].sum().backward(retain_graph=True)
    for name, weight in model.named_parameters():
        assert weight.grad is None or weight.grad.abs().max() < 1e-5, name


@pytest.mark.parametrize("codebook", [0, 8])
def test_what_a_teacher_says_is_learned_whatever_is_there(model, packer, codebook) -> None:
    torch.manual_seed(2)
    model, other = (Bimodal(replace(model.config, codebook=codebook)).eval() for _ in range(2))
    tokens, all_rows = text_to_motion(packer)[0], torch.ones(3, dtype=torch.bool)
    there, else_ = [
        torch.randint(8, (3, SLOTS)) if codebook else latents(3, seed=n) for n in range(2)
    ]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def losses(codes: Tensor) -> Tensor:
        made = model(tokens, codes[:0], codes, seeded(range(3)), teacher=Teacher(other, all_rows))
        return torch.stack([made.text.mean(), made.motion.mean()])

    before = losses(there).detach()
    for _ in range(60):
        optimizer.zero_grad()
        losses(there).sum().backward()
        optimizer.step()
    assert (losses(there) < before).all() and (losses(else_) < before).all()
    assert all(weight.grad is None for weight in other.parameters())
