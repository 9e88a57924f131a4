"""The parts of a glTF 2.0 file, .glb or .gltf, checked before they are used.

Numbers in the JSON are believed only once the bytes they speak of are there. Buffers come from the
file itself, from base64 in it, or from a file beside it that is called by a plain name; nothing
else is opened.
"""

import base64
import binascii
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import Fault, InputError
from motiongpt3.formats.files import MAX_BYTES, describe, read_bytes

MAX_MARKS = 1_000_000
"""Most brackets and commas of the JSON: each costs memory many times its size."""

_HEAD, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
_DATA = re.compile(r"data:[\w/.+-]{0,60};base64,")
_PLAIN = re.compile(r"[\w-][\w .-]{0,200}")
_TYPES = {
    5120: (np.int8, 127),
    5121: (np.uint8, 255),
    5122: (np.int16, 32767),
    5123: (np.uint16, 65535),
    5126: (np.float32, 1),
}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """A file's JSON and its binary data.

    Raises:
        InputError: when the file is damaged or not glTF 2.0.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        data = read_bytes(path)
        text, self._binary = self._chunks(data) if data[:4] == b"glTF" else (data, b"")
        if sum(map(text.count, (b"[", b"{", b","))) > MAX_MARKS:
            raise self.error("the JSON is too large", hint="keep the skeleton and its animation")
        try:
            self.json = json.loads(text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            hint = f"this is {describe(data[:64])}"
            raise self.error(f"is not glTF: {error}", hint=hint) from error
        if not isinstance(self.json, dict):
            raise self.error("is not glTF: the JSON is no object")
        asset = self.json.get("asset")
        version = asset.get("version") if isinstance(asset, dict) else None
        if not str(version).startswith("2."):
            raise self.error(f"is glTF {version!r}", hint="version 2.0 is read")
        self._buffers: dict[int, bytes] = {}
        self._arrays: dict[tuple[int, str], np.ndarray] = {}

    def error(
        self, message: str, at: str = "", hint: str = "", fault: Fault | None = None
    ) -> InputError:
        where = f"{self.path}: {at}" if at else str(self.path)
        return InputError(message, where=where, hint=hint or "the file is damaged", fault=fault)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a list at the top of the JSON, such as "nodes"."""
        found = self.json.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error("is not a list of objects", kind)
        return found

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """One of those objects."""
        found = self.items(kind)
        return found[self.index(index, len(found), kind)]

    def index(self, value: Any, count: int, what: str) -> int:
        """A number below a count."""
        if type(value) is not int or not 0 <= value < count:
            raise self.error(f"there is no number {str(value)[:20]}", what)
        return value

    def array(self, index: Any, kind: str) -> Float[np.ndarray, "n w"]:
        """The values of an accessor of a kind such as "VEC3"; integers become -1 to 1."""
        index = self.index(index, len(self.items("accessors")), "accessors")
        if (index, kind) not in self._arrays:
            self._arrays[index, kind] = self._values(index, kind)
        return self._arrays[index, kind]

    def _values(self, index: int, kind: str) -> Float[np.ndarray, "n w"]:
        accessor, at = self.item("accessors", index), f"accessors[{index}]"
        if "sparse" in accessor or accessor.get("type") != kind:
            raise self.error(f"is not a plain list of {kind}", at, "export it without compression")
        number = self.index(accessor.get("componentType"), 5127, at)
        if number not in _TYPES:
            raise self.error(f"has component type {number}", at)
        dtype, full = _TYPES[number]
        width = _WIDTH[kind]
        size = np.dtype(dtype).itemsize * width
        data, stride = self._view(accessor.get("bufferView"), size)
        count = self.index(accessor.get("count"), len(data) + 1, f"{at}: count")
        start = self.index(accessor.get("byteOffset", 0), len(data) + 1, f"{at}: byteOffset")
        if count < 1 or start + (count - 1) * stride + size > len(data):
            raise self.error(f"{count} values are declared, fewer are there", at)
        flat = np.frombuffer(data, np.uint8)[start:]
        rows = np.lib.stride_tricks.as_strided(flat, (count, size), (stride, 1), writeable=False)
        values = np.ascontiguousarray(rows).view(np.dtype(dtype).newbyteorder("<"))
        with np.errstate(invalid="ignore"):  # a NaN that signals is refused below, as any other
            values = values.reshape(count, width).astype(np.float64)
        if not (np.abs(values) < 1e9).all():
            raise self.error("a value is not a usable number", at, fault="not-finite")
        return np.maximum(values / full, -1.0) if full > 1 else values

    def _view(self, index: Any, size: int) -> tuple[bytes, int]:
        """The bytes of a buffer view, and the way from one value to the next."""
        view, at = self.item("bufferViews", index), f"bufferViews[{index}]"
        data = self._buffer(view.get("buffer"))
        start = self.index(view.get("byteOffset", 0), len(data) + 1, f"{at}: byteOffset")
        length = self.index(view.get("byteLength"), len(data) + 1, f"{at}: byteLength")
        stride = self.index(view.get("byteStride", size), 253, f"{at}: byteStride")
        if start + length > len(data) or stride < size:
            raise self.error("is outside its buffer", at)
        return data[start : start + length], stride

    def _buffer(self, index: Any) -> bytes:
        buffer = self.item("buffers", index)
        if index not in self._buffers:
            uri = buffer.get("uri")
            self._buffers[index] = self._binary if uri is None else self._open(uri)
            length = buffer.get("byteLength")
            if type(length) is not int or length > len(self._buffers[index]):
                raise self.error("is shorter than declared", f"buffers[{index}]")
        return self._buffers[index]

    def _open(self, uri: Any) -> bytes:
        """The bytes a URI stands for: base64, or a file beside this one."""
        if not isinstance(uri, str):
            raise self.error("a URI is no text", "buffers")
        if head := _DATA.match(uri):
            try:
                return base64.b64decode(uri[head.end() :], validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.error(f"data is not base64: {error}", "buffers") from error
        beside = self.path.parent / uri if _PLAIN.fullmatch(uri) else None
        if beside is None or beside.is_symlink():
            hint = "only files beside it, with plain names, are opened; export a .glb"
            raise self.error(f"data is elsewhere: {uri[:60]!r}", "buffers", hint)
        return read_bytes(beside, MAX_BYTES)

    def _chunks(self, data: bytes) -> tuple[bytes, bytes]:
        """JSON and binary part of a .glb."""
        if len(data) < _HEAD.size:
            raise self.error("is cut off")
        _, version, length = _HEAD.unpack_from(data)
        if version != 2 or length > len(data):
            problem = f"is version {version}" if version != 2 else "is cut off"
            raise self.error(problem, hint="glTF 2.0 is read")
        found: dict[bytes, bytes] = {}
        at = _HEAD.size
        while at + _CHUNK.size <= length and len(found) < 2:
            size, kind = _CHUNK.unpack_from(data, at)
            at += _CHUNK.size
            if at + size > length:
                raise self.error("a part is longer than the file")
            found.setdefault(kind, data[at : at + size])
            at += size
        if b"JSON" not in found:
            raise self.error("has no JSON")
        return found[b"JSON"], found.get(b"BIN\0", b"")
