"""A bounded reader of C3D, the binary format of optical motion capture: markers, rate and unit.

Header, parameters and the size of the data are checked against the bytes that are there before any
of them is used. Analog channels and events are passed over. Integers and floats of PC, DEC and
SGI/MIPS files are read (https://www.c3d.org, "The C3D file format user guide").

Shapes: T frames, M markers.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats.files import describe, read_bytes

MAX_MARKERS = 2048
MAX_PLACES = 8_000_000
"""Largest number of frames times markers."""

_BLOCK = 512
_PC, _DEC, _MIPS = 84, 85, 86
_WIDTH = {-1: 1, 1: 1, 2: 2, 4: 4}
_FPS = (1e-3, 1e4)

Parameters = Mapping[tuple[str, str], Any]


@dataclass(frozen=True, eq=False)
class C3d:
    """Marker paths.

    Attributes:
        labels: of the markers, with a prefix such as "Anna:" where the file has one.
        points: (T, M, 3) in the file's unit and axes; NaN where a marker was not seen.
        fps: frames per second.
        unit: such as "mm"; empty where the file does not say.
        up: "Y" or "Z", where the file says which axis is up on the screen, or "".
    """

    labels: tuple[str, ...]
    points: Float[np.ndarray, "T M 3"]
    fps: float
    unit: str
    up: str


def read(path: str | Path) -> C3d:
    """Read a C3D file.

    Raises:
        InputError: when it is damaged, cut off, or holds no markers.
    """
    data = read_bytes(path)
    if len(data) < 2 * _BLOCK or data[1] != 0x50 or data[0] < 2:
        hint = f"this is {describe(data[:64])}"
        raise InputError("is no C3D file", where=str(path), hint=hint)
    return _File(data, str(path)).markers()


class _File:
    """A file's bytes, with its way of writing numbers and its parameters."""

    def __init__(self, data: bytes, path: str):
        self.data, self.path = data, path
        start = (data[0] - 1) * _BLOCK
        section = data[start : start + 4]
        if len(section) < 4 or section[3] not in (_PC, _DEC, _MIPS):
            raise self.error("the parameters are not where the header says")
        self.processor = section[3]
        self.order = ">" if self.processor == _MIPS else "<"
        # A section of 0 blocks is one that another program forgot to count.
        end = start + section[2] * _BLOCK if section[2] else len(data)
        self.parameters = self._read_parameters(data[start:end])

    def error(self, message: str, hint: str = "the file is damaged") -> InputError:
        return InputError(message, where=self.path, hint=hint)

    def markers(self) -> C3d:
        """All marker paths."""
        first, last = self._words(6, 2)
        per_frame = self._words(4, 1)[0]
        used, frames = self.whole("POINT", "USED"), last - first + 1
        start = self.whole("POINT", "DATA_START")
        labels = self._labels(used)
        longer = self._long_count()
        frames = longer if longer > 65535 or frames <= 0 else frames
        scale, fps = self.number("POINT", "SCALE"), self.number("POINT", "RATE")
        if not 0 < used <= MAX_MARKERS or frames < 1:
            raise self.error(f"{used} markers in {frames} frames", "a capture of markers is needed")
        if frames * used > MAX_PLACES:
            raise self.error(f"{frames} frames are too many", "cut the file into shorter clips")
        if not _FPS[0] < fps < _FPS[1]:
            raise self.error(f"POINT:RATE is {fps}", "frames per second, e.g. 120")
        numbers = self._frames(start, frames, 4 * used, per_frame, floats=scale < 0)
        values = numbers.reshape(frames, used, 4)
        points = values[..., :3] * (1 if scale < 0 else scale)
        with np.errstate(invalid="ignore"):
            seen = (values[..., 3] >= 0) & (np.abs(points) < 1e9).all(-1) & points.any(-1)
        points[~seen] = np.nan
        unit = self.text("POINT", "UNITS")[:1]
        screen = self.text("POINT", "Y_SCREEN")[:1]
        up = screen[0].strip("+- ").upper() if screen else ""
        return C3d(labels, points, fps, unit[0] if unit else "", up if up in ("Y", "Z") else "")

    def _frames(
        self, block: int, frames: int, width: int, analog: int, floats: bool
    ) -> Float[np.ndarray, "T W"]:
        """The numbers of the markers of every frame."""
        start, size = (block - 1) * _BLOCK, 4 if floats else 2
        row = (width + analog) * size
        there = (len(self.data) - start) // row
        if block < 2 or there < frames:
            raise self.error(
                f"{frames} frames are declared, {max(there, 0)} are there", "the file is cut off"
            )
        rows = np.frombuffer(self.data, np.uint8, frames * row, start).reshape(frames, row)
        numbers = self._numbers(np.ascontiguousarray(rows[:, : width * size]), size, floats)
        with np.errstate(invalid="ignore"):  # damaged numbers are no positions, as is seen later
            return numbers.astype(np.float64)

    def _numbers(self, data: np.ndarray, size: int, floats: bool) -> np.ndarray:
        """Bytes as the numbers they are to the machine that wrote them."""
        if not floats:
            return data.view(f"{self.order}i{size}" if size > 1 else "i1")
        if self.processor != _DEC:
            return data.view(f"{self.order}f4")
        # A DEC float has its two words swapped and an exponent that is larger by two.
        words = data.view("<u2")
        swapped = np.ascontiguousarray(words.reshape(*words.shape[:-1], -1, 2)[..., ::-1])
        with np.errstate(invalid="ignore"):
            return (swapped.view("<f4") / 4).reshape(*words.shape[:-1], -1)

    def _words(self, at: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{count}H", self.data, at)

    def _long_count(self) -> int:
        """Number of frames as the parameters have it, for files too long for the header."""
        ends = [
            int(v[0]) % 65536 + int(v[1]) % 65536 * 65536
            for name in ("ACTUAL_START_FIELD", "ACTUAL_END_FIELD")
            if len(v := self.parameters.get(("TRIAL", name), ())) == 2
        ]
        return ends[1] - ends[0] + 1 if len(ends) == 2 else 0

    def _labels(self, used: int) -> tuple[str, ...]:
        labels = self.text("POINT", "LABELS")
        for number in range(2, 10):  # at most 255 labels fit one parameter
            labels += self.text("POINT", f"LABELS{number}")
        labels = labels[: max(used, 0)]
        return (*labels, *(f"*{i}" for i in range(len(labels), used)))

    def whole(self, group: str, name: str) -> int:
        """A count."""
        return int(self.number(group, name)) % 65536

    def number(self, group: str, name: str) -> float:
        found = self.parameters.get((group, name))
        if not isinstance(found, np.ndarray) or not len(found) or not np.isfinite(found[0]):
            raise self.error(f"{group}:{name} is missing")
        return float(found[0])

    def text(self, group: str, name: str) -> list[str]:
        found = self.parameters.get((group, name), [])
        return found if isinstance(found, list) else []

    def _read_parameters(self, section: bytes) -> Parameters:
        """All parameters: numbers as arrays, text as lists."""
        groups: dict[int, str] = {}
        raw: list[tuple[int, str, Any]] = []
        at = 4
        while at + 4 < len(section) and section[at] and section[at + 1]:
            length, group = (struct.unpack_from("b", section, at + i)[0] for i in (0, 1))
            end = at + 2 + abs(length)
            name = section[at + 2 : end].decode("latin-1").strip().upper()
            if end + 3 > len(section):
                raise self.error("a parameter is cut off")
            step = struct.unpack_from(f"{self.order}H", section, end)[0]
            if group < 0:
                groups[-group] = name
            else:
                raw.append((group, name, self._value(section, end + 2)))
            if step == 0:
                break
            at = end + step
        return {(groups.get(group, ""), name): value for group, name, value in raw}

    def _value(self, section: bytes, at: int) -> Any:
        kind, axes = struct.unpack_from("bB", section, at) if at + 2 <= len(section) else (0, 0)
        shape = section[at + 2 : at + 2 + axes]
        count = 1
        for size in shape:
            count *= size
            if count > len(section):
                break
        start = at + 2 + axes
        if kind not in _WIDTH or axes > 7 or start + count * _WIDTH[kind] > len(section):
            raise self.error("a parameter is longer than its section")
        data = section[start : start + count * _WIDTH[kind]]
        if kind != -1:
            return self._numbers(np.frombuffer(data, np.uint8), _WIDTH[kind], kind == 4)
        width = shape[0] if shape else 1
        text = data.decode("latin-1")
        return [text[i : i + width].strip(" \0") for i in range(0, len(text), max(width, 1))]
