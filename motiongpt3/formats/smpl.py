"""SMPL motions in the layout of AMASS: poses (axis-angle) and trans, in .npz.

SMPL, SMPL-H and SMPL-X have the same first 22 joints, those of HumanML3D. Where each joint rests
depends on the body. The licensed body models say it exactly (`smpl_body`); without one, and where
the file does not tell as ours does, all bodies are one of average size: postures are right,
proportions that body's, and heights and steps off by a few per cent.

The `.smpl.npz` written here are of SMPL-H, Z up, and tell their `rest_joints` (22, 3), metres: what
reads AMASS leaves that array alone, and here they read back exactly.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import smpl_body
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.smpl_body import MEAN_OFFSETS, PELVIS
from motiongpt3.formats.units import check_size
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D

RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
KEYS = ("poses", "root_orient", "pose_body", "trans", "betas", "rest_joints", *RATES)

_JOINTS = len(HUMANML3D.joints)
_MODELS = {66: "smplh", 72: "smpl", 156: "smplh", 165: "smplx"}
"""Which body has so many numbers in a pose; 66 are SMPL-H's without hands."""
_SMPLH = 156
_TO_Y_UP = rotation.about("X", np.array(-np.pi / 2))

_EXPECTED = "poses (T, 72), (T, 156) or (T, 165), or root_orient (T, 3) and pose_body (T, 63)"


def is_smpl(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are a motion in SMPL's poses."""
    return "poses" in arrays or "pose_body" in arrays


def to_motion(
    arrays: Mapping[str, np.ndarray],
    path: str,
    body_model: str | Path | None = None,
    fps: float | None = None,
) -> Motion:
    """The joints of a motion in SMPL's poses, metres, Y up.

    Args:
        body_model: folder of SMPL's body models as .npz; by default that of the environment
            variable MOTIONGPT3_SMPL, if it is set.
        fps: frames per second, where the file does not tell.

    Raises:
        InputError: for arrays that are missing, of other shapes or not finite, or a body model
            that is not there.
    """
    poses, model = _poses(arrays, path)
    trans = _checked(arrays, "trans", (len(poses), 3), path)
    rest, body = _rest(arrays, path, model, body_model)
    offsets = rest - rest[list(HUMANML3D.parents)]
    offsets[0] = 0
    local = rotation.from_axis_angle(poses.reshape(len(poses), _JOINTS, 3))
    joints = kinematics.forward(local, trans + rest[0], offsets, HUMANML3D)
    up = "Z" if "rest_joints" in arrays else _up_axis(joints)
    if up == "Z":
        joints = rotation.rotate(_TO_Y_UP, joints)
    check_size(joints, HUMANML3D, path)
    told = {"file": path, "unit": "metre", "up": up, "body": body}
    return Motion(joints, _rate(arrays, path, fps), HUMANML3D, provenance=told)


def write(motion: Motion, path: str | Path) -> None:
    """Write the rigid bones that follow a motion as poses of SMPL-H, in the layout of AMASS.

    Raises:
        InputError: for KIT-ML's skeleton, which has other joints than SMPL.
        ResourceError: when the place cannot be written.
    """
    if motion.skeleton is not HUMANML3D:
        raise InputError(
            f"the joints of {motion.skeleton.name} are not SMPL's",
            where=str(path),
            hint="write .npz, .bvh or .amc",
        )
    fit = kinematics.on_rest(kinematics.fit(motion.joints, HUMANML3D), MEAN_OFFSETS)
    local = fit.rotations.copy()
    to_z_up = rotation.conjugate(_TO_Y_UP)
    local[:, 0] = rotation.multiply(to_z_up, local[:, 0])
    poses = np.zeros((len(motion), _SMPLH))
    poses[:, : 3 * _JOINTS] = rotation.to_axis_angle(local).reshape(len(motion), -1)
    rest = PELVIS + fit.offsets
    for joint, parent in enumerate(HUMANML3D.parents[1:], start=1):
        rest[joint] = rest[parent] + fit.offsets[joint]
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(
            file,
            poses=poses,
            trans=rotation.rotate(to_z_up, fit.root) - PELVIS,
            betas=np.zeros(16),
            dmpls=np.zeros((len(motion), 8)),
            gender=np.array("neutral"),
            mocap_framerate=np.float64(motion.fps),
            rest_joints=rest,
        )


def _poses(arrays: Mapping[str, np.ndarray], path: str) -> tuple[Float[np.ndarray, "T 66"], str]:
    """Rotation vectors of the 22 joints, and whose body they are for."""
    if "poses" not in arrays:
        frames = len(arrays["pose_body"]) if arrays["pose_body"].ndim else 0
        root = _checked(arrays, "root_orient", (frames, 3), path)
        return np.concatenate([root, _checked(arrays, "pose_body", (frames, 63), path)], 1), "smplx"
    shape = arrays["poses"].shape
    numbers = int(np.prod(shape[1:]))
    if len(shape) not in (2, 3) or not shape[0] or numbers not in _MODELS:
        raise InputError(f"poses have shape {shape}", where=path, hint=f"expected {_EXPECTED}")
    poses = _checked(arrays, "poses", shape, path).reshape(shape[0], numbers)
    return poses[:, : 3 * _JOINTS], _MODELS[numbers]


def _checked(
    arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...], path: str
) -> Float[np.ndarray, "..."]:
    """An array of that shape with finite numbers."""
    if key not in arrays:
        raise InputError(f"there is no {key}", where=path, hint=f"expected {_EXPECTED}, and trans")
    found = arrays[key]
    if found.shape != shape or 0 in shape:
        raise InputError(f"{key} has shape {found.shape}", where=path, hint=f"{shape} is expected")
    values = found.astype(np.float64)
    if not (np.abs(values) < 1e6).all():
        frame = int(np.argwhere(~(np.abs(values) < 1e6))[0][0])
        raise InputError(
            "a value is not a usable number",
            where=f"{path}: {key}, row {frame}",
            hint="repair the clip or cut that part out",
            fault="not-finite",
        )
    return values


def _rate(arrays: Mapping[str, np.ndarray], path: str, fps: float | None) -> float:
    stated = [arrays[key] for key in RATES if key in arrays and arrays[key].size == 1]
    if fps is None and not stated:
        hint = f"none of {', '.join(RATES)} is there; give it: --fps 120"
        raise InputError("the file has no frame rate", where=path, hint=hint)
    return float(stated[0].reshape(())) if fps is None else fps


def _rest(
    arrays: Mapping[str, np.ndarray], path: str, model: str, folder: str | Path | None
) -> tuple[Float[np.ndarray, "22 3"], str]:
    """Where the joints rest, and the words for whose they are."""
    if "rest_joints" in arrays:
        return _checked(arrays, "rest_joints", (_JOINTS, 3), path), "the file's own rest_joints"
    betas = arrays.get("betas", np.zeros(0))
    betas = (
        _checked({"betas": betas.reshape(-1)}, "betas", (betas.size,), path)
        if betas.size
        else betas
    )
    found = smpl_body.rest_joints(path, model, betas, folder)
    if found is not None:
        return found
    return smpl_body.mean_joints(), f"{model}, of average size: shape and gender are not applied"


def _up_axis(joints: Float[np.ndarray, "T 22 3"]) -> str:
    """ "Y" or "Z", the way the figure stands; of one that lies, the way its floor does not move."""
    at = HUMANML3D.index
    feet = joints[:, [at("left_ankle"), at("right_ankle")]].mean(1)
    standing = normalize(np.median(joints[:, at("head")] - feet, axis=0))
    if max(standing[1], standing[2]) > 0.7:
        return "Y" if standing[1] > standing[2] else "Z"
    floor = joints.min(axis=1).std(axis=0)
    return "Y" if floor[1] < floor[2] else "Z"
