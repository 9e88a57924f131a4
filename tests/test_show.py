"""What a run says while it is under way."""

import sys

import pytest

from motiongpt3.app import show


def test_training_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    record = {"loss": 2.0, "steps_per_s": 1.0, "samples_per_s": 64.0, "lr": 1e-3, "step": 0}
    with show.progress() as report:
        for step in range(1, 101):
            report("vae", step, 100, record)
    assert capsys.readouterr().err.splitlines() == [
        "vae 1/100, 2 min left  64.0 samples/s  loss 2.0000",
        "vae 100/100, 0 s left  64.0 samples/s  loss 2.0000",
    ]


def test_losses_of_tasks_stand_behind_what_they_add_up_to() -> None:
    record = {"text.t2m": 0.5, "text": 0.25, "loss": 1.0, "motion.predict": 3.0, "seconds.data": 1}
    said = show.how_it_fares(record)
    assert said == "loss 1.0000  text 0.2500 (t2m 0.5000)  motion (predict 3.0000)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (89, "89 s"),
        (90, "2 min"),
        (3599, "1 h 0 min"),
        (12_000, "3 h 20 min"),
        (190_800, "2 d 5 h"),
    ],
)
def test_durations_are_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert show._duration(seconds) == said


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with show.progress() as report, show.working("resting [x]"):
        report("vae [x]", 51, 100, {"loss": 2.0, "samples_per_s": 64.0})
