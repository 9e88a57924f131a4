"""The diffusion head: what it learns, draws and refuses."""

from collections.abc import Iterator
from dataclasses import replace

import jaxtyping
import pytest
import torch
from torch import Tensor

from motiongpt3.errors import InputError
from motiongpt3.model.denoiser import sinusoids
from motiongpt3.model.diffusion import DiffusionConfig, DiffusionHead
from motiongpt3.model.losses import Lesson
from motiongpt3.model.noise import item_generators, seeded
from motiongpt3.model.sampling import Sampling

TINY = DiffusionConfig(latent=3, condition=16, slots=2, width=64, depth=2, dropout=0.0)
ALL_TARGETS = ["epsilon", "x0", "v", "flow"]


def test_noise_levels_are_described_as_in_diffusers():
    pytest.importorskip("diffusers")
    from diffusers.models.embeddings import get_timestep_embedding

    t = torch.tensor([0, 1, 500, 999])
    expected = get_timestep_embedding(t, 256, flip_sin_to_cos=True, downscale_freq_shift=0)
    torch.testing.assert_close(sinusoids(t), expected, atol=1e-4, rtol=0)


def test_sizes_are_the_papers():
    with torch.device("meta"):
        head = DiffusionHead(DiffusionConfig())
    total = sum(p.numel() for p in head.parameters())
    assert head.nothing.numel() == 3_072
    assert total - head.nothing.numel() == 27_947_776
    assert head.pool.position.shape == (500, 768) and 0 <= DiffusionConfig().drop_condition < 1


def make(**changes) -> DiffusionHead:
    torch.manual_seed(0)
    return DiffusionHead(replace(TINY, **changes)).eval()


def test_the_position_table_starts_between_0_and_1():
    position = make().pool.position
    assert 0 <= position.min() < 0.01 and 0.99 < position.max() <= 1


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "ddpm"])
def test_a_sample_does_not_depend_on_its_place_in_the_batch(sampler):
    head, hidden, sampling = make(), torch.randn(3, 2, 16), Sampling(sampler, 5)
    together = head.sample(hidden, item_generators(7, [0, 1, 2]), sampling)
    for i in range(3):
        alone = head.sample(hidden[i : i + 1], item_generators(7, [i]), sampling)
        torch.testing.assert_close(alone[0], together[i], atol=1e-4, rtol=1e-4)
    again = head.sample(hidden, item_generators(7, [0, 1, 2]), sampling)
    assert torch.equal(together, again)
    other = head.sample(hidden, item_generators(8, [0, 1, 2]), sampling)
    assert not torch.isclose(together, other).any()


def test_guidance_leads_from_the_unconditional_guess_to_beyond_the_conditional():
    head, hidden = make(), torch.randn(2, 2, 16)
    torch.nn.init.normal_(head.nothing)

    def drawn(hidden: Tensor, guidance: float) -> Tensor:
        return head.sample(hidden, item_generators(0, [0, 1]), Sampling("dpm++", 1, guidance))

    told, untold = drawn(hidden, 1.0), drawn(head.nothing.expand_as(hidden), 1.0)
    assert not torch.isclose(told, untold).any()
    torch.testing.assert_close(drawn(hidden, 0.0), untold, atol=1e-3, rtol=1e-4)
    expected = untold + 3 * (told - untold)  # one step is linear in what the network says
    torch.testing.assert_close(drawn(hidden, 3.0), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_dropped_condition_is_replaced_by_the_learned_nothing(share):
    head, hidden = make(drop_condition=share), torch.randn(5, 2, 16, requires_grad=True)
    head.losses(torch.randn(5, 3), hidden, seeded(range(5))).mean().backward()
    assert bool(hidden.grad.any()) == (share == 0)
    assert bool(head.nothing.grad.any()) == (share == 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_is_said_untold_is_learned_from_who_teaches_whatever_is_there(share):
    head, hidden = make(drop_condition=share).eval(), torch.randn(5, 2, 16)
    lesson = Lesson(head, hidden, torch.zeros(5, dtype=torch.bool))
    losses = head.losses(torch.randn(5, 3), hidden, seeded(range(5)), lesson)
    assert ((losses < 1e-9) if share else (losses > 0.1)).all(), "it says what it said"


def test_the_loss_is_repeatable_and_zero_without_motions():
    head, latents, hidden = make(), torch.randn(5, 3), torch.randn(5, 2, 16, requires_grad=True)
    losses = [head.losses(latents, hidden, seeded(range(s, s + 5))).mean() for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    alone = [head.losses(latents[n, None], hidden[n, None], seeded([n])).mean() for n in range(5)]
    torch.testing.assert_close(torch.stack(alone).mean(), losses[0])  # noise is the latent's own
    nothing = head.losses(latents[:0], hidden[:0], []).sum()
    nothing.backward()
    assert nothing.item() == 0
    assert head.sample(hidden[:0], [], Sampling()).shape == (0, 3)


@pytest.mark.parametrize("prediction", ALL_TARGETS)
def test_the_head_learns_to_draw_what_it_is_told(prediction):
    head = make(prediction=prediction, draws=32, width=96).train()
    told = torch.randn(4, 2, 16)
    latents = torch.tensor([[1.0, 1, 0], [-1, 1, 1], [1, -1, -1], [-1, -1, 0]])
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3)
    for step in range(250):
        optimizer.zero_grad()
        head.losses(latents, told, seeded(range(4 * step, 4 * step + 4))).mean().backward()
        optimizer.step()
    generators = item_generators(0, range(16))
    drawn = head.eval().sample(told.repeat(4, 1, 1), generators, Sampling(guidance=1.5))
    nearest = torch.cdist(drawn, latents).argmin(1)
    assert (nearest == torch.arange(4).repeat(4)).float().mean() >= 0.9


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the tests' own type checks, which would refuse before the code can."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def test_guidance_stops_where_it_is_told_to():
    """From the top level on it does nothing, from level 0 on it is guidance as ever."""
    head, hidden = make(), torch.randn(2, 2, 16)

    def drawn(guidance: float, guided_from: int | None) -> Tensor:
        sampling = Sampling("ddim", 8, guidance, guided_from)
        return head.sample(hidden, item_generators(0, [0, 1]), sampling)

    assert torch.equal(drawn(3.0, 1000), drawn(1.0, None))
    assert torch.equal(drawn(3.0, 0), drawn(3.0, None))
    part = drawn(3.0, 500)
    assert not torch.allclose(part, drawn(3.0, 0)) and not torch.allclose(part, drawn(1.0, 0))


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "ddpm"])
def test_temperature_is_a_factor_on_the_noise(sampler):
    head, hidden = make(), torch.randn(1, 2, 16).expand(64, 2, 16)

    def drawn(temperature: float | None) -> Tensor:
        sampling = Sampling(sampler, 20, 1.0, temperature=temperature)
        return head.sample(hidden, item_generators(0, range(64)), sampling)

    assert torch.equal(drawn(1.0), drawn(None))
    assert drawn(0.0).std(0).max() < 1e-6, "all alike"
    spreads = [drawn(temperature).std(0).mean() for temperature in (0.3, 0.6, 1.0)]
    assert spreads == sorted(spreads)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampler": "euler"},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"steps": 0},
        {"steps": 1001},
        {"steps": 2.5},
        {"steps": 2.5},
        {"guidance": float("nan")},
        {"guided_from": 1001},
    ],
)
def test_impossible_sampling_is_refused(wrong, unchecked):
    with pytest.raises(InputError):
        Sampling(**wrong)


@pytest.mark.parametrize("wrong", [{"pool_heads": 3}, {"beta_start": 0.0}, {"slots": 500}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(InputError):
        replace(TINY, **wrong)
    with pytest.raises(ValueError, match="1 generators for 2 motions"):
        make().sample(torch.randn(2, 2, 16), item_generators(0, [0]), Sampling())


@pytest.mark.parametrize("prediction", ALL_TARGETS)
def test_a_gaussian_start_draws_that_gaussian_before_any_training(prediction) -> None:
    torch.manual_seed(0)
    config = replace(TINY, gaussian_start=True, prediction=prediction)
    head = DiffusionHead(config).eval()
    spread = torch.tensor([3.0, 0.5, 0.2])
    head.spread.copy_(spread)
    number = 1500
    sampling = Sampling("ddim", steps=250, guidance=1.0)
    hidden = torch.randn(number, config.slots, config.condition)
    drawn = head.sample(hidden, item_generators(0, range(number)), sampling)
    assert torch.allclose(drawn.std(0) / spread, torch.ones(3), atol=0.08)
    assert (drawn.mean(0).abs() < 0.08 * spread).all()
    assert drawn.T.corrcoef().fill_diagonal_(0).abs().max() < 0.08


@pytest.mark.parametrize("level", [0, 10, 500, 999])
def test_an_even_loss_counts_every_component_by_its_own_spread(level: int, monkeypatch) -> None:
    """Of independent Gaussians the best guess leaves one spread of what is open, at every level."""
    torch.manual_seed(0)
    even = replace(TINY, gaussian_start=True, prediction="v", evenness=1.0, draws=1)
    spread = torch.tensor([3.0, 0.5, 0.2])
    latents = spread * torch.randn(4000, 3)
    hidden = torch.zeros(4000, even.slots, even.condition)
    levels = torch.full((4000,), level)
    found = {}
    for config in (even, replace(even, evenness=0.0)):
        head = DiffusionHead(config).eval()
        head.spread.copy_(spread)
        monkeypatch.setattr(head, "_drawn_levels", lambda *_: levels)
        losses = head.losses(latents, hidden, seeded(range(len(latents))))
        found[config.evenness] = float(losses.mean().detach())
    keep = head.alpha_bar[level]
    plain = (spread**2 / (keep * spread**2 + 1 - keep)).mean()
    assert found[1.0] == pytest.approx(1.0, abs=0.05)
    assert found[0.0] == pytest.approx(float(plain), rel=0.08)
    with pytest.raises(InputError, match="gaussian_start"):
        replace(TINY, evenness=0.5)


def test_a_told_start_learns_the_gaussian_of_what_is_asked() -> None:
    """Two things to ask for: one held still, one with much room; the network says nothing."""
    torch.manual_seed(0)
    gaussian = {"gaussian_start": True, "told_start": True, "quiet": 1.0}
    config = replace(TINY, **gaussian, prediction="v", draws=8)
    head = DiffusionHead(config)
    asked = torch.randn(2, config.slots, config.condition)
    middle = torch.tensor([[0.5, -1.0, 0.0], [0.0, 0.0, 2.0]])
    spread = torch.tensor([[0.1, 0.05, 0.3], [1.0, 2.0, 0.5]])
    optimizer = torch.optim.Adam(head.told.parameters(), lr=1e-2)
    slower = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.995)
    for step in range(600):
        which = torch.arange(64) % 2
        latents = middle[which] + spread[which] * torch.randn(64, 3)
        seeds = [step * 64 + n for n in range(64)]
        optimizer.zero_grad()
        head.losses(latents, asked[which], seeded(seeds)).mean().backward()
        optimizer.step()
        slower.step()
    head.eval()
    sampling = Sampling("ddim", steps=250, guidance=1.0)
    for n in range(2):
        hidden = asked[n].expand(1500, -1, -1)
        drawn = head.sample(hidden, item_generators(0, range(1500)), sampling)
        torch.testing.assert_close(drawn.std(0), spread[n], rtol=0.25, atol=0.0)
        assert ((drawn.mean(0) - middle[n]).abs() < 0.25 * spread[n]).all()


def test_quiet_draws_are_even_in_the_logarithm_of_the_noise() -> None:
    head = DiffusionHead(replace(TINY, draws=8, quiet=0.75))
    levels = head._drawn_levels(seeded(range(2000))).unflatten(0, (2000, 8))
    loud, quiet = levels[:, :2].double().flatten(), levels[:, 2:].flatten()
    assert loud.mean() == pytest.approx(500, abs=20)
    noise = (1 - head.alpha_bar).sqrt()
    share = noise[quiet].log() / noise[0].log()  # 1 at the quietest level, 0 at pure noise
    for place in (0.25, 0.5, 0.75):
        assert (share < place).double().mean() == pytest.approx(place, abs=0.06)
    again = head._drawn_levels(seeded([7]))
    assert torch.equal(again, levels[7]), "an item's levels are its own"
    for wrong in ({"quiet": 1.5}, {"quiet": 0.5, "prediction": "flow"}):
        with pytest.raises(InputError, match="quiet"):
            replace(TINY, **wrong)


def test_a_told_start_is_silent_before_training() -> None:
    torch.manual_seed(0)
    config = replace(TINY, gaussian_start=True, prediction="v")
    plain, told = DiffusionHead(config), DiffusionHead(replace(config, told_start=True))
    for head in (plain, told):
        torch.nn.init.normal_(head.denoiser.out.weight)
    told.load_state_dict(plain.state_dict(), strict=False)
    hidden, latents = torch.randn(5, 2, 16), torch.randn(5, 3)
    found = [head.eval().losses(latents, hidden, seeded(range(5))) for head in (plain, told)]
    assert torch.equal(*found)
    with pytest.raises(InputError, match="gaussian_start"):
        replace(TINY, told_start=True)
