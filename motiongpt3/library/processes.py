"""Processes beside this one: they read ahead for its model, or have a model each."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from motiongpt3.errors import MotionGPTError, ResourceError
from motiongpt3.formats.beside import with_pipe

_AHEAD = 2
"""Calls that each process is given before the first of them is asked for."""
_PROGRAM = "import sys; from motiongpt3.library.processes import serve; serve(int(sys.argv[1]))"


class Processes:
    """So many processes; without any, calls are made where they are asked for."""

    def __init__(self, count: int):
        self.count = count if os.name == "posix" else 0  # elsewhere pipes are not handed down
        self._stack, self._pipes = ExitStack(), list[Connection]()

    def __enter__(self) -> "Processes":
        for _ in range(self.count):
            process, ours = with_pipe(_PROGRAM)
            self._pipes.append(self._stack.enter_context(ours))
            self._stack.callback(process.wait)
            self._stack.callback(process.terminate)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def results(self, calls: Sequence[Callable[[], Any]]) -> Iterator[Any]:
        """What the calls return, in their order.

        Raises:
            MotionGPTError: what a call raised.
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
                    "a process has ended", hint="out of memory? run it again with fewer --workers"
                ) from error
            if isinstance(result, _Refused):
                raise result.error(result.message, where=result.where, hint=result.hint)
            yield result


def serve(handle: int) -> None:
    """Answer calls from a pipe until nobody asks any more."""
    pipe = Connection(handle)
    try:
        while True:
            pipe.send(_answer(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


@dataclass(frozen=True)
class _Refused:
    """An error on its way to the process that asked."""

    error: type[MotionGPTError]
    message: str
    where: str
    hint: str


def _answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except MotionGPTError as error:
        return _Refused(type(error), error.message, error.where, error.hint)
