"""What the command line shows: progress on stderr, results on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from motiongpt3.app.runs import is_loss


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


def say_warning(text: str) -> None:
    """One line about what may go wrong, on stderr."""
    print(f"warning: {printable(text)}", file=sys.stderr, flush=True)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; all columns but the first are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(_literal, row))
    # A pipe or a file has room for all of it.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def duration(seconds: float) -> str:
    """A stretch of time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours = round(seconds / 3600)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if hours < 48 else f"{hours / 24:.1f} days"


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with the time taken while something runs, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with _spinner(what):
        yield


@contextmanager
def doing(what: str) -> Iterator[Callable[[str], None]]:
    """Say which of several things is being done: a spinner on a terminal, else a line for each."""
    if not sys.stderr.isatty():
        yield lambda name: print(printable(f"{what} {name}"), file=sys.stderr, flush=True)
        return
    with _spinner(what) as change:
        yield lambda name: change(f"{what} {name}")


@contextmanager
def _spinner(what: str) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(_literal(what), total=None)
        yield lambda now: progress.update(task, description=_literal(now))


def _literal(text: str) -> str:
    """A text that rich shows as it is."""
    return printable(text).replace("[", r"\[")


Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with stage, step, steps, and the step's losses, "steps_per_s" and "samples_per_s"."""

_EVERY_SECONDS = 30.0


@contextmanager
def progress() -> Iterator[Report]:
    """How far a training is: a bar per stage and a line of losses on a terminal, else a line of
    text every half minute and at the end of each stage."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times, expand=False
    )
    fares = Text(style="dim")
    known: dict[str, Any] = {}

    def report(stage: str, step: int, steps: int, losses: Mapping[str, float]) -> None:
        if stage not in known:
            known[stage] = bars.add_task(printable(stage).replace("[", r"\["), total=steps)
            bars.reset(known[stage], completed=max(0, step - 1))  # resumed, it starts part way
        bars.update(known[stage], completed=step)
        fares.plain = how_it_fares(losses)

    # Drawn four times a second, however fast the steps are.
    with Live(Group(bars, fares), console=Console(stderr=True), refresh_per_second=4):
        yield report


def how_it_fares(record: Mapping[str, float]) -> str:
    """Speed and losses of a step on one line, tasks behind what they add up to.

    For example "64.0 samples/s  loss 1.2340  text 0.8100 (t2m 0.9000, m2t 0.7000)".
    """
    parts = [
        f"{record[name]:.1f} {unit}"
        for name, unit in (("samples_per_s", "samples/s"), ("steps_per_s", "steps/s"))
        if name in record
    ][:1]
    tasks: dict[str, list[str]] = {}
    for name, value in record.items():
        if is_loss(name):
            whole, _, task = name.partition(".")
            tasks.setdefault(whole, []).extend([f"{task} {value:.4f}"] if task else [])
    for whole, inside in sorted(tasks.items(), key=lambda item: item[0] != "loss"):
        total = f" {record[whole]:.4f}" if whole in record else ""
        parts.append(f"{whole}{total}" + (f" ({', '.join(inside)})" if inside else ""))
    return printable("  ".join(parts))


def _lines() -> Report:
    said = -_EVERY_SECONDS
    begun: dict[str, tuple[int, float]] = {}

    def report(stage: str, step: int, steps: int, losses: Mapping[str, float]) -> None:
        nonlocal said
        now = time.monotonic()
        first, since = begun.setdefault(stage, (step, now))
        if now - said < _EVERY_SECONDS and step < steps:
            return
        said = now
        # One step may be slow or quick; how long all so far took says more.
        rate = (step - first) / (now - since) if now > since else losses.get("steps_per_s", 0.0)
        left = f", {_duration((steps - step) / rate)} left" if rate else ""
        parts = (f"{printable(stage)} {step}/{steps}{left}", how_it_fares(losses))
        print("  ".join(filter(None, parts)), file=sys.stderr, flush=True)

    return report


def _duration(seconds: float) -> str:
    """A time in the two units that matter: 50 s, 12 min, 3 h 20 min, 2 d 5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
