"""Motions as numpy arrays: joints or features in .npy, joints with frame rate and origin in .npz.

Reads joints (T, J, 3), (1, T, J, 3) or (T, 3J) and features (T, 263) or (T, 251). The number of
joints says which skeleton it is: 22 HumanML3D in metres, 21 KIT-ML in its own unit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.formats import npy, smpl
from motiongpt3.formats.files import atomic_write, read_bytes
from motiongpt3.formats.units import check_size
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import SKELETONS, Skeleton

KEYS = ("joints", "fps", "features", "provenance")
"""Arrays of our .npz. `features` are kept for generated motions; `provenance` is JSON in bytes."""

MIN_FPS, MAX_FPS = 1e-3, 1e4

_EXPECTED = "joints (T, 22, 3), (1, T, 22, 3) or (T, 66), or features (T, 263); KIT-ML: 21 and 251"


def read_npy(path: str | Path) -> Motion:
    """Read joints or features. The file has no frame rate, so it is the skeleton's own.

    Raises:
        InputError: for any other shape, values that are not finite, or an implausible size.
    """
    array = npy.parse(read_bytes(path), str(path))
    return _motion(array, None, {"file": str(path)}, str(path))


def read_npz(path: str | Path, **options: Any) -> Motion:
    """Read an archive as `write_npz` writes it: `joints` or `features`, and `fps`.

    One with `poses` instead is SMPL's, and options are of `smpl.to_motion`.

    Raises:
        InputError: as `read_npy`, and when neither joints nor features, or no fps, are in it.
    """
    where = str(path)
    arrays = npy.read_archive(path, tuple(dict.fromkeys(KEYS + smpl.KEYS)))
    if "joints" not in arrays and "features" not in arrays and smpl.is_smpl(arrays):
        return smpl.to_motion(arrays, where, **options)
    if options:
        raise InputError(
            f"{', '.join(options)} cannot be said of this file", where=where, hint="it has joints"
        )
    fps = arrays.get("fps")
    if fps is None or fps.size != 1 or ("joints" not in arrays and "features" not in arrays):
        raise InputError(
            f"holds {', '.join(arrays)}",
            where=where,
            hint="it needs joints (or features) and fps, or SMPL's poses and trans",
        )
    provenance = {**_provenance(arrays.get("provenance"), where), "file": where}
    rate = float(fps.reshape(()))
    if not MIN_FPS < rate < MAX_FPS:
        raise InputError(f"fps is {rate}", where=where, hint="frames per second, e.g. 20")
    main = arrays.get("joints", arrays.get("features"))
    motion = _motion(main, rate, provenance, where)
    features = arrays.get("features")
    if features is None or "joints" not in arrays:
        return motion
    if features.shape != (len(motion), motion.skeleton.dim):
        raise InputError(
            f"features have shape {features.shape}", where=where, hint="one row per frame is needed"
        )
    _check_finite(features, where)
    decoded = features.astype(np.float32)
    return Motion(motion.joints, motion.fps, motion.skeleton, decoded, provenance)


def write_npy(motion: Motion, path: str | Path) -> None:
    """Write joints (T, J, 3) as float32.

    Raises:
        ResourceError: when the place cannot be written.
    """
    with atomic_write(path) as part, open(part, "wb") as file:
        np.save(file, motion.joints)


def write_npz(motion: Motion, path: str | Path) -> None:
    """Write joints, frame rate, provenance and, for a generated motion, its features.

    Raises:
        ResourceError: when the place cannot be written.
    """
    origin = json.dumps(dict(motion.provenance), default=str, sort_keys=True)
    arrays: dict[str, Any] = {
        "joints": motion.joints,
        "fps": np.float64(motion.fps),
        "provenance": np.frombuffer(origin.encode(), np.uint8),
    }
    if motion.decoded is not None:
        arrays["features"] = np.asarray(motion.decoded, np.float32)
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def _motion(array: Any, fps: float | None, provenance: Mapping[str, Any], where: str) -> Motion:
    """A motion from joints or features, told apart by their shape."""
    skeleton, is_features = _kind(array.shape, where)
    _check_finite(array, where, skeleton)
    with np.errstate(over="ignore"):  # beyond float32 is caught as out of range below
        values = array.astype(np.float32)
    decoded = values.reshape(-1, skeleton.dim) if is_features else None
    joints = values.reshape(-1, len(skeleton.joints), 3) if decoded is None else None
    joints = features_to_joints(decoded) if joints is None else joints
    check_size(joints, skeleton, where)
    return Motion(joints, skeleton.fps if fps is None else fps, skeleton, decoded, provenance)


def _kind(shape: tuple[int, ...], where: str) -> tuple[Skeleton, bool]:
    """Which skeleton an array is of, and whether it holds features rather than joints."""
    for skeleton in SKELETONS:
        count = len(skeleton.joints)
        frames = shape[1] if len(shape) == 4 and shape[0] == 1 else shape[0] if shape else 0
        if frames and shape in {(frames, count, 3), (1, frames, count, 3), (frames, 3 * count)}:
            return skeleton, False
        if frames and shape == (frames, skeleton.dim):
            return skeleton, True
    raise InputError(f"an array of shape {shape} is no motion", where=where, hint=_EXPECTED)


def _check_finite(array: np.ndarray, where: str, skeleton: Skeleton | None = None) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    faults = np.argwhere(~finite)
    fault = [int(i) for i in (faults[0][1:] if array.ndim == 4 else faults[0])]
    place = f"column {fault[1]}"
    if skeleton is not None and array.shape[-1] != skeleton.dim:
        place = f"joint {skeleton.joints[fault[1] if array.ndim > 2 else fault[1] // 3]}"
    raise InputError(
        "a value is not a finite number",
        where=f"{where}: frame {fault[0]}, {place}",
        hint="repair the clip or cut that part out",
        fault="not-finite",
    )


def _provenance(data: np.ndarray | None, where: str) -> dict[str, Any]:
    """Where a stored motion came from; a file without it is as good."""
    if data is None:
        return {}
    try:
        found = json.loads(data.astype(np.uint8).tobytes())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"provenance is not JSON: {error}", where=where, hint="leave it out"
        ) from error
    return found if isinstance(found, dict) else {}
