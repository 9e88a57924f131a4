"""What runs in a process beside the server: it waits for calls, works, answers."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol, runtime_checkable

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.server.process import Call, Step
from motiongpt3.server.tasks import Watch

_EVERY_SECONDS = 0.05
"""How often progress is told at most."""


@runtime_checkable
class Worker(Protocol):
    """What has been loaded and does tasks."""

    def answers(self, tasks: Sequence[Any], watch: Watch) -> list[Any]:
        """The answer to each, or the error that refuses it."""
        ...


class Stopped(Exception):
    """Nobody waits for the answer any more."""


def serve(handle: int) -> None:
    """Load what calls need, then answer calls from a pipe until nobody asks any more."""
    # Ctrl-C and a polite end are the server's to answer: it ends this process when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = Connection(handle)
    try:
        worker = _begin(pipe)
        while worker is not None:
            message = pipe.recv()
            if isinstance(message, Call):
                pipe.send(_answers(worker, message, pipe))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _begin(pipe: Connection) -> Worker | None:
    try:
        worker: Worker = pipe.recv().worker()
    except MotionGPTError as error:
        pipe.send(error)
        return None
    pipe.send("ready")
    return worker


def _answers(worker: Worker, call: Call, pipe: Connection) -> list[Any]:
    said = 0.0

    def watch(done: int, steps: int) -> None:
        nonlocal said
        if pipe.poll() and pipe.recv() == "stop":
            raise Stopped
        if time.monotonic() - said > _EVERY_SECONDS:
            said = time.monotonic()
            pipe.send(Step(done, steps))

    try:
        return worker.answers(call.tasks, watch)
    except Stopped:
        return [InputError("cancelled") for _ in call.tasks]
    except MemoryError:
        # What is left cannot be trusted: end, be replaced, and let the server say what happened.
        sys.stderr.flush()
        os._exit(1)
    except Exception:  # noqa: BLE001 - a fault of ours ends one request, not the process
        if len(call.tasks) > 1:
            return [_answers(worker, Call([task]), pipe)[0] for task in call.tasks]
        traceback.print_exc()
        return [MotionGPTError("an error of the server", hint="it has been logged")]
