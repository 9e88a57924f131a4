"""What the page of an evaluation is made of: read as written, and text never markup."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import data, made
from pages import read as read_page

from motiongpt3.app import cli
from motiongpt3.errors import CorruptError
from motiongpt3.evaluation.evidence import (
    Evidence,
    Shown,
    read_evidence,
    worst_and_best,
    write_evidence,
)

__all__ = ["data", "made"]  # fixtures


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
