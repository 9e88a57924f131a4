"""The denoiser of the diffusion head: a residual MLP modulated by noise level and condition.

The modulations depend on neither the latent nor the step before, so that sampling works those of
many steps out in one product per layer.

Shapes: N latents, n latents or one for all, Z size of a latent, W width, L levels, R conditions, M
modulations of a layer.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

TIME_SIZE = 256
"""Sines and cosines that describe a noise level."""
_ROWS = 512
"""Modulations worked out together, at most: enough for full speed, little memory."""
Modulations = list[Float[Tensor, "_ _"]]
"""Of each block shift, scale and gate, at the end shift and scale; per latent, or for all."""


class Denoiser(nn.Module):
    """Residual MLP modulated by noise level and condition (MAR's, with PyTorch's own init)."""

    def __init__(self, latent: int, width: int, depth: int):
        super().__init__()
        self.into = nn.Linear(latent, width)
        self.time = nn.Sequential(nn.Linear(TIME_SIZE, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(ModulatedMLP(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, latent)

    def modulations(self, t: Int[Tensor, " n"], condition: Float[Tensor, "n W"]) -> Modulations:
        """`t` and `condition` hold one noise level and one condition per latent, or one for all."""
        y = F.silu(self.time(sinusoids(t).to(condition.dtype)) + condition)
        layers = [cast(ModulatedMLP, block).modulation for block in self.blocks]
        return [layer(y) for layer in (*layers, self.modulation)]

    def forward(self, x: Float[Tensor, "N Z"], modulations: Modulations) -> Float[Tensor, "N Z"]:
        x = self.into(x)
        *inner, last = modulations
        for block, modulation in zip(self.blocks, inner, strict=True):
            x = block(x, modulation)
        shift, scale = last.chunk(2, -1)
        return self.out(torch.addcmul(shift, self.norm(x), 1 + scale))


class ModulatedMLP(nn.Module):
    """A residual MLP whose norm is shifted, scaled and gated."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Linear(width, 3 * width)

    def forward(
        self, x: Float[Tensor, "N W"], modulation: Float[Tensor, "_ _"]
    ) -> Float[Tensor, "N W"]:
        shift, scale, gate = modulation.chunk(3, -1)
        return torch.addcmul(x, gate, self.mlp(torch.addcmul(shift, self.norm(x), 1 + scale)))


class Ahead:
    """Modulations of the steps to come, worked out for several steps at once.

    `told` is the condition of each latent. With `untold`, every step denoises all latents twice,
    first with their own condition and then with this one, which is modulated but once.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        levels: Sequence[int],
        told: Float[Tensor, "N W"],
        untold: Float[Tensor, "1 W"] | None = None,
    ):
        self.denoiser, self.levels, self.number = denoiser, levels, len(told)
        self.conditions = told if untold is None else torch.cat([told, untold])
        self.known: dict[int, Modulations] = {}

    def __call__(self, t: int) -> Modulations:
        """Those of a noise level, which is asked for in the order of `levels`."""
        if t not in self.known:
            at = self.levels.index(t)
            rows = len(self.conditions)
            self.known = self._of(self.levels[at : at + max(1, _ROWS // rows)])
        return self.known[t]

    def _of(self, levels: Sequence[int]) -> dict[int, Modulations]:
        """Those of several levels."""
        rows = len(self.conditions)
        t = torch.tensor(levels, device=self.conditions.device).repeat_interleave(rows)
        flat = self.denoiser.modulations(t, self.conditions.repeat(len(levels), 1))
        by_level = [self._both(layer.unflatten(0, (len(levels), rows))) for layer in flat]
        return {level: [layer[n] for layer in by_level] for n, level in enumerate(levels)}

    def _both(self, layer: Float[Tensor, "L R M"]) -> Float[Tensor, "L _ M"]:
        """With the row of what is not told once per latent, after those of what is."""
        told, untold = layer[:, : self.number], layer[:, self.number :]
        return (
            layer
            if self.number == 1 or not untold.shape[1]
            else torch.cat([told, untold.expand_as(told)], 1)
        )


def sinusoids(t: Int[Tensor, " n"]) -> Float[Tensor, "n size"]:
    """Noise levels as cosines and sines of falling frequency."""
    half = torch.arange(TIME_SIZE // 2, dtype=torch.float32, device=t.device) / (TIME_SIZE // 2)
    angles = t[:, None].float() * torch.exp(-math.log(10000) * half)
    return torch.cat([angles.cos(), angles.sin()], -1)
