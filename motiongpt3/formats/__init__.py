"""Motion files in and out, chosen by suffix. Pictures and videos are written by `render`."""

from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.files import check_input
from motiongpt3.motion.motion import PICTURES, Motion

READABLE = (".bvh", ".glb", ".gltf", ".c3d", ".npz", ".npy")
RIGGED = (".bvh", ".glb", ".gltf")
"""Those that hold a skeleton of any kind."""
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


def read(path: str | Path, joints: str | Path | None = None) -> Motion:
    """Read a motion: .bvh, .glb, .gltf, .c3d, .npz or .npy.

    Joints come in metres, Y up, at the file's own frame rate (.npy has none: 20 fps for 22
    joints, 12.5 for KIT-ML's 21).

    Args:
        joints: a map file (`joint_map`) that says which joint of a skeleton is which of ours.

    Raises:
        InputError: when the file is missing, damaged, of another kind or not a person's motion.
    """
    check_readable(path)
    suffix = Path(path).suffix.lower()
    if suffix in RIGGED:
        return _read_rig(path, suffix, joints)
    if joints is not None:
        hint = f"only files with a skeleton take one: {', '.join(RIGGED)}"
        raise InputError(f"{suffix} takes no map of joints", where=str(path), hint=hint)
    match suffix:
        case ".c3d":
            from motiongpt3.formats import c3d, markers

            return markers.to_motion(c3d.read(path), str(path))
        case ".npz":
            from motiongpt3.formats import arrays

            return arrays.read_npz(path)
        case _:
            from motiongpt3.formats import arrays

            return arrays.read_npy(path)


def _read_rig(path: str | Path, suffix: str, joints: str | Path | None) -> Motion:
    """The person a skeleton stands for; our own files are known without looking for joints."""
    from motiongpt3.formats import bvh, glb_read, joint_map, mapping, own

    stated = None if joints is None else joint_map.read(joints)
    rig = bvh.read(path) if suffix == ".bvh" else glb_read.read(path)
    if stated is None and own.is_own(rig):
        return own.to_motion(rig, str(path))
    return mapping.to_motion(rig, str(path), stated)


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
