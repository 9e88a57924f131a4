"""The diffusion head: hidden states of the language model in, a motion latent out.

A small residual MLP denoises one latent. What to draw reaches it through adaptive layer norms
(AdaLN) as one vector, pooled from the hidden states of the motion's slots by attention.

Shapes: N motions, K slots per motion, D width of the language model, Z size of a latent, W width
of the denoiser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from motiongpt3.errors import InputError
from motiongpt3.model.denoiser import Ahead, Denoiser, Modulations
from motiongpt3.model.losses import Lesson
from motiongpt3.model.noise import noise_rows
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.schedule import (
    Prediction,
    Says,
    drawn,
    is_guided,
    linear_alpha_bar,
    straight_alpha_bar,
    training_target,
    visited_levels,
)

_Gaussians = tuple[Float[Tensor, "#N Z"], Float[Tensor, "#N Z"]]


@dataclass(frozen=True)
class DiffusionConfig:
    """Size of the diffusion head and the noise it learns to remove."""

    latent: int = 256
    condition: int = 768
    """Width of the language model."""
    slots: int = 4
    width: int = 1024
    depth: int = 3
    train_steps: int = 1000
    """Noise levels."""
    beta_start: float = 0.00085
    beta_end: float = 0.012
    drop_condition: float = 0.1
    """Share of training examples whose condition is replaced by the learned "nothing"."""
    draws: int = 4
    """Noise levels tried per latent in one training step."""
    quiet: float = 0.0
    """Share of these draws that are even in the logarithm of the noise. Of the levels 1 in 90 lies
    below a tenth of the latents' spread, which is where it is learned to hold still."""
    prediction: Prediction = "epsilon"
    """What the denoiser says: the noise, the clean latent, their mixture v, or the way from one to
    the other, which is rectified flow and brings its own noise levels."""
    gaussian_start: bool = False
    """Before training the head removes noise as is best for independent Gaussians (`spread`), so
    that the network only learns what is told and what hangs together. The paper's does not."""
    told_start: bool = False
    """With a Gaussian start: what is told moves and narrows the Gaussians. Who raises a hand holds
    it still; a network that sees noise through a layer norm is slow to learn to be so sure."""
    evenness: float = 0.0
    """With a Gaussian start: how far components that vary little count like those that vary much.
    0: the squared error as it is, so that the root's path decides and a waving hand hardly counts;
    1: every component counts by its own spread."""
    places: int = 500
    """Rows of the pooling's position table, of which slots + 1 are read; the release holds 500."""
    pool_heads: int = 4
    dropout: float = 0.1
    """In the pooling layer only."""

    def __post_init__(self) -> None:
        if self.condition % self.pool_heads:
            sizes = f"{self.pool_heads} heads do not divide width {self.condition}"
            raise InputError(sizes, where="pool_heads")
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise InputError("noise must grow within 0..1", where="beta_start, beta_end")
        for name in ("evenness", "told_start"):
            if getattr(self, name) and not self.gaussian_start:
                raise InputError("needs gaussian_start, which learns the spread", where=name)
        if not 0 <= self.quiet <= 1 or (self.quiet and self.prediction == "flow"):
            raise InputError(f"{self.quiet} of the draws", where="quiet", hint="0 to 1, no flow")
        if not 1 <= self.slots < self.places:
            raise InputError(f"{self.slots} slots", where="slots", hint=f"1 to {self.places - 1}")


class DiffusionHead(nn.Module):
    """Draws motion latents given hidden states, and learns to."""

    alpha_bar: Float[Tensor, " levels"]
    spread: Float[Tensor, " Z"]

    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.config = config
        self.pool = SlotPooling(config)
        self.denoiser = Denoiser(config.latent, config.width, config.depth)
        self.nothing = nn.Parameter(torch.zeros(config.slots, config.condition))
        """Stands in for the hidden states where the head must draw without being told what."""
        alpha_bar = (
            straight_alpha_bar(config.train_steps)
            if config.prediction == "flow"
            else linear_alpha_bar(config.train_steps, config.beta_start, config.beta_end)
        )
        self.levels: list[float] = alpha_bar.tolist()
        self.register_buffer("alpha_bar", alpha_bar.float(), persistent=False)
        if config.gaussian_start:
            self.register_buffer("spread", torch.ones(config.latent))
            nn.init.zeros_(self.denoiser.out.weight)
            nn.init.zeros_(self.denoiser.out.bias)
        if config.told_start:
            self.told = nn.Linear(config.width, 2 * config.latent)
            nn.init.zeros_(self.told.weight)
            nn.init.zeros_(self.told.bias)

    def losses(
        self,
        latents: Float[Tensor, "N Z"],
        hidden: Float[Tensor, "N K D"],
        generators: Sequence[Generator],
        lesson: Lesson["DiffusionHead"] | None = None,
    ) -> Float[Tensor, " N"]:
        """Mean squared error of the denoiser over `draws` random noise levels, of each latent.

        What is drawn for latent i comes from `generators[i]` alone.

        Args:
            lesson: whose word some latents are learned from, and all that is said untold.
        """
        if not len(latents):
            return hidden.sum((1, 2))  # none, and still part of the graph
        c = self.config
        latents = latents.repeat_interleave(c.draws, 0)
        t = self._drawn_levels(generators).to(latents.device)
        noise = noise_rows(generators, (c.draws, c.latent), latents).flatten(0, 1)
        chances = [torch.rand(c.draws, generator=g) for g in generators]
        dropped = torch.cat(chances).to(latents.device) < c.drop_condition
        keep = self.alpha_bar[t, None]
        noisy = keep.sqrt() * latents + (1 - keep).sqrt() * noise
        target = training_target(c.prediction, latents, noise, keep)
        if lesson is not None:
            rows, instead = self._taught(lesson, noisy, t, dropped)
            target = target.masked_scatter(rows[:, None], instead.to(target))
        which = torch.arange(len(hidden), device=latents.device).repeat_interleave(c.draws)
        conditions = self.conditions(hidden)[which.masked_fill(dropped, len(hidden))]
        error = (self.said(noisy, t, conditions) - target) ** 2
        if c.evenness:
            # What the network's output, one standard deviation of what x leaves open, does to v.
            error = error * ((keep + (1 - keep) / self.spread**2) ** c.evenness)
        return error.unflatten(0, (-1, c.draws)).mean((1, 2))

    def conditions(self, hidden: Float[Tensor, "N K D"]) -> Float[Tensor, "M W"]:
        """What the denoiser is told of each motion, and last, where it is told nothing."""
        return self.pool(torch.cat([hidden, self.nothing[None]]))

    @torch.no_grad()
    def _taught(
        self,
        lesson: Lesson["DiffusionHead"],
        noisy: Float[Tensor, "n Z"],
        t: Int[Tensor, " n"],
        dropped: Bool[Tensor, " n"],
    ) -> tuple[Bool[Tensor, " n"], Float[Tensor, "m Z"]]:
        """Which draws are learned from another head, and what it says of them.

        Untold draws are in all rows: there is one thing to say for all of them, and guidance goes
        away from it whatever is asked for.
        """
        draws, other = self.config.draws, lesson.other
        rows = lesson.rows.repeat_interleave(draws) | dropped
        which = (lesson.rows.cumsum(0) - 1).repeat_interleave(draws)
        which = which.masked_fill(dropped, len(lesson.hidden))[rows]
        return rows, other.said(noisy[rows], t[rows], other.conditions(lesson.hidden)[which])

    def _drawn_levels(self, generators: Sequence[Generator]) -> Int[Tensor, " n"]:
        """Noise levels to learn: all alike, or for rectified flow the middle ones more often."""
        levels, draws = self.config.train_steps, self.config.draws
        if self.config.prediction == "flow":
            normal = torch.cat([torch.randn(draws, generator=g) for g in generators])
            return (normal.sigmoid() * levels).long()  # logit-normal, Esser 2024, section 3.1
        quiet, drawn = round(self.config.quiet * draws), []
        sigmas = (1 - self.alpha_bar).sqrt().cpu()
        for generator in generators:
            drawn.append(torch.randint(levels, (draws - quiet,), generator=generator))
            sigma = sigmas[0] ** torch.rand(quiet, generator=generator)
            drawn.append(torch.searchsorted(sigmas, sigma).clamp(max=levels - 1))
        return torch.cat(drawn)

    @torch.no_grad()
    def sample(
        self,
        hidden: Float[Tensor, "N K D"],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "N Z"]:
        """One latent per row of hidden states, by guided denoising from pure noise.

        Row i draws all its noise from `generators[i]`, so what it becomes does not depend on its
        place in the batch. The head should be in eval mode.
        """
        if len(generators) != len(hidden):
            raise ValueError(f"{len(generators)} generators for {len(hidden)} motions")
        if not len(hidden):
            return hidden.new_zeros(0, self.config.latent)
        noise = partial(noise_rows, generators, (self.config.latent,), hidden)
        says = self._says(hidden, sampling)
        return drawn(says, self.config.prediction, self.levels, sampling, noise)

    def _says(self, hidden: Float[Tensor, "N K D"], sampling: Sampling) -> Says:
        """The prediction for a sampler to ask level after level, alone or beside the untold one."""
        levels = visited_levels(self.levels, sampling)
        guided_levels = [t for t in levels if is_guided(sampling, t)]
        told, untold = self.pool(hidden), self.pool(self.nothing[None])
        ahead = Ahead(self.denoiser, [t for t in levels if t not in guided_levels], told)
        ahead_both = Ahead(self.denoiser, guided_levels, told, untold)
        gaussians = self._gaussians(told)
        gaussians_both = self._gaussians(torch.cat([told, untold.expand_as(told)]))

        def says(x: Float[Tensor, "n Z"], t: int) -> Float[Tensor, "n Z"]:
            level = torch.tensor([t], device=x.device)
            if t in guided_levels:
                return self._said(x, level, ahead_both(t), gaussians_both)
            return self._said(x, level, ahead(t), gaussians)

        return says

    def said(
        self, x: Float[Tensor, "N Z"], t: Int[Tensor, " n"], condition: Float[Tensor, "N W"]
    ) -> Float[Tensor, "N Z"]:
        """The prediction about noisy latents; `t` holds a noise level each, or one for all."""
        modulations = self.denoiser.modulations(t, condition)
        return self._said(x, t, modulations, self._gaussians(condition))

    def _said(
        self,
        x: Float[Tensor, "N Z"],
        t: Int[Tensor, " n"],
        modulations: Modulations,
        gaussians: _Gaussians | None,
    ) -> Float[Tensor, "N Z"]:
        """The prediction, given what its condition makes of the norms and of the Gaussian start.

        With a Gaussian start the network's output moves the clean guess by standard deviations of
        what x leaves open: the preconditioning of Karras et al. 2022, for every component apart.
        """
        if gaussians is None:
            return self.denoiser(x, modulations)
        keep = self.alpha_bar[t, None]
        middle, spread = gaussians
        x_seen = x / (keep * self.spread**2 + 1 - keep).sqrt()
        moved = self.denoiser(x_seen, modulations)
        variance = keep * spread**2 + 1 - keep
        open_ = ((1 - keep) / variance).sqrt() * spread
        guess = (keep.sqrt() * spread**2 * x + (1 - keep) * middle) / variance
        clean = guess + open_ * moved
        noise = (x - keep.sqrt() * clean) / (1 - keep).sqrt()
        return training_target(self.config.prediction, clean, noise, keep)

    def _gaussians(self, condition: Float[Tensor, "N W"]) -> _Gaussians | None:
        """Middle and spread of the latents' components: of all latents, or of what is told; None
        without a Gaussian start."""
        if not self.config.gaussian_start:
            return None
        if not self.config.told_start:
            return torch.zeros_like(self.spread)[None], self.spread[None]
        middle, narrower = self.told(condition).float().chunk(2, -1)
        return self.spread * middle, self.spread * narrower.exp()


class SlotPooling(nn.Module):
    """The hidden states of a motion's slots become one vector: a learned query attends to them."""

    def __init__(self, c: DiffusionConfig):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, c.condition))
        self.position = nn.Parameter(torch.rand(c.places, c.condition))
        self.encoder = nn.TransformerEncoderLayer(
            c.condition,
            c.pool_heads,
            4 * c.condition,
            c.dropout,
            activation="gelu",
            batch_first=True,
        )
        self.out = nn.Linear(c.condition, c.width)

    def forward(self, hidden: Float[Tensor, "N K D"]) -> Float[Tensor, "N W"]:
        x = torch.cat([self.query.expand(len(hidden), 1, -1), hidden], 1)
        x = self.encoder(x + self.position[: x.shape[1]])
        return self.out(x[:, 0])
