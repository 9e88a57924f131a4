"""Training: goes on exactly where it stopped, refuses what is not finite, freezes what it says."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import tiny
from jobs import (
    STAGES,
    Killed,
    data,
    everything,
    fingerprint,
    jobs,
    killed_at,
    language_job,
    logged,
    tokenizer,
    vae_job,
)
from toys import SCHEDULE, SILENT

from motiongpt3.errors import InputError, NonFiniteError
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.training.engine import Engine
from motiongpt3.training.folder import held
from motiongpt3.training.loop import fit
from motiongpt3.training.stage import Stage, Upkeep
from motiongpt3.training.train import Run, begin_tokenizer, train

__all__ = ["data", "tokenizer"]  # fixtures


@pytest.mark.parametrize(
    ("kind", "precision", "stop", "workers", "parts"),
    [
        ("vae", "fp32", 4, 0, 1),
        ("vae", "bf16", 5, 2, 1),
        ("vae", "fp32", 5, 0, 2),
        ("generate", "fp32", 5, 0, 1),
        ("generate", "bf16", 4, 2, 2),
        ("align", "fp32", 5, 2, 1),
        ("finetune", "fp32", 4, 0, 1),
        ("finetune", "bf16", 6, 0, 2),
    ],
)
def test_a_resumed_run_is_the_same_run_to_the_last_bit(
    data, tokenizer, tmp_path: Path, kind: str, precision: str, stop: int, workers: int, parts: int
) -> None:
    """Killed after a state, between states, at the last step; then taken up with other workers."""
    make, schedule = jobs(data, tokenizer)[kind], replace(SCHEDULE, parts=parts)
    upkeep = Upkeep(save_every=3)
    straight = Stage("s", schedule, tmp_path / "straight", 7, precision, upkeep)
    broken = replace(straight, run=tmp_path / "broken", upkeep=replace(upkeep, workers=workers))
    whole = make()
    fit(whole, straight, SILENT)
    with pytest.raises(Killed):
        fit(make(), broken, killed_at(stop))
    again = make()
    with torch.no_grad():  # a resumed run takes nothing from how the weights were drawn
        for weight in again.module.parameters():
            weight.add_(1.0)
    fit(again, broken, SILENT)
    assert logged(broken.run) == logged(straight.run) and len(logged(broken.run)) == 6
    assert everything(again.module) == everything(whole.module)
    assert straight.states.steps()[-1] == broken.states.steps()[-1] == SCHEDULE.steps
    third = make()
    fit(third, straight, SILENT)  # nothing left to do
    assert everything(third.module) == everything(whole.module)


@pytest.mark.parametrize("kind", ["vae", "finetune"])
def test_another_seed_is_another_run(data, tokenizer, tmp_path: Path, kind: str) -> None:
    """Without this, the test of resuming would prove nothing."""
    losses = []
    for n, (order_seed, noise_seed) in enumerate([(0, 0), (0, 1), (1, 0)]):
        job = (
            vae_job(data, order_seed)
            if kind == "vae"
            else language_job(data, tokenizer, kind, order_seed)
        )
        folder = tmp_path / str(n)
        fit(job, Stage("s", replace(SCHEDULE, steps=2), folder, noise_seed, "fp32"), SILENT)
        losses.append(logged(folder)[1]["loss"])
    assert len(set(losses)) == 3


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_changes_what_it_says_and_nothing_else(data, tokenizer, tmp_path, stage) -> None:
    job = language_job(data, tokenizer, stage)
    gpt, heads = job.network.gpt, job.network.heads
    parts = {
        "text": [*gpt.branch(TEXT), gpt.wte.weight, gpt.wpe.weight],
        "motion": gpt.branch(MOTION),
        "head": list(heads.diffusion.parameters()),
        "understanding": list(heads.understand.parameters()),
        "vae": list(job.encoder.codec.parameters()),
    }
    before = {name: fingerprint(weights) for name, weights in parts.items()}
    fit(job, Stage("s", replace(SCHEDULE, steps=3), tmp_path, 0, "fp32"), SILENT)
    changed = {name for name, weights in parts.items() if fingerprint(weights) != before[name]}
    expected = {
        "text": {"text"},
        "understand": {"text"},
        "generate": {"text", "motion", "head", "understanding"},
        "paper": {"motion", "head"},  # nobody is told about a motion
        "align": {"motion", "head", "understanding"},
        "finetune": {"text", "motion", "head", "understanding"},
        "together": {"text", "motion", "head", "understanding"},
    }
    assert changed == expected[stage]


def test_a_hole_in_the_data_stops_training(data, tmp_path: Path, monkeypatch) -> None:
    job = vae_job(data)
    before = fingerprint(list(job.module.parameters()))
    rows = data.features(0).copy()
    rows[3, 5] = np.nan
    monkeypatch.setattr(data, "features", lambda index, mirrored=False: rows)
    with pytest.raises(NonFiniteError):
        fit(job, Stage("s", SCHEDULE, tmp_path, 0, "fp32"), SILENT)
    assert fingerprint(list(job.module.parameters())) == before


def test_a_folder_in_use_is_not_written_over(data, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not the folder of a run"):
        train(tiny(), data.folder, tmp_path / "other", SILENT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="--resume"):
        train(tiny(), data.folder, tmp_path / "run", SILENT)
    assert (tmp_path / "run" / "run.json").read_text() == "{}"


def test_a_changed_recipe_is_refused_key_by_key(data, tmp_path: Path) -> None:
    """A run goes on as it began, unless what changed is named."""
    recipe, run, resume = replace(tiny(2), stages=()), tmp_path / "run", Upkeep(resume=True)
    train(recipe, data.folder, run, SILENT)
    longer = replace(
        recipe, vae=replace(recipe.vae, schedule=replace(recipe.vae.schedule, steps=3))
    )
    with pytest.raises(InputError, match=r"recipe\.vae\.schedule\.steps: 2 -> 3") as refused:
        train(longer, data.folder, run, SILENT, resume)
    assert "--allow-config-change" in refused.value.hint
    with pytest.raises(InputError, match="schedule.steps"):
        train(longer, data.folder, run, SILENT, replace(resume, allow=("recipe.vae.loss",)))
    allowed = replace(resume, save_every=7, allow=("recipe.vae.schedule.steps",))
    train(longer, data.folder, run, SILENT, allowed)
    assert Stage("vae", longer.vae.schedule, run).states.steps()[-1] == 3
    train(longer, data.folder, run, SILENT, resume)  # the change is now what the run is


def test_two_runs_do_not_share_a_folder(data, tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        script = "import sys; from motiongpt3.training.folder import held\n"
        script += "from pathlib import Path\nwith held(Path(sys.argv[1])): pass"
        program = [sys.executable, "-c", script, str(tmp_path / "run")]
        second = subprocess.run(program, capture_output=True, text=True)
        assert second.returncode and "another run is at work here" in second.stderr
        assert str(os.getpid()) in second.stderr
    assert subprocess.run(program).returncode == 0, "a lock does not outlive its process"


def test_one_process_learns_the_vocabulary(data, tmp_path: Path, monkeypatch) -> None:
    """The others wait for it, and read it: two that write one file get in each other's way."""
    recipe = replace(tiny(), stages=())

    def run(rank: int) -> Run:
        engine = Engine(torch.device("cpu"), rank=rank, ranks=2)
        return Run(recipe, data, tmp_path, SILENT, Upkeep(), engine)

    def wait(engine: Engine, error: object) -> None:
        if not engine.first:
            begin_tokenizer(run(0))
        met.append(engine.rank)

    met: list[int] = []
    monkeypatch.setattr(Engine, "agree", wait)
    assert begin_tokenizer(run(1)).encode("waves") == begin_tokenizer(run(0)).encode("waves")
    assert met == [0, 1, 0], "all meet, also when the file is there"
