"""Several processes learn what one learns, and leave together. torchrun, gloo, CPU."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import archive, lines
from safetensors.numpy import load_file

from motiongpt3.data.prepare import prepare
from motiongpt3.training.states import States

SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))
STAGES = ("vae", "align", "together")
STEPS = 50 if SOAK else 20
PROGRAM = Path(__file__).with_name("spread_run.py")
TOGETHER = 20.0
"""Seconds in which all processes are gone; torchrun kills what is left after 30."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("distributed")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return base / "set"


@pytest.fixture(scope="module")
def alone(data: Path) -> Path:
    run = data.parent / "alone"
    assert start(data, run, 1).wait(300) == 0
    return run


def start(data: Path, run: Path, ranks: int, *how: object) -> subprocess.Popen[str]:
    """A training by so many processes; `how` is the spread, and then what is done to it."""
    spread, *harm = how or ("ddp",)
    given = [str(PROGRAM), str(data), str(run), str(spread), str(STEPS), *map(str, harm)]
    program = [sys.executable, *given]
    if ranks > 1:
        torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
        free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
        program = [sys.executable, *torchrun, *free, *given]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def losses(run: Path, stage: str) -> list[float]:
    lines = (run / stage / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.parametrize("spread", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns(data, alone, tmp_path: Path, spread: str) -> None:
    run = tmp_path / "run"
    program = start(data, run, 2, spread)
    said, _ = program.communicate(timeout=400)
    assert program.returncode == 0, said[-3000:]
    for stage in STAGES:
        np.testing.assert_allclose(losses(run, stage), losses(alone, stage), rtol=1e-5)
        assert len(losses(run, stage)) == STEPS
    made, expected = (load_file(r / "model" / "model.safetensors") for r in (run, alone))
    assert made.keys() == expected.keys()
    for name in made:  # half precision, and Adam moves a weight without gradient by its rate
        np.testing.assert_allclose(made[name], expected[name], atol=3e-3, rtol=0, err_msg=name)
    if spread == "fsdp":
        going_on_alone(data, run, tmp_path / "moved")


def going_on_alone(data: Path, run: Path, copy: Path) -> None:
    """What two processes saved in shards, one takes up; its next steps are theirs."""
    shutil.copytree(run, copy)
    states = States(copy / "together" / "states")
    assert (states.at(STEPS) / ".metadata").is_file(), "shards"
    shutil.rmtree(states.at(STEPS))
    shutil.rmtree(copy / "model")
    program = start(data, copy, 1)
    said, _ = program.communicate(timeout=300)
    assert program.returncode == 0 and "not to the last bit (processes: 2 -> 1)" in said, said
    found = losses(copy, "together")
    np.testing.assert_allclose(found, losses(run, "together"), rtol=1e-5)


HARM = {"one is asked to stop": ("SIGTERM", 1), "one is killed": ("SIGKILL", 1)}
if SOAK:
    HARM |= {"one meets no number": ("NAN", 1), "one cannot write": ("DISK", 0)}
SAID = {
    "SIGTERM": "stopped by signal 15",
    "NAN": "loss nan",
    "DISK": "disk is full",
}


@pytest.mark.parametrize("case", HARM)
def test_all_leave_together(data, tmp_path: Path, case: str) -> None:
    what, rank = HARM[case]
    run, states = tmp_path / "run", States(tmp_path / "run" / "together" / "states")
    program = start(data, run, 2, "ddp", rank, 5, what)
    while not (run / "together" / "log.jsonl").is_file() and program.poll() is None:
        time.sleep(0.1)
    begun = time.monotonic()
    said, _ = program.communicate(timeout=120)
    assert program.returncode != 0 and time.monotonic() - begun < TOGETHER
    assert what not in SAID or all(f"rank {n}: " in said for n in (0, 1)), said[-3000:]
    assert len(re.findall(SAID.get(what, ""), said)) >= 2
    if what == "SIGTERM":
        assert states.steps() == [5], "the step in progress is saved, once for both"
    left = subprocess.run(["pgrep", "-f", str(run)], capture_output=True, text=True)
    assert left.stdout == "", "no process is left behind"
    assert start(data, run, 2).wait(300) == 0
    assert len(losses(run, "together")) == STEPS


def test_the_agent_passes_a_signal_on(data, alone, tmp_path: Path) -> None:
    run = tmp_path / "run"
    program = start(data, run, 2)
    while not (run / "align" / "log.jsonl").is_file() and program.poll() is None:
        time.sleep(0.1)
    program.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    said, _ = program.communicate(timeout=60)
    assert time.monotonic() - asked < TOGETHER and program.returncode != 0
    steps = States(run / "align" / "states").steps()
    assert steps and len(losses(run, "align")) == steps[-1], said[-2000:]
