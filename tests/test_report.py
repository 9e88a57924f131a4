"""The page about a run: whole, safe, readable, and honest about what is missing or broken."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from clips import tiny, trained_once, unchecked
from pages import Reader, read

from motiongpt3.app import cli
from motiongpt3.app.checking import PROMPTS, watch
from motiongpt3.app.run_page import run_page
from motiongpt3.app.runs import read_run
from motiongpt3.training.stage import Watch
from motiongpt3.training.train import train


def about(**changed: Any) -> dict[str, Any]:
    recipe = asdict(tiny())
    return {
        "recipe": recipe,
        "stages": ["vae", *(stage["name"] for stage in recipe["stages"])],
        "command": "motiongpt3 train nano --seed 0",
        "seed": 0,
        "data": {"sha256": "07e50d6d73d70993", "clips": {"train": 8, "val": 4}, "frames": 392859},
        "environment": {"python": "3.11", "torch": "2.13.0"},
        "started": "2027-03-02T18:55:12",
        **changed,
    }


def write(folder: Path, records: dict[str, list[dict[str, Any]]], **changed: Any) -> Path:
    """A run's folder with these records of each stage."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(about(**changed)))
    for stage, lines in records.items():
        (folder / stage).mkdir()
        (folder / stage / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    return folder


def steps(count: int, **more: float) -> list[dict[str, float]]:
    return [{"step": n, "lr": 1e-3, "loss": 2.0 / (n + 1), **more} for n in range(count)]


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run of three stages, looked at before and after each."""
    base = trained_once(tmp_path_factory.getbasetemp() / "tiny").parent
    whole, out = tiny(), tmp_path_factory.mktemp("report") / "run"
    kept = tuple(stage for stage in whole.stages if stage.name in ("align", "together"))
    recipe = replace(whole, stages=kept)
    with unchecked():
        train(recipe, base / "set", out, Watch(lambda *_: None, check=watch(recipe, base / "set")))
    return out


def test_a_run_becomes_a_page(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", trained) == 0
    assert capsys.readouterr().out == f"{trained / 'report.html'}  finished\n"
    reader = read(trained / "report.html")
    assert reader.tags.count("h2") == 4 and reader.tags.count("img") >= 3
    content = json.loads((trained / "run.json").read_text())["data"]["sha256"]
    for text in ("Training of nano", "finished", content[:16], "2.13.0", "4 of 4 steps"):
        assert text in reader.text
    for text in ("learning rate", "samples per second", "perplexity, plain English", "schedule.lr"):
        assert text in reader.text
    assert reader.tags.count("svg") >= 10


def test_a_run_that_loses_language_is_visible(trained: Path) -> None:
    """Frozen text reads as it did, to the last bit; trained text does not."""
    for stage, same in (("align", True), ("together", False)):
        lines = (trained / stage / "checks.jsonl").read_text().splitlines()
        first, *_, last = [json.loads(line) for line in lines]
        assert (first["step"], last["step"]) == (0, 4)
        for name in ("caption_perplexity", "english_perplexity"):
            before, after = (float(look["figures"][name]).hex() for look in (first, last))
            assert (before == after) == same, (stage, name)


def test_the_summary_is_for_programs(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", trained, "--json", "-o", trained / "other.html") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["page"] == str(trained / "other.html") and read(trained / "other.html")
    assert answer["finished"] and answer["stage"] == "together"
    assert answer["step"] == answer["steps"] == 4
    vae, align, _ = answer["stages"]
    assert vae["losses"].keys() >= {"loss", "joints", "mpjpe_mm"}
    assert align["figures"][-1]["step"] == 4
    assert align["figures"][0]["english_perplexity"] > 1


def test_what_a_run_says_is_text_and_never_markup(tmp_path: Path) -> None:
    bad = '<script>alert("x")</script><img src=x onerror=alert(1)>&"\'$body'
    recipe = asdict(replace(tiny(), name=bad, licence=bad, sources=(bad,)))
    folder = write(
        tmp_path / "run",
        {"vae": [{**record, f"{bad}.{bad}": 1.0, bad: 2.0} for record in steps(50)]},
        recipe=recipe,
        command=bad,
        environment={bad: bad},
    )
    seen = {"step": 2, "figures": {bad: 1.0}, "pictures": []}
    again = {"step": 4, "figures": {bad: 2.0}, "pictures": []}
    checks = json.dumps(seen) + "\n" + json.dumps(again) + "\n"
    (folder / "vae" / "checks.jsonl").write_text(checks)
    assert run("report", folder) == 0
    reader = read(folder / "report.html")
    assert "img" not in reader.tags and reader.text.count("alert") > 8


def test_a_stage_name_is_text_too(tmp_path: Path) -> None:
    bad = "<b>&amp;"
    recipe = asdict(tiny())
    recipe["stages"] = [{**recipe["stages"][0], "name": bad}]
    folder = write(tmp_path / "run", {bad: steps(3)}, recipe=recipe, stages=[bad])
    assert run("report", folder) == 0
    assert f"{bad}: step 3 of 4" in read(folder / "report.html").text


def test_a_run_on_its_way_says_where_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", {"vae": steps(4), "text": steps(2)})
    assert read_run(folder).state == "text: step 2 of 4, 21% of all steps"
    assert "Training of nano" in read_page(folder).text


def read_page(folder: Path) -> Reader:
    return Reader(run_page(read_run(folder)))


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", {"vae": steps(3)})
    with open(folder / "vae" / "log.jsonl", "a") as log:
        log.write('{"step": 3, "lo')
    assert run("report", folder) == 0
    assert read_run(folder).stages[0].done == 3


def test_steps_that_were_made_again_count_once(tmp_path: Path) -> None:
    lived_twice = [*steps(5, old=1.0), *({**r, "loss": 9.0} for r in steps(4)[2:])]
    stage = read_run(write(tmp_path / "run", {"vae": lived_twice})).stages[0]
    assert list(stage.curves["loss"].steps) == [0, 1, 2, 3]
    assert list(stage.curves["loss"].values) == [2.0, 1.0, 9.0, 9.0]
    assert list(stage.curves["old"].steps) == [0, 1]


def test_language_before_and_after_a_stage_stands_side_by_side(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", {"text": steps(4), "generate": steps(4), "align": steps(4)})
    for stage, figure in (("text", 12.5), ("generate", 12.5), ("align", 4321.5)):
        line = {"step": 4, "figures": {"caption_perplexity": figure}, "pictures": []}
        (folder / stage / "checks.jsonl").write_text(json.dumps(line) + "\n")
    text = read_page(folder).text
    assert "12.5, unchanged" in text and "12.5 → 4,322" in text


def test_only_some_pictures_are_carried_along(tmp_path: Path, trained: Path) -> None:
    folder = write(tmp_path / "run", {"vae": steps(40)})
    sheet = next((trained / "vae").glob("*.png")).read_bytes()
    lines = []
    for step in range(0, 40, 2):
        (folder / "vae" / f"{step}.png").write_bytes(sheet)
        lines.append({"step": step, "figures": {}, "pictures": [f"{step}.png"]})
    (folder / "vae" / "5.png").write_bytes(b"no picture")
    lines += [{"step": 40, "figures": {}, "pictures": ["5.png", "gone.png"]}]
    (folder / "vae" / "checks.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    reader = read_page(folder)
    assert reader.tags.count("img") == 4
    assert "earlier pictures, 3 of 19" in reader.text


Break = Callable[[Path], object]
BROKEN: dict[str, tuple[Break, int, str]] = {
    "no folder": (shutil.rmtree, 2, "no such folder"),
    "not a run": (lambda run: (run / "run.json").unlink(), 2, "not a run"),
    "no step yet": (lambda run: shutil.rmtree(run / "vae"), 2, "has not made a step"),
    "empty log": (lambda run: (run / "vae" / "log.jsonl").write_text(""), 2, "not made a step"),
    "record": (lambda run: (run / "run.json").write_text("{"), 3, "run.json: not a run's record"),
    "recipe": (lambda run: (run / "run.json").write_text("[]"), 3, "run.json: not a run's record"),
    "stage": (
        lambda run: (run / "run.json").write_text(json.dumps(about(stages=["../vae"]))),
        3,
        "run.json: not a run's record",
    ),
    "line": (
        lambda run: (run / "vae" / "log.jsonl").write_text('{"step": 0}\n{"st\n{"step": 2}\n'),
        3,
        "log.jsonl:2: not JSON",
    ),
    "bytes": (
        lambda run: (run / "vae" / "log.jsonl").write_bytes(b"\x80\xff\n{}\n"),
        3,
        "log.jsonl:1: not JSON",
    ),
    "list": (
        lambda run: (run / "vae" / "log.jsonl").write_text("[1]\n"),
        3,
        "log.jsonl:1: not an object with a step",
    ),
    "step": (
        lambda run: (run / "vae" / "log.jsonl").write_text('{"step": 1e99}\n'),
        3,
        "log.jsonl:1: not an object with a step",
    ),
    "word": (
        lambda run: (run / "vae" / "log.jsonl").write_text('{"step": 0, "loss": "low"}\n'),
        3,
        "log.jsonl:1: 'loss' is not a number",
    ),
    "check": (
        lambda run: (run / "vae" / "checks.jsonl").write_text('{"step": 0}\n'),
        3,
        "checks.jsonl:1: not a check",
    ),
    "picture": (
        lambda run: (run / "vae" / "checks.jsonl").write_text(
            '{"step": 0, "figures": {}, "pictures": ["../../secret.png"]}\n'
        ),
        3,
        "checks.jsonl:1: '../../secret.png' is not a file of the stage",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_runs_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoil, code, said = BROKEN[name]
    folder = write(tmp_path / "run", {"vae": steps(3)})
    spoil(folder)
    assert run("report", folder) == code
    assert said in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_places_that_take_no_page_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", {"vae": steps(3)})
    assert run("report", folder, "-o", tmp_path) == 2
    assert run("report", folder, "-o", tmp_path / "no" / "page.html") == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_log_of_numbers_that_are_not_finite_is_shown(tmp_path: Path) -> None:
    records = [*steps(3), {"step": 3, "loss": float("nan"), "lr": float("inf")}]
    assert read_page(write(tmp_path / "run", {"vae": records})).tags.count("svg") == 2


def test_prompts_are_sentences_a_model_takes() -> None:
    from motiongpt3.model.tokenizer import check_prompt

    assert [check_prompt(prompt) for prompt in PROMPTS] == list(PROMPTS)
