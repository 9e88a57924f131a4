"""Leaving a training in good order when it is asked to: SIGTERM from a scheduler, Ctrl-C."""

import os
import signal
import threading
from types import FrameType

from motiongpt3.errors import StoppedError

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Notices the first signal and lets the step in progress end; a second one ends at once."""

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> "Stopping":
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self, where: str) -> None:
        """Leave if a signal has come, where there is nothing to save.

        Raises:
            StoppedError: with the exit code that shells expect.
        """
        if self.signal:
            raise StoppedError(self.signal, where)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signal = number
