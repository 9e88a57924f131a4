"""Embeddings of many clips."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import motiongpt3
from motiongpt3.errors import InputError
from motiongpt3.evaluation.replications import Identity
from motiongpt3.library.index import Entry, Index, Origin
from motiongpt3.library.inputs import OfClips
from motiongpt3.library.parts import Row
from motiongpt3.library.reading import ReadClip, read_clips
from motiongpt3.library.work import together_or_alone

if TYPE_CHECKING:
    from motiongpt3.model.text_motion import TextMotion


@dataclass(frozen=True)
class Embedding(OfClips):
    """Clips to embed, and the evaluator that does."""

    evaluator: str
    """Its folder, absolute."""

    @cached_property
    def identity(self) -> Identity:
        """The clips and the evaluator."""
        from motiongpt3.model.evaluator import read_evaluator

        judge = read_evaluator(Path(self.evaluator))
        return {
            "work": "embed",
            "evaluator": judge.name,
            "evaluator hash": judge.hash,
            **self.inputs,
            "version": motiongpt3.__version__,
        }

    def begin(self) -> "Embedder":
        """Load the evaluator."""
        return Embedder(self)


class Embedder:
    """The evaluator at work."""

    def __init__(self, job: Embedding):
        from motiongpt3.model.evaluator import observer_of, read_evaluator

        self.job, self.evaluator = job, read_evaluator(Path(job.evaluator))
        self.observer = observer_of(self.evaluator)

    def reading(self, number: int) -> Callable[[], list[ReadClip]]:
        """What reads the clips of a part, by their joints: as evaluations embed them."""
        return partial(read_clips, self.observer, self.job.parts[number], as_decoded=False)

    def rows(self, number: int, read: Sequence[ReadClip]) -> list[Row]:
        """A row for each window of a clip of a part, and one for each that has none."""
        there = [clip for clip in read if clip.error is None]
        made = iter(together_or_alone(self._embedded, there))
        rows: list[Row] = []
        for clip in read:
            found = next(made) if clip.error is None else clip.error
            if isinstance(found, str):
                rows.append({"path": clip.name, "error": found})
            else:
                rows += self._windows(clip, found)
        return rows

    def _embedded(self, clips: Sequence[ReadClip]) -> list[np.ndarray]:
        """Embeddings of the windows of each clip."""
        windows = [window for clip in clips for window in clip.windows]
        ends = np.cumsum([len(clip.windows) for clip in clips])
        return np.split(np.asarray(self.evaluator.motions(windows), np.float32), ends[:-1])

    def _windows(self, clip: ReadClip, embeddings: np.ndarray) -> list[Row]:
        rows, start, fps = [], 0, self.observer.fps
        for window, embedding in zip(clip.windows, embeddings, strict=True):
            place = {"start": round(start / fps, 3), "seconds": round(len(window) / fps, 3)}
            packed = base64.b64encode(embedding.tobytes()).decode("ascii")
            row = {"path": clip.name, "text": clip.text, **place, "embedding": packed}
            rows.append({**row, "error": None})
            start += len(window)
        return rows


def index_of(rows: Sequence[Row], identity: Identity, clips: str) -> tuple[Index, list[Row]]:
    """An index of all rows of a job, by path and start, and the rows that have none.

    Args:
        clips: the folder that paths are relative to, relative to the index.

    Raises:
        InputError: when there is nothing to search.
    """
    skipped = sorted((row for row in rows if row["error"] is not None), key=lambda r: r["path"])
    there = [row for row in rows if row["error"] is None]
    there.sort(key=lambda row: (row["path"], row["start"]))
    if not there:
        first = f"{skipped[0]['path']}: {skipped[0]['error']}" if skipped else "no clips"
        raise InputError("no clip could be embedded", hint=first)
    data = b"".join(base64.b64decode(row["embedding"]) for row in there)
    embeddings = np.frombuffer(data, np.float32).reshape(len(there), -1)
    entries = [Entry(r["path"], r["start"], r["seconds"], r["text"]) for r in there]
    origin = Origin(str(identity["evaluator"]), str(identity["evaluator hash"]), clips)
    return Index.of(origin, entries, embeddings), skipped


def evaluator_of(index: Index, given: Path | None = None) -> "TextMotion":
    """The evaluator that an index was made with.

    Raises:
        InputError: when it is not the one given, nor one that comes with the project.
    """
    from motiongpt3.model.evaluator import read_evaluator, shipped_evaluators

    for folder in shipped_evaluators() if given is None else [given]:
        evaluator = read_evaluator(folder)
        if evaluator.hash == index.origin.hash:
            return evaluator
    raise InputError(
        f"the index was made with another evaluator, {index.origin.evaluator}",
        where="--evaluator",
        hint=f"name its folder: its hash begins {index.origin.hash[:16]}",
    )
