"""What an evaluation keeps for its page: confusions, and the worst and best clips themselves.

OUT/evidence.npz   "about": UTF-8 of a JSON object; "joints": the clips' frames one after another;
                   "ends": where each clip ends
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import CorruptError
from motiongpt3.formats.files import atomic_write

FILE = "evidence.npz"
_DAMAGED = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    BadZipFile,
    zlib.error,
)
_EACH = 4
"""Clips shown of the best, and of the worst."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip worth looking at.

    Attributes:
        joints: (T, J, 3) in the skeleton's unit.
        best: one of the best, or else one of the worst.
    """

    caption: str
    note: str
    best: bool
    joints: Float[np.ndarray, "T J 3"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a page shows of the first replication besides its figures.

    Attributes:
        confusion: how often an action that was asked for was taken for which.
        sides: for every side or direction asked for, how often it was right, and of how many.
    """

    confusion: Mapping[str, Mapping[str, int]]
    sides: Mapping[str, tuple[int, int]]
    shown: Sequence[Shown]


def worst_and_best(
    errors: Sequence[float],
    said: Sequence[tuple[str, str]],
    joints: Sequence[Float[np.ndarray, "_ J 3"]],
) -> list[Shown]:
    """The clips with the largest errors, and those with the smallest; worst and best come first.

    Args:
        said: caption and note of every clip.
    """
    order = [int(i) for i in np.argsort(errors, kind="stable") if np.isfinite(errors[i])]
    best = order[: min(_EACH, len(order) // 2)]
    worst = order[::-1][: len(best)]
    chosen = [(at, False) for at in worst] + [(at, True) for at in best]
    return [Shown(*said[at], good, np.asarray(joints[at], np.float32)) for at, good in chosen]


def write_evidence(folder: Path, evidence: Evidence) -> None:
    """Keep what a page shows in an evaluation's folder.

    Raises:
        ResourceError: when it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = [{"caption": s.caption, "note": s.note, "best": s.best} for s in evidence.shown]
    about = {"confusion": evidence.confusion, "sides": evidence.sides, "shown": shown}
    joints = [clip.joints for clip in evidence.shown] or [np.zeros((0, 0, 3), np.float32)]
    with atomic_write(folder / FILE) as path:
        np.savez_compressed(
            path,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            joints=np.concatenate(joints),
            ends=np.cumsum([len(clip) for clip in joints]),
        )


def read_evidence(folder: Path) -> Evidence:
    """What `write_evidence` kept.

    Raises:
        CorruptError: for a file that it did not write, or none.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            clips = np.split(file["joints"], file["ends"][:-1])
        pairs = zip(about["shown"], clips, strict=False)  # no clips are kept as one without frames
        shown = [Shown(s["caption"], s["note"], s["best"], joints) for s, joints in pairs]
        sides = {name: (right, count) for name, (right, count) in about["sides"].items()}
        return Evidence(about["confusion"], sides, shown)
    except _DAMAGED as error:
        hint = "evaluate again into a new folder"
        raise CorruptError("no evidence of an evaluation", where=str(path), hint=hint) from error
