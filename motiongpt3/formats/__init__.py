"""Motion files in and out, chosen by suffix. Pictures and videos are written by `render`."""

from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import check_input
from motiongpt3.motion.motion import PICTURES, Motion

READABLE = (".bvh", ".npz", ".npy", ".csv", ".usd", ".usda", ".usdc", ".usdz")
WRITABLE = (".bvh", ".glb", ".npz", ".npy", ".csv", ".usd", ".usda", ".usdc", ".usdz")
SKELETAL = (".bvh",)
"""Kinds of file that hold a motion on any skeleton."""


def check_readable(path: str | Path) -> None:
    """Refuse a file by its name and size alone.

    Raises:
        InputError: for a suffix that is not read here, or as `files.check_input`.
    """
    if Path(path).suffix.lower() not in READABLE:
        raise _unknown(path, "read", READABLE)
    check_input(path)


def check_writable(path: str | Path) -> None:
    """Refuse an output by its name alone.

    Raises:
        InputError: for a suffix that neither this room nor `render` writes.
    """
    if Path(path).suffix.lower() not in WRITABLE + PICTURES:
        raise _unknown(path, "written", WRITABLE + PICTURES)


def read(path: str | Path) -> Motion:
    """Read a motion: .bvh, .npz, .npy, .csv (as written here) or USD.

    Joints come in metres, Y up, at the file's own frame rate (.npy has none: 20 fps for 22
    joints, 12.5 for KIT-ML's 21).

    Raises:
        InputError: when the file is missing, damaged, of another kind or not a person's motion.
    """
    check_readable(path)
    match Path(path).suffix.lower():
        case ".bvh":
            from motiongpt3.formats import bvh, mapping, own

            file = bvh.read(path)
            to_motion = own.to_motion if own.is_own(file) else mapping.to_motion
            return to_motion(file, str(path))
        case ".npz":
            from motiongpt3.formats import arrays

            return arrays.read_npz(path)
        case ".csv":
            from motiongpt3.formats import table

            return table.read(path)
        case ".usd" | ".usda" | ".usdc" | ".usdz":
            from motiongpt3.formats import usd_read

            return usd_read.read(path)
        case _:
            from motiongpt3.formats import arrays

            return arrays.read_npy(path)


def write(
    motion: Motion, path: str | Path, skeleton: str | Path | None = None, **options: Any
) -> None:
    """Write a motion: .bvh, .glb, .npz, .npy, .csv or USD. The file is complete or not there.

    Args:
        skeleton: write it on these bones (.bvh): "mixamo", "cmu", "smpl" or a BVH file.

    Raises:
        InputError: for another suffix, a skeleton that cannot be had, or other options, which
            only pictures have.
        ResourceError: when the place cannot be written.
    """
    check_writable(path)
    if options:
        raise InputError(
            f"no option {', '.join(options)}", where=str(path), hint="only pictures have options"
        )
    if skeleton is not None:
        _write_on(motion, path, skeleton)
    else:
        _write(motion, path)


def _write(motion: Motion, path: str | Path) -> None:
    """Write a motion on its own bones."""
    match Path(path).suffix.lower():
        case ".bvh":
            from motiongpt3.formats import bvh_write

            bvh_write.write(motion, path)
        case ".glb":
            from motiongpt3.formats import glb

            glb.write(motion, path)
        case ".npz":
            from motiongpt3.formats import arrays

            arrays.write_npz(motion, path)
        case ".npy":
            from motiongpt3.formats import arrays

            arrays.write_npy(motion, path)
        case ".csv":
            from motiongpt3.formats import table

            table.write(motion, path)
        case ".usd" | ".usda" | ".usdc" | ".usdz":
            from motiongpt3.formats import usd

            usd.write(motion, path)
        case _:
            raise _unknown(path, "written", WRITABLE + PICTURES)


def _write_on(motion: Motion, path: str | Path, skeleton: str | Path) -> None:
    """Write a motion on other bones."""
    if Path(path).suffix.lower() not in SKELETAL:
        raise InputError(
            f"{Path(path).suffix} has no other skeleton",
            where=str(path),
            hint=f"use {', '.join(SKELETAL)}",
        )
    from motiongpt3.formats import bvh_write, retarget, target

    bvh_write.write_rig(retarget.retarget(motion, target.load(skeleton)), path)


def _unknown(path: str | Path, verb: str, suffixes: tuple[str, ...]) -> InputError:
    suffix = Path(path).suffix or "no suffix"
    return InputError(
        f"{suffix} cannot be {verb}", where=str(path), hint=f"use {', '.join(suffixes)}"
    )
