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
from motiongpt3.model.noise import seeded
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


@dataclass(frozen=True, eq=False)
class VAEBatch:
    """Clips of a step, as they are in the set or cut or mirrored."""

    features: Float[np.ndarray, "B T F"]
    """Not normalised."""
    length: Int[np.ndarray, "B"]
    seeds: tuple[int, ...]
    """Of what is drawn from each clip's posterior."""

    @property
    def counts(self) -> dict[str, float]:
        """Frames, steps between frames, or clips that a loss is the mean of."""
        frames, clips = float(self.length.sum()), float(len(self.length))
        by_frame = dict.fromkeys(("features", "joints", "path", "mpjpe_mm"), frames)
        return {**by_frame, "steps": frames - clips, "latent": clips}


class VAEJob:
    """One stage: all weights of the VAE, on clips drawn by weight, half of them mirrored."""

    shardable: Sequence[nn.Module] = ()

    def __init__(self, vae: MotionCodec, data: MotionText, order: Order, loss: VAELoss):
        check_skeleton(vae, data)
        self.module, self.data, self.order, self.loss = vae, data, order, loss
        names = ("features", "joints", "path", "steps", "latent")
        self.terms = {**{name: getattr(loss, name) for name in names}, "mpjpe_mm": 0.0}
        self.device = vae.into.weight.device
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """All weights at the stage's own rate."""
        return [(list(self.module.parameters()), 1.0)]

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        return [self.data.records[i].id for i in self.order.clips(step)]

    def losses(self, batch: VAEBatch) -> dict[str, Tensor]:
        """Reconstruction through the codes of a batch."""
        x, length = self.normalised(batch)
        y, latent = self.module(x, length, seeded(batch.seeds))
        return reconstruction((y, x), length, (self.mean, self.std), latent)

    def draw(self, step: int, rows: range) -> VAEBatch:
        """These rows of a step's clips."""
        indices, clips, seeds = self.order.clips(step), [], []
        for row in rows:
            rng = self.order.rng(step, row)
            mirrored = bool(rng.random() < 0.5) and self.data.mirrors
            clip = self.data.features(int(indices[row]), mirrored)
            clips.append(self._cropped(clip, rng))
            seeds.append(int(rng.integers(2**63)))
        return VAEBatch(*pad(clips), tuple(seeds))

    def whole(self, step: int) -> VAEBatch:
        """All clips of a step."""
        return self.draw(step, range(self.order.batch))

    def normalised(self, batch: VAEBatch) -> tuple[Float[Tensor, "B T F"], Int[Tensor, "B"]]:
        """Normalised features and lengths, where the codec is."""
        features = torch.from_numpy(batch.features).to(self.device)
        return (features - self.mean) / self.std, torch.from_numpy(batch.length).to(self.device)

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
        seen = [self.normalised(self.whole(step)) for step in range(batches)]
        rows = [self.module.spline.control_points(*clips) for clips in seen]
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
    latent: Float[Tensor, ""],
) -> dict[str, Tensor]:
    """The terms of the loss over real frames, made against real, and the error in millimetres.

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
    return {**terms, "mpjpe_mm": error}
