"""The paper's tables are made run by run, taken up after a stop, and say what their claims ask."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from clips import archive, lines, tiny
from judges import Oracle

from motiongpt3.app import cli, experiments
from motiongpt3.app.experiments import EXPERIMENTS
from motiongpt3.app.reproduce import TABLES
from motiongpt3.data.prepare import prepare
from motiongpt3.evaluation.paper_claims import MAIN
from motiongpt3.evaluation.replications import Replications
from motiongpt3.evaluation.table import Column, Table
from motiongpt3.training import cells
from motiongpt3.training.recipe import Recipe

# -- the experiments ----------------------------------------------------------------------


def test_every_table_has_cells_and_claims_of_them() -> None:
    assert set(TABLES) == {*EXPERIMENTS, "main"}
    for name, experiment in EXPERIMENTS.items():
        known = {recipe.name for recipe in experiment.cells}
        assert experiment.claims and experiment.seeds >= 3
        for claim in experiment.claims:
            if name != "convergence":  # whose claims are about pairs
                assert {claim.cell, claim.than} <= known
    names = [recipe.name for e in EXPERIMENTS.values() for recipe in e.cells]
    recipes = {recipe.name: recipe for e in EXPERIMENTS.values() for recipe in e.cells}
    assert len(names) > len(recipes), "tables share cells"
    assert [recipes[r.name] for e in EXPERIMENTS.values() for r in e.cells] == [
        r for e in EXPERIMENTS.values() for r in e.cells
    ], "a name is one recipe"


def weights(recipe: Recipe) -> int:
    from motiongpt3.model.bimodal import Bimodal

    return sum(p.numel() for p in Bimodal(recipe.sizes(2048)).parameters())


def test_cells_have_equal_budgets() -> None:
    for experiment in EXPERIMENTS.values():
        for recipe in experiment.cells:
            schedules = [stage.schedule for stage in recipe.stages]
            assert {schedule.batch for schedule in schedules} == {64}
            steps = {"words": schedules[0].steps, "motion": sum(s.steps for s in schedules[1:])}
            assert steps == {"words": cells.WORDS, "motion": cells.STEPS}, recipe.name
            codec = cells.codec_of(recipe)
            assert codec.vae == recipe.vae and not codec.stages
    sizes = {recipe.name: weights(recipe) for recipe in EXPERIMENTS["components"].cells}
    assert max(sizes.values()) < 1.25 * min(sizes.values()), sizes
    assert weights(cells.UNIFIED_NARROW) < 0.7 * weights(cells.BASE)


# -- the command --------------------------------------------------------------------------


def small(name: str, **gpt: object) -> Recipe:
    recipe = tiny(steps=2)
    model = replace(recipe.model, gpt=replace(recipe.model.gpt, **gpt))
    words, *_, last = recipe.stages
    stage = replace(last.stage, kind_weight=0.0)
    return replace(recipe, name=name, model=model, stages=(words, replace(last, stage=stage)))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small cells in place of the tables', and an evaluator that is a toy."""
    pair = small("bimodal-vae"), small("unified-vae", branches=1)
    made = {
        name: replace(experiment, cells=pair, seeds=2) for name, experiment in EXPERIMENTS.items()
    }
    monkeypatch.setattr(experiments, "EXPERIMENTS", made)
    monkeypatch.setattr(cells, "BASE", pair[0])
    monkeypatch.setattr("motiongpt3.app.reproducing.CHECKS", 1)
    # Slow, and of no matter here: how far latents spread.
    monkeypatch.setattr("motiongpt3.training.train.latent_spread", lambda vae, run: torch.ones(32))
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 32 clips in each of val and test."""
    base = tmp_path_factory.mktemp("reproduce")
    prepare([archive(base / "raw", lines(32))], base / "set")
    return base / "set"


def run(data: Path, out: Path, *words: object, table: str = "components") -> int:
    given = ["--data", data, "--out", out, "--replications", 1, "--evaluator", "toy", *words]
    return cli.main(["reproduce", table, *map(str, given)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests of the command work, one after another."""
    return tmp_path_factory.mktemp("reproductions")


def files(out: Path) -> dict[Path, int]:
    """Everything that is kept, and when it was written."""
    return {
        path: path.stat().st_mtime_ns
        for path in out.rglob("*")
        if path.name in ("model.safetensors", "log.jsonl") or path.parent.name == "replications"
    }


class Killed(KeyboardInterrupt):
    """What a user does who has no time."""


@contextmanager
def impatient() -> Iterator[Any]:
    """Leaves when the second cell of the second seed has begun to learn of motions."""

    def hears(name: str) -> Any:
        def report(stage: str, step: int, *rest: object) -> None:
            if (name, stage, step) == ("unified-vae-seed1", "together", 1):
                raise Killed

        return report

    yield hears


def test_two_cells_and_two_seeds_are_taken_up_after_a_stop(
    data: Path, folder: Path, tables: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("motiongpt3.app.reproduce.hearing", impatient)
        assert run(data, folder) == cli.INTERRUPTED
    before = files(folder)
    assert {path.parent.parent.parent.name for path in before if path.suffix == ".json"} == {
        "bimodal-vae-seed0", "unified-vae-seed0", "bimodal-vae-seed1"
    }  # fmt: skip
    assert run(data, folder) == 0
    after = files(folder)
    again = {path for path in before if after[path] != before[path]}
    assert {path.relative_to(folder).parts[0] for path in again} <= {"unified-vae-seed1"}
    models = {path.parent.parent.name for path in after if path.name == "model.safetensors"}
    assert models == {
        f"{name}-seed{n}" for name in ("codec-vae", "bimodal-vae", "unified-vae") for n in (0, 1)
    }
    looks = (folder / "unified-vae-seed1" / "together" / "checks.jsonl").read_text().splitlines()
    assert [json.loads(look)["step"] for look in looks] == [0, 2]
    figures = json.loads(looks[-1])["figures"]
    assert figures.keys() >= {"held_out_motion", "held_out_r3", "gflop"} and figures["gflop"] > 0
    assert run(data, folder) == 0
    assert files(folder) == after, "what is done stays as it is"


def test_what_was_run_is_written_up(
    data: Path, folder: Path, tables: None, tmp_path: Path, capsys: Any
) -> None:
    page = tmp_path / "docs" / "results.md"
    assert run(data, folder, "--write", page) == 0
    text = page.read_text()
    for claim in (*MAIN, *(claim for e in EXPERIMENTS.values() for claim in e.claims)):
        assert claim.said in text, "no claim is dropped"
    assert "`motiongpt3 reproduce main` runs it" in text
    for picture in re.findall(r"!\[.*\]\((.*)\)", text):
        assert (page.parent / picture).read_bytes().startswith(b"\x89PNG")
    row = next(line for line in text.splitlines() if line.startswith("| bimodal-vae"))
    seeds, size, steps = (cell.strip() for cell in row.split("|")[2:5])
    assert (seeds, steps) == ("2", "4") and size.endswith(" M")
    counts = re.search(r"\| convergence +\|(.*)\|", text)
    assert counts is not None
    assert sum(map(int, counts[1].split("|"))) == len(EXPERIMENTS["convergence"].claims)
    shown = page.read_bytes()
    assert run(data, folder, "--write", page) == 0
    assert page.read_bytes() == shown


def test_a_page_says_what_was_not_run(data: Path, tables: None, tmp_path: Path) -> None:
    from motiongpt3.app.reproduce import hearing
    from motiongpt3.app.reproducing import Bench
    from motiongpt3.app.results import write_results

    with hearing() as hears:
        write_results(Bench(data, Oracle(), tmp_path / "none", 2, hears), tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    for name in EXPERIMENTS:
        assert f"**Not run.** `motiongpt3 reproduce {name}` runs it." in text
    assert "n/a (not run)" in text and "**reproduced**" not in text


def test_runs_of_other_values_are_refused(
    data: Path, folder: Path, tables: None, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    changed = replace(small("bimodal-vae"), plants_feet=False)
    other = {"components": replace(EXPERIMENTS["components"], cells=(changed,), seeds=1)}
    with monkeypatch.context() as patch:
        patch.setattr(experiments, "EXPERIMENTS", other)
        assert run(data, folder) == 2
    assert "begun with other values: recipe.plants_feet" in capsys.readouterr().err
    copy = tmp_path / "set"
    shutil.copytree(data, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "sha256": "0" * 64}))
    assert run(copy, folder) == 2
    assert "data.sha256" in capsys.readouterr().err
    judge = type("Other", (Oracle,), {"name": "another"})
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: judge())
    assert run(data, folder) == 2
    assert "made with evaluator oracle" in capsys.readouterr().err


def test_main_is_the_evaluation_of_what_ships(
    data: Path, tables: None, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """Only what is asked of `evaluate`, and what is made of its table, is looked at."""
    asked: dict[str, dict[str, Any]] = {}

    def stand_in(options: Any) -> int:
        """Measure nothing."""
        asked[options.task] = vars(options)
        kept = Replications(options.out, {"it": "is"}, 3)
        for number in range(3):
            made = {"R@3": 0.7 + 0.01 * number, "MM-Dist": 3.0}
            kept.keep(number, {"model": made, "real": {"R@3": 0.6, "MM-Dist": 2.0}})
        rows = list(kept.done().values())
        columns = Column("R@3", "higher"), Column("MM-Dist", "lower")
        table = Table.of(f"The {options.task}", columns, rows, {"replications": 3})
        (options.out / "table.json").write_text(table.json())
        return 0

    monkeypatch.setattr("motiongpt3.app.evaluate.evaluate", stand_in)
    out, page = tmp_path / "out", tmp_path / "results.md"
    assert run(data, out, "--write", page, table="main") == 0
    for task in ("t2m", "m2t"):
        words = ["evaluate", "shipped", data, "--task", task, "--out", out / f"main-{task}"]
        usual = vars(cli.parse([*map(str, words), "--evaluator", "toy"]))
        assert asked[task] == {k: v for k, v in usual.items() if k not in ("run", "parser", "rest")}
    text = page.read_text()
    assert "**The t2m**, 3 replications" in text and "| 0.710 ± 0.011 |" in text
    verdicts = [
        line.split("|")[4].strip() for line in text.splitlines() if "than real ones (" in line
    ]
    assert verdicts == ["**reproduced**", "**not reproduced**"]


BAD: Mapping[str, tuple[list[object], str]] = {
    "cell": (["--cells", "trimodal"], "no cell 'trimodal'"),
    "seeds": (["--seeds", 0], "--seeds"),
    "json": (["--json"], "--dry-run"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused(
    case: str, data: Path, tables: None, tmp_path: Path, capsys: Any
) -> None:
    words, said = BAD[case]
    assert run(data, tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_and_a_set_that_is_not(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, tmp_path, table="dances") == 2
    assert "invalid choice" in capsys.readouterr().err
    assert run(tmp_path / "nowhere", tmp_path) == 2
    assert "not a processed set" in capsys.readouterr().err
    assert run(tmp_path, tmp_path, "--seeds", 3, table="main") == 2


def test_what_a_table_takes_is_told_before(
    data: Path, tables: None, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("motiongpt3.training.plan.MOST_STEPS", 2)
    assert run(data, tmp_path / "out", "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["cell"] for row in told["runs"]] == ["codec-vae", "bimodal-vae", "unified-vae"]
    assert told["seconds"] == pytest.approx(2 * sum(row["seconds"] for row in told["runs"]))
    assert run(data, tmp_path / "out", "--dry-run", "--cells", "bimodal-vae") == 0
    out = capsys.readouterr().out
    assert "bimodal-vae" in out and "unified-vae" not in out
    assert not (tmp_path / "out").exists()
