"""Scalars for TensorBoard: read back by TensorBoard itself; nothing where it is not installed."""

import sys
from pathlib import Path

import pytest

from motiongpt3.app.boards import tensorboard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_stages_are_written_apart(tmp_path: Path) -> None:
    with tensorboard(tmp_path / "run") as report:
        assert not (tmp_path / "run").exists()  # a new run's folder must be empty
        report("vae", 1, 2, {"step": 0, "loss": 2.0})
        report("vae", 2, 2, {"step": 1, "loss": 1.0})
        report("text", 1, 2, {"step": 0, "loss": 3.0, "text.t2m": 0.5})
    folder = tmp_path / "run" / "tensorboard"
    assert scalars(folder / "vae") == {"loss": [(1, 2.0), (2, 1.0)]}
    assert scalars(folder / "text") == {"loss": [(1, 3.0)], "text/t2m": [(1, 0.5)]}


def test_a_run_that_goes_on_replaces_the_steps_it_makes_again(tmp_path: Path) -> None:
    for first, loss in ((1, 5.0), (3, 7.0)):
        with tensorboard(tmp_path) as report:
            for step in range(first, 5):
                report("vae", step, 6, {"loss": loss})
    losses = scalars(tmp_path / "tensorboard" / "vae")["loss"]
    assert losses == [(1, 5.0), (2, 5.0), (3, 7.0), (4, 7.0)]


def test_without_tensorboard_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with tensorboard(tmp_path / "run") as report:
        report("vae", 1, 2, {"loss": 2.0})
    assert not (tmp_path / "run").exists()
