"""What the command line shows: progress on stderr, results on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


def printable(text: str) -> str:
    """One line that a terminal shows as it is: controls, bidi marks and lone surrogates escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def say(text: str) -> None:
    """One line of a result on stdout."""
    print(printable(text), flush=True)


def say_json(value: Any) -> None:
    """A result for another program to parse."""
    print(json.dumps(value, indent=1), flush=True)


def say_error(text: str) -> None:
    """One line about what went wrong, on stderr."""
    sys.stdout.flush()
    print(f"error: {printable(text)}", file=sys.stderr, flush=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with the time taken while something runs, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(printable(what).replace("[", r"\["), total=None)
        yield


Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with stage, step, steps, and the step's losses and "steps_per_s"."""

_EVERY_SECONDS = 30.0


@contextmanager
def progress() -> Iterator[Report]:
    """How far a training is: a bar per stage on a terminal, else a line every half minute."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
    loss = TextColumn("loss {task.fields[loss]:.4f}")
    with Progress(*columns, loss, console=Console(stderr=True)) as bars:
        known: dict[str, Any] = {}

        def report(stage: str, step: int, steps: int, losses: Mapping[str, float]) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=steps, loss=0.0)
                bars.reset(known[stage], completed=step - 1)  # a resumed stage starts part way
            bars.update(known[stage], completed=step, loss=losses.get("loss", 0.0))

        yield report


def _lines() -> Report:
    said = -_EVERY_SECONDS

    def report(stage: str, step: int, steps: int, losses: Mapping[str, float]) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _EVERY_SECONDS and step < steps:
            return
        said = now
        minutes = (steps - step) / max(losses.get("steps_per_s", 0.0), 1e-9) / 60
        text = f"{stage} {step}/{steps}, loss {losses.get('loss', 0.0):.4f}, {minutes:.0f} min left"
        print(text, file=sys.stderr, flush=True)

    return report
