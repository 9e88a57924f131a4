"""What the routes work with: the two processes, what is kept, and the limits."""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.motion.motion import Motion
from motiongpt3.server import asked, tasks
from motiongpt3.server.jobs import Job, Jobs
from motiongpt3.server.limits import Limits
from motiongpt3.server.line import Line, Told, Unavailable
from motiongpt3.server.metrics import Metrics
from motiongpt3.server.problems import problem_of
from motiongpt3.server.process import Process
from motiongpt3.server.store import Store, facts
from motiongpt3.server.workers import Files, FileTask, Model

_TIDY_SECONDS = 60.0
_PROBE_SECONDS = 1.0
"""How long it is believed that the model works."""
_FPS = 20.0
"""What a request's frames are counted with."""


@dataclass(frozen=True)
class Config:
    """What a server is started with."""

    store: Path
    model: Model = Model()
    files: Files = Files()
    limits: Limits = Limits()


class Studio:
    """Everything behind the API."""

    def __init__(self, config: Config, fatal: Callable[[Exception], None]):
        """Args:
        fatal: called when a process cannot be kept alive.

        Raises:
            ResourceError: when motions cannot be kept where they should be.
        """
        self.limits, self.metrics, self.draining = config.limits, Metrics(), False
        self.store = Store(config.store, config.limits.store, config.limits.keep)
        self.jobs = Jobs(config.store / "jobs", config.limits.jobs)
        self.model = self._line("model", Process(config.model), fatal)
        self.files = self._line("files", Process(config.files), fatal)
        self._running: list[asyncio.Task[None]] = []
        self._probe: asyncio.Task[Any] | None = None
        self._works_until = 0.0
        self.metrics.gauge("store_bytes", "bytes of kept motions", lambda: self.store.bytes)
        self.metrics.gauge("store_motions", "kept motions", lambda: len(self.store))

    async def __aenter__(self) -> "Studio":
        runs = (self.model.run(), self.files.run(), self._tidy())
        self._running = [asyncio.create_task(run) for run in runs]
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in (self.model, self.files):
            line.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for line in (self.model, self.files):
            await asyncio.to_thread(line.process.stop)

    @property
    def ready(self) -> bool:
        """Whether requests can be worked on."""
        processes = (self.model.process, self.files.process)
        return not self.draining and all(process.ready for process in processes)

    def leave(self) -> None:
        """Begin nothing new; what is under way goes on."""
        self.draining = True

    # -- one thing each -----------------------------------------------------------------------

    async def make(self, making: asked.Making, progress: Any = None) -> asked.Made:
        """The motions that are asked for, kept.

        Raises:
            InputError: for what cannot be made.
            Unknown: for a motion that is not kept here.
            Full, Unavailable, TimeoutError: when there is no answer to be had.
        """
        task, key = await self._task(making), making.model_dump_json()
        motions = await self._answer(self.model, task, key, progress)
        return asked.Made(motions=[await self.keep(motion) for motion in motions])

    async def caption(self, name: str) -> str:
        """What happens in a motion."""
        task = tasks.Caption(motion=await self.get(name))
        return str(await self._answer(self.model, task, ("caption", name)))

    async def file(self, task: FileTask, key: Hashable) -> Any:
        """What the files' process answers; `key` is equal for requests that ask the same."""
        return await self._answer(self.files, task, key)

    async def get(self, name: str) -> Motion:
        """A kept motion."""
        return await asyncio.to_thread(self.store.get, name)

    async def keep(self, motion: Motion) -> asked.Kept:
        """Keep a motion."""
        name = await asyncio.to_thread(self.store.add, motion)
        return asked.Kept(**facts(name, motion))

    async def probe(self) -> None:
        """Make a motion that nobody keeps: whether the model really works.

        Whoever asks meanwhile, or soon after, hears of the same motion: anybody may ask.
        """
        if time.monotonic() < self._works_until and self.model.process.alive:
            return
        if self._probe is None or self._probe.done():
            task = tasks.Generate(text="a person walks", seconds=1.0)
            self._probe = asyncio.create_task(self._answer(self.model, task, "probe"))
        await asyncio.shield(self._probe)
        self._works_until = time.monotonic() + _PROBE_SECONDS

    def start_job(self, making: asked.Making) -> Job:
        """Begin what is asked for, and answer at once."""
        job = self.jobs.new()
        job.task = asyncio.create_task(self._carry_out(job, making))
        return job

    # -- how it is done -----------------------------------------------------------------------

    def _line(self, name: str, process: Process, fatal: Callable[[Exception], None]) -> Line:
        told = Told(
            batch=self.metrics.batch.observe if name == "model" else lambda requests: None,
            died=self.metrics.deaths.labels(name).inc,
            fatal=fatal,
        )
        line = Line(process, self.limits.queue, told)
        self.metrics.gauge(f"{name}_queue", "waiting requests", lambda: len(line.waiting))
        self.metrics.gauge(f"{name}_ready", "1 where it works", lambda: line.process.ready)
        return line

    async def _answer(self, line: Line, task: Any, key: Hashable, progress: Any = None) -> Any:
        """Wait as long as patience lasts; a job, which tells how far it is, for ever."""
        if self.draining:
            raise Unavailable
        place = line.join(task, key, progress or (lambda done, steps: None))
        try:
            patience = None if progress else self.limits.patience
            return await asyncio.wait_for(asyncio.shield(place.answer), patience)
        finally:
            if not place.answer.done():
                line.leave(place)

    async def _task(self, making: asked.Making) -> tasks.Task:
        """What the model is to do, once it is known to be within the limits."""
        samples = making.samples if isinstance(making, asked.Generate) else 1
        steps = (making.sampling or asked.How()).steps
        for name, value, most in (
            ("seconds", making.length, self.limits.seconds),
            ("samples", samples, self.limits.samples),
            ("sampling.steps", steps, self.limits.steps),
        ):
            if value > most:
                raise InputError(f"{value:g}", where=name, hint=f"at most {most:g} here")
        self.limits.check_cost(making.length * _FPS, samples, steps)
        motions = [await self.get(name) for name in making.built_on]
        self.check_together(motions)
        return await asyncio.to_thread(making.task, *motions)

    def check_together(self, motions: Sequence[Motion]) -> None:
        """Refuse motions that are too long for one, at the rate of the first.

        Raises:
            InputError: with the ceiling.
        """
        frames = sum(motion.seconds * motions[0].fps for motion in motions)
        self.limits.check_frames(frames, self.limits.frames, "cut them")

    async def _carry_out(self, job: Job, making: asked.Making) -> None:
        try:
            made = await self.make(making, lambda done, steps: self.jobs.step(job, done, steps))
            self.jobs.end(job, "done", motions=made.motions)
        except asyncio.CancelledError:
            self.jobs.end(job, "cancelled")
        except Unavailable as error:
            self.jobs.end(job, "interrupted", error=problem_of(error)[1])
        except Exception as error:
            self.jobs.end(job, "failed", error=problem_of(error)[1])
            if not isinstance(error, MotionGPTError):
                raise

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            await asyncio.to_thread(self.store.tidy)
