"""Opening and writing files so that nothing hangs and nothing is left half written.

Sizes are bytes.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError, ResourceError

MAX_BYTES = 256 * 2**20
"""Largest motion file that is read: about 13 hours of 22 joints at 20 fps."""

_SIGNATURES = (
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"PK\x03\x04", "a zip archive or .npz"),
    (b"glTF", "a GLB scene"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (run `git lfs pull`)"),
    (b"HIERARCHY", "a BVH motion"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"Kaydara FBX", "an FBX scene"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def check_input(path: str | Path, max_bytes: int = MAX_BYTES) -> None:
    """Refuse what cannot be read as a motion file, without reading it.

    Raises:
        InputError: missing, not a regular file, not readable, empty or too large.
    """
    os.close(_open(path, max_bytes))


def read_bytes(path: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole of a checked file.

    Raises:
        InputError: as `check_input`.
    """
    with os.fdopen(_open(path, max_bytes), "rb") as file:
        try:
            return file.read(max_bytes + 1)
        except OSError as error:
            raise _unreadable(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of ours.

    Raises:
        CorruptError: when it cannot be read.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CorruptError("cannot be read", where=str(path), hint=str(error)) from error


def decoded(data: bytes) -> str:
    """Text in UTF-8, with or without a mark, or what a spreadsheet saves on Windows."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def describe(head: bytes) -> str:
    """What a file is, judged by its first bytes, for a message to the user."""
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signature, meaning in _SIGNATURES:
        if head[: len(signature)].lower() == signature.lower():
            return meaning
    return "something else"


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Gives a temporary path beside the target. When the block ends well it is flushed to disk and
    takes the target's name; otherwise it is removed and an older target stays as it was.

    Raises:
        ResourceError: when the folder is missing or not writable, or the disk is full.
    """
    try:
        target = Path(os.path.realpath(path))  # a link keeps pointing where it points
        if target.exists() and not target.is_file():
            raise ResourceError("is not a regular file", where=str(path), hint="give a file name")
        part = target.parent / f".motiongpt3-{secrets.token_hex(6)}{target.suffix[:16]}"
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    try:
        yield part
        flush(part)
        os.replace(part, target)
        flush(target.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _open(path: str | Path, max_bytes: int) -> int:
    try:
        # Non-blocking: opening a FIFO must not wait for someone to write to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    status = os.fstat(handle)
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
    elif status.st_size == 0:
        problem = "is empty"
    elif status.st_size > max_bytes:
        problem = f"has {status.st_size / 2**20:.0f} MiB; at most {max_bytes / 2**20:.0f} are read"
    if problem:
        os.close(handle)
        raise InputError(problem, where=str(path), hint="give a motion file")
    return handle


def digest(path: Path) -> str | None:
    """SHA-256 of a file, read in pieces; None for what is not a file."""
    if not path.is_file():
        return None
    sums = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(2**22):
            sums.update(piece)
    return sums.hexdigest()


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unreadable(path: str | Path, error: Exception) -> InputError:
    return InputError(
        f"cannot be read: {_reason(error)}", where=str(path), hint="check the name and its rights"
    )


def _unwritable(path: str | Path, error: Exception) -> ResourceError:
    return ResourceError(
        f"cannot be written: {_reason(error)}",
        where=str(path),
        hint="give a file in an existing, writable folder with space left",
    )
