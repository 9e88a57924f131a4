"""How a motion enters and leaves the language model: as one latent, spread over K slots.

Shapes: N motions, K slots per motion, D width of the language model, Z size of a latent.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from motiongpt3.model.diffusion import DiffusionConfig, DiffusionHead
from motiongpt3.model.sampling import Sampling


class LatentHeads(nn.Module):
    """The understanding head (latent to slots) and the generation head (slots to latent)."""

    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.slots = config.slots
        self.understand = nn.Linear(config.latent, config.slots * config.condition)
        self.motion_out = nn.Parameter(0.02 * torch.randn(1, config.condition))
        """The embedding of `<motion_out>`, the same in all slots; positions tell them apart."""
        self.diffusion = DiffusionHead(config)

    def embed(self, latents: Float[Tensor, "N Z"]) -> Float[Tensor, "N K D"]:
        """Embeddings of the `<motion_in>` slots of motions the model is told about."""
        return self.understand(latents).unflatten(-1, (self.slots, -1))

    def blank(self, number: int) -> Float[Tensor, "N K D"]:
        """Embeddings of the `<motion_out>` slots of motions the model is to make."""
        return self.motion_out.expand(number, self.slots, -1)

    def loss(
        self, hidden: Float[Tensor, "N K D"], latents: Float[Tensor, "N Z"]
    ) -> Float[Tensor, ""]:
        """Diffusion loss of the latents given the hidden states of their slots."""
        return self.diffusion.loss(latents, hidden)

    def sample(
        self, hidden: Float[Tensor, "N K D"], generators: Sequence[Generator], sampling: Sampling
    ) -> Float[Tensor, "N Z"]:
        """A latent per motion."""
        return self.diffusion.sample(hidden, generators, sampling)
