"""Motions that are kept for those who know their names: random, of 128 bits, and gone in time."""

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.formats import arrays
from motiongpt3.motion.motion import Motion

_NAME = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".npz"


class Unknown(Exception):
    """Nothing has this name, any more or ever."""

    def __init__(self, kind: str = "motion"):
        super().__init__(f"there is no such {kind}")


@dataclass
class _Kept:
    bytes: int
    used: float


class Store:
    """A folder of motions, each under its name, bounded in bytes and in time."""

    def __init__(self, folder: Path, most: int, keep: float, now: Callable[[], float] = time.time):
        """Args:
        most: bytes of all motions; beyond it those that were longest unused are removed.
        keep: seconds after its last use that a motion is removed.

        Raises:
            ResourceError: when the folder cannot be made.
        """
        self.folder, self.most, self.keep, self._now = folder, most, keep, now
        self._lock = threading.RLock()
        """Motions are added, removed and counted in several threads."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = [(path, path.stat()) for path in folder.glob(f"*{_SUFFIX}")]
        except OSError as error:
            raise ResourceError(
                f"cannot keep motions here: {error.strerror}", where=str(folder), hint="--store"
            ) from error
        self.bytes = 0
        """Of all motions."""
        self._kept: dict[str, _Kept] = {}
        """The longest unused first."""
        for path, status in sorted(files, key=lambda file: file[1].st_mtime):
            if _NAME.fullmatch(path.stem):
                self._keep(path.stem, status.st_size, status.st_mtime)
        self.tidy()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: str) -> bool:
        with self._lock:
            kept = self._kept.get(name)
        return kept is not None and self._now() - kept.used <= self.keep

    def add(self, motion: Motion) -> str:
        """Keep a motion; its new name.

        Raises:
            ResourceError: when the disk is full.
        """
        name = secrets.token_hex(16)
        path = self._path(name)
        arrays.write_npz(motion, path)
        with self._lock:
            self._keep(name, path.stat().st_size, self._now())
            self.tidy(spare=name)
        return name

    def get(self, name: str) -> Motion:
        """The motion of this name.

        Raises:
            Unknown: when there is none.
            CorruptError: when its file is damaged.
        """
        path, now = self._path(name), self._now()
        with self._lock:
            if name not in self:  # a name that was not given out here is no path
                raise Unknown
            kept = self._kept.pop(name)
            self._kept[name] = _Kept(kept.bytes, now)
        try:
            with contextlib.suppress(OSError):  # a server that starts again counts from here
                os.utime(path, (now, now))
            return arrays.read_npz(path)
        except InputError as error:
            if not path.is_file():  # others have pushed it out, or removed it, meanwhile
                raise Unknown from error
            raise CorruptError("a kept motion cannot be read", where=name) from error

    def remove(self, name: str) -> None:
        """Forget a motion.

        Raises:
            Unknown: when there is none.
        """
        with self._lock:
            kept = self._kept.pop(name, None)
            if kept is None:
                raise Unknown
            self.bytes -= kept.bytes
        self._path(name).unlink(missing_ok=True)

    def tidy(self, spare: str = "") -> None:
        """Remove what is too old, and what was longest unused where there is too much."""
        with self._lock:
            while self._kept:
                name, kept = next(iter(self._kept.items()))
                old = self._now() - kept.used > self.keep
                if name == spare or not (old or self.bytes > self.most):
                    return
                self.remove(name)

    def _keep(self, name: str, size: int, used: float) -> None:
        self._kept[name] = _Kept(size, used)
        self.bytes += size

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


def facts(name: str, motion: Motion) -> dict[str, Any]:
    """What is told of a motion; what it came from only as far as JSON can say it."""
    origin = {key: value for key, value in motion.provenance.items() if key != "file"}
    return {
        "id": name,
        "frames": len(motion),
        "fps": motion.fps,
        "seconds": round(motion.seconds, 4),
        "skeleton": motion.skeleton.name,
        "text": motion.caption,
        "provenance": json.loads(json.dumps(origin, default=str)),
    }
