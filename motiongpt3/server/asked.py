"""What requests and answers hold, as values that are checked when they come in.

Units are seconds and frames. A field that is not known is refused, as is a number that is none.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from motiongpt3.model.sampling import Sampler, Sampling
from motiongpt3.motion.motion import Motion
from motiongpt3.server import tasks

_DECIDED = 9.8
"""Seconds that the model decides for at most: its longest clip."""

Name = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="what a motion is kept under")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, description="the same seed, the same motion")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Asked(BaseModel):
    """What every request has in common: it says nothing that is not understood."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class How(Asked):
    """How a motion is drawn; what is left out is as the model is meant to be used."""

    sampler: Sampler = "dpm++"
    steps: Annotated[int, Field(ge=1, le=1000)] = 10
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None
    guided_from: Annotated[int, Field(ge=0, le=1000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None

    def sampling(self) -> Sampling:
        """The same, for the model."""
        return Sampling(**self.model_dump())


class Making(Asked):
    """What all that makes motion takes."""

    seed: Seed = 0
    sampling: How | None = None

    @property
    def built_on(self) -> tuple[str, ...]:
        """Names of the motions it goes on from."""
        return ()

    @property
    def length(self) -> float:
        """Seconds of motion to make."""
        raise NotImplementedError

    def task(self, *motions: Motion) -> tasks.Task:
        """The same for the model, with the motions it is built on."""
        raise NotImplementedError

    def _drawn(self) -> Sampling | None:
        return None if self.sampling is None else self.sampling.sampling()


class Generate(Making):
    """A sentence becomes motion."""

    text: Text
    seconds: float | None = Field(None, ge=1, description="the model decides where it is null")
    samples: int = Field(1, ge=1)

    @property
    def length(self) -> float:
        """Seconds; of all that the model may decide for."""
        return self.seconds or _DECIDED

    def task(self, *motions: Motion) -> tasks.Task:
        """The same for the model."""
        return tasks.Generate(
            text=self.text,
            seconds=self.seconds,
            samples=self.samples,
            seed=self.seed,
            sampling=self._drawn(),
        )


class OfOne(Making):
    """What is made from one motion."""

    motion: Name

    @property
    def built_on(self) -> tuple[str, ...]:
        """The motion."""
        return (self.motion,)


class Predict(OfOne):
    """A motion goes on."""

    seconds: float = Field(3.0, ge=0.2)
    text: Text | None = None

    @property
    def length(self) -> float:
        """Seconds that are added."""
        return self.seconds

    def task(self, *motions: Motion) -> tasks.Task:
        """The same for the model."""
        return tasks.Predict(
            motion=motions[0],
            seconds=self.seconds,
            text=self.text,
            seed=self.seed,
            sampling=self._drawn(),
        )


class Inbetween(Making):
    """Two motions are joined by a third."""

    start: Name
    end: Name
    seconds: float = Field(2.0, ge=0.2)
    text: Text | None = None

    @property
    def built_on(self) -> tuple[str, ...]:
        """Both."""
        return self.start, self.end

    @property
    def length(self) -> float:
        """Seconds between them."""
        return self.seconds

    def task(self, *motions: Motion) -> tasks.Task:
        """The same for the model."""
        start, end = motions
        return tasks.Inbetween(
            start=start,
            end=end.resample(start.fps),
            seconds=self.seconds,
            text=self.text,
            seed=self.seed,
            sampling=self._drawn(),
        )


class Edit(OfOne):
    """A part of a motion is made anew."""

    start: float = Field(ge=0)
    stop: float = Field(gt=0)
    text: Text | None = None

    @property
    def length(self) -> float:
        """Seconds that are made anew."""
        return self.stop - self.start

    def task(self, *motions: Motion) -> tasks.Task:
        """The same for the model."""
        return tasks.Edit(
            motion=motions[0],
            start=self.start,
            stop=self.stop,
            text=self.text,
            seed=self.seed,
            sampling=self._drawn(),
        )


class Caption(Asked):
    """A motion becomes a sentence."""

    motion: Name


class Cut(Asked):
    """A part of a motion."""

    motion: Name
    start: float = Field(0.0, ge=0)
    stop: float | None = Field(None, gt=0)


class Join(Asked):
    """Motions after one another, each where the one before has ended."""

    motions: list[Name] = Field(min_length=2, max_length=16)


class Job(Asked):
    """One of the above that is not waited for; exactly one is given."""

    generate: Generate | None = None
    predict: Predict | None = None
    inbetween: Inbetween | None = None
    edit: Edit | None = None


class Kept(BaseModel):
    """A motion that is kept here."""

    id: Name
    frames: int
    fps: float
    seconds: float
    skeleton: str
    text: str
    provenance: dict[str, Any]


class Remaining(BaseModel):
    """Which of some motions are still kept."""

    motions: list[Name]


class Made(BaseModel):
    """Motions, in the order of their samples."""

    motions: list[Kept]


class Said(BaseModel):
    """What happens in a motion."""

    caption: str


class FoundClip(BaseModel):
    """A clip of the library; a smaller distance is nearer to the text."""

    path: str
    start: float
    seconds: float
    text: str
    distance: float


class FoundClips(BaseModel):
    """The nearest clips, the nearest first."""

    found: list[FoundClip]


class JobState(BaseModel):
    """How a job stands."""

    id: Name
    state: str = Field(description="waiting, running, done, failed, cancelled or interrupted")
    done: int
    steps: int
    motions: list[Kept] = []
    error: "Problem | None" = None


class Problem(BaseModel):
    """Why something was refused, and what to do."""

    message: str
    where: str = ""
    hint: str = ""


class Refusal(BaseModel):
    """The body of every answer that is none."""

    error: Problem
