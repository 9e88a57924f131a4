"""Motion files in and out, chosen by suffix. Pictures and videos are written by `render`."""

from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import check_input
from motiongpt3.motion.motion import PICTURES, Motion

READABLE = (".bvh", ".npz", ".npy")
WRITABLE = (".bvh", ".glb", ".npz", ".npy")


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
    """Read a motion: .bvh, .npz or .npy.

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
        case _:
            from motiongpt3.formats import arrays

            return arrays.read_npy(path)


def write(motion: Motion, path: str | Path, **options: Any) -> None:
    """Write a motion: .bvh, .glb, .npz or .npy. The file is complete or not there.

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
        case ".glb":
            from motiongpt3.formats import glb

            glb.write(motion, path)
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
