"""A run that is killed, told to stop, or refused by the disk goes on as if nothing had happened.

Children are forked, so that a run starts at once. MOTIONGPT3_SOAK=1 asks for the long versions.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from clips import archive, lines
from spread_run import recipe
from toys import SCHEDULE, SILENT, Toy, quiet

from motiongpt3.data.prepare import prepare
from motiongpt3.errors import MotionGPTError, NonFiniteError, ResourceError
from motiongpt3.training import states as states_module
from motiongpt3.training.loop import fit
from motiongpt3.training.memory import Memory
from motiongpt3.training.stage import Stage, Upkeep, Watch
from motiongpt3.training.states import States, verify
from motiongpt3.training.train import train

SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))
STEPS, EVERY = (100, 10) if SOAK else (40, 5)
STAGES = ("vae", "align", "together")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("survival")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return base / "set"


@pytest.fixture(scope="module")
def straight(data: Path) -> Path:
    """A run that nobody disturbs."""
    run = data.parent / "straight"
    assert finish(started(data, run)) == 0
    return run


def started(data: Path, run: Path, workers: int = 0, do: Callable[[], None] = quiet) -> int:
    """A training in a process of its own, in a group of its own."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    code = 1
    try:
        do()
        torch.set_num_threads(1)
        jaxtyping.config.update("jaxtyping_disable", True)
        upkeep = Upkeep(save_every=EVERY, resume=True, workers=workers)
        train(recipe(STEPS), data, run, Watch(quiet), upkeep)
        code = 0
    except MotionGPTError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def finish(child: int, seconds: float = 300.0) -> int:
    """The exit code of a child, as a shell has it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"still at work after {seconds} s")


def logged(run: Path) -> dict[tuple[str, int], str]:
    """The loss of every step to the last bit, torn last lines left out."""
    losses = {}
    for stage in STAGES:
        path = run / stage / "log.jsonl"
        for line in path.read_text().splitlines() if path.is_file() else []:
            if line.endswith("}"):
                record = json.loads(line)
                losses[stage, record["step"]] = float(record["loss"]).hex()
    return losses


def saved(run: Path) -> int:
    """Steps of all stages that the newest whole states stand for."""
    found = [States(run / stage / "states").newest(quiet) for stage in STAGES]
    return sum(state[0] for state in found if state)


def weights(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("workers", [0, 2])
def test_kills_at_random_moments_change_nothing(data, straight, tmp_path, workers: int) -> None:
    rng, run, done, kills = np.random.default_rng(workers), tmp_path / "run", False, 0
    wanted = 25 if SOAK else 5
    while not done:
        child = started(data, run, workers)
        if kills < wanted:
            time.sleep(float(rng.uniform(0.3, 2.5)))
            os.killpg(child, signal.SIGKILL)
        done = finish(child) == 0
        kills += not done
        assert len(logged(run)) - saved(run) <= EVERY, "no more than an interval is lost"
    assert kills >= min(wanted, 3)
    assert logged(run) == logged(straight) and len(logged(run)) == 3 * STEPS
    assert weights(run) == weights(straight)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_with_its_code(data, straight, tmp_path, number: int) -> None:
    rng, run = np.random.default_rng(number), tmp_path / "run"
    for _ in range(10 if SOAK else 3):
        child = started(data, run)
        time.sleep(float(rng.uniform(0.5, 2.0)))
        os.kill(child, number)
        asked = time.monotonic()
        code = finish(child)
        assert time.monotonic() - asked < 15
        if code == 0:
            break
        assert code == 128 + number and len(logged(run)) == saved(run), "nothing is lost"
    assert finish(started(data, run)) == 0
    assert logged(run) == logged(straight) and weights(run) == weights(straight)


def test_a_second_signal_ends_at_once(data, tmp_path: Path) -> None:
    def never_ends() -> None:
        Memory.write = lambda *_: time.sleep(60)  # type: ignore[method-assign]

    child = started(data, tmp_path / "run", do=never_ends)
    time.sleep(1.5)
    os.kill(child, signal.SIGTERM)
    time.sleep(0.5)
    os.kill(child, signal.SIGTERM)
    asked = time.monotonic()
    assert finish(child) == 143 and time.monotonic() - asked < 2


def two_states(run: Path) -> Stage:
    stage = Stage("toy", SCHEDULE, run, 0, "fp32", Upkeep(save_every=3))
    fit(Toy(), stage, SILENT)
    return stage


CALLS = [
    (os, "fsync"), (os, "rename"), (os, "open"), (Path, "mkdir"), (Path, "write_text"),
    (shutil, "rmtree"), (states_module, "digest"),
]  # fmt: skip


def test_a_crash_anywhere_in_a_save_leaves_a_whole_state(tmp_path: Path, monkeypatch) -> None:
    """The process ends before the k-th call that touches the disk, for every k."""
    crashes = 0
    for k in range(100):
        folder = tmp_path / str(k)
        child = os.fork()
        if child == 0:
            stage, left = two_states(folder), [k]
            for place, name in CALLS:
                real = getattr(place, name)

                def dying(*given: object, real=real, left=left, **named: object) -> object:
                    if left[0] == 0:
                        os._exit(9)
                    left[0] -= 1
                    return real(*given, **named)

                setattr(place, name, dying)
            stage.states.begin(9).joinpath("state.safetensors").write_bytes(b"nine")
            stage.states.finish(9)
            os._exit(0)
        code = finish(child)
        states = States(folder / "toy" / "states")
        found = states.newest(quiet)
        assert found is not None and found[0] in (6, 9), k
        assert verify(found[1]) == found[0]
        if code == 0:
            break
        crashes += 1
        states.begin(12).joinpath("state.safetensors").write_bytes(b"twelve")
        states.finish(12)  # the next save is not disturbed by what was left
        assert states.newest(quiet)[0] == 12 and not list(states.folder.glob(".part-*"))
    assert code == 0 and crashes >= 12


def test_a_state_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch) -> None:
    stage, calls = two_states(tmp_path), []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(handle: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real_fsync(handle)

    def rename(source: Path, target: Path) -> None:
        calls.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    stage.states.begin(9).joinpath("state.safetensors").write_bytes(b"nine")
    stage.states.finish(9)
    assert calls == ["state.safetensors", "manifest.json", ".part-000009", "rename", "states"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_failing_disk_is_no_success(tmp_path: Path, monkeypatch, call: str) -> None:
    stage = two_states(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fails)
        stage.states.begin(9).joinpath("state.safetensors").write_bytes(b"nine")
        with pytest.raises(ResourceError, match=r"step-000009: .*Input/output error") as caught:
            stage.states.finish(9)
    assert caught.value.exit_code == 4 and stage.states.newest(quiet)[0] == 6
    stage.states.begin(9).joinpath("state.safetensors").write_bytes(b"nine")
    stage.states.finish(9)
    assert stage.states.newest(quiet)[0] == 9


def test_a_full_disk_is_a_typed_error_and_loses_nothing(tmp_path: Path) -> None:
    place, said = tmp_path / "small", []
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(place)])
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        stage = Stage("toy", SCHEDULE, place, 0, "fp32", Upkeep(save_every=2))
        (place / "ballast").write_bytes(b"x" * 4096)
        big = Toy()
        big.module.spare = torch.nn.Parameter(torch.ones(2500))
        with pytest.raises(ResourceError, match="disk is full|cannot be written") as caught:
            fit(big, stage, Watch(quiet, said.append))
        assert caught.value.exit_code == 4 and any("MiB free" in text for text in said)
        (place / "ballast").unlink()
        assert stage.states.newest(quiet)[0] == 2 and verify(stage.states.at(2)) == 2
    finally:
        subprocess.run(["umount", str(place)])


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    job = Toy()

    def spoil(stage: str, step: int, *_: object) -> None:
        if step == 3:
            with torch.no_grad():
                job.module.weight.fill_(torch.nan)

    stage = Stage("toy", SCHEDULE, tmp_path, 0, "fp32", Upkeep(save_every=3))
    with pytest.raises(NonFiniteError, match="nothing is saved"):
        fit(job, stage, Watch(spoil))
    assert stage.states.steps() == []


def test_an_error_of_a_job_ends_the_run(tmp_path: Path, monkeypatch) -> None:
    """No loss is set to zero because something went wrong."""
    job = Toy()
    monkeypatch.setattr(job, "losses", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(job, Stage("toy", SCHEDULE, tmp_path, 0, "fp32"), SILENT)
