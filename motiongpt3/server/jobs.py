"""Work that is asked for and fetched later: how far it is, what it made, and how to stop it.

Each job has a small file beside the motions, so that a server that starts again can say of those
it had begun that they were interrupted.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from motiongpt3.errors import ResourceError
from motiongpt3.formats.files import atomic_write
from motiongpt3.server.asked import JobState, Kept, Problem
from motiongpt3.server.store import Unknown

_ENDED = ("done", "failed", "cancelled", "interrupted")
_BEAT_SECONDS = 15.0
"""A watcher hears something at least so often: proxies close what is silent."""


@dataclass(eq=False)
class Job:
    """A job and those who watch it."""

    state: JobState
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state.state in _ENDED


class Jobs:
    """All jobs, as many as are remembered."""

    def __init__(self, folder: Path, most: int):
        """Raises:
        ResourceError: when the folder cannot be used.
        """
        self.folder, self.most = folder, most
        self._jobs: dict[str, Job] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime):
                self._remember(path)
        except OSError as error:
            raise ResourceError(
                f"cannot keep jobs here: {error.strerror}", where=str(folder), hint="--store"
            ) from error

    def new(self) -> Job:
        """A job that waits.

        Raises:
            ResourceError: when the disk is full.
        """
        job = Job(JobState(id=secrets.token_hex(16), state="waiting", done=0, steps=0))
        self._write(job)
        self._jobs[job.state.id] = job
        self._forget()
        return job

    def get(self, name: str) -> Job:
        """The job of this name.

        Raises:
            Unknown: when there is none.
        """
        if name not in self._jobs:
            raise Unknown("job")
        return self._jobs[name]

    def step(self, job: Job, done: int, steps: int) -> None:
        """It has come so far; what is still told of one that was cancelled is too late."""
        if not job.ended:
            self._change(job, state="running", done=done, steps=steps)

    def end(
        self, job: Job, state: str, motions: list[Kept] | None = None, error: Problem | None = None
    ) -> None:
        """It has ended."""
        if not job.ended:
            self._change(job, state=state, motions=motions or [], error=error)
            with contextlib.suppress(ResourceError):  # a restart then says: interrupted
                self._write(job)

    async def watch(self, job: Job) -> AsyncIterator[JobState | None]:
        """Its state now and after every change until it ends; None where nothing changed long."""
        while True:
            state, changed = job.state, job.changed  # it may change while the watcher is told
            yield state
            if state.state in _ENDED:
                return
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), _BEAT_SECONDS)
                except asyncio.TimeoutError:
                    yield None

    def _change(self, job: Job, **fields: object) -> None:
        job.state = job.state.model_copy(update=fields)
        job.changed.set()
        job.changed = asyncio.Event()

    def _write(self, job: Job) -> None:
        with atomic_write(self.folder / f"{job.state.id}.json") as path:
            path.write_text(job.state.model_dump_json(), encoding="utf-8")

    def _remember(self, path: Path) -> None:
        try:
            state = JobState(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):
            path.unlink(missing_ok=True)  # cut off while it was written by a tool of another kind
            return
        job = self._jobs[state.id] = Job(state)
        self.end(job, "interrupted")
        self._forget()

    def _forget(self) -> None:
        for name in [n for n, job in self._jobs.items() if job.ended]:
            if len(self._jobs) <= self.most:
                return
            del self._jobs[name]
            (self.folder / f"{name}.json").unlink(missing_ok=True)
