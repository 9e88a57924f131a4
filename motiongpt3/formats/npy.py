"""Reading numpy's array files without trusting what they claim.

The header is matched against the one form numpy writes, the size it declares is compared with the
bytes that are there, and only plain numbers are taken: no pickles, no objects, no bombs.
"""

import re
import struct
import zipfile
import zlib
from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.formats.files import MAX_BYTES, describe, read_bytes

MAX_HEADER = 4096
MAX_ENTRIES = 64
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{'descr': '([<>|=])([fiub])([1248])', 'fortran_order': (True|False), "
    r"'shape': \(([\d, ]{0,200})\), *\}\s*"
)
_WORD = re.compile(
    r"\{'descr': '[<|]([US])(\d{1,3})', 'fortran_order': (?:True|False), "
    r"'shape': \((?:1,)?\), *\}\s*"
)
_ENTRY = struct.Struct("<4sHHHHHIIIHH")
"""Before the name and the bytes of an entry."""
_ZIP_END = struct.Struct("<4sHHHHIIH")


def parse(data: bytes, where: str) -> np.ndarray:
    """The array in the bytes of an .npy file.

    Raises:
        InputError: when it is damaged, or not an array of plain numbers.
    """
    if data[:6] != _MAGIC or len(data) < 12:
        raise InputError(f"this is {describe(data[:64])}", where=where, hint="not a numpy array")
    # Version 1 gives the header's length in two bytes, later ones in four.
    start, length = (10, data[8:10]) if data[6] == 1 else (12, data[8:12])
    size = int.from_bytes(length, "little")
    header = data[start : start + min(size, MAX_HEADER)].decode("latin-1")
    found = _HEADER.fullmatch(header)
    if size > MAX_HEADER or not found:
        raise InputError(
            f"the array's header is not understood: {header[:60]!r}",
            where=where,
            hint="save plain numbers, e.g. numpy.save(path, joints.astype('float32'))",
        )
    order, kind, width, fortran, axes = found.groups()
    shape = tuple(int(n) for n in axes.replace(" ", "").split(",") if n)
    declared, there = prod(shape) * int(width), len(data) - start - size
    if declared != there:
        raise InputError(
            f"shape {shape} needs {declared} bytes, {there} are there",
            where=where,
            hint="the file is cut off or damaged",
        )
    try:
        dtype = np.dtype(f"{order}{kind}{width}")
        flat = np.frombuffer(data, dtype, offset=start + size)
        return flat.reshape(shape, order="F" if fortran == "True" else "C")
    except (TypeError, ValueError, OverflowError) as error:  # such as f1, or 40 axes
        raise InputError(f"{error}", where=where, hint="save joints as float32") from error


def read_archive(path: str | Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file that are there; other entries are not unpacked.

    Raises:
        InputError: when the archive is damaged or unpacks to far too much.
    """
    data = read_bytes(path)
    _check_directory(data, str(path))
    arrays = {}
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = {e.filename: e for e in archive.infolist()}
            known = {k: entries[f"{k}.npy"] for k in keys if f"{k}.npy" in entries}
            packed = sum(entry.compress_size for entry in known.values())
            if sum(e.file_size for e in known.values()) > min(MAX_BYTES, 2**20 + 200 * packed):
                raise InputError(
                    "unpacks to too much", where=str(path), hint="motion is never that regular"
                )
            for key, entry in known.items():
                arrays[key] = parse(_unpack(archive, entry, data), f"{path}: {key}")
            others = [name.removesuffix(".npy") for name in entries]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        # ValueError and RuntimeError: bad names, offsets, encryption, unknown compression
        raise InputError(
            f"the archive is damaged: {str(error)[:80]}", where=str(path), hint="save it again"
        ) from error
    if not arrays:
        raise InputError(
            f"holds {', '.join(others)[:120] or 'nothing'}",
            where=str(path),
            hint=f"known arrays are {', '.join(keys)}",
        )
    return arrays


def read_word(path: str | Path, key: str) -> str:
    """The one word in an array of an .npz file; empty where there is none that can be read.

    Raises:
        InputError: when the archive is damaged.
    """
    data = read_bytes(path)
    _check_directory(data, str(path))
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if f"{key}.npy" not in archive.namelist():
                return ""
            with archive.open(f"{key}.npy") as file:
                head = file.read(MAX_HEADER)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"the archive is damaged: {str(error)[:80]}", where=str(path)) from error
    size = int.from_bytes(head[8:10], "little")
    found = _WORD.fullmatch(head[10 : 10 + size].decode("latin-1"))
    if head[:7] != _MAGIC + b"\x01" or not found:
        return ""
    kind, body = found[1], head[10 + size :]
    return body.decode("utf-32-le" if kind == "U" else "ascii", "replace").rstrip("\0")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, data: bytes) -> bytes:
    """An entry's bytes; its first ones are looked at before the rest is unpacked."""
    stored = _stored(entry, data)
    if stored is not None:
        return stored
    with archive.open(entry) as file:
        head = file.read(len(_MAGIC))
        return head + file.read() if head == _MAGIC else head


def _stored(entry: zipfile.ZipInfo, data: bytes) -> bytes | None:
    """An entry that lies there as it is, as numpy writes them; None for any other.

    Opening entries one by one takes half the time that a short clip needs to be read.
    """
    at = entry.header_offset
    head = data[at : at + _ENTRY.size]
    if entry.compress_type != zipfile.ZIP_STORED or len(head) < _ENTRY.size:
        return None
    mark, _, flags, *_, name, extra = _ENTRY.unpack(head)
    start = at + _ENTRY.size + name + extra
    found = data[start : start + entry.file_size]
    named = data.startswith(entry.orig_filename.encode(), at + _ENTRY.size)
    whole = mark == b"PK\3\4" and flags & 0x21 == 0 and named
    return found if whole and zlib.crc32(found) == entry.CRC else None


def _check_directory(data: bytes, where: str) -> None:
    """Refuse an archive by its last record, before the list of its entries is read."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - 66_000))
    if at < 0 or len(data) - at < _ZIP_END.size:
        raise InputError(
            f"this is {describe(data[:64])}", where=where, hint="not a complete .npz archive"
        )
    entries = _ZIP_END.unpack_from(data, at)[4]
    if entries > MAX_ENTRIES or data[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        raise InputError(
            f"has {entries} entries", where=where, hint=f"at most {MAX_ENTRIES} are read"
        )
