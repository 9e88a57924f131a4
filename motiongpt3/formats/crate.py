"""A look at a binary USD file (crate) before pxr sees it: what it declares must fit into its bytes.

pxr allocates by what a damaged table of contents claims, gigabytes if need be.
"""

import struct

from motiongpt3.errors import InputError

MAGIC = b"PXR-USDC"
_SECTIONS = 32
_PACKED = 300
"""No part of a crate is packed tighter than this many times (LZ4 reaches 255)."""


def check(data: bytes, path: str) -> None:
    """Refuse a crate whose sections lie outside the file or hold more than they can.

    Raises:
        InputError: for such a file.
    """
    offset, count = _number(data, 16, path), 0
    count = _number(data, offset, path)
    if count > _SECTIONS:
        raise _damaged(path)
    for section in range(count):
        at = offset + 8 + 32 * section
        name = data[at : at + 16].rstrip(b"\0")
        start, size = _number(data, at + 16, path), _number(data, at + 24, path)
        if start + size > len(data):
            raise _damaged(path)
        words = [_number(data, start, path)]
        if name == b"TOKENS":
            words += [_number(data, start + 8, path)]
        if max(words) > _PACKED * size:
            raise _damaged(path)


def _number(data: bytes, at: int, path: str) -> int:
    if at + 8 > len(data):
        raise _damaged(path)
    (value,) = struct.unpack_from("<Q", data, at)
    return int(value)


def _damaged(path: str) -> InputError:
    return InputError("the USD file is damaged", where=path, hint="export it again")
