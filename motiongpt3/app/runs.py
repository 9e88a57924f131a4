"""A training run as its folder tells it: what it was to be, how far it is, and its curves.

RUN/run.json            recipe, command, seed, data, environment, when it began
RUN/STAGE/log.jsonl     an object per step: "step" (from 0), losses, rates
RUN/STAGE/checks.jsonl  an object per check: "step" (done), "figures", "pictures"
RUN/model/              the finished model
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.training.log import CHECKS, LOG, RUN, corrupt, read_lines

_PNG = b"\x89PNG\r\n\x1a\n"

RATES = ("lr", "steps_per_s", "samples_per_s", "gradient", "skipped")
"""What a step's record holds besides losses."""
SECONDS = "seconds."
"""What names of times begin with: seconds a step spent on something."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A number over the steps at which it was logged."""

    steps: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        """Log a value."""
        self.steps.append(step)
        self.values.append(value)

    def cut(self, step: int) -> None:
        """Forget values of this step and of later ones."""
        first = bisect_left(self.steps, step)
        del self.steps[first:], self.values[first:]

    def recent(self, share: float = 0.05) -> float:
        """Mean of the last values."""
        last = self.values[-max(1, round(share * len(self.values))) :]
        return sum(last) / max(1, len(last))


@dataclass(frozen=True)
class Seen:
    """What a check saw."""

    step: int
    figures: Mapping[str, float]
    pictures: tuple[Path, ...]
    """Those that are still there."""


@dataclass(frozen=True, eq=False)
class StageLog:
    """One stage as far as it came."""

    name: str
    planned: int
    """Steps it was to have."""
    done: int
    curves: Mapping[str, Curve]
    seen: tuple[Seen, ...]

    def losses(self) -> dict[str, float]:
        """The recent mean of every loss."""
        return {name: curve.recent() for name, curve in self.curves.items() if is_loss(name)}


@dataclass(frozen=True, eq=False)
class RunLog:
    """A run as far as it came."""

    folder: Path
    about: Mapping[str, Any]
    stages: tuple[StageLog, ...]
    finished: bool

    @property
    def begun(self) -> list[StageLog]:
        """Stages with a step."""
        return [stage for stage in self.stages if stage.done]

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.finished:
            return "finished"
        stage = self.begun[-1]
        share = sum(s.done for s in self.stages) / max(1, sum(s.planned for s in self.stages))
        return f"{stage.name}: step {stage.done:,} of {stage.planned:,}, {share:.0%} of all steps"


def is_loss(name: str) -> bool:
    """Whether a number of a step's record says how well the model fares."""
    return name not in ("step", *RATES) and not name.startswith(SECONDS)


def read_run(folder: Path) -> RunLog:
    """Everything a run's folder tells.

    Raises:
        InputError: for a folder that is no run, or one that has not made a step.
        CorruptError: naming file and line of what is not as training writes it.
    """
    path = folder / RUN
    if not path.is_file():
        raise InputError(
            "not a run", where=str(folder), hint=f"give a folder with {RUN}, as train makes it"
        )
    about, planned = _about(path)
    stages = tuple(_stage(folder / name, steps) for name, steps in planned.items())
    run = RunLog(folder, about, stages, (folder / "model" / "manifest.json").is_file())
    if not run.begun:
        raise InputError("the run has not made a step yet", where=str(folder))
    return run


def _about(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """A run's record, and the steps of each of its stages."""
    try:
        about = json.loads(path.read_bytes())
        recipe = about["recipe"]
        steps = {"vae": recipe["vae"]["schedule"]["steps"]}
        steps |= {stage["name"]: stage["schedule"]["steps"] for stage in recipe["stages"]}
        if any(Path(name).name != name for name in about["stages"]):
            raise ValueError("a stage is not a folder of the run")
        return about, {name: int(steps[name]) for name in about["stages"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptError("not a run's record", where=str(path), hint=repr(error)) from error


def _stage(folder: Path, planned: int) -> StageLog:
    curves: dict[str, Curve] = {}
    last = -1
    for number, record in read_lines(folder / LOG):
        step = record.pop("step")
        if step <= last:  # the run went on from a state before these: they no longer hold
            for curve in curves.values():
                curve.cut(step)
        last = step
        for name, value in record.items():
            if not isinstance(value, (int, float)):
                raise corrupt(folder / LOG, number, f"'{name}' is not a number", "edited?")
            curves.setdefault(name, Curve()).add(step, float(value))
    curves = {name: curve for name, curve in curves.items() if curve.steps}
    return StageLog(folder.name, planned, last + 1, curves, tuple(_seen(folder)))


def _seen(folder: Path) -> Sequence[Seen]:
    path = folder / CHECKS
    seen = []
    for number, line in read_lines(path):
        try:
            figures = {str(name): float(value) for name, value in line["figures"].items()}
            names = [str(name) for name in line["pictures"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise corrupt(path, number, "not a check", repr(error)) from error
        for name in names:
            if Path(name).name != name:  # a page holds what the run drew, and no other file
                raise corrupt(path, number, f"'{name}' is not a file of the stage", "edited?")
        pictures = [folder / name for name in names if _is_png(folder / name)]
        seen.append(Seen(line["step"], figures, tuple(pictures)))
    return seen


def _is_png(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(_PNG)) == _PNG
