"""The motion VAE: padding is not seen, the linear path fits, sizes are the paper's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from clips import lines
from torch import Tensor

from motiongpt3.data.dataset import pad
from motiongpt3.data.statistics import statistics
from motiongpt3.model.noise import seeded
from motiongpt3.model.spline import SplinePath, spline_basis
from motiongpt3.model.vae import Gaussian, MotionVAE, VAEConfig
from motiongpt3.motion.features import Layout, joints_to_features

TINY = VAEConfig(width=16, layers=3, heads=2, feedforward=32, dropout=0.0, positions=128)
VARIANTS = [
    {"frames_per_token": frames, "latents": latents, "spline_points": points}
    for frames in (1, 4)
    for latents in (1, 2)
    for points in (0, 8)
]
NAMES = ["-".join(f"{k[0]}{v}" for k, v in variant.items()) for variant in VARIANTS]
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def make(**changes) -> MotionVAE:
    """A small VAE in which every weight counts: none is left at zero."""
    torch.manual_seed(0)
    vae = MotionVAE(replace(TINY, **changes)).eval()
    for weight in vae.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    if vae.spline is not None:
        vae.spline.decoder.normal_(std=0.2)
        vae.spline.mean.normal_(std=0.2)
        vae.spline.scale.fill_(1.5)
    return vae


def clips(lengths: tuple[int, ...], frames: int = 0, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random features, rubbish after their ends."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), frames or max(lengths), TINY.features)
    return torch.randn(shape, generator=generator), torch.tensor(lengths)


@pytest.fixture(scope="module")
def walkers() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalised features of the made-up clips, their lengths, mean and std."""
    features = [joints_to_features(line.motion.joints, hip_sign="corrected") for line in lines(6)]
    mean, std = map(torch.from_numpy, statistics(np.concatenate(features)))
    padded, length = pad(features)
    return (torch.from_numpy(padded) - mean) / std, torch.from_numpy(length), mean, std


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_neither_padding_nor_neighbours_are_seen(variant) -> None:
    vae = make(**variant)
    x, length = clips((7, 21, 13))
    together = vae.encode(x, length)
    made = vae.decode(together.mean, length)
    assert made.shape == x.shape
    for row, n in enumerate(length.tolist()):
        alone = vae.encode(x[row : row + 1, :n], length[row : row + 1])
        torch.testing.assert_close(together.mean[row : row + 1], alone.mean, **CLOSE)
        torch.testing.assert_close(together.log_variance[row], alone.log_variance[0], **CLOSE)
        single = vae.decode(together.mean[row : row + 1], length[row : row + 1])
        torch.testing.assert_close(made[row, :n], single[0], **CLOSE)
        assert not made[row, n:].any()


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_every_frame_and_every_latent_counts(variant) -> None:
    vae = make(**variant)
    x, length = clips((9, 12))
    x.requires_grad_()
    posterior = vae.encode(x, length)
    latents = variant["latents"]
    assert posterior.mean.shape == posterior.log_variance.shape == (2, latents, TINY.width)
    posterior.mean.square().sum().backward()
    seen = x.grad.abs().sum(-1)
    assert (seen[0, :9] > 0).all() and (seen[1] > 0).all() and not seen[0, 9:].any()
    latent = posterior.mean.detach().requires_grad_()
    vae.decode(latent, length).square().sum().backward()
    assert (latent.grad.abs().sum(-1) > 0).all()


def test_the_length_asked_for_is_made() -> None:
    vae = make(frames_per_token=4, spline_points=8)
    latent = torch.randn(3, 1, TINY.width)
    for frames in (1, 4, 5, 90):
        made = vae.decode(latent, torch.tensor([frames] * 3))
        assert made.shape == (3, frames, 263) and made.isfinite().all()


def test_before_training_the_linear_path_is_the_whole_vae() -> None:
    torch.manual_seed(0)
    vae = MotionVAE(replace(TINY, spline_points=8)).eval()
    vae.spline.decoder.normal_()
    x, length = clips((9, 12))
    posterior = vae.encode(x, length)
    assert torch.equal(posterior.mean[:, 0], vae.spline.encode(x, length))
    assert (posterior.log_variance == -7).all()
    made = vae.decode(posterior.mean, length)
    linear = vae.spline.decode(posterior.mean[:, 0], length, 12)
    assert torch.equal(made[..., : linear.shape[-1]][1], linear[1])
    assert not made[..., linear.shape[-1] :].any()


def test_the_fitted_linear_path_is_far_better_than_the_mean(walkers) -> None:
    x, length, _, std = walkers
    torch.manual_seed(0)
    vae = MotionVAE(replace(TINY, width=8, heads=2, spline_points=12)).eval()
    points = vae.spline.control_points(x, length)
    vae.spline.fit(points, std)
    latent = vae.encode(x, length).mean.detach()
    # Latents of the data are centred and near unit spread, which is what a prior expects.
    torch.testing.assert_close(latent.mean(0), torch.zeros(1, 8), atol=1e-3, rtol=0)
    assert float(latent.square().mean()) == pytest.approx(1, rel=0.05)
    made = vae.decode(latent, length)
    inside = torch.arange(x.shape[1]) < length[:, None]
    where = Layout(22).positions
    error = (made - x)[inside][:, where].square().mean()
    nothing = x[inside][:, where].square().mean()
    assert error < 0.25 * nothing


def test_fitting_is_repeatable(walkers) -> None:
    x, length, _, std = walkers
    decoders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        path = SplinePath(12, Layout(22), 8)
        path.fit(path.control_points(x, length), std)
        decoders.append(path.decoder)
    assert torch.equal(*decoders)


@pytest.mark.parametrize("frames", [1, 5, 60])
def test_splines_add_up_to_one_and_end_with_the_clip(frames: int) -> None:
    basis = spline_basis(torch.tensor([frames, 80]), 80, 12)
    total = basis.sum(-1)
    torch.testing.assert_close(total[0, :frames], torch.ones(frames))
    torch.testing.assert_close(total[1], torch.ones(80))
    assert not basis[0, frames:].any() and (basis >= 0).all()


def test_control_points_reproduce_a_smooth_clip() -> None:
    path = SplinePath(12, Layout(22), 4)
    time = torch.linspace(0, 1, 60)[:, None]
    x = torch.zeros(1, 60, 263)
    x[0, :, 3:67] = torch.sin(3 * time + torch.arange(64))
    x[0, :, 1] = 0.05
    points = path.control_points(x, torch.tensor([60]))
    channels = spline_basis(torch.tensor([60]), 60, 12) @ points.unflatten(-1, (12, -1))
    torch.testing.assert_close(channels[..., 3:], x[..., 3:67], atol=0.01, rtol=0)
    torch.testing.assert_close(channels[..., 1], x[..., 1].cumsum(1), atol=0.01, rtol=0)


def test_short_clips_are_finite() -> None:
    vae = make(spline_points=48, frames_per_token=4)
    x, length = clips((1, 2, 8))
    assert vae.decode(vae.encode(x, length).mean, length).isfinite().all()


def test_draws_and_divergence_are_those_of_gaussians() -> None:
    mean, log_variance = torch.randn(2, 1, 8), torch.randn(2, 1, 8)
    posterior = Gaussian(mean, log_variance)
    ours = torch.distributions.Normal(mean, (log_variance / 2).exp())
    unit = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(
        posterior.kl(), torch.distributions.kl_divergence(ours, unit).mean(), atol=1e-6, rtol=1e-5
    )
    draws = torch.stack([posterior.sample(seeded([2 * n, 2 * n + 1])) for n in range(4000)])
    torch.testing.assert_close(draws.std(0), (log_variance / 2).exp(), rtol=0.08, atol=0)
    torch.testing.assert_close(draws.mean(0), mean, rtol=0, atol=0.2)


def test_the_defaults_are_the_papers_size() -> None:
    vae = MotionVAE(VAEConfig())
    assert sum(p.numel() for p in vae.parameters()) == 18_032_135
