"""The motion VQ-VAE: ids that do not depend on the batch, a codebook that follows its clips."""

import pytest
import torch
from torch import Tensor

from motiongpt3.errors import InputError
from motiongpt3.model.heads import CodeHeads
from motiongpt3.model.vq import FRAMES_PER_CODE, NO_CODE, MotionVQ, VQConfig

SMALL = VQConfig(features=12, codebook=16, width=8, depth=2)
LENGTHS = torch.tensor([21, 8, 40])


@pytest.fixture
def vq() -> MotionVQ:
    torch.manual_seed(0)
    return MotionVQ(SMALL).eval()


def clips(seed: int = 0) -> Tensor:
    return torch.randn(3, 40, 12, generator=torch.Generator().manual_seed(seed))


def test_the_papers_size_is_the_default() -> None:
    config = VQConfig()
    assert (config.codebook, config.width, FRAMES_PER_CODE) == (512, 512, 4)


@torch.no_grad()
def test_ids_and_frames_of_a_clip_do_not_depend_on_its_neighbours(vq: MotionVQ) -> None:
    codes = vq.to_codes(clips(), LENGTHS)
    assert codes.shape == (3, 10)
    made = vq.from_codes(codes, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        number = -(-length // FRAMES_PER_CODE)
        assert (codes[row, :number] >= 0).all() and (codes[row, number:] == NO_CODE).all()
        alone = vq.to_codes(clips()[row : row + 1, :length], LENGTHS[row : row + 1])
        assert torch.equal(alone[0], codes[row, :number])
        frames = vq.from_codes(alone, LENGTHS[row : row + 1])
        torch.testing.assert_close(frames[0], made[row, :length], atol=1e-5, rtol=1e-4)
        assert not made[row, length:].any()


@torch.no_grad()
def test_frames_past_the_end_are_not_looked_at(vq: MotionVQ) -> None:
    inside = torch.arange(40) < LENGTHS[:, None]
    other = torch.where(inside[..., None], clips(), 99.0)
    assert torch.equal(vq.to_codes(other, LENGTHS), vq.to_codes(clips(), LENGTHS))


def test_the_gradient_passes_through_the_codebook(vq: MotionVQ) -> None:
    x = clips().requires_grad_()
    made, commitment = vq(x, LENGTHS)
    made.square().sum().backward()
    assert x.grad is not None and x.grad[2].any() and commitment > 0


def test_entries_follow_the_vectors_that_choose_them(vq: MotionVQ) -> None:
    book = vq.codebook
    book.entries.copy_(
        torch.eye(8).repeat(2, 1) * torch.tensor([1.0, -1.0]).repeat_interleave(8)[:, None]
    )
    vectors = 3 * torch.eye(8)[:2].repeat(200, 1)
    for _ in range(3):
        book.follow(vectors, book.nearest(vectors))
    torch.testing.assert_close(book.entries[:2], vectors[:2])
    distance = torch.cdist(book.entries[2:], vectors[:2]).min(1).values
    assert (distance < 1e-5).all(), "entries nobody chose are put where a vector is"


def test_entries_follow_in_full_precision_under_autocast(vq: MotionVQ) -> None:
    entries = vq.codebook.entries.clone()
    with torch.autocast("cpu", torch.bfloat16):
        made, commitment = vq.train()(torch.randn(2, 40, SMALL.features), torch.tensor([40, 32]))
    assert torch.isfinite(made).all() and torch.isfinite(commitment)
    assert vq.codebook.entries.dtype == torch.float32
    assert not torch.equal(vq.codebook.entries, entries)


def test_a_small_one_learns_to_reconstruct() -> None:
    torch.manual_seed(0)
    vq = MotionVQ(SMALL).train()
    time = torch.arange(40)[:, None] / 6
    size = torch.tensor([0.3, 0.6, 0.9, 1.2])[:, None, None]
    x = size * torch.sin(time + torch.arange(12) / 2)
    length = torch.full((4,), 40)
    optimizer = torch.optim.Adam(vq.parameters(), 3e-3)
    first = None
    for _ in range(150):
        made, commitment = vq(x, length)
        loss = (made - x).square().mean() + 0.02 * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = first or float(loss)
    assert float(loss) < 0.2 * first
    assert len(vq.eval().to_codes(x, length).unique()) > 4


def test_heads_place_every_id_and_learn_the_next_one() -> None:
    torch.manual_seed(0)
    heads = CodeHeads(16, 8)
    codes = torch.tensor([[3, 1, 2], [5, NO_CODE, NO_CODE]])
    assert heads.slots(9, asked=True) == heads.slots(12, asked=False) == 3
    embedded, asked = heads.embed(codes), heads.ask(codes)
    assert torch.equal(embedded, heads.ids.weight[[3, 1, 2, 5]])
    start = heads.motion_out[0]
    expected = torch.stack([start, *heads.ids.weight[[3, 1]], start])
    assert torch.equal(asked, expected)
    hidden = torch.zeros(4, 8)
    assert float(heads.losses(hidden, codes, []).mean()) == pytest.approx(
        torch.tensor(16.0).log().item()
    )


@pytest.mark.parametrize("wrong", [{"codebook": 1}, {"depth": 0}, {"decay": 1.0}])
def test_impossible_sizes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        VQConfig(**wrong)
