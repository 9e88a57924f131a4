"""Requests in line for a process: bounded, done together where they can be, each answered once."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.server.process import Died, Process, Progress

TOGETHER = 32
"""Most requests that are done together."""
_MOMENT = 0.008
"""Seconds, less than a motion takes alone."""
_POISON = 2
"""A request that so many processes died of is not tried again."""


class Full(Exception):
    """As many requests wait as may."""

    def __init__(self, seconds: float):
        super().__init__("too many requests are waiting")
        self.seconds = seconds
        """After which it is worth trying again."""


class Unavailable(Exception):
    """The process that was to answer is gone, or the server ends."""


@dataclass(eq=False)
class Place:
    """A request in line."""

    task: Any
    key: Hashable
    """Equal for requests that ask the same."""
    answer: asyncio.Future[Any]
    progress: Progress
    alone: bool = False
    """Tried by itself, since a process died while it was done with others."""

    def settle(self, answer: Any) -> None:
        """Answer it, with an error where it is refused; who has left needs none."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


@dataclass(frozen=True)
class Told:
    """Who is told what happens in a line."""

    batch: Callable[[int], object] = lambda requests: None
    """So many requests are done together."""
    died: Callable[[], object] = lambda: None
    """The process has ended."""
    fatal: Callable[[Exception], object] = lambda error: None
    """It does not start, or dies again and again."""


class Line:
    """A process and those who wait for it."""

    def __init__(self, process: Process, longest: int, told: Told):
        """Args:
        longest: requests that may wait.
        """
        self.process, self.longest, self.told = process, longest, told
        self.waiting: deque[Place] = deque()
        self.under_way: list[Place] = []
        self._deaths: dict[Hashable, int] = {}
        self._seconds = 0.1
        """What a request takes, smoothed."""
        self._together = 1
        """Requests of the last batch."""
        self._wake, self._closed = asyncio.Event(), False

    def join(
        self, task: Any, key: Hashable, progress: Progress = lambda done, steps: None
    ) -> Place:
        """Stand in line.

        Raises:
            Full: when the line is as long as it may be.
            Unavailable: when the server ends.
        """
        if self._closed:
            raise Unavailable
        if len(self.waiting) >= self.longest:
            raise Full(max(1.0, self._seconds * len(self.waiting)))
        place = Place(task, key, asyncio.get_running_loop().create_future(), progress)
        self.waiting.append(place)
        self._wake.set()
        return place

    def leave(self, place: Place) -> None:
        """No longer wait; what is under way for nobody else is stopped."""
        place.answer.cancel()
        if place in self.waiting:
            self.waiting.remove(place)
        elif self.under_way and all(other.answer.done() for other in self.under_way):
            self.process.interrupt()

    async def run(self) -> None:
        """Serve the line until it is closed."""
        try:
            while not self._closed:
                if not self.process.alive:  # it has not begun, or has ended
                    await self.process.start()
                    continue
                await self._gathered()
                if self.waiting and self.process.alive:  # who stood there may have left
                    await self._serve(self._next())
        except Exception as error:  # noqa: BLE001 - without this line nobody would be answered
            self.told.fatal(error)

    async def _gathered(self) -> None:
        """Wait until somebody stands in line, or it is closed.

        Who was answered together asks again at about the same time: for a moment all are waited
        for, or else the first would be served alone and the others after that.
        """
        await self._until(1)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until(self._together), _MOMENT)

    async def _until(self, count: int) -> None:
        """Wait until so many stand in line, or it is closed."""
        while len(self.waiting) < count and not self._closed:
            self._wake.clear()
            await self._wake.wait()

    def close(self) -> None:
        """Let nobody in any more and send home whoever still waits."""
        self._closed = True
        for place in [*self.waiting, *self.under_way]:
            place.settle(Unavailable())
        self.waiting.clear()
        self._wake.set()

    def _next(self) -> list[Place]:
        """Whoever stands first, and all behind that can be done with them."""
        first = self.waiting.popleft()
        chosen = [first]
        if not first.alone and first.task.group is not None:
            for place in list(self.waiting):
                same = place.task.group == first.task.group and not place.alone
                if same and len(chosen) < TOGETHER:
                    self.waiting.remove(place)
                    chosen.append(place)
        return chosen

    async def _serve(self, places: list[Place]) -> None:
        poison = [p for p in places if self._deaths.get(p.key, 0) >= _POISON]
        for place in poison:
            place.settle(_poisonous())
        places = [place for place in places if place not in poison and not place.answer.done()]
        if not places:
            return
        self.under_way, self._together, begun = places, len(places), time.monotonic()
        self.told.batch(len(places))

        def progress(done: int, steps: int) -> None:
            for place in places:
                place.progress(done, steps)

        try:
            answers = await self.process.call([place.task for place in places], progress)
        except Died:
            self.told.died()
            self._blame(places)
            return
        finally:
            self.under_way = []
        took = (time.monotonic() - begun) / len(places)
        self._seconds += 0.2 * (took - self._seconds)
        for place, answer in zip(places, answers, strict=True):
            place.settle(answer)

    def _blame(self, places: list[Place]) -> None:
        """Of several that were done together each is tried alone; one that was alone did it."""
        if len(places) > 1:
            for place in reversed(places):
                place.alone = True
                self.waiting.appendleft(place)
            return
        key = places[0].key
        self._deaths[key] = self._deaths.get(key, 0) + 1
        if len(self._deaths) > 1000:
            self._deaths.pop(next(iter(self._deaths)))
        places[0].settle(Unavailable())


def _poisonous() -> MotionGPTError:
    return InputError(
        "this request has ended the process that works on it, twice", hint="change it"
    )
