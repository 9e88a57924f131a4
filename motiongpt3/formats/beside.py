"""Python in a process beside this one, which finds the same package however this one found it."""

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection


def environment() -> dict[str, str]:
    """What such a process is given."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def with_pipe(program: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """A process that runs a program, told the handle of its end of a pipe, and the other end.

    It ends with this one, however this one ends: it then reads the end of its pipe, which a pool of
    the standard library does not. Nor does it import the caller's program.
    """
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment(),
            start_new_session=True,  # signals and Ctrl-C are for the process that asks
        )
    return process, ours
