"""Noise levels of the diffusion and the samplers that walk down them.

A sampler knows nothing of networks: it gets `clean(x, t)`, the guess of the clean latent in x at
noise level t, and the share of signal at every level. Only ddpm draws noise on the way.

Shapes: N latents, Z size of a latent, L noise levels.
"""

import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import assert_never

from motiongpt3.model.sampling import Sampling

Prediction = Literal["epsilon", "x0", "v", "flow"]
Latents = Float[Tensor, "N Z"]
Clean = Callable[[Latents, int], Latents]
Noise = Callable[[], Latents]
Says = Callable[[Float[Tensor, "n Z"], int], Float[Tensor, "n Z"]]
"""What a network says about noisy latents at a level. Given all of them twice, it is told what to
draw the first time and not the second."""


def linear_alpha_bar(levels: int, start: float, end: float) -> Float[Tensor, " L"]:
    """Share of the latent's variance left at each noise level, for linearly growing beta."""
    beta = torch.linspace(start, end, levels, dtype=torch.float64, device="cpu")
    return (1 - beta).cumprod(0)


def straight_alpha_bar(levels: int) -> Float[Tensor, " L"]:
    """The same for rectified flow (Liu 2022), whose path is (1 - s) latent + s noise.

    Scaled to unit variance it is one more noise schedule, so every sampler walks it too; ddim is
    then the flow's Euler method.
    """
    s = (torch.arange(levels, dtype=torch.float64, device="cpu") + 0.5) / levels
    return (1 - s) ** 2 / ((1 - s) ** 2 + s**2)


def training_target(
    prediction: Prediction, latents: Latents, noise: Latents, keep: Float[Tensor, "#N 1"]
) -> Latents:
    """What the network learns to say about `keep.sqrt() * latents + (1 - keep).sqrt() * noise`."""
    match prediction:
        case "epsilon":
            return noise
        case "x0":
            return latents
        case "v":
            return keep.sqrt() * noise - (1 - keep).sqrt() * latents
        case "flow":
            return noise - latents
        case _:
            assert_never(prediction)


def to_clean(prediction: Prediction, said: Latents, x: Latents, keep: float) -> Latents:
    """The clean latent that a network's output implies."""
    match prediction:
        case "epsilon":
            return (x - math.sqrt(1 - keep) * said) / math.sqrt(keep)
        case "x0":
            return said
        case "v":
            return math.sqrt(keep) * x - math.sqrt(1 - keep) * said
        case "flow":
            return (x - math.sqrt(1 - keep) * said) / (math.sqrt(keep) + math.sqrt(1 - keep))
        case _:
            assert_never(prediction)


def visited_levels(keep: Sequence[float], sampling: Sampling) -> list[int]:
    """The noise levels visited, noisiest first; at most as many as there are steps.

    ddpm and ddim space them evenly, as the paper does. dpm++ spaces them evenly in log-SNR: in 10
    steps a Gaussian of standard deviation 0.3 then comes out at 0.304, evenly spaced at 0.18.
    """
    S, last = sampling.steps, len(keep) - 1
    if S == 1:
        return [last]
    match sampling.sampler:
        case "ddpm" | "ddim":
            visited = [round(i * last / (S - 1)) for i in range(S)]
        case "dpm++":
            log_snr = torch.tensor([half_log_snr(k) for k in keep], dtype=torch.float64)
            wanted = torch.linspace(log_snr[0].item(), log_snr[-1].item(), S, dtype=torch.float64)
            visited = (wanted[:, None] - log_snr).abs().argmin(1).tolist()
        case _:
            assert_never(sampling.sampler)
    return sorted(set(visited), reverse=True)  # rounding to whole levels may repeat some


def run_sampler(
    clean: Clean, start: Latents, keep: Sequence[float], sampling: Sampling, noise: Noise
) -> Latents:
    """From pure noise `start` to a clean latent. `keep` is the share of signal at each level."""
    levels = visited_levels(keep, sampling)
    if sampling.watch is not None:
        clean = _watched(clean, len(levels), sampling.watch)
    match sampling.sampler:
        case "ddpm":
            return ddpm(clean, start, keep, levels, noise)
        case "ddim":
            return ddim(clean, start, keep, levels)
        case "dpm++":
            return dpm_solver(clean, start, keep, levels)
        case _:
            assert_never(sampling.sampler)


def _watched(clean: Clean, steps: int, watch: Callable[[int, int], None]) -> Clean:
    """The same guesses; each is a step that is told of."""
    done = count(1)

    def watched(x: Latents, t: int) -> Latents:
        guess = clean(x, t)
        watch(next(done), steps)
        return guess

    return watched


def drawn(
    says: Says, prediction: Prediction, keep: Sequence[float], sampling: Sampling, noise: Noise
) -> Latents:
    """Latents by guided denoising from pure noise, which the temperature scales."""
    heat = 1.0 if sampling.temperature is None else sampling.temperature

    def heated() -> Latents:
        return heat * noise()

    clean = guided(says, prediction, keep, sampling)
    return run_sampler(clean, heated(), keep, sampling, heated)


def guided(says: Says, prediction: Prediction, keep: Sequence[float], sampling: Sampling) -> Clean:
    """The clean guess of a network that is told what to draw, pushed away from what it says untold
    (Ho 2022), at the levels that are guided."""
    scale = 1.0 if sampling.guidance is None else sampling.guidance

    def clean(x: Latents, t: int) -> Latents:
        if is_guided(sampling, t):
            told, untold = says(torch.cat([x, x]), t).chunk(2)
            said = untold + scale * (told - untold)
        else:
            said = says(x, t)
        return to_clean(prediction, said, x, keep[t])

    return clean


def is_guided(sampling: Sampling, t: int) -> bool:
    """Whether there is guidance at a noise level."""
    return sampling.guidance not in (None, 1) and t >= (sampling.guided_from or 0)


def ddpm(
    clean: Clean, x: Latents, keep: Sequence[float], levels: Sequence[int], noise: Noise
) -> Latents:
    """Ancestral sampling (Ho 2020, eq. 6-7) on fewer levels, with the smaller variance."""
    for t, after in zip(levels, [*levels[1:], None], strict=True):
        if after is None:
            return clean(x, t)
        now, then = keep[t], keep[after]
        step = now / then  # alpha of the step from one visited level to the next
        of_clean = math.sqrt(then) * (1 - step) / (1 - now)
        of_x = math.sqrt(step) * (1 - then) / (1 - now)
        spread = math.sqrt((1 - step) * (1 - then) / (1 - now))
        x = of_clean * clean(x, t) + of_x * x + spread * noise()
    return x


def ddim(clean: Clean, x: Latents, keep: Sequence[float], levels: Sequence[int]) -> Latents:
    """Deterministic first-order sampling (Song 2021, eq. 12 with eta 0)."""
    for t, after in zip(levels, [*levels[1:], None], strict=True):
        guess = clean(x, t)
        if after is None:
            return guess
        epsilon = (x - math.sqrt(keep[t]) * guess) / math.sqrt(1 - keep[t])
        x = math.sqrt(keep[after]) * guess + math.sqrt(1 - keep[after]) * epsilon
    return x


def dpm_solver(clean: Clean, x: Latents, keep: Sequence[float], levels: Sequence[int]) -> Latents:
    """DPM-Solver++ 2M (Lu 2022, algorithm 2): each step reuses the guess of the step before.

    The first step has no guess before it, and the last goes to zero noise: both are first order.
    """
    before: tuple[float, Latents] | None = None
    for t, after in zip(levels, [*levels[1:], None], strict=True):
        guess = clean(x, t)
        if after is None:
            return guess
        log_snr = half_log_snr(keep[t])
        h = half_log_snr(keep[after]) - log_snr
        mixed = guess
        if before is not None:
            r = (log_snr - before[0]) / h
            mixed = guess + (guess - before[1]) / (2 * r)
        before = (log_snr, guess)
        shrink = math.sqrt((1 - keep[after]) / (1 - keep[t]))
        x = shrink * x - math.sqrt(keep[after]) * math.expm1(-h) * mixed
    return x


def half_log_snr(keep: float) -> float:
    """Logarithm of signal over noise amplitude: the time of DPM-Solver."""
    return 0.5 * math.log(keep / (1 - keep))
