"""Python in a process beside this one, which finds the same package however this one found it."""

import os
import subprocess
import sys
from contextlib import ExitStack
from multiprocessing import Pipe
from multiprocessing.connection import Connection

_MOST_BYTES = 2**30
"""Of an answer."""


def environment() -> dict[str, str]:
    """What such a process is given."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def with_pipe(program: str, quiet: bool = False) -> tuple[subprocess.Popen[bytes], Connection]:
    """A process that runs a program, told the handle of its end of a pipe, and the other end.

    It ends with this one, however this one ends: it then reads the end of its pipe, which a pool of
    the standard library does not. Nor does it import the caller's program. A quiet one has no
    terminal.
    """
    ours, theirs = Pipe()
    end = subprocess.DEVNULL if quiet else None
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(theirs.fileno())],
            stdin=end,
            stdout=end,
            stderr=end,
            pass_fds=[theirs.fileno()],
            env=environment(),
            start_new_session=True,  # signals and Ctrl-C are for the process that asks
        )
    return process, ours


class Helper:
    """Answers to questions, of a process that waits for the next one when it has answered.

    Bytes go both ways, so that an answer is data whatever has become of the process. Threads do
    not share a process, nor do forks of this one: each that finds none waiting starts one, and one
    is kept. A process is left to no other question before it has answered its own.
    """

    def __init__(self, program: str, seconds: float):
        """Args:
        program: as of `with_pipe`; it answers until its pipe ends, and may end while it waits.
        seconds: longest time that an answer is waited for.
        """
        self.program, self.seconds = program, seconds
        self._owner, self._waiting = 0, list[tuple[subprocess.Popen[bytes], Connection]]()

    def ask(self, question: bytes) -> bytes:
        """The answer to a question.

        Raises:
            EOFError: when a process that was asked nothing else ended over it.
            TimeoutError: when there was no answer in time.
            OSError: when no process can be started.
        """
        if self._owner != os.getpid():  # what waits is of the process that this one is a fork of
            self._owner, self._waiting = os.getpid(), []
        try:
            return self._answer(*self._waiting.pop(), question)
        except (IndexError, EOFError):  # none waits, or earlier questions were too much for it
            return self._answer(*with_pipe(self.program, quiet=True), question)

    def _answer(self, process: subprocess.Popen[bytes], pipe: Connection, question: bytes) -> bytes:
        with ExitStack() as end:
            for last in (pipe.close, process.wait, process.kill):
                end.callback(last)
            try:
                pipe.send_bytes(question)
                answer = pipe.recv_bytes(_MOST_BYTES) if pipe.poll(self.seconds) else None
            except (OSError, EOFError) as error:
                raise EOFError("the process has ended") from error
            if answer is None:
                raise TimeoutError(f"no answer in {self.seconds:g} s")
            if not self._waiting:
                self._waiting.append((process, pipe))
                end.pop_all()
        return answer
