"""A process beside the server that works on calls, one after another, and may die of one.

The server itself never computes: a call that crashes, is killed or takes all memory takes its
process with it, and nothing else. A new process takes its place.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from motiongpt3.errors import MotionGPTError, ResourceError
from motiongpt3.formats.beside import with_pipe

_PROGRAM = "import sys; from motiongpt3.server.child import serve; serve(int(sys.argv[1]))"
MOST_DEATHS, DEATHS_SECONDS = 5, 60.0
"""So many deaths within so many seconds are no accident: the server then gives up."""

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all."""


class Died(Exception):
    """The process ended in the middle of a call."""


class Hopeless(ResourceError):
    """The process dies again and again."""


@dataclass(frozen=True)
class Call:
    """What is sent to the process: a group of tasks."""

    tasks: Sequence[Any]


class Process:
    """A process and the pipe to it."""

    def __init__(self, begin: Any):
        """Args:
        begin: what the process starts from: a value that travels there, with a `worker()`.
        """
        self.begin = begin
        self.ready = False
        """Whether it has started and waits for calls."""
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    @property
    def alive(self) -> bool:
        """Whether it is ready and has not ended since."""
        return self.ready and self._child is not None and self._child.poll() is None

    async def start(self) -> None:
        """Start the process and wait until it is ready for calls.

        Raises:
            MotionGPTError: what it met while starting.
            Hopeless: when it has died too often lately.
        """
        now = time.monotonic()
        if len(self._deaths) == MOST_DEATHS and now - self._deaths[0] < DEATHS_SECONDS:
            raise Hopeless(
                f"a process ended {MOST_DEATHS} times within {DEATHS_SECONDS:.0f} s",
                hint="see the log above",
            )
        self._child, self._pipe = with_pipe(_PROGRAM)
        self._pipe.send(self.begin)
        try:
            answer = await self._answer(lambda done, steps: None)
        except Died as error:
            raise ResourceError("a process did not start", hint="see the log above") from error
        if isinstance(answer, MotionGPTError):
            raise answer
        self.ready = True

    async def call(self, tasks: Sequence[Any], progress: Progress) -> list[Any]:
        """Answers to tasks; an answer may be an error that refuses its task.

        Raises:
            Died: when the process ended meanwhile.
        """
        assert self._pipe is not None
        try:
            self._pipe.send(Call(tasks))
        except OSError as error:
            self._bury()
            raise Died from error
        answers = await self._answer(progress)
        assert isinstance(answers, list)
        return answers

    def interrupt(self) -> None:
        """Stop the call under way at its next step."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):  # where it died, whoever waits is told
                self._pipe.send("stop")

    def stop(self) -> None:
        """End the process."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._pipe is not None:
            self._pipe.close()

    async def _answer(self, progress: Progress) -> Any:
        """The next message that is no progress. The event loop waits on the pipe itself."""
        pipe, loop = self._pipe, asyncio.get_running_loop()
        assert pipe is not None
        while True:
            there = asyncio.Event()
            loop.add_reader(pipe.fileno(), there.set)
            os.set_blocking(pipe.fileno(), True)  # uvloop takes that away; a message comes in parts
            try:
                await there.wait()
            finally:
                loop.remove_reader(pipe.fileno())
            try:
                message = await loop.run_in_executor(None, pipe.recv)
            except (EOFError, OSError) as error:
                self._bury()
                raise Died from error
            if not isinstance(message, Step):
                return message
            progress(message.done, message.steps)

    def _bury(self) -> None:
        self.ready = False
        self._deaths.append(time.monotonic())
        self.stop()


@dataclass(frozen=True)
class Step:
    """How far a call is."""

    done: int
    steps: int
