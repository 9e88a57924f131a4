"""Samplers against those of diffusers and against Gaussians known exactly."""

import pytest
import torch
from torch import Tensor

from motiongpt3.model.noise import item_generators
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.schedule import (
    Clean,
    ddim,
    dpm_solver,
    linear_alpha_bar,
    run_sampler,
    straight_alpha_bar,
    to_clean,
    training_target,
    visited_levels,
)

KEEP = linear_alpha_bar(1000, 0.00085, 0.012).tolist()
LINEAR = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
}
TARGETS = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction"}  # ours: diffusers'
ALL_TARGETS = [*TARGETS, "flow"]
STEPS = [1, 2, 10, 50]


def made_up(x: Tensor, t: int) -> Tensor:
    """A denoiser that means nothing but is smooth, and depends on both of its arguments."""
    mix = torch.linspace(-1, 1, x.shape[-1] ** 2).unflatten(0, (x.shape[-1], -1))
    return torch.tanh(x @ mix + t / 1000)


def clean(prediction: str) -> Clean:
    return lambda x, t: to_clean(prediction, made_up(x, t), x, KEEP[t])


def ours(sampling: Sampling, prediction: str, start: Tensor) -> Tensor:
    generators = item_generators(0, range(len(start)))

    def noise() -> Tensor:
        return torch.stack([torch.randn(start.shape[1], generator=g) for g in generators])

    return run_sampler(clean(prediction), start, KEEP, sampling, noise)


def theirs(scheduler, x: Tensor, **noise) -> Tensor:
    for t in scheduler.timesteps:
        x = scheduler.step(made_up(x, int(t)), t, x, **noise).prev_sample
    return x


def start_noise() -> Tensor:
    return torch.randn(2, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("prediction", TARGETS)
def test_dpm_solver_is_diffusers(prediction, steps):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **LINEAR, prediction_type=TARGETS[prediction], timestep_spacing="linspace"
    )
    scheduler.set_timesteps(steps)  # evenly spaced, ours are not: compare the steps on theirs
    result = dpm_solver(clean(prediction), start_noise(), KEEP, scheduler.timesteps.tolist())
    torch.testing.assert_close(result, theirs(scheduler, start_noise()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", [2, 10, 50])
def test_dpm_solver_visits_the_levels_diffusers_visits_evenly_in_log_snr(steps):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DPMSolverMultistepScheduler(**LINEAR, use_lu_lambdas=True)
    scheduler.set_timesteps(steps)
    rounded = {round(float(t)) for t in scheduler.timesteps}
    ours = set(visited_levels(KEEP, Sampling("dpm++", steps)))
    assert all(min(abs(a - b) for b in rounded) <= 1 for a in ours)
    assert all(min(abs(a - b) for b in ours) <= 1 for a in rounded)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("prediction", TARGETS)
def test_ddpm_is_diffusers(prediction, steps):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(
        **LINEAR, prediction_type=TARGETS[prediction], clip_sample=False
    )
    sampling = Sampling("ddpm", steps)
    scheduler.set_timesteps(timesteps=visited_levels(KEEP, sampling))
    result = ours(sampling, prediction, start_noise())
    expected = theirs(scheduler, start_noise(), generator=item_generators(0, range(2)))
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("prediction", TARGETS)
def test_ddim_is_diffusers(prediction, steps):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(
        **LINEAR, prediction_type=TARGETS[prediction], clip_sample=False
    )
    scheduler.set_timesteps(steps)  # their levels differ from ours: compare the steps on theirs
    result = ddim(clean(prediction), start_noise(), KEEP, scheduler.timesteps.tolist())
    torch.testing.assert_close(result, theirs(scheduler, start_noise()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "sampling", [Sampling("dpm++", 10), Sampling("ddim", 1000), Sampling("ddpm", 1000)]
)
def test_the_exact_denoiser_recovers_a_gaussian(sampling):
    mean, variance = 2.0, 0.3**2

    def exact(x: Tensor, t: int) -> Tensor:
        gain = variance * KEEP[t] ** 0.5 / (variance * KEEP[t] + 1 - KEEP[t])
        return mean + gain * (x - KEEP[t] ** 0.5 * mean)

    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(20_000, 1, generator=generator)

    # The last level still holds 4% of the signal: start from it, not from pure noise.
    start = KEEP[-1] ** 0.5 * mean + (KEEP[-1] * variance + 1 - KEEP[-1]) ** 0.5 * noise()
    drawn = run_sampler(exact, start, KEEP, sampling, noise)
    assert drawn.mean().item() == pytest.approx(mean, abs=0.01)
    assert drawn.std().item() == pytest.approx(0.3, abs=0.01)


def test_the_noise_schedule_is_the_papers():
    keep = torch.tensor(KEEP, dtype=torch.float64)
    assert 1 - keep[0].item() == pytest.approx(0.00085)
    assert 1 - (keep[999] / keep[998]).item() == pytest.approx(0.012)
    assert keep[999].item() == pytest.approx(1.6e-3, rel=0.02)
    hundred = [round(i * 999 / 99) for i in range(100)]
    assert visited_levels(KEEP, Sampling("ddpm", 100)) == hundred[::-1]


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "ddpm"])
def test_every_number_of_steps_works(sampler):
    for steps in [*range(1, 101), 250, 500, 999, 1000]:
        levels = visited_levels(KEEP, Sampling(sampler, steps))
        assert len(levels) == steps or (sampler == "dpm++" and len(levels) < steps)
        assert all(a > b for a, b in zip(levels, levels[1:], strict=False))
        assert levels[0] == 999 and (levels[-1] == 0 or steps == 1)
    for steps in (1, 3, 999, 1000):
        drawn = ours(Sampling(sampler, steps), "x0", start_noise())
        assert drawn.isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_ddim_on_the_straight_path_is_the_euler_method_of_diffusers(steps):
    diffusers = pytest.importorskip("diffusers")
    keep = straight_alpha_bar(1000).tolist()
    levels = visited_levels(keep, Sampling("ddim", steps))
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(sigmas=[(t + 0.5) / 1000 for t in levels])
    x = start_noise()
    for level, t in zip(levels, scheduler.timesteps, strict=True):
        x = scheduler.step(made_up(x, level), t, x).prev_sample

    def flow(x: Tensor, t: int) -> Tensor:
        unit = keep[t] ** 0.5 + (1 - keep[t]) ** 0.5  # from unit variance to the straight path
        return to_clean("flow", made_up(x / unit, t), x, keep[t])

    first = start_noise() * (keep[levels[0]] ** 0.5 + (1 - keep[levels[0]]) ** 0.5)
    torch.testing.assert_close(ddim(flow, first, keep, levels), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("prediction", ALL_TARGETS)
def test_every_target_implies_the_clean_latent(prediction):
    clean, noise, keep = torch.randn(4, 3), torch.randn(4, 3), torch.tensor(KEEP[700])
    noisy = keep.sqrt() * clean + (1 - keep).sqrt() * noise
    said = training_target(prediction, clean, noise, keep.expand(4, 1))
    torch.testing.assert_close(
        to_clean(prediction, said, noisy, KEEP[700]), clean, atol=1e-5, rtol=0
    )
