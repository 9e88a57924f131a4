"""How a motion latent is drawn from the diffusion head, as a value that callers pass along."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from motiongpt3.errors import InputError

Sampler = Literal["dpm++", "ddim", "ddpm"]


@dataclass(frozen=True)
class Sampling:
    """Sampler, number of denoising steps and guidance scale of one generation.

    Raises InputError for an unknown sampler, steps outside 1..1000, a guidance that is not a
    finite number, a noise level outside 0..1000, or a temperature outside 0..2.
    """

    sampler: Sampler = "dpm++"
    """dpm++: second order, good in 10 steps. ddim: first order. ddpm: the paper's, 100 steps."""
    steps: int = 10
    """Denoising steps; each runs the head once for the whole batch."""
    guidance: float | None = None
    """How far to push away from the unconditional guess; 1 follows the caption unguided. None is
    the model's own scale where words ask for a motion, and 1 where motions go on from others:
    what is observed needs no emphasis."""
    guided_from: int | None = None
    """Noise level, of 1,000, from which on there is guidance; quieter ones follow the caption
    unguided, which settles what is done without overdoing how far (Kynkaanniemi 2024). 0 guides
    all, as the paper does; None is the model's own."""

    temperature: float | None = None
    """Factor on the noise that a motion is drawn from: 1 draws as often as the data has it, less
    stays near what is likeliest. None is the model's own where motions go on from others, which
    are to be near what happened, and 1 where words ask."""

    watch: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)
    """Called after each denoising step with the steps done and those of this batch; what it raises
    stops the sampling."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(Sampler):
            raise InputError(
                f"unknown sampler {self.sampler!r}",
                where="sampler",
                hint=f"one of {', '.join(get_args(Sampler))}",
            )
        if not isinstance(self.steps, int) or not 1 <= self.steps <= 1000:
            raise InputError(
                f"{self.steps} is not a number of steps", where="steps", hint="1 to 1000"
            )
        if self.guided_from is not None and not 0 <= self.guided_from <= 1000:
            raise InputError(
                f"{self.guided_from} is not a noise level", where="guided_from", hint="0 to 1000"
            )
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise InputError(
                f"{self.temperature} is not a temperature", where="temperature", hint="0 to 2"
            )
        number = isinstance(self.guidance, (int, float)) and math.isfinite(self.guidance)
        if self.guidance is not None and not number:
            raise InputError(
                f"{self.guidance} is not a guidance scale",
                where="guidance",
                hint="a finite number, 1 for no guidance",
            )
