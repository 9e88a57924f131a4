"""Requests in line, with a process that is none."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from motiongpt3.server.line import Line, Told
from motiongpt3.server.process import Process, Progress


class Echo(Process):
    """Answers at once: to each, how many were asked together."""

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def alive(self) -> bool:
        """Once it has started."""
        return self.ready

    async def start(self) -> None:
        """It is there."""
        self.ready = True

    async def call(self, tasks: Sequence[Any], progress: Progress) -> list[Any]:
        """The answers."""
        return [len(tasks)] * len(tasks)


def test_who_leaves_while_others_are_waited_for_ends_nothing() -> None:
    """And who was answered together is answered together again."""
    faults: list[Exception] = []

    async def asked() -> list[list[int]]:
        line = Line(Echo(), 16, Told(fatal=faults.append))
        task = SimpleNamespace(group="alike")
        together = [line.join(task, n) for n in range(3)]
        runs = asyncio.create_task(line.run())
        answers = [[await place.answer for place in together]]
        first = line.join(task, "first")
        await asyncio.sleep(0.001)
        others = [line.join(task, n) for n in range(2)]
        answers.append([await asyncio.wait_for(place.answer, 5) for place in [first, *others]])
        gone = line.join(task, "gone")
        await asyncio.sleep(0.001)
        line.leave(gone)
        await asyncio.sleep(0.05)
        answers.append([await asyncio.wait_for(line.join(task, "last").answer, 5)])
        line.close()
        await runs
        return answers

    assert asyncio.run(asked()) == [[3, 3, 3], [3, 3, 3], [1]]
    assert faults == []
