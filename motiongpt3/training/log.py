"""Files of a run, and the logs of a stage: an object on each line, with the step it is about."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.lines import json_lines

RUN, LOG, CHECKS = "run.json", "log.jsonl", "checks.jsonl"
_MOST_STEPS = 2**53


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of every line; none where there is no file yet.

    A last line that a kill has torn is left out.

    Raises:
        CorruptError: for any other line that is not an object with a step.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                content = json.loads(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    return
                raise corrupt(path, number, "not JSON", str(error)) from error
            step = content.get("step") if isinstance(content, dict) else None
            if not isinstance(step, int) or not 0 <= step < _MOST_STEPS:
                raise corrupt(path, number, "not an object with a step", "is it a log?")
            yield number, content


def record(
    folder: Path, step: int, figures: Mapping[str, float], pictures: Sequence[str] = ()
) -> None:
    """Add a line to a stage's checks, in place of lines from this step on.

    A run that goes on from a state repeats steps, so what was seen after it no longer holds.
    """
    check = {"step": step, "figures": dict(figures), "pictures": list(pictures)}
    cut(folder / CHECKS, step, [check])


def cut(path: Path, step: int, more: Sequence[Mapping[str, Any]] = ()) -> None:
    """Keep the lines before a step, and add others; a kill leaves the file as it was."""
    lines = [line for _, line in read_lines(path) if line["step"] < step]
    with atomic_write(path) as part:
        part.write_text(json_lines([*lines, *more]), encoding="utf-8")


def corrupt(path: Path, line: int, what: str, hint: str) -> CorruptError:
    """What to raise for a line that is not as training writes it."""
    return CorruptError(what, where=f"{path}:{line}", hint=hint)
