"""Processes that read ahead of the one that has the model."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from motiongpt3.errors import ResourceError

_AHEAD = 2
"""Calls that each process is given before the first of them is asked for."""


class Readers:
    """So many processes; without any, calls are made where they are asked for.

    A process ends with the one that started it, however that ended: it then reads the end of its
    pipe, which a pool of the standard library does not.
    """

    def __init__(self, count: int):
        self.count = count
        self._stack, self._pipes = ExitStack(), list[Connection]()

    def __enter__(self) -> "Readers":
        context = multiprocessing.get_context("spawn")  # threads of the model are not forked
        for _ in range(self.count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._stack.callback(process.join)
            self._stack.callback(process.terminate)
            self._pipes.append(ours)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        self._stack.close()

    def results(self, calls: Sequence[Callable[[], Any]]) -> Iterator[Any]:
        """What the calls return, in their order.

        Raises:
            ResourceError: when a process has ended.
        """
        if not self.count:
            yield from (call() for call in calls)
            return
        ahead = _AHEAD * self.count
        for place, call in enumerate(calls[:ahead]):
            self._pipes[place % self.count].send(call)
        for place in range(len(calls)):
            pipe = self._pipes[place % self.count]
            try:
                result = pipe.recv()
                if place + ahead < len(calls):
                    pipe.send(calls[place + ahead])
            except (EOFError, OSError) as error:
                raise ResourceError(
                    "a process that reads clips has ended", hint="out of memory? run it again"
                ) from error
            yield result


def _serve(pipe: Connection) -> None:
    """Answer calls until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what is stopped
    try:
        while True:
            pipe.send(pipe.recv()())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
