"""Motion files in and out, chosen by suffix. Pictures and videos are written by `render`."""

import os
from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import check_input
from motiongpt3.motion.motion import PICTURES, Motion

USD = (".usd", ".usda", ".usdc", ".usdz")
RIGGED = (".bvh", ".glb", ".gltf", *USD)
"""Those that hold a skeleton of any kind, whose joints have to be found."""
READABLE = (*RIGGED, ".amc", ".c3d", ".npz", ".npy", ".csv")
FOLDERS = tuple(suffix for suffix in READABLE if suffix != ".csv")
"""Those that are looked for in folders, where a .csv is a table of captions more often."""
WRITABLE = (".bvh", ".glb", *USD, ".amc", ".npz", ".smpl.npz", ".npy", ".csv")
SKELETAL = (".bvh",)
"""Those that are written on any skeleton."""
READ_OPTIONS = {
    ".amc": ("asf", "fps"),
    ".npz": ("body_model", "fps"),
    **dict.fromkeys(RIGGED, ("joints",)),
}
"""What may be said of files of a suffix: see `amc.read`, `smpl.to_motion` and `joint_map`."""


def check_readable(path: str | Path) -> None:
    """Refuse a file by its name and size alone.

    Raises:
        InputError: for a suffix that is not read here, or as `files.check_input`.
    """
    if _suffix(path) not in READABLE:
        raise _unknown(path, "read", READABLE)
    check_input(path)


def check_writable(path: str | Path) -> None:
    """Refuse an output by its name alone.

    Raises:
        InputError: for a suffix that neither this room nor `render` writes.
    """
    if _suffix(path) not in WRITABLE + PICTURES:
        raise _unknown(path, "written", WRITABLE + PICTURES)


def read(path: str | Path, **options: Any) -> Motion:
    """Read a motion of any kind in `READABLE`.

    Joints come in metres, Y up, at the file's own frame rate (.npy has none: 20 fps for 22
    joints, 12.5 for KIT-ML's 21). Options that are None count as not given.

    Args:
        joints: a map file (`joint_map`) that says which joint of a skeleton is which of ours.
        asf: the skeleton of an .amc.
        fps: of an .amc or SMPL's poses that do not tell.
        body_model: folder of SMPL's body models.

    Raises:
        InputError: when the file is missing, damaged, of another kind or not a person's motion,
            or for an option that files of this suffix have not (`READ_OPTIONS`).
    """
    check_readable(path)
    suffix = _suffix(path)
    options = {name: value for name, value in options.items() if value is not None}
    _check_options(options, READ_OPTIONS.get(suffix, ()), path)
    return _read(path, suffix, **options)


def _read(path: str | Path, suffix: str, **options: Any) -> Motion:
    match suffix:
        case ".amc":
            from motiongpt3.formats import amc

            return amc.read(path, **options)
        case ".c3d":
            from motiongpt3.formats import c3d, markers

            return markers.to_motion(c3d.read(path), str(path))
        case ".csv":
            from motiongpt3.formats import table

            return table.read(path)
        case ".npz":
            from motiongpt3.formats import arrays

            return arrays.read_npz(path, **options)
        case ".npy":
            from motiongpt3.formats import arrays

            return arrays.read_npy(path)
        case _:
            return _read_rig(path, suffix, **options)


def _read_rig(path: str | Path, suffix: str, joints: str | Path | None = None) -> Motion:
    """The person a skeleton stands for; our own files are known without looking for joints."""
    from motiongpt3.formats import bvh, glb_read, joint_map, mapping, own, usd_read

    stated = None if joints is None else joint_map.read(joints)
    read_kind = {".bvh": bvh.read, ".glb": glb_read.read, ".gltf": glb_read.read}
    rig = read_kind.get(suffix, usd_read.read)(path)
    if stated is None and own.is_own(rig):
        return own.to_motion(rig, str(path))
    return mapping.to_motion(rig, str(path), stated)


def write(motion: Motion, path: str | Path, **options: Any) -> None:
    """Write a motion in any kind of `WRITABLE`; .amc gets its .asf beside it. A file is complete
    or not there.

    Args:
        skeleton: write it on these bones (.bvh): "mixamo", "cmu", "smpl" or a BVH file.

    Raises:
        InputError: for another suffix or option, or a skeleton that cannot be had.
        ResourceError: when the place cannot be written.
    """
    check_writable(path)
    suffix = _suffix(path)
    options = {name: value for name, value in options.items() if value is not None}
    _check_options(options, ("skeleton",) if suffix in SKELETAL else (), path)
    if options:
        _write_on(motion, path, **options)
    else:
        _write(motion, path, suffix)


def _write(motion: Motion, path: str | Path, suffix: str) -> None:
    match suffix:
        case ".bvh":
            from motiongpt3.formats import bvh_write

            bvh_write.write(motion, path)
        case ".amc":
            from motiongpt3.formats import amc_write

            amc_write.write(motion, path)
        case ".glb":
            from motiongpt3.formats import glb

            glb.write(motion, path)
        case ".csv":
            from motiongpt3.formats import table

            table.write(motion, path)
        case ".npz" | ".npy":
            _write_arrays(motion, path)
        case _ if suffix in USD:
            from motiongpt3.formats import usd

            usd.write(motion, path)
        case _:
            raise _unknown(path, "written", WRITABLE + PICTURES)


def _write_on(motion: Motion, path: str | Path, skeleton: str | Path) -> None:
    """Write a motion on other bones."""
    from motiongpt3.formats import bvh_write, retarget, target

    bvh_write.write_rig(retarget.retarget(motion, target.load(skeleton)), path)


def _write_arrays(motion: Motion, path: str | Path) -> None:
    from motiongpt3.formats import arrays, smpl

    name = Path(path).name.lower()
    if name.endswith(".smpl.npz"):
        smpl.write(motion, path)
    elif name.endswith(".npz"):
        arrays.write_npz(motion, path)
    else:
        arrays.write_npy(motion, path)


def _check_options(options: dict[str, Any], known: tuple[str, ...], path: str | Path) -> None:
    if unknown := [name for name in options if name not in known]:
        raise InputError(
            f"{', '.join(unknown)} cannot be said of this file",
            where=str(path),
            hint=f"{Path(path).suffix} has {', '.join(known) or 'no options'}",
        )


def _suffix(path: str | Path) -> str:
    return os.path.splitext(path)[1].lower()


def _unknown(path: str | Path, verb: str, suffixes: tuple[str, ...]) -> InputError:
    suffix = Path(path).suffix or "no suffix"
    return InputError(
        f"{suffix} cannot be {verb}", where=str(path), hint=f"use {', '.join(suffixes)}"
    )
