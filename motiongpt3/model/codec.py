"""Between the motions people have and the codes the language model speaks of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.heads import Codes
from motiongpt3.model.vae import MotionVAE
from motiongpt3.motion.features import features_to_joints, joints_to_features
from motiongpt3.motion.feet import plant_feet, set_down
from motiongpt3.motion.motion import Motion, interpolated
from motiongpt3.motion.skeleton import Skeleton, skeleton_of

_TRUST_METRES = 0.1
"""Standard deviation of what is observed, as a made motion that agrees with it takes it."""


@dataclass(frozen=True, eq=False)
class Observed:
    """A part of a user's motion at the model's frame rate.

    `joints` stay where the user's are; `features` have one row per frame but the last.
    """

    joints: Float[np.ndarray, "T J 3"]
    features: Float[np.ndarray, "_ F"]


class Codec:
    """Joints to features to codes and back, with the model's own statistics.

    Raises:
        CorruptError: when the statistics are not of the features that the VAE reads.
    """

    longest = 196
    """Frames of the longest clip made or read at once (HumanML3D's and KIT-ML's limit)."""
    shortest = 5
    """Frames of the shortest motion that can be read or added."""

    def __init__(self, bundle: Bundle, device: str):
        self.vae = bundle.vae.to(device).eval()
        self.device = device
        self.hip_sign = bundle.card["hip_sign"]
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
        self.skeleton = skeleton_of(reads, "model")

    @property
    def fps(self) -> float:
        """Frames per second of the model."""
        return self.skeleton.fps

    def check(self, motion: Motion) -> None:
        """Refuse a motion of another skeleton than the model's.

        Raises:
            InputError: saying which two skeletons they are.
        """
        self.check_skeleton(motion.skeleton, "motion")

    def check_skeleton(self, theirs: Skeleton, where: str) -> None:
        """Refuse motions of another skeleton than the model's.

        Raises:
            InputError: saying which two skeletons they are.
        """
        ours = self.skeleton
        if theirs != ours:
            raise InputError(
                f"has the {len(theirs.joints)} joints of {theirs.name}, this model was trained on "
                f"the {len(ours.joints)} of {ours.name}",
                where=where,
                hint=f"use a {where} of {ours.name}, or a model trained on {theirs.name}",
            )

    def observed(self, motion: Motion, frames: int, last: bool = True) -> Observed:
        """The last (or first) frames of a motion.

        Raises:
            InputError: for another skeleton, or too few frames.
        """
        self.check(motion)
        joints = np.asarray(motion.resample(self.fps).joints, np.float64)
        if len(joints) <= self.shortest:
            raise InputError(
                f"{len(joints)} frames at {self.fps:g} fps are too few",
                where="motion",
                hint=f"give more than {self.shortest}",
            )
        joints = joints[-frames:] if last else joints[:frames]
        return Observed(joints, joints_to_features(joints, self.skeleton, self.hip_sign))

    def windows(self, motion: Motion) -> list[Float[np.ndarray, "_ F"]]:
        """Features of the whole motion, in parts no longer than the model reads at once."""
        self.check(motion)
        if motion.decoded is not None and motion.fps == self.fps:
            features = motion.decoded
        else:
            features = self.observed(motion, max(2, len(motion.resample(self.fps)))).features
        count = -(-len(features) // self.longest)
        return [np.asarray(part) for part in np.array_split(features, count)]

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
