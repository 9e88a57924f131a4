"""Where SMPL's joints rest: of an average body, or of the licensed body models.

The models are read as .npz only (SMPL-H and SMPL-X are published so too); a .pkl runs code.
"""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import npy
from motiongpt3.motion.skeleton import HUMANML3D

VARIABLE = "MOTIONGPT3_SMPL"
"""Environment variable: the folder of the body models, where none is given."""

PELVIS = np.array([0.0, -0.22, 0.03])
"""Where the pelvis rests seen from the origin of SMPL's bodies, metres."""

_OFFSETS = {
    "hip": (0.061, -0.081, -0.005),
    "knee": (0.037, -0.37, -0.007),
    "ankle": (-0.016, -0.405, -0.045),
    "foot": (0.026, -0.054, 0.125),
    "spine1": (0.0, 0.121, -0.03),
    "spine2": (0.0, 0.136, 0.001),
    "spine3": (0.0, 0.049, 0.024),
    "neck": (0.0, 0.204, -0.042),
    "collar": (0.072, 0.108, -0.032),
    "head": (0.0, 0.077, 0.061),
    "shoulder": (0.114, 0.039, -0.011),
    "elbow": (0.246, -0.012, -0.022),
    "wrist": (0.254, 0.008, -0.003),
}
"""Joint minus parent in the T-pose of SMPL, metres, on the left and in the middle.

An estimate: bone lengths are those of the skeleton that all of HumanML3D has, measured on its
reference clip and brought to average height (0.95); directions are SMPL's to within a degree or so.
"""

_NAMES = (
    "{0}_{1}.npz",
    "{0}/{0}_{1}.npz",
    "{0}/{1}/model.npz",
    "{1}/model.npz",
)
"""Where the published archives have a model: SMPLX_NEUTRAL.npz, smplh/neutral/model.npz ..."""


def _mean_offsets() -> Float[np.ndarray, "22 3"]:
    offsets = np.zeros((len(HUMANML3D.joints), 3))
    for joint, name in enumerate(HUMANML3D.joints[1:], start=1):
        side, _, part = name.rpartition("_")
        offsets[joint] = np.array(_OFFSETS[part]) * [-1 if side == "right" else 1, 1, 1]
    return offsets


MEAN_OFFSETS = _mean_offsets()
"""(22, 3) joint minus parent of the average body, zero for the pelvis."""


def mean_joints() -> Float[np.ndarray, "22 3"]:
    """Where the joints of the average body rest."""
    joints = PELVIS + MEAN_OFFSETS
    for joint, parent in enumerate(HUMANML3D.parents[1:], start=1):
        joints[joint] = joints[parent] + MEAN_OFFSETS[joint]
    return joints


def rest_joints(
    path: str, model: str, betas: Float[np.ndarray, " B"], folder: str | Path | None
) -> tuple[Float[np.ndarray, "22 3"], str] | None:
    """Where the joints of the body of a motion file rest, and the words for which body it is.

    Args:
        path: the motion file, which may name a gender.
        model: "smpl", "smplh" or "smplx".
        folder: of the body models; None for the one that the environment names, if it does.

    Returns:
        None where no folder is given.

    Raises:
        InputError: when the model is not there, or not one.
    """
    folder = folder if folder is not None else os.environ.get(VARIABLE) or None
    if folder is None:
        return None
    gender = npy.read_word(path, "gender") or "neutral"
    tried = [
        Path(folder) / name.format(*words)
        for sex in dict.fromkeys((gender.lower(), "neutral"))
        for name in _NAMES
        for words in ((model, sex), (model.upper(), sex.upper()))
    ]
    file = next((path for path in tried if path.is_file()), None)
    if file is None:
        raise InputError(
            f"there is no body model of {model}, {gender}",
            where=str(folder),
            hint=f"it is looked for as {model.upper()}_{gender.upper()}.npz or "
            f"{model}/{gender}/model.npz; a .pkl is not read",
        )
    return _regressed(file, betas), f"{file.relative_to(folder)}, {len(betas)} betas"


def _regressed(file: Path, betas: np.ndarray) -> Float[np.ndarray, "22 3"]:
    """The joints of a body model of that shape."""
    arrays = npy.read_archive(file, ("J_regressor", "v_template", "shapedirs"))
    regressor, template, shapes = (
        arrays.get(key, np.zeros(0)) for key in ("J_regressor", "v_template", "shapedirs")
    )
    count, known = len(template), len(HUMANML3D.joints)
    fits = regressor.ndim == 2 and regressor.shape[1] == count and len(regressor) >= known
    if (
        not fits
        or template.shape != (count, 3)
        or shapes.shape[:2] != (count, 3)
        or shapes.ndim != 3
    ):
        told = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        hint = "J_regressor (J, V), v_template (V, 3) and shapedirs (V, 3, B) are expected"
        raise InputError(f"this is no body model: {told}", where=str(file), hint=hint)
    used = min(len(betas), shapes.shape[2])
    vertices = template + shapes[..., :used] @ betas[:used]
    joints = regressor[:known].astype(np.float64) @ vertices
    if not np.isfinite(joints).all():
        raise InputError("a joint is not finite", where=str(file), hint="fetch the model again")
    return joints
