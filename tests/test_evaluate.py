"""An evaluation is the same in any order, in any number of processes and after any stop."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import FEW, cells, data, few, made, run
from judges import Oracle
from pages import read as read_page

from motiongpt3.app import cli
from motiongpt3.app.evaluate import TASKS
from motiongpt3.evaluation.evidence import (
    read_evidence,
)
from motiongpt3.evaluation.table import Estimate, Table

__all__ = ["data", "made"]  # fixtures

PROGRAM = Path(__file__).with_name("evaluate_run.py")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--evaluator` gives a toy."""
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_table_and_a_page(
    task: str, model: Path, data: Path, judged: None, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    enough = 32 if task == "m2t" else FEW  # captions that text figures are given for
    how = ("--replications", 2, "--json", "--limit", enough)
    assert run(model, data, *few(task, out, *how)) == 0
    table = Table.from_json(capsys.readouterr().out)
    assert table == Table.from_json((out / "table.json").read_text())
    assert (out / "table.md").read_text() == table.markdown()
    assert (out / "table.csv").read_text() == table.csv()
    assert table.provenance["replications"] == 2 and table.provenance["evaluator"] == "oracle"
    measured = [c for row in table.cells.values() for c in row.values() if isinstance(c, Estimate)]
    assert len(measured) > 10 and all(np.isfinite(cell.mean) for cell in measured)
    assert cli.main(["report", str(out)]) == 0
    page = read_page(out / "report.html")
    assert page.tags.count("img") >= 6 and "Worst clips" in page.text
    assert all(row in page.text for row in table.cells)


def test_too_few_clips_give_no_figure_but_the_number(made: Path) -> None:
    model = cells(made)["model"]
    for name in (
        "R@1",
        "R@3 distinct",
        "MM-Dist",
        "FID",
        "FID-32",
        "KID x1000",
        "Diversity",
        "MModality",
    ):
        assert model[name].keys() == {"missing"} and "n=" in model[name]["missing"], name


def test_more_replications_take_up_those_that_are_there(
    made: Path, model: Path, data: Path, judged: None, tmp_path: Path
) -> None:
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    shutil.copytree(made, grown)
    before = {path: path.stat().st_mtime_ns for path in (grown / "replications").iterdir()}
    for out in (grown, whole):
        assert run(model, data, *few("t2m", out, "--replications", 3)) == 0
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert cells(grown) == cells(whole)
    assert read_evidence(grown).shown[0].note == read_evidence(whole).shown[0].note


def test_a_stop_costs_one_replication(
    made: Path, model: Path, data: Path, judged: None, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    shutil.copytree(made, out)
    (out / "table.json").unlink()
    (out / "replications" / "0000.json").unlink()
    (out / "replications" / ".motiongpt3-torn.json").write_text("{")
    assert run(model, data, *few("t2m", out, "--replications", 2)) == 0
    assert cells(out) == cells(made)


CHANGES: Mapping[str, list[object]] = {
    "seed": ["--seed", 1],
    "split": ["--split", "val"],
    "task": ["--task", "vae"],
    "clips": ["--limit", 5],
    "evaluator": ["--evaluator", "other"],
    "data": [],
    "model": [],
}


@pytest.mark.parametrize("what", CHANGES)
def test_replications_of_another_evaluation_are_refused(
    what: str, made: Path, model: Path, data: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    other = type("Other", (Oracle,), {"name": "another"})
    names = {"toy": Oracle, "other": other}
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda f: names[str(f)]())
    for name in ("model", "data"):
        if what == name:
            target = tmp_path / name
            shutil.copytree({"model": model, "data": data}[name], target)
            changed = json.loads((target / "manifest.json").read_text())
            if name == "data":
                changed["sha256"] = "0" * 64
                data = target
            else:
                monkeypatch.setattr("motiongpt3.model.loading.fingerprint", lambda path: "0" * 64)
            (target / "manifest.json").write_text(json.dumps(changed))
    assert run(model, data, *few("t2m", made, "--replications", 2, *CHANGES[what])) == 2
    assert f"made with {what}" in capsys.readouterr().err


BROKEN = {"": 3, "{": 3, '{"identity": {}, "rows": 3}': 3, '{"identity": {}, "rows": {}}': 2}


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_is_no_replication_is_refused(
    text: str, made: Path, model: Path, data: Path, judged: None, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    shutil.copytree(made, out)
    (out / "replications" / "0001.json").write_text(text)
    assert run(model, data, *few("t2m", out)) == BROKEN[text]
    assert "0001.json" in capsys.readouterr().err


BAD: Mapping[str, tuple[list[object], str]] = {
    "no set": (["shipped", "nowhere", "--task", "t2m"], "not a processed set"),
    "no task": (["shipped", "nowhere"], "--task"),
    "task": (["shipped", "nowhere", "--task", "dance"], "invalid choice"),
    "replications": (["m", "d", "--task", "t2m", "--replications", 0], "--replications"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused(case: str, capsys: Any) -> None:
    words, said = BAD[case]
    assert run(*words) == 2
    assert said in capsys.readouterr().err


def test_two_processes_make_the_table_of_one(
    made: Path, model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shared"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    given = [model, data, *few("t2m", out, "--replications", 2)]
    program = [sys.executable, *launch, *free, str(PROGRAM), *map(str, given)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("# Text to motion") == 1, "one process speaks"
    assert cells(out) == cells(made)
