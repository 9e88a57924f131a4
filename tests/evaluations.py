"""Evaluations of the tiny model by a judge that is a toy."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from clips import archive, lines
from judges import Oracle

from motiongpt3.app import cli
from motiongpt3.data.prepare import prepare

FEW = 6
"""Clips of the runs that are only to run."""


def run(*words: object) -> int:
    return cli.main(["evaluate", *(str(word) for word in words)])


def few(task: str, out: Path, *more: object) -> list[object]:
    return ["--task", task, "--limit", FEW, "--out", out, "--evaluator", "toy", *more]


def cells(out: Path) -> dict[str, Any]:
    return {
        row["name"]: row["figures"] for row in json.loads((out / "table.json").read_text())["rows"]
    }


@lru_cache(maxsize=1)
def _prepared_once(base: Path) -> Path:
    made = [
        replace(line, captions=(*line.captions, f"{line.captions[0][:-1]}, number {at}."))
        for at, line in enumerate(lines(68))
    ]
    prepare([archive(base / "raw", made)], base / "set")
    return base / "set"


@lru_cache(maxsize=1)
def _evaluated_once(model: Path, data: Path) -> Path:
    out = data.parent / "t2m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())
        assert run(model, data, *few("t2m", out, "--replications", 2)) == 0
    return out


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 68 clips in the test split and twice as many to train on, each with a caption
    that no other has."""
    return _prepared_once(tmp_path_factory.getbasetemp() / "evaluations")


@pytest.fixture(scope="session")
def made(model: Path, data: Path) -> Path:
    """The folder of an evaluation of two replications."""
    return _evaluated_once(model, data)
