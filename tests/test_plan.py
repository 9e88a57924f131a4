"""A plan tries every stage, says what it takes, and leaves nothing behind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clips import archive, lines, tiny, trained_once

from motiongpt3.app import cli, show
from motiongpt3.data.prepare import prepare
from motiongpt3.model.vq import VQConfig
from motiongpt3.training import plan as plans
from motiongpt3.training.plan import plan
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.recipes import RECIPES

STEPS = 1000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    prepare([archive(folder / "raw", lines(copies=2))], folder / "set")
    return folder / "set"


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_STEPS", 3)


def short(stages: tuple[str, ...] = ("text", "generate", "align")) -> Recipe:
    recipe = tiny(STEPS)
    return replace(recipe, stages=tuple(s for s in recipe.stages if s.name in stages))


def test_every_stage_is_tried_and_nothing_is_kept(data: Path) -> None:
    before = {path: path.read_bytes() for path in data.iterdir()}
    told: list[str] = []
    made = plan(short(), data, lambda: 7, told.append)
    assert told == [stage.name for stage in made.stages]
    assert told == ["vae", "codes", "text", "generate", "align"]
    assert {path: path.read_bytes() for path in data.iterdir()} == before
    vae, codes, text, generate, align = made.stages
    assert vae.frozen == 0 == codes.trained and codes.frozen == vae.trained
    assert text.trained + text.frozen == generate.trained + generate.frozen
    assert align.trained < generate.trained and generate.frozen == vae.trained
    assert codes.steps == 2, "one batch of clips and one of their mirror images"
    for stage in made.stages:
        assert stage.tried == 3 and stage.seconds_per_step > 0 and stage.tokens > 0
        assert stage.seconds == stage.steps * stage.seconds_per_step
    assert [stage.steps for stage in (vae, text, align)] == [STEPS] * 3
    assert made.seconds == pytest.approx(sum(stage.seconds for stage in made.stages))


def test_the_time_for_trying_is_limited(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_SECONDS", 0.0)
    made = plan(short(("generate",)), data, lambda: 0)
    assert [stage.tried for stage in made.stages] == [1, 1, 1], "one step, however long it takes"


def test_a_batch_in_parts_and_a_codec_of_ids(data: Path) -> None:
    recipe = short(("generate",))
    vae = replace(recipe.vae, config=VQConfig(codebook=16, width=16, depth=1))
    (stage,) = recipe.stages
    whole = plan(replace(recipe, vae=vae), data, lambda: 0)
    parted = replace(stage, schedule=replace(stage.schedule, parts=2))
    parts = plan(replace(recipe, vae=vae, stages=(parted,)), data, lambda: 0)
    assert parts.stages[2].tokens == whole.stages[2].tokens


def test_the_command_says_what_a_run_takes(
    data: Path,
    tmp_path: Path,
    tmp_path_factory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setitem(RECIPES, "nano", short(("align",)))
    out = tmp_path / "run"
    command = ["train", "nano", "--data", str(data), "--out", str(out), "--dry-run"]
    assert cli.main(command) == 0
    said = capsys.readouterr()
    lines = [line.split()[0] for line in said.out.splitlines() if line.strip()]
    assert {"stage", "vae", "codes", "align", "nano:"} <= set(lines)
    assert said.err.splitlines() == ["trying vae", "trying codes", "trying align"]
    assert cli.main([*command, "--json", "--vae.schedule.steps", "7"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [stage["steps"] for stage in told["stages"]] == [7, 2, STEPS]
    assert told["stages"][0]["peak_bytes"] > 1e7 and told["threads"] == torch.get_num_threads()
    assert told["seconds"] == pytest.approx(sum(stage["seconds"] for stage in told["stages"]))
    assert not out.exists()
    model = trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model"
    assert cli.main([*command, "--from", str(model)]) == 0
    assert capsys.readouterr().err.splitlines() == ["trying codes", "trying align"]
    assert cli.main([*command[:-1], "--json"]) == 2
    assert "--dry-run" in capsys.readouterr().err and not out.exists()


def test_durations() -> None:
    told = [show.duration(seconds) for seconds in (0.4, 99, 150, 3 * 3600 + 240, 3 * 86400)]
    assert told == ["0 s", "99 s", "2 min", "3 h 04 min", "3.0 days"]
