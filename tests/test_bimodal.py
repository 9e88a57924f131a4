"""The bimodal model: one loss however it is read, answers that stop, noise that stays its own."""

import pytest
import torch
from torch import Tensor

from motiongpt3.data.tasks import Field
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.diffusion import DiffusionConfig, item_generators
from motiongpt3.model.gpt import TEXT, GPTConfig
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
    losses = model(tokens, told, latents(2, seed=2))
    assert losses.text > 0 and losses.motion > 0
    (losses.text + losses.motion).backward()
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
    assert losses.motion == 0 and losses.text > 0
    prompt = packer.pack([Turn((WORDS[0],), "motion")])
    assert model(prompt, latents(0), latents(0)).text == 0


def test_a_failing_head_stops_training(model, packer, monkeypatch) -> None:
    """No error is swallowed into a loss of zero."""

    def broken(*_) -> Tensor:
        raise RuntimeError("the head is broken")

    monkeypatch.setattr(model.heads.diffusion, "loss", broken)
    whole, _ = text_to_motion(packer)
    with pytest.raises(RuntimeError, match="broken"):
        model(whole, latents(0), latents(3))


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
    torch.manual_seed(1)
    loss = model(whole, latents(0), latents(3)).motion
    model.heads.latent_scale.mul_(2)
    after = model.make(prompt, latents(0), [9] * 3, item_generators(0, [0, 1, 2]), sampling)
    torch.testing.assert_close(after * 2, before)
    torch.manual_seed(1)
    torch.testing.assert_close(model(whole, latents(0), latents(3) / 2).motion, loss)
