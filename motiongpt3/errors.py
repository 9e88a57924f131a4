"""The errors a user can meet. Each says what is wrong, where, and what to do about it."""

from typing import Literal

Fault = Literal["not-finite", "unit", "swapped-sides"]
"""What makes a motion unusable, where its reader can tell."""


class MotionGPTError(Exception):
    """Base of every refusal. `exit_code` is what the command line leaves with."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = ""):
        self.message, self.where, self.hint = message, where, hint
        super().__init__(message)

    def __str__(self) -> str:
        return self.told()

    def told(self, known: str = "") -> str:
        """What is wrong, where and what to do, to those who know which file it is about."""
        where = self.where.removeprefix(known).lstrip(": ") if known else self.where
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class InputError(MotionGPTError):
    """What the user gave cannot be used: a prompt, an argument, a file of the wrong kind.

    `fault` is set by readers of motions.
    """

    exit_code = 2

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", fault: Fault | None = None
    ):
        super().__init__(message, where=where, hint=hint)
        self.fault = fault


class CorruptError(MotionGPTError):
    """A checkpoint or prepared data set is damaged or of an unknown version."""

    exit_code = 3


class ResourceError(MotionGPTError):
    """The machine refused: disk full, folder not writable, run directory in use."""

    exit_code = 4


class NonFiniteError(MotionGPTError):
    """Training met a loss or gradient that is not a number."""

    exit_code = 5


class StoppedError(MotionGPTError):
    """A signal asked training to stop, and it did, with its state saved."""

    def __init__(self, number: int, where: str):
        super().__init__(f"stopped by signal {number}", where=where, hint="go on with --resume")
        self.exit_code = 128 + number
