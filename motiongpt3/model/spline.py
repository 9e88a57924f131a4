"""A linear path around the VAE's transformers: principal components of splines in clip time.

A clip of any length is described by the control points of cubic splines over its own duration,
for the root's path and the joint positions. The strongest principal components of these points
are a good latent before anything is learned, so that a small VAE only has to learn the rest.
The paper's VAE has no such path (`VAEConfig.spline_points = 0`).

Shapes: B clips, T frames, F features, P control points, C channels, Z latent size.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.motion.features import Layout

_STIFFNESS = 1e-3
"""Weight of the control points' second differences: decides where frames do not."""
_YAW_ARM, _PATH_WEIGHT = 0.4, 0.3
"""Metres that one radian of heading moves a limb; what a metre of root path counts against one
of a joint."""


def spline_basis(length: Int[Tensor, "B"], frames: int, points: int) -> Float[Tensor, "B T P"]:
    """Uniform cubic B-splines over each clip's own duration; zero after its last frame."""
    at = (torch.arange(frames, device=length.device) + 0.5) / length[:, None]
    spans = points - 3
    x = at[..., None] * spans - torch.arange(-3, spans, device=length.device)
    # The four pieces of the cubic B-spline with support [0, 4).
    pieces = [
        x**3,
        -3 * (x - 1) ** 3 + 3 * (x - 1) ** 2 + 3 * (x - 1) + 1,
        3 * (x - 2) ** 3 - 6 * (x - 2) ** 2 + 4,
        (4 - x) ** 3,
    ]
    basis = sum(torch.where((x >= n) & (x < n + 1), piece, 0.0) for n, piece in enumerate(pieces))
    return torch.as_tensor(basis) / 6 * (at < 1)[..., None]


def normal_equations(
    length: Int[Tensor, "B"], frames: int, points: int
) -> tuple[Float[Tensor, "B P P"], Float[Tensor, "B T P"]]:
    """Of the least-squares splines: the matrix to solve with, and the splines at each frame."""
    basis = spline_basis(length, frames, points)
    return basis.mT @ basis + _stiffness(points).to(basis), basis


class SplinePath(nn.Module):
    """Features to latent and back by one matrix each, fitted in closed form."""

    decoder: Tensor
    mean: Tensor
    metres: Tensor
    scale: Tensor
    spread: Tensor

    def __init__(self, points: int, layout: Layout, latent: int):
        super().__init__()
        self.points = points
        self.channels = layout.positions.stop
        size = points * self.channels
        self.register_buffer("decoder", torch.zeros(latent, size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("metres", torch.ones(size))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("spread", torch.ones(latent))

    def encode(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B Z"]:
        """Latents of normalised features."""
        points = (self.control_points(features, length) - self.mean) * self.metres**2
        return points @ self.decoder.mT / self.scale**2

    def decode(
        self, latent: Float[Tensor, "B Z"], length: Int[Tensor, "B"], frames: int
    ) -> Float[Tensor, "B T C"]:
        """The first C features (root and joint positions), normalised."""
        points = (latent @ self.decoder + self.mean).unflatten(-1, (self.points, self.channels))
        channels = spline_basis(length, frames, self.points) @ points
        root = torch.diff(channels[..., :3], dim=1, prepend=torch.zeros_like(channels[:, :1, :3]))
        return torch.cat([root, channels[..., 3:]], -1)

    def control_points(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B PC"]:
        """Least-squares splines through the summed root steps and the joint positions."""
        gram, basis = normal_equations(length, features.shape[1], self.points)
        return torch.linalg.solve(gram, basis.mT @ self.paths(features, length)).flatten(1)

    def paths(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T C"]:
        """What splines go through: the summed root steps and the joint positions."""
        steps = torch.where(_inside(length, features.shape[1])[..., None], features[..., :3], 0)
        return torch.cat([steps.cumsum(1), features[..., 3 : self.channels]], -1)

    @torch.no_grad()
    def agree(
        self,
        latent: Float[Tensor, " Z"],
        features: Float[Tensor, "T F"],
        seen: Bool[Tensor, " T"],
        trust: float,
    ) -> Float[Tensor, " Z"]:
        """The likeliest latent near a drawn one, given what some frames look like.

        The linear path makes this a Gaussian problem with one solution: the drawn latent is the
        mean, its components vary as they do over clips, and poses are observed with an error.

        Args:
            features: normalised; only rows where `seen` are read.
            trust: standard deviation of the observed poses, metres; smaller follows them closer.
        """
        length = torch.tensor([len(features)], device=latent.device)
        basis = spline_basis(length, len(features), self.points)[0][seen]
        metres = self.metres[3 : self.channels]
        shape = (-1, self.points, self.channels)
        ways = torch.einsum("tp,zpc->tcz", basis, self.decoder.view(shape)[..., 3:])
        still = basis @ self.mean.view(shape[1:])[:, 3:]
        ways = (ways * metres[:, None]).flatten(0, 1) / trust
        missing = ((features[seen, 3 : self.channels] - still) * metres).flatten() / trust
        precision = ways.mT @ ways + torch.diag(1 / self.spread**2)
        return latent + torch.linalg.solve(precision, ways.mT @ (missing - ways @ latent))

    @torch.no_grad()
    def fit(
        self, points: Float[Tensor, "N PC"], std: Float[Tensor, "F"], unit: float = 1.0
    ) -> None:
        """Set the path to the principal components of many clips' control points.

        Components keep their spread, the coarse ones the widest, in a unit that makes their mean
        variance one: diffusion then settles what a motion does before how it does it.

        Args:
            points: what `control_points` gives for the training clips.
            std: of the features; components are ranked by what they move in metres.
            unit: size of the unit of positions, metres.
        """
        latent = len(self.decoder)
        metres = std[: self.channels] * unit
        metres[0] = std[0] * (2 * _YAW_ARM)
        metres[1:3] *= _PATH_WEIGHT
        self.metres.copy_(metres.repeat(self.points))
        self.mean.copy_(points.mean(0))
        torch.manual_seed(0)  # the range finder of svd_lowrank draws from the global generator
        _, spread, axes = torch.svd_lowrank(
            (points - self.mean) * self.metres, q=latent + 32, niter=6
        )
        spread, axes = spread[:latent] / len(points) ** 0.5, axes[:, :latent]
        self.scale.copy_((spread**2).mean().sqrt())
        self.spread.copy_(spread / self.scale)
        self.decoder.copy_(self.scale * axes.T / self.metres)


def _stiffness(points: int) -> Float[Tensor, "P P"]:
    """Penalty on bending; unlike a plain ridge it does not pull an end of the path to zero."""
    bend = torch.diff(torch.eye(points), n=2, dim=0)
    return _STIFFNESS * (bend.mT @ bend) + 1e-6 * torch.eye(points)


def _inside(length: Int[Tensor, "B"], frames: int) -> Bool[Tensor, "B T"]:
    return torch.arange(frames, device=length.device) < length[:, None]
