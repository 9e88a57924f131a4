"""Motion files in and out, chosen by suffix. Pictures and videos are written by `render`."""

from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import check_input
from motiongpt3.motion.motion import PICTURES, Motion

READABLE = (".bvh", ".amc", ".npz", ".npy")
WRITABLE = (".bvh", ".amc", ".glb", ".npz", ".smpl.npz", ".npy")

READ_OPTIONS = {".amc": ("asf", "fps"), ".npz": ("body_model", "fps")}
"""What may be said of files of a suffix: see `amc.read` and `smpl.to_motion`."""


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


def read(path: str | Path, **options: Any) -> Motion:
    """Read a motion: .bvh, .amc, .npz or .npy.

    Joints come in metres, Y up, at the file's own frame rate (.npy has none: 20 fps for 22
    joints, 12.5 for KIT-ML's 21). Options that are None count as not given.

    Raises:
        InputError: when the file is missing, damaged, of another kind or not a person's motion,
            or for an option that files of this suffix have not (`READ_OPTIONS`).
    """
    check_readable(path)
    options = {name: value for name, value in options.items() if value is not None}
    known = READ_OPTIONS.get(Path(path).suffix.lower(), ())
    if unknown := [name for name in options if name not in known]:
        raise InputError(
            f"{', '.join(unknown)} cannot be said of this file",
            where=str(path),
            hint=f"{Path(path).suffix} has {', '.join(known) or 'no options'}",
        )
    match Path(path).suffix.lower():
        case ".bvh":
            from motiongpt3.formats import bvh, mapping, own

            file = bvh.read(path)
            to_motion = own.to_motion if own.is_own(file) else mapping.to_motion
            return to_motion(file, str(path))
        case ".amc":
            from motiongpt3.formats import amc

            return amc.read(path, **options)
        case ".npz":
            from motiongpt3.formats import arrays

            return arrays.read_npz(path, **options)
        case _:
            from motiongpt3.formats import arrays

            return arrays.read_npy(path)


def write(motion: Motion, path: str | Path, **options: Any) -> None:
    """Write a motion: .bvh, .amc (and .asf), .glb, .npz, .smpl.npz (AMASS) or .npy.

    A file is complete or not there.

    Raises:
        InputError: for another suffix, or options, which only pictures have.
        ResourceError: when the place cannot be written.
    """
    check_writable(path)
    if options:
        raise InputError(
            f"no option {', '.join(options)}", where=str(path), hint="only pictures have options"
        )
    match Path(path).suffix.lower():
        case ".bvh":
            from motiongpt3.formats import bvh_write

            bvh_write.write(motion, path)
        case ".amc":
            from motiongpt3.formats import amc_write

            amc_write.write(motion, path)
        case ".glb":
            from motiongpt3.formats import glb

            glb.write(motion, path)
        case ".npz" if Path(path).name.lower().endswith(".smpl.npz"):
            from motiongpt3.formats import smpl

            smpl.write(motion, path)
        case ".npz":
            from motiongpt3.formats import arrays

            arrays.write_npz(motion, path)
        case ".npy":
            from motiongpt3.formats import arrays

            arrays.write_npy(motion, path)
        case _:
            raise _unknown(path, "written", WRITABLE + PICTURES)


def _unknown(path: str | Path, verb: str, suffixes: tuple[str, ...]) -> InputError:
    suffix = Path(path).suffix or "no suffix"
    return InputError(
        f"{suffix} cannot be {verb}", where=str(path), hint=f"use {', '.join(suffixes)}"
    )
