"""An evaluation is the same in any order, in any number of processes and after any stop."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import archive, lines, trained_once
from judges import Leaky, Oracle
from test_report import read as read_page

import motiongpt3
from motiongpt3.app import cli
from motiongpt3.app.evaluate import TASKS
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.evaluation.completing import Completing
from motiongpt3.evaluation.draws import Draw, draw, seed_of
from motiongpt3.evaluation.evidence import (
    Evidence,
    Shown,
    read_evidence,
    worst_and_best,
    write_evidence,
)
from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.evaluation.judge import Judge
from motiongpt3.evaluation.motion_to_text import MotionToText
from motiongpt3.evaluation.protocol import Share, replicate
from motiongpt3.evaluation.replications import Replications
from motiongpt3.evaluation.table import Estimate, Table
from motiongpt3.evaluation.text_metrics import rouge_l
from motiongpt3.evaluation.text_to_motion import ModalitySizes, TextToMotion
from motiongpt3.formats.files import digest
from motiongpt3.model.loading import fingerprint
from motiongpt3.motion.features import joints_to_features

PROGRAM = Path(__file__).with_name("evaluate_run.py")
FEW = 6
"""Clips of the runs that are only to run."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 68 clips in the test split and twice as many to train on, each with a caption
    that no other has."""
    base = tmp_path_factory.mktemp("evaluate")
    made = [
        replace(line, captions=(*line.captions, f"{line.captions[0][:-1]}, number {at}."))
        for at, line in enumerate(lines(68))
    ]
    prepare([archive(base / "raw", made)], base / "set")
    return base / "set"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--evaluator` gives a toy."""
    monkeypatch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())


def run(*words: object) -> int:
    return cli.main(["evaluate", *(str(word) for word in words)])


def cells(out: Path) -> dict[str, Any]:
    return {
        row["name"]: row["figures"] for row in json.loads((out / "table.json").read_text())["rows"]
    }


def few(task: str, out: Path, *more: object) -> list[object]:
    return ["--task", task, "--limit", FEW, "--out", out, "--evaluator", "toy", *more]


@pytest.fixture(scope="module")
def made(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation of two replications."""
    out = tmp_path_factory.mktemp("made") / "t2m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motiongpt3.model.evaluator.read_evaluator", lambda folder: Oracle())
        assert run(model, data, *few("t2m", out, "--replications", 2)) == 0
    return out


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


# -- without the command line ---------------------------------------------------------------


@pytest.fixture(scope="module")
def held(data: Path) -> HeldOut:
    return HeldOut(data, "test")


@pytest.fixture(scope="module")
def oracle(held: HeldOut) -> Oracle:
    """Knows each clip by the caption that no other has."""
    return Oracle(
        [((r.captions[-1],), clip) for r, clip in zip(held.records, again(held), strict=True)]
    )


def again(held: HeldOut) -> list[np.ndarray]:
    """Features of the clips' joints."""
    doubles = (joints.astype(np.float64) for joints in held.joints)
    made = (joints_to_features(joints, held.skeleton, held.hip_sign) for joints in doubles)
    return [np.asarray(clip, np.float32) for clip in made]


def test_real_clips_are_embedded_by_their_joints_as_by_their_features(held: HeldOut) -> None:
    for made, features in zip(again(held), held.features, strict=True):
        np.testing.assert_allclose(made, features[:-1], atol=0.03)


def test_what_is_embedded_together_does_not_depend_on_what_came_before(held: HeldOut) -> None:
    row = ["not said of any clip.", *held.captions(0)[1:]]
    fresh, used = Judge(Leaky(), held), Judge(Leaky(), held)
    for seed in range(3):
        used.texts(held.captions(seed))
        used.texts([f"number {seed}", *row[1:]])
    for captions in (row, held.captions(5)):
        np.testing.assert_array_equal(fresh.texts(captions), used.texts(captions))


def test_the_order_of_replications_does_not_matter(model: Path, data: Path, tmp_path: Path) -> None:
    def experiment() -> TextToMotion:
        held = HeldOut(data, "test", FEW)
        loaded = motiongpt3.load(model)
        return TextToMotion(loaded, held, Judge(Leaky(), held), ModalitySizes(2, 2))

    forwards, backwards = experiment(), experiment()
    first = [forwards.measure(seed_of(5, number))[0] for number in range(3)]
    second = [backwards.measure(seed_of(5, number))[0] for number in (2, 0, 1)]
    assert [first[2], first[0], first[1]] == second
    kept = Replications(tmp_path, {"it": "is"}, 3)
    kept.keep(1, first[1])
    assert replicate(experiment(), kept, 5, Share(), lambda done, of: None) == first
    assert first[0] != first[1], "replications differ"


def test_seeds_of_replications_are_their_own() -> None:
    seeds = {seed_of(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000 and all(0 <= seed < 2**63 for seed in seeds)
    drawn = {draw(0, what, n).random() for what in Draw for n in range(5)}
    assert len(drawn) == 5 * len(Draw)


def test_a_judge_that_knows_finds_every_clip(held: HeldOut, oracle: Oracle) -> None:
    judge, captions = Judge(oracle, held), [record.captions[-1] for record in held.records]
    figures = judge.matching(captions, judge.real, 0)
    assert figures["R@1"] == figures["R@3"] == 1.0
    assert isinstance(figures["R@1 distinct"], Missing), "four kinds fill no group"


def test_controls_are_at_chance(held: HeldOut, oracle: Oracle) -> None:
    judge, captions = Judge(oracle, held), [record.captions[-1] for record in held.records]
    rng = np.random.default_rng(0)
    found = []
    for seed in range(60):
        unheard = rng.normal(size=(len(captions), oracle.size)).astype(np.float32)
        found.append([judge.matching(captions, unheard, seed)[f"R@{k}"] for k in (1, 2, 3)])
    np.testing.assert_allclose(np.mean(found, axis=0), np.array([1, 2, 3]) / 32, atol=0.01)
    other = judge.matching(captions[1:] + captions[:1], judge.real, 0)["R@3"]
    assert not isinstance(other, Missing) and other < 0.15


def test_real_embeddings_are_made_once(held: HeldOut, oracle: Oracle) -> None:
    judge, before = Judge(oracle, held), oracle.seen
    for seed in range(3):
        judge.matching(held.captions(seed), judge.real, seed)
        judge.halves(seed)
    assert oracle.seen - before == len(held.records) + len(held.train)


def test_few_samples_are_compared_on_components_and_by_the_kernel(
    held: HeldOut, oracle: Oracle
) -> None:
    judge = Judge(oracle, held)
    figures = judge.spread(judge.real, judge.real)
    assert isinstance(figures["FID"], Missing) and isinstance(figures["FID-32"], Missing)
    assert figures["KID x1000"] == pytest.approx(
        judge.spread(judge.real[::-1], judge.real)["KID x1000"]
    )


def test_pairs_that_do_not_belong_together_are_far(data: Path) -> None:
    held = HeldOut(data, "train")
    captions = [record.captions[-1] for record in held.records]
    known = [((text,), clip) for text, clip in zip(captions, again(held), strict=True)]
    judge, together, apart = Judge(Oracle(known, size=3), held), [], []
    for seed in range(5):
        other = np.roll(judge.real, seed + 1, axis=0)
        together.append(judge.paired(captions, judge.real, seed)["paired KID"])
        apart.append(judge.paired(captions, other, seed)["paired KID"])
    assert np.mean(apart) > np.mean(together) + 3 * np.std(together)


def test_without_an_evaluator_its_figures_say_so(held: HeldOut) -> None:
    judge = Judge(None, held)
    found = judge.matching(held.captions(0), judge.real, 0) | judge.halves(0)
    assert {str(figure) for figure in found.values()} == {"n/a (no evaluator given)"}
    assert judge.distances(held.captions(0), judge.real) is None
    assert judge.confusion(judge.real) == {}


def test_motions_that_are_not_finite_are_no_figures(held: HeldOut, oracle: Oracle) -> None:
    judge = Judge(oracle, held)
    features = [np.full((40, 263), np.nan, np.float32), *held.features[1:]]
    joints = [np.full((40, 22, 3), np.inf, np.float32), *held.joints[1:]]
    for broken in (judge.motions(features), judge.bodies(joints)):
        figures = judge.matching(held.captions(0), broken, 0) | judge.spread(broken, judge.real)
        assert {str(f) for f in figures.values()} == {"n/a (motions are not finite)"}


def test_captions_are_drawn_from_the_clips_own(held: HeldOut) -> None:
    one, two = held.captions(1), held.captions(2)
    assert one == held.captions(1) != two
    assert all(text in record.captions for text, record in zip(one, held.records, strict=True))


def test_guesses_are_as_far_off_as_a_loop_says(model: Path, data: Path) -> None:
    held = HeldOut(data, "test", 3)
    rows, _ = Completing(motiongpt3.load(model), held, Judge(None, held), "predict", 2).measure(0)
    frames, last = [], []
    for joints in held.joints:
        seen = round(0.2 * len(joints))
        far = [
            np.linalg.norm(joints[t] - joints[seen - 1], axis=1) for t in range(seen, len(joints))
        ]
        frames.append(np.mean([one.mean() for one in far]))
        last.append(far[-1].mean())
    hold = rows["hold last pose"]
    assert hold["ADE m"] == pytest.approx(np.mean(frames), rel=1e-5) == hold["ADE best m"]
    assert hold["FDE m"] == pytest.approx(np.mean(last), rel=1e-5)
    assert "APD m" in rows["model"] and "APD m" not in hold


def test_a_reference_is_judged_by_the_others(model: Path, data: Path) -> None:
    held = HeldOut(data, "test", 40)
    task = MotionToText(motiongpt3.load(model), held, Judge(None, held))
    rows, _ = task.measure(3)
    aside = held.captions(3)
    others = [
        [text for text in record.captions if text != one]
        for record, one in zip(held.records, aside, strict=True)
    ]
    assert rows["reference caption"]["ROUGE-L raw"] == rouge_l(aside, others)
    whole = rouge_l(task.made, [record.captions for record in held.records])
    assert rows["model"]["ROUGE-L raw"] == whole
    assert rows["model, one reference less"]["ROUGE-L raw"] == rouge_l(task.made, others)
    counted = Counter(c for record in held.train.records for c in record.captions)
    assert counted[task.frequent] == max(counted.values())


def test_weights_have_a_fingerprint(model: Path, tmp_path: Path) -> None:
    assert fingerprint(model) == digest(model / "model.safetensors")
    with pytest.raises(InputError, match="is no model"):
        fingerprint(tmp_path)


# -- what a page is made of -----------------------------------------------------------------


def test_worst_and_best_are_those_with_most_and_least_error() -> None:
    rng = np.random.default_rng(0)
    errors = [*rng.normal(size=30), np.nan]
    clips = [np.full((20, 22, 3), n, np.float32) for n in range(31)]
    shown = worst_and_best(errors, [(str(n), "") for n in range(31)], clips)
    order = sorted(range(30), key=lambda at: errors[at])
    assert [int(s.caption) for s in shown if s.best] == order[:4]
    assert [int(s.caption) for s in shown if not s.best] == order[::-1][:4]
    assert all(int(s.joints[0, 0, 0]) == int(s.caption) for s in shown)


@pytest.mark.parametrize("count", [0, 3])
def test_evidence_is_read_as_it_was_written(count: int, tmp_path: Path) -> None:
    clips = [np.random.default_rng(n).normal(size=(20 + n, 22, 3)) for n in range(2 * count)]
    said = [(f"caption {n} ü", "note") for n in range(2 * count)]
    shown = worst_and_best([float(n) for n in range(2 * count)], said, clips)
    evidence = Evidence({"walk": {"run": 2}}, {"limb left": (3, 4)}, shown)
    write_evidence(tmp_path, evidence)
    again = read_evidence(tmp_path)
    assert (again.confusion, again.sides) == (evidence.confusion, evidence.sides)
    assert [(s.caption, s.note, s.best) for s in again.shown] == [
        (s.caption, s.note, s.best) for s in shown
    ]
    for a, b in zip(again.shown, shown, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints)


@pytest.mark.parametrize(
    ("name", "content"),
    [("table.json", b"{}"), ("evidence.npz", b"PK"), ("evidence.npz", None)],
)
def test_a_damaged_evaluation_is_refused(
    name: str, content: bytes | None, made: Path, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(made, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    assert cli.main(["report", str(folder)]) == 3
    assert name in capsys.readouterr().err


def test_evidence_that_is_cut_short_anywhere_is_refused(made: Path, tmp_path: Path) -> None:
    whole = (made / "evidence.npz").read_bytes()
    for share in np.linspace(0, 0.99, 40):
        (tmp_path / "evidence.npz").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CorruptError, match="no evidence"):
            read_evidence(tmp_path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    (tmp_path / "evidence.npz").write_bytes(flipped)
    with pytest.raises(CorruptError, match="no evidence"):
        read_evidence(tmp_path)


@pytest.mark.parametrize("joints", [np.full((30, 22, 3), np.nan), np.zeros((30, 7, 3))])
def test_what_is_no_person_is_told_and_not_drawn(
    joints: np.ndarray, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(made, folder)
    shown = [Shown("a blob", "far off", False, joints.astype(np.float32))]
    write_evidence(folder, Evidence({}, {}, shown))
    assert cli.main(["report", str(folder)]) == 0
    page = read_page(folder / "report.html")
    assert "a blob (far off)" in page.text and "img" not in page.tags


def test_what_a_table_says_is_text_and_never_markup(made: Path, tmp_path: Path) -> None:
    bad = '<script>alert("x")</script>'
    folder = tmp_path / "out"
    shutil.copytree(made, folder)
    evidence = read_evidence(folder)
    table = json.loads((folder / "table.json").read_text())
    table["title"], table["provenance"][bad] = bad, bad
    table["rows"][0]["name"] = bad
    (folder / "table.json").write_text(json.dumps(table))
    write_evidence(folder, Evidence({bad: {bad: 1, "other": 2}}, {bad: (1, 2)}, evidence.shown))
    assert cli.main(["report", str(folder)]) == 0
    assert read_page(folder / "report.html").text.count("alert") >= 6
