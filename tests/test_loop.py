"""The training loop on one weight: what a step does, what it refuses, and where it goes on."""

import json
import math
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toys import SCHEDULE, SILENT, Numbers, Toy, quiet

from motiongpt3.errors import CorruptError, InputError, NonFiniteError, ResourceError, StoppedError
from motiongpt3.training.loop import fit
from motiongpt3.training.stage import Schedule, Stage, Upkeep, Watch
from motiongpt3.training.stopping import Stopping


def stage(run: Path, schedule: Schedule = SCHEDULE, **upkeep: object) -> Stage:
    return Stage("toy", schedule, run, 0, "fp32", Upkeep(**{"save_every": 2, **upkeep}))


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "toy" / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[str]:
    return [float(record["loss"]).hex() for record in records(run)]


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_not_taken(tmp_path: Path, how: str) -> None:
    job = Toy(spoil=3, how=how)
    with pytest.raises(NonFiniteError, match=r"toy, step 3.*clip3") as caught:
        fit(job, stage(tmp_path), SILENT)
    assert caught.value.exit_code == 5
    assert float(job.module.weight.detach()) == job.seen[3], "weights are those before the step"
    assert stage(tmp_path).states.steps() == [2] and len(records(tmp_path)) == 3


def test_steps_that_are_not_finite_can_be_left_out(tmp_path: Path) -> None:
    job = Toy(spoil=3)
    fit(job, stage(tmp_path, skip_nonfinite=10), SILENT)
    assert [record.get("skipped") for record in records(tmp_path)] == [None] * 3 + [1.0] + [
        None
    ] * 2
    assert job.seen[4] == job.seen[3] != job.seen[5]


def test_a_stage_hands_on_the_average_of_its_weights(tmp_path: Path) -> None:
    job, weights = Toy(), []
    schedule = Schedule(steps=40, batch=1, lr=0.01, warmup=1, average=0.9, clip=100.0)
    watch = Watch(lambda *_: weights.append(float(job.module.weight.detach())))
    fit(job, stage(tmp_path, schedule, save_every=10), watch)
    average = 0.0
    for step, weight in enumerate(weights):
        decay = min(0.9, (step + 1) / (step + 10))
        average = decay * average + (1 - decay) * weight
    assert float(job.module.weight.detach()) == pytest.approx(average, rel=1e-5)
    assert average != pytest.approx(weights[-1], rel=1e-3) and not job.module.training


def test_weights_are_pulled_back_as_adamw_decays_them(tmp_path: Path) -> None:
    """From a start at zero the two are one; from elsewhere only the start differs."""
    schedule = Schedule(steps=30, batch=2, lr=0.02, warmup=3, average=0.0, clip=math.inf, pull=2.0)
    jobs = {start: Toy() for start in (0.0, -3.0)}
    for start, job in jobs.items():
        nn.init.constant_(job.module.weight, start)
        fit(job, stage(tmp_path / f"{start}", schedule), SILENT)
    theirs = Toy()
    decayed = torch.optim.AdamW(theirs.module.parameters(), 0.0, (0.9, 0.99), weight_decay=2.0)
    for step in range(schedule.steps):
        decayed.param_groups[0]["lr"] = 2 * schedule.rate(step)  # as the toy has it
        decayed.zero_grad()
        theirs.losses(theirs.draw(step, range(2)))["distance"].backward()
        decayed.step()
    at = {start: float(job.module.weight.detach()) for start, job in jobs.items()}
    assert at[0.0] == pytest.approx(float(theirs.module.weight.detach()), rel=1e-5)
    assert -3 < at[-3.0] < -1, "held where it began, and no nearer to zero for that"


def test_a_pulled_run_goes_on_as_it_began(tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, pull=50.0)
    straight, broken, resumed = Toy(), Toy(spoil=3, how="signal"), Toy()
    fit(straight, stage(tmp_path / "straight", schedule), SILENT)
    with pytest.raises(StoppedError):
        watch = Watch(quiet)
        with watch.stopping:
            fit(broken, stage(tmp_path / "broken", schedule), watch)
    fit(resumed, stage(tmp_path / "broken", schedule), SILENT)
    assert torch.equal(resumed.module.weight, straight.module.weight)
    assert losses(tmp_path / "broken") == losses(tmp_path / "straight")


def test_the_learning_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=1000, batch=1, lr=1.0, warmup=100, floor=0.02)
    rates = [schedule.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(0.976, abs=0.01)
    assert rates[:97] == sorted(rates[:97]) and rates[100:] == sorted(rates[100:])[::-1]
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(tmp_path: Path, workers: int) -> None:
    fit(Toy(), stage(tmp_path / "none"), SILENT)
    fit(Toy(), stage(tmp_path / "some", workers=workers), SILENT)
    assert losses(tmp_path / "some") == losses(tmp_path / "none")


def test_a_batch_in_parts_is_the_same_batch(tmp_path: Path) -> None:
    fit(Toy(), stage(tmp_path / "whole"), SILENT)
    fit(Toy(), stage(tmp_path / "parts", replace(SCHEDULE, parts=3)), SILENT)
    whole, parts = records(tmp_path / "whole"), records(tmp_path / "parts")
    assert [r["loss"] for r in parts] == pytest.approx([r["loss"] for r in whole], rel=1e-6)
    with pytest.raises(InputError, match="batch of 4 for 5 parts"):
        fit(Toy(), stage(tmp_path / "many", replace(SCHEDULE, parts=5)), SILENT)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("worker", ResourceError, r"steps \d to \d, clips .*clip3.*: a data worker is gone"),
        ("sample", InputError, "clip3: clip cannot be read"),
    ],
)
def test_a_broken_batch_is_named(tmp_path: Path, how: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(Toy(spoil=3, how=how), stage(tmp_path, workers=1), SILENT)
    fit(Toy(), stage(tmp_path, workers=1), SILENT)
    fit(Toy(), stage(tmp_path / "straight"), SILENT)
    assert losses(tmp_path) == losses(tmp_path / "straight")


def test_a_worker_that_dies_during_a_step_is_named(tmp_path: Path) -> None:
    class Slow(Toy):
        def losses(self, batch: Numbers) -> dict[str, Tensor]:
            time.sleep(0.5)
            return super().losses(batch)

    with pytest.raises(ResourceError, match=r"steps \d to \d, .*clip3.*: a data worker"):
        fit(Slow(spoil=3, how="worker"), stage(tmp_path, workers=1), SILENT)


def test_a_signal_ends_the_step_and_saves(tmp_path: Path) -> None:
    watch = Watch(quiet)
    with watch.stopping, pytest.raises(StoppedError, match="signal 15") as caught:
        fit(Toy(spoil=2, how="signal"), stage(tmp_path, save_every=100), watch)
    assert caught.value.exit_code == 143 and stage(tmp_path).states.steps() == [3]
    fit(Toy(), stage(tmp_path), SILENT)
    fit(Toy(), stage(tmp_path / "straight"), SILENT)
    assert losses(tmp_path) == losses(tmp_path / "straight")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "handlers are put back"


def test_a_signal_where_there_is_nothing_to_save_ends_at_once() -> None:
    stopping = Stopping()
    stopping.check("encoding")
    stopping.signal = signal.SIGINT
    with pytest.raises(StoppedError) as caught:
        stopping.check("encoding")
    assert caught.value.exit_code == 130


def test_damaged_states_are_passed_over_with_a_word(tmp_path: Path) -> None:
    fit(Toy(), stage(tmp_path / "straight"), SILENT)
    watch = Watch(quiet)
    with watch.stopping, pytest.raises(StoppedError):
        fit(Toy(spoil=4, how="signal"), stage(tmp_path), watch)
    states, said = stage(tmp_path).states, []
    assert states.steps() == [4, 5]
    (states.at(5) / "state.safetensors").write_bytes(b"rot")
    fit(Toy(), stage(tmp_path), Watch(quiet, said.append))
    assert losses(tmp_path) == losses(tmp_path / "straight")
    assert len(said) == 1 and "step-000005" in said[0] and "SHA-256" in said[0]
    for step in states.steps():
        (states.at(step) / "manifest.json").write_text("{}")
    with pytest.raises(CorruptError, match="manifest"):
        fit(Toy(), stage(tmp_path), SILENT)


def test_a_torn_log_is_mended(tmp_path: Path) -> None:
    watch = Watch(quiet)
    with watch.stopping, pytest.raises(StoppedError):
        fit(Toy(spoil=2, how="signal"), stage(tmp_path), watch)
    with open(tmp_path / "toy" / "log.jsonl", "a") as log:
        log.write('{"step": 3, "lo')
    fit(Toy(), stage(tmp_path), SILENT)
    assert [record["step"] for record in records(tmp_path)] == list(range(6))


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    fit(Toy(), stage(tmp_path, replace(SCHEDULE, steps=2)), SILENT)
    other = Toy()
    other.module = torch.nn.Linear(3, 1, bias=False)
    with pytest.raises(InputError, match="other sizes"):
        fit(other, stage(tmp_path), SILENT)
