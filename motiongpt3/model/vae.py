"""The motion VAE: a clip of any length becomes one latent, and back (MLD, facts of its release).

Two transformers with U-net skips between their layers. The encoder reads distribution tokens
and frames; the decoder's queries are positions alone and attend to the latent. `frames_per_token`
and `spline_points` make small variants; 1 and 0 are the paper's.

Shapes: B clips, T frames, F features, N latents per clip, Z latent size (= transformer width).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.model.noise import noise_rows
from motiongpt3.model.spline import SplinePath
from motiongpt3.motion.features import layout_of


@dataclass(frozen=True)
class VAEConfig:
    """Size and variant of the motion VAE; the defaults are the paper's."""

    features: int = 263
    latents: int = 1
    width: int = 256
    """Width of the transformers and of each latent."""
    layers: int = 9
    """Odd: as many before the middle layer as after it."""
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    positions: int = 500
    frames_per_token: int = 1
    spline_points: int = 0
    """Control points per clip of the linear path; 0: no such path."""


@dataclass(frozen=True)
class Gaussian:
    """The posterior of a clip's latents."""

    mean: Float[Tensor, "B N Z"]
    log_variance: Float[Tensor, "B N Z"]

    def sample(self, generators: Sequence[torch.Generator]) -> Float[Tensor, "B N Z"]:
        """A reparametrised draw for each clip, from its own generator."""
        noise = noise_rows(generators, self.mean.shape[1:], self.mean)
        return self.mean + (self.log_variance / 2).exp() * noise

    def kl(self) -> Float[Tensor, ""]:
        """Mean divergence from the unit Gaussian per number."""
        variance = self.log_variance.exp()
        return 0.5 * (self.mean**2 + variance - 1 - self.log_variance).mean()


class MotionVAE(nn.Module):
    """Normalised features to a latent and back."""

    def __init__(self, config: VAEConfig):
        super().__init__()
        self.config = config
        width, patch = config.width, config.features * config.frames_per_token
        self.into = nn.Linear(patch, width)
        self.tokens = nn.Parameter(torch.randn(2 * config.latents, width))
        self.encoder_positions = nn.Parameter(torch.rand(config.positions, width))
        self.decoder_positions = nn.Parameter(torch.rand(config.positions, width))
        self.encoder = SkipTransformer(config, nn.TransformerEncoderLayer)
        self.decoder = SkipTransformer(config, nn.TransformerDecoderLayer)
        self.out = nn.Linear(width, patch)
        for weight in [*self.encoder.parameters(), *self.decoder.parameters()]:
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
        self.spline = None
        if config.spline_points:
            layout, latent = layout_of(config.features), config.latents * width
            self.spline = SplinePath(config.spline_points, layout, latent)
            # The transformers start silent: before training, the linear path is the whole VAE.
            self.gain = nn.Parameter(torch.zeros(2, width))
            self.log_variance = nn.Parameter(torch.full((width,), -7.0))
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(
        self,
        features: Float[Tensor, "B T F"],
        length: Int[Tensor, "B"],
        generators: Sequence[torch.Generator],
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, ""]]:
        """Reconstruction through latents drawn from generators, and the posterior's divergence."""
        posterior = self.encode(features, length)
        return self.decode(posterior.sample(generators), length), posterior.kl()

    def to_codes(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B NZ"]:
        """Posterior means, one row per clip: what the language model is told of motions."""
        return self.encode(features, length).mean.flatten(1)

    def from_codes(
        self, codes: Float[Tensor, "B NZ"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T F"]:
        """What `decode` makes of rows as `to_codes` gives them."""
        return self.decode(codes.unflatten(1, (self.config.latents, -1)), length)

    def encode(self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]) -> Gaussian:
        """The posterior of each clip; frames past `length` are not looked at."""
        n, per_token = self.config.latents, self.config.frames_per_token
        inside = torch.arange(features.shape[1], device=length.device) < length[:, None]
        features = torch.where(inside[..., None], features, 0)
        x = self.into(_patches(features, per_token))
        padding = _padding(length, x.shape[1], per_token)
        x = torch.cat([self.tokens.expand(len(x), -1, -1), x], 1)
        padding = F.pad(padding, (2 * n, 0), value=False)
        x = self.encoder(x + self.encoder_positions[: x.shape[1]], padding)
        mean, log_variance = x[:, :n], x[:, n : 2 * n]
        if self.spline is not None:
            linear = self.spline.encode(features, length).unflatten(1, (n, -1))
            mean = linear + self.gain[0] * mean
            log_variance = self.log_variance + self.gain[1] * log_variance
        return Gaussian(mean, log_variance)

    def decode(
        self, latent: Float[Tensor, "B N Z"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T F"]:
        """Normalised features of `length` frames each; zeros after a clip's end."""
        per_token, frames = self.config.frames_per_token, int(length.max())
        tokens = -(-frames // per_token)
        queries = self.decoder_positions[:tokens].expand(len(latent), -1, -1)
        x = self.decoder(queries, _padding(length, tokens, per_token), latent)
        y = self.out(x).reshape(len(latent), tokens * per_token, -1)[:, :frames]
        if self.spline is not None:
            linear = self.spline.decode(latent.flatten(1), length, frames)
            y = y + F.pad(linear, (0, y.shape[-1] - linear.shape[-1]))
        inside = torch.arange(frames, device=length.device) < length[:, None]
        return torch.where(inside[..., None], y, 0)


class SkipTransformer(nn.Module):
    """Post-norm transformer layers; each late layer also hears its early counterpart."""

    def __init__(
        self,
        config: VAEConfig,
        layer: type[nn.TransformerEncoderLayer] | type[nn.TransformerDecoderLayer],
    ):
        super().__init__()
        half = (config.layers - 1) // 2

        def make() -> nn.Module:
            return layer(
                config.width,
                config.heads,
                config.feedforward,
                config.dropout,
                "gelu",
                batch_first=True,
            )

        self.early = nn.ModuleList(make() for _ in range(half))
        self.middle = make()
        self.late = nn.ModuleList(make() for _ in range(half))
        self.merge = nn.ModuleList(nn.Linear(2 * config.width, config.width) for _ in range(half))
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self,
        x: Float[Tensor, "B L Z"],
        padding: Bool[Tensor, "B L"],
        memory: Float[Tensor, "B N Z"] | None = None,
    ) -> Float[Tensor, "B L Z"]:
        """Attend within x where not padded, and to the memory if there is one."""

        def run(layer: nn.Module, x: Tensor) -> Tensor:
            if memory is None:
                return layer(x, src_key_padding_mask=padding)
            return layer(x, memory, tgt_key_padding_mask=padding)

        heard = []
        for layer in self.early:
            x = run(layer, x)
            heard.append(x)
        x = run(self.middle, x)
        for layer, merge in zip(self.late, self.merge, strict=True):
            x = run(layer, merge(torch.cat([x, heard.pop()], -1)))
        return self.norm(x)


def _patches(features: Float[Tensor, "B T F"], size: int) -> Float[Tensor, "B L P"]:
    """Neighbouring frames side by side, the last patch filled up with zeros."""
    missing = -features.shape[1] % size
    padded = F.pad(features, (0, 0, 0, missing))
    return padded.reshape(len(features), -1, size * features.shape[2])


def _padding(length: Int[Tensor, "B"], tokens: int, per_token: int) -> Bool[Tensor, "B L"]:
    """True at tokens that hold no frame of the clip."""
    return torch.arange(tokens, device=length.device) * per_token >= length[:, None]
