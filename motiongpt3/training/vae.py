"""Training the motion VAE: reconstruct features, joints and their steps, with a weak prior."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order, pad
from motiongpt3.errors import InputError
from motiongpt3.model.checkpoint import MotionCodec
from motiongpt3.model.vae import MotionVAE
from motiongpt3.motion.features import features_to_joints, root_path
from motiongpt3.motion.skeleton import skeleton_of


@dataclass(frozen=True)
class VAELoss:
    """Weights of the terms, all smooth-L1 but the last."""

    features: float = 1.0
    joints: float = 300.0
    """Positions relative to the pelvis, metres, heading kept."""
    path: float = 3.0
    """Position of the root, metres."""
    steps: float = 600.0
    """Movement of every joint from frame to frame, metres: what makes feet slide."""
    latent: float = 1e-4
    """What holds codes together: divergence of a VAE's posterior, commitment of a VQ-VAE."""

    crop: float = 0.3
    """Share of clips cut to a random part, so that short pieces can be encoded too."""
    shortest: int = 8
    """Frames of the shortest part."""


class VAEJob:
    """One stage: all weights of the VAE, on clips drawn by weight, half of them mirrored."""

    def __init__(self, vae: MotionCodec, data: MotionText, order: Order, loss: VAELoss):
        check_skeleton(vae, data)
        self.module, self.data, self.order, self.loss = vae, data, order, loss
        self.device = vae.into.weight.device
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """All weights at the stage's own rate."""
        return [(list(self.module.parameters()), 1.0)]

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        return [self.data.records[i].id for i in self.order.clips(step)]

    def losses(self, step: int) -> dict[str, Tensor]:
        """Reconstruction through the codes of a step's batch."""
        x, length = self.batch(step)
        y, latent = self.module(x, length)
        return reconstruction((y, x), length, (self.mean, self.std), self.loss, latent)

    def batch(self, step: int) -> tuple[Float[Tensor, "B T F"], Int[Tensor, "B"]]:
        """Normalised features of a step."""
        rng = self.order.rng(step)
        clips = []
        for index in self.order.clips(step).tolist():
            clip = self.data.features(index, mirrored=rng.random() < 0.5)
            clips.append(self._cropped(clip, rng))
        padded, length = pad(clips)
        features = (torch.from_numpy(padded).to(self.device) - self.mean) / self.std
        return features, torch.from_numpy(length).to(self.device)

    def _cropped(self, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.loss.crop or len(clip) <= self.loss.shortest:
            return clip
        frames = int(rng.integers(self.loss.shortest, len(clip)))
        start = int(rng.integers(len(clip) - frames + 1))
        return clip[start : start + frames]

    def fit_spline(self, batches: int) -> None:
        """Set the VAE's linear path from the first batches of the training order."""
        if not isinstance(self.module, MotionVAE) or self.module.spline is None:
            return
        rows = [self.module.spline.control_points(*self.batch(step)) for step in range(batches)]
        self.module.spline.fit(torch.cat(rows), self.std, self.data.skeleton.metres)


def check_skeleton(vae: MotionCodec, data: MotionText) -> None:
    """Refuse to train on a set whose features the VAE does not read.

    Raises:
        InputError: saying how many numbers a frame has on either side.
    """
    if vae.config.features != data.skeleton.dim:
        raise InputError(
            f"the VAE reads {vae.config.features} numbers per frame, the set "
            f"({data.skeleton.name}) has {data.skeleton.dim}",
            where="train",
            hint="use a set of the skeleton the VAE was trained on, or train a new one",
        )


def reconstruction(
    pair: tuple[Float[Tensor, "B T F"], Float[Tensor, "B T F"]],
    length: Int[Tensor, "B"],
    stats: tuple[Float[Tensor, "F"], Float[Tensor, "F"]],
    weight: VAELoss,
    latent: Float[Tensor, ""],
) -> dict[str, Tensor]:
    """The terms of the loss over real frames, made against real, and their sum as "loss".

    Joints are compared in metres whatever the unit of the set, so that weights mean the same.
    """
    y, x = pair
    inside = torch.arange(x.shape[1], device=x.device) < length[:, None]
    mean, std = stats
    made, real = y.float() * std + mean, x * std + mean
    metres = skeleton_of(x.shape[-1]).metres
    joints = [features_to_joints(f) * metres for f in (made, real)]
    path = [root_path(f)[1] * metres for f in (made, real)]
    pose = [j - j[:, :, :1] for j in joints]
    moves = [torch.diff(j, dim=1) for j in joints]

    def over(both: Sequence[Tensor], where: Tensor) -> Tensor:
        return F.smooth_l1_loss(both[0][where], both[1][where])

    terms = {
        "features": over((y.float(), x), inside),
        "joints": over(pose, inside),
        "path": over(path, inside),
        "steps": over(moves, inside[:, 1:]),
        "latent": latent,
    }
    error = (pose[0] - pose[1])[inside].detach().norm(dim=-1).mean() * 1000
    total = sum(getattr(weight, name) * term for name, term in terms.items())
    return {"loss": torch.as_tensor(total), **terms, "mpjpe_mm": error}
