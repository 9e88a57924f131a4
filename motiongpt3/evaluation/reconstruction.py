"""How close a reconstructed motion is to the real one, and two references that learn nothing deep.

A motion VAE turns a clip into one latent and back. Its error is read against the nearest clip of
the training set (what remembering would give) and against principal components of time-normalised
clips (what as many numbers give linearly).

Shapes: T frames, J joints, K frames of a time-normalised clip. Joints with Y up in the canonical
world frame: the first frame faces +Z, later frames face where the motion turns to. Errors are in
the unit of the joints; `round_trip` gives metres for either skeleton.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.model.codec import Codec
from motiongpt3.motion.features import features_to_joints

Joints = Float[np.ndarray, "T J 3"]

_COARSE = 16
"""Frames of the rough comparison that picks candidates for the nearest clip."""
_CANDIDATES = 64


def poses(joints: Joints) -> Joints:
    """Joints relative to the pelvis; the heading stays, so a wrong turn is an error."""
    return joints - joints[:, :1]


def pose_error(made: Joints, real: Joints) -> float:
    """MPJPE: mean distance of joints relative to the pelvis, over all joints, pelvis included."""
    return global_error(poses(made), poses(real))


def global_error(made: Joints, real: Joints) -> float:
    """Mean distance of joints in the world."""
    difference = made.astype(np.float64) - real.astype(np.float64)
    return float(np.linalg.norm(difference, axis=-1).mean())


def path_error(made: Joints, real: Joints) -> float:
    """How far the root is from where it should be in the last frame."""
    return float(np.linalg.norm(made[-1, 0].astype(np.float64) - real[-1, 0]))


def aligned_error(made: Joints, real: Joints) -> float:
    """PA-MPJPE: mean distance of joints once each frame is moved, turned and scaled to fit best.

    The similarity is that of Umeyama 1991, without reflection, as in metrics/mr.py of MotionGPT3.
    """
    a, b = (j.astype(np.float64) - j.mean(1, dtype=np.float64, keepdims=True) for j in (made, real))
    left, stretch, right = np.linalg.svd(a.swapaxes(1, 2) @ b)
    mirrored = np.linalg.det(left @ right) < 0
    left[mirrored, :, -1] *= -1
    stretch[mirrored, -1] *= -1
    size = np.maximum(np.square(a).sum((1, 2)), np.finfo(np.float64).tiny)
    scale = (stretch.sum(1) / size)[:, None, None]
    return global_error(scale * a @ left @ right, b)


def acceleration_error(made: Joints, real: Joints) -> float:
    """ACCEL: mean distance between the second differences of joints, per frame and frame.

    In the joints' unit per frame^2: with metres, 1000 times it is the mm per frame^2 of MotionGPT's
    tables (metrics/mr.py of MotionGPT3), and fps^2 times it is m/s^2.

    Raises:
        InputError: for less than three frames.
    """
    if len(made) < 3:
        raise InputError(f"{len(made)} frames have no acceleration, it takes three")
    return global_error(*(np.diff(j.astype(np.float64), n=2, axis=0) for j in (made, real)))


def round_trip(
    codec: Codec, clips: Sequence[Float[np.ndarray, "_ F"]]
) -> list[tuple[Joints, Joints]]:
    """Clips decoded from the means of their posteriors, and the clips themselves; metres.

    Raises:
        InputError: for clips of another skeleton than the model's.
    """
    decoded = codec.features(codec.codes(clips), [len(clip) for clip in clips])
    metres = codec.skeleton.metres
    made = [codec.joints(features) * metres for features in decoded]
    real = [np.asarray(features_to_joints(clip.astype(np.float64))) * metres for clip in clips]
    return list(zip(made, real, strict=True))


def retimed(joints: Joints, frames: int) -> Float[np.ndarray, "K J 3"]:
    """The same motion in another number of frames; first and last frame stay the same."""
    at = np.linspace(0, len(joints) - 1, frames)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(joints) - 1)
    share = (at - before).astype(joints.dtype)[:, None, None]
    return joints[before] * (1 - share) + joints[after] * share


class NearestClip:
    """The training clip that is most like a given one, once both last equally long.

    All clips are compared at 16 frames; the 64 most alike are compared at the given clip's length.
    """

    def __init__(self, clips: Sequence[Float[np.ndarray, "_ J 3"]]):
        self.poses = [poses(clip) for clip in clips]
        self.coarse = np.stack([retimed(clip, _COARSE) for clip in self.poses])

    def find(self, joints: Joints) -> tuple[int, float]:
        """Index of the clip and its pose error."""
        wanted = poses(joints)
        apart = self.coarse - retimed(wanted, _COARSE)
        rough = np.linalg.norm(apart, axis=-1).mean((1, 2))
        likely = np.argsort(rough, kind="stable")[:_CANDIDATES]
        errors = [global_error(retimed(self.poses[i], len(wanted)), wanted) for i in likely]
        best = int(np.argmin(errors))
        return int(likely[best]), errors[best]


@dataclass(frozen=True, eq=False)
class PoseComponents:
    """Principal components of clips stretched to one length, poses only.

    Attributes:
        mean: (K J 3) flattened.
        axes: orthonormal rows.
        frames: K.
    """

    mean: Float[np.ndarray, " D"]
    axes: Float[np.ndarray, "C D"]
    frames: int

    @staticmethod
    def fit(
        clips: Sequence[Float[np.ndarray, "_ J 3"]], components: int = 256, frames: int = 40
    ) -> "PoseComponents":
        """The components that keep most of the variance of all clips, each counted once."""
        rows = np.stack([retimed(poses(c), frames).reshape(-1) for c in clips]).astype(np.float32)
        mean = rows.mean(0)
        rows -= mean
        _, vectors = np.linalg.eigh(rows.T @ rows)
        return PoseComponents(mean, vectors[:, ::-1][:, :components].T.copy(), frames)

    def rebuilt(self, joints: Joints) -> Joints:
        """The poses of a clip after a round trip through the components."""
        row = retimed(poses(joints), self.frames).reshape(-1) - self.mean
        row = row @ self.axes.T @ self.axes + self.mean
        return retimed(row.reshape(self.frames, -1, 3), len(joints))
