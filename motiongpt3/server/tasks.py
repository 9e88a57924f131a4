"""What the model's process is asked to do: values that travel to it, and how each is done.

Requests of several clients that ask for the same kind of thing are done together. One that the
model refuses gets its refusal; the others get their answers.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from motiongpt3.errors import MotionGPTError
from motiongpt3.model.sampling import Sampling

if TYPE_CHECKING:
    from motiongpt3.model.motiongpt import MotionGPT
    from motiongpt3.motion.motion import Motion

Watch = Callable[[int, int], None]
"""Called after each denoising step with steps done and steps in all; raises to stop."""


@dataclass(frozen=True)
class Task:
    """One thing to do."""

    @property
    def group(self) -> Hashable:
        """Tasks of one group can be done together; None stands alone."""
        return None

    def do(self, model: "MotionGPT", watch: Watch) -> Any:
        """The answer to this task alone."""
        raise NotImplementedError

    @classmethod
    def do_all(cls, model: "MotionGPT", tasks: Sequence[Any], watch: Watch) -> list[Any]:
        """The answers to tasks of one group."""
        return [task.do(model, watch) for task in tasks]


@dataclass(frozen=True)
class Making(Task):
    """A task whose answer is motion that is drawn."""

    seed: int = 0
    sampling: Sampling | None = None
    """None: as the model is meant to be sampled."""

    def _watched(self, model: "MotionGPT", watch: Watch, passes: int = 1) -> Sampling:
        """How it is drawn, telling of the steps of all passes."""
        usual, done = model.conventions, count(1)

        def counted(_: int, steps: int) -> None:
            watch(next(done), passes * steps)

        return replace(self.sampling or Sampling(usual.sampler, usual.steps), watch=counted)


@dataclass(frozen=True, kw_only=True)
class Generate(Making):
    """Motions that show a text."""

    text: str
    seconds: float | None = None
    samples: int = 1

    @property
    def group(self) -> Hashable:
        """Those drawn alike, with as many samples."""
        return Generate, self.sampling, self.samples

    def do(self, model: "MotionGPT", watch: Watch) -> list["Motion"]:
        """The samples."""
        return self.do_all(model, [self], watch)[0]

    @classmethod
    def do_all(
        cls, model: "MotionGPT", tasks: Sequence["Generate"], watch: Watch
    ) -> list[list["Motion"]]:
        """The samples of each text, made in one batch: noise belongs to a task, not to a place."""
        first = tasks[0]
        # Each motion that is too long for one pass is finished by itself.
        more = sum(model.passes(task.seconds or 0) - 1 for task in tasks) * first.samples
        motions = model.generate(
            [task.text for task in tasks],
            [task.seconds for task in tasks],
            seed=[task.seed for task in tasks],
            samples=first.samples,
            sampling=first._watched(model, watch, 1 + more),
        )
        assert isinstance(motions, list)  # one for each of several texts
        return [motions[at : at + first.samples] for at in range(0, len(motions), first.samples)]


@dataclass(frozen=True, kw_only=True)
class Caption(Task):
    """What happens in a motion."""

    motion: "Motion"

    @property
    def group(self) -> Hashable:
        """All of them."""
        return Caption

    def do(self, model: "MotionGPT", watch: Watch) -> str:
        """A sentence."""
        return str(model.caption(self.motion))

    @classmethod
    def do_all(cls, model: "MotionGPT", tasks: Sequence["Caption"], watch: Watch) -> list[str]:
        """Sentences, read in one batch."""
        return list(model.caption([task.motion for task in tasks]))


@dataclass(frozen=True, kw_only=True)
class Predict(Making):
    """A motion and what comes next."""

    motion: "Motion"
    seconds: float
    text: str | None = None

    def do(self, model: "MotionGPT", watch: Watch) -> list["Motion"]:
        """The longer motion."""
        sampling = self._watched(model, watch, model.passes(self.seconds))
        return [
            model.predict(self.motion, self.seconds, self.text, seed=self.seed, sampling=sampling)
        ]


@dataclass(frozen=True, kw_only=True)
class Inbetween(Making):
    """A way from one motion to another."""

    start: "Motion"
    end: "Motion"
    seconds: float
    text: str | None = None

    def do(self, model: "MotionGPT", watch: Watch) -> list["Motion"]:
        """Both, and what lies between them."""
        sampling = self._watched(model, watch)
        return [
            model.inbetween(
                self.start, self.end, self.seconds, self.text, seed=self.seed, sampling=sampling
            )
        ]


@dataclass(frozen=True, kw_only=True)
class Edit(Making):
    """A part of a motion made anew."""

    motion: "Motion"
    start: float
    stop: float
    text: str | None = None

    def do(self, model: "MotionGPT", watch: Watch) -> list["Motion"]:
        """The changed motion."""
        sampling = self._watched(model, watch)
        return [
            model.edit(
                self.motion, self.start, self.stop, self.text, seed=self.seed, sampling=sampling
            )
        ]


def answers(model: "MotionGPT", tasks: Sequence[Task], watch: Watch) -> list[Any]:
    """The answer to each task of a group, or the error that refuses it."""
    try:
        return type(tasks[0]).do_all(model, tasks, watch)
    except MotionGPTError as error:
        if len(tasks) == 1:
            return [error]
    return [answers(model, [task], watch)[0] for task in tasks]
