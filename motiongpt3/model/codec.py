"""Between the motions people have and the codes the language model speaks of."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.heads import Codes
from motiongpt3.model.observer import Observer
from motiongpt3.model.vae import MotionVAE
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.feet import plant_feet, set_down
from motiongpt3.motion.motion import interpolated
from motiongpt3.motion.skeleton import skeleton_of

_TRUST_METRES = 0.1
"""Standard deviation of what is observed, as a made motion that agrees with it takes it."""


class Codec(Observer):
    """Joints to features to codes and back, with the model's own statistics.

    Raises:
        CorruptError: when the statistics are not of the features that the VAE reads.
    """

    def __init__(self, bundle: Bundle, device: str):
        self.vae = bundle.vae.to(device).eval()
        self.device = device
        self.plants_feet = bool(bundle.card.get("plants_feet", False))
        self.mean = torch.tensor(bundle.mean, device=device)
        self.std = torch.tensor(bundle.std, device=device)
        reads = bundle.vae.config.features
        if not len(bundle.mean) == len(bundle.std) == reads:
            raise CorruptError(
                f"mean and std have {len(bundle.mean)} and {len(bundle.std)} numbers, "
                f"the VAE reads {reads} features",
                where="model",
                hint="statistics and weights are of different data; get the model again",
            )
        super().__init__(skeleton_of(reads, "model"), bundle.card["hip_sign"])

    @torch.no_grad()
    def codes(self, clips: Sequence[Float[np.ndarray, "_ F"]]) -> Codes:
        """What the language model is told of each clip, one row each, all in one pass.

        Raises:
            InputError: for features of another skeleton.
        """
        if not clips:
            return torch.zeros(0, 0, device=self.device)
        for clip in clips:
            if clip.shape[1] != self.skeleton.dim:
                raise InputError(
                    f"{clip.shape[1]} numbers per frame, this model reads {self.skeleton.dim}",
                    where="features",
                    hint=f"it was trained on {self.skeleton.name}; use a set of that skeleton",
                )
        length = torch.tensor([len(c) for c in clips], device=self.device)
        features = torch.zeros(len(clips), int(length.max()), len(self.mean), device=self.device)
        for row, clip in zip(features, clips, strict=True):
            normalised = (torch.tensor(clip, device=self.device) - self.mean) / self.std
            row[: len(clip)] = normalised
        return self.vae.to_codes(features, length)

    @torch.no_grad()
    def features(self, codes: Codes, frames: Sequence[int]) -> list[Float[np.ndarray, "_ F"]]:
        """Decoded features of as many frames as asked for, one array per code."""
        length = torch.tensor(list(frames), device=self.device)
        decoded = self.vae.from_codes(codes, length)
        decoded = decoded * self.std + self.mean
        return [row[:n].cpu().numpy() for row, n in zip(decoded, frames, strict=True)]

    @torch.no_grad()
    def agree(
        self, code: Shaped[Tensor, " Z"], head: np.ndarray, tail: np.ndarray, frames: int
    ) -> Shaped[Tensor, " Z"]:
        """A code of a whole clip, brought in line with its observed first and last features.

        Only latents around a linear path can be; other codes stay as they are.
        """
        if not isinstance(self.vae, MotionVAE) or self.vae.spline is None:
            return code
        features = torch.zeros(frames, len(self.mean), device=self.device)
        seen = torch.zeros(frames, dtype=torch.bool, device=self.device)
        # An observed part has a row less than frames, its last frame having no velocity.
        for first, part in ((0, head), (frames - len(tail) - 1, tail)):
            rows = slice(first, first + len(part))
            observed = torch.tensor(part, device=self.device, dtype=torch.float32)
            features[rows] = (observed - self.mean) / self.std
            seen[rows] = True
        return self.vae.spline.agree(code, features, seen, _TRUST_METRES)

    def joints(
        self, features: Float[np.ndarray, "T F"], on_floor: bool = True
    ) -> Float[np.ndarray, "T J 3"]:
        """Joint positions of decoded features, from the origin facing +Z, in the skeleton's unit.

        Standing feet stay in place, and the body is set down on the floor: `on_floor` is False
        for what is joined to a motion of its own height.
        """
        joints = np.asarray(features_to_joints(features.astype(np.float64)))
        if not self.plants_feet:
            return joints
        if on_floor:
            joints = set_down(joints, self.fps, self.skeleton)
        return plant_feet(joints, self.fps, self.skeleton)

    def at_rate(
        self, joints: Float[np.ndarray, "T J 3"], fps: float, seconds: float
    ) -> Float[np.ndarray, "_ J 3"]:
        """Joints at another frame rate, as many frames as `seconds` hold."""
        frames = round(seconds * fps)
        if fps == self.fps and frames == len(joints):
            return joints
        return interpolated(joints, np.arange(frames) * self.fps / fps)
