"""A motion: where the joints of one person are, frame by frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.checks import check_joints
from motiongpt3.motion.clean import Cleaning, clean
from motiongpt3.motion.features import canonicalize, joints_to_features
from motiongpt3.motion.mirror import mirror_words
from motiongpt3.motion.skeleton import HUMANML3D, Skeleton
from motiongpt3.motion.symmetry import mirror_joints

PICTURES = (".mp4", ".gif", ".webp", ".png", ".svg", ".pdf")

_OWN_RATE = float("-inf")
"""Stands for a frame rate that is not given."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint positions of one person over time.

    Attributes:
        joints: (frames, joints, 3), Y up, in the skeleton's unit: metres, or KIT-ML's own.
        fps: frames per second; the skeleton's own where it is not given.
        skeleton: names and tree of the joints.
        decoded: features (frames, F) the joints were decoded from, for a generated motion.
        provenance: where it comes from: a file, or prompt, seed and model.
    """

    joints: Float[np.ndarray, "T J 3"]
    fps: float = _OWN_RATE
    skeleton: Skeleton = HUMANML3D
    decoded: Float[np.ndarray, "T F"] | None = field(default=None, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        joints = np.ascontiguousarray(self.joints, np.float32)
        object.__setattr__(self, "joints", joints)
        check_joints(joints, self.skeleton, least=1)  # a pose is a motion too, without velocity
        if self.fps == _OWN_RATE:
            object.__setattr__(self, "fps", self.skeleton.fps)
        if self.decoded is not None and self.decoded.shape[-1] != self.skeleton.dim:
            raise InputError(
                f"decoded features have {self.decoded.shape[-1]} numbers per frame",
                where="decoded",
                hint=f"{self.skeleton.name} has {self.skeleton.dim}",
            )
        if not (np.isfinite(self.fps) and 1e-3 < self.fps < 1e4):
            raise InputError(f"fps is {self.fps}", where="fps", hint="frames per second, e.g. 20")

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, frames: slice) -> "Motion":
        """The frames of a slice, e.g. `motion[10:50]`."""
        if not isinstance(frames, slice):
            raise InputError(f"cannot index a motion with {frames!r}", hint="use a slice")
        decoded = None if self.decoded is None else self.decoded[frames]
        if len(self.joints[frames]) == 0:
            raise InputError("no frames are left", where=f"motion[{frames.start}:{frames.stop}]")
        return replace(self, joints=self.joints[frames], decoded=decoded)

    @property
    def seconds(self) -> float:
        """Duration: every frame lasts 1 / fps."""
        return len(self) / self.fps

    @property
    def features(self) -> Float[np.ndarray, "T F"]:
        """HumanML3D (263) or KIT-ML (251) features.

        As decoded, one row per frame, for a generated motion; otherwise computed from the joints
        by the released convention, one row less than frames.
        """
        if self.decoded is not None:
            return self.decoded
        return joints_to_features(self.joints, self.skeleton)

    @property
    def caption(self) -> str:
        """The text the motion was made from or described by, empty if there is none."""
        return str(self.provenance.get("text") or "")

    def cut(self, start: float = 0.0, stop: float | None = None) -> "Motion":
        """The part between two times in seconds."""
        last = self.seconds if stop is None else stop
        if not 0 <= start < last <= self.seconds + 0.5 / self.fps:
            raise InputError(
                f"cannot cut {start} s to {last} s", where="cut", hint=f"it lasts {self.seconds} s"
            )
        return self[round(start * self.fps) : round(last * self.fps)]

    def resample(self, fps: float) -> "Motion":
        """The same motion at another frame rate; positions are interpolated linearly."""
        if fps == self.fps:
            return self
        frames = max(1, round(len(self) * fps / self.fps))
        joints = interpolated(self.joints, np.arange(frames) * self.fps / fps)
        return replace(self, joints=joints, fps=fps, decoded=None)

    def mirror(self) -> "Motion":
        """Left and right swapped, in the motion and in its words."""
        provenance = dict(self.provenance)
        if self.caption:
            provenance["text"] = mirror_words(self.caption)
        joints = mirror_joints(self.joints, self.skeleton)
        return replace(self, joints=joints, decoded=None, provenance=provenance)

    def canonical(self) -> "Motion":
        """On the floor, starting at the origin and facing +Z."""
        return replace(self, joints=canonicalize(self.joints, self.skeleton), decoded=None)

    def clean(self, cleaning: Cleaning | None = None) -> "Motion":
        """Smoothed, on the floor, with standing feet held in place (see `Cleaning`)."""
        cleaning = cleaning or Cleaning()
        joints = clean(self.joints, self.fps, self.skeleton, cleaning)
        provenance = {**self.provenance, "cleaned": str(cleaning)}
        return replace(self, joints=joints, decoded=None, provenance=provenance)

    @staticmethod
    def concatenate(motions: Sequence["Motion"]) -> "Motion":
        """Frames of several motions after one another, positions as they are.

        Raises:
            InputError: for an empty list, or different skeletons or frame rates.
        """
        kinds = {(m.skeleton, m.fps) for m in motions}
        if len(kinds) != 1:
            raise InputError(
                "motions differ in skeleton or fps, or there are none",
                where="concatenate",
                hint="resample them to one frame rate first",
            )
        joints = np.concatenate([m.joints for m in motions])
        return replace(motions[0], joints=joints, decoded=None, provenance={})

    @staticmethod
    def read(path: str | Path, **options: Any) -> "Motion":
        """Read a motion file of any kind in `motiongpt3.formats.READABLE`.

        Options say what a file does not (see `motiongpt3.formats.read`): `joints`, a map file for
        a skeleton, `asf` and `fps` of an .amc, `body_model` of an .npz of SMPL's poses.

        Raises:
            InputError: when the file is missing, damaged or not a motion.
        """
        from motiongpt3 import formats

        return formats.read(path, **options)

    def write(self, path: str | Path, **options: Any) -> Path:
        """Write a motion file of any kind in `motiongpt3.formats.WRITABLE`, or a picture.

        Videos are .mp4 .gif .webp, poses side by side .png .svg .pdf. An .amc gets its .asf beside
        it, `.smpl.npz` is the layout of AMASS. Options go to the writer: of pictures (see
        `motiongpt3.render.video.write`), or of files, which take a `skeleton` to put the motion on
        (see `motiongpt3.formats.write`).

        Raises:
            InputError: for an unknown suffix.
            ResourceError: when the place cannot be written; nothing is left there.
        """
        path = Path(path)
        if path.suffix.lower() in PICTURES:
            from motiongpt3.render import video

            video.write(self, path, **options)
        else:
            from motiongpt3 import formats

            formats.write(self, path, **options)
        return path


def interpolated(
    joints: Float[np.ndarray, "T J 3"], at: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n J 3"]:
    """Joints at fractional frame numbers, linear between neighbours; the last frame is held."""
    at = np.minimum(at, len(joints) - 1)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(joints) - 1)
    share = (at - before)[:, None, None]
    return joints[before] * (1 - share) + joints[after] * share
