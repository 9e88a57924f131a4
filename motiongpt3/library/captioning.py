"""Captions of many clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import motiongpt3
from motiongpt3.evaluation.replications import Identity
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.inputs import OfClips
from motiongpt3.library.parts import Row
from motiongpt3.library.reading import ReadClip, read_clips

COLUMNS = {"path": "string", "seconds": "double", "caption": "string", "error": "string"}
"""Of the table, with their types. A clip has a caption, or an error that says why not."""


@dataclass(frozen=True)
class Captioning(OfClips):
    """Clips to describe, and the model that does."""

    model: Chosen = Chosen()

    @cached_property
    def identity(self) -> Identity:
        """The clips and the model."""
        return {
            "work": "caption",
            **self.model.identity,
            **self.inputs,
            "version": motiongpt3.__version__,
        }

    def begin(self) -> "Captioner":
        """Load the model."""
        return Captioner(self)


class Captioner:
    """The model at work."""

    def __init__(self, job: Captioning):
        from motiongpt3.model.observer import Observer

        self.job, self.model = job, job.model.load()
        self.observer = Observer(self.model.codec.skeleton, self.model.codec.hip_sign)

    def reading(self, number: int) -> Callable[[], list[ReadClip]]:
        """What reads the clips of a part."""
        return partial(read_clips, self.observer, self.job.parts[number])

    def rows(self, number: int, read: Sequence[ReadClip]) -> list[Row]:
        """A row for each clip of a part."""
        there = [clip for clip in read if clip.error is None]
        said = iter(self.model.describer.captions([clip.windows for clip in there]))
        return [
            {"path": clip.name, "seconds": None, "caption": None, "error": clip.error}
            if clip.error is not None
            else {"path": clip.name, "seconds": clip.seconds, "caption": next(said), "error": None}
            for clip in read
        ]
