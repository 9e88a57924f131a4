"""What a library is made from: clips and prompts, as they are named, read and refused."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import walk
from libraries import clips, done

import motiongpt3
from motiongpt3 import Motion
from motiongpt3.app import cli
from motiongpt3.errors import InputError
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.generating import Generating
from motiongpt3.library.inputs import find_clips
from motiongpt3.library.prompts import read_prompts
from motiongpt3.library.tables import read_table

__all__ = ["clips"]  # a fixture


def test_a_clip_that_changes_is_other_input(clips: Path, tmp_path: Path) -> None:
    from motiongpt3.library.inputs import fingerprint

    walk(30).write(tmp_path / "a.npz")
    before = fingerprint(find_clips([tmp_path]))
    os.utime(tmp_path / "a.npz", ns=(1, 1))
    assert fingerprint(find_clips([tmp_path])) != before


def test_lists_and_files_are_named_as_given(clips: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(clips)
    listed = tmp_path / "list.txt"
    listed.write_text("walk0.npz\n\nmore/wave1.bvh\r\nwalk0.npz\nnowhere.npz\n")
    assert [one.name for one in find_clips([listed])] == [
        "more/wave1.bvh", "nowhere.npz", "walk0.npz",
    ]  # fmt: skip
    both = find_clips([Path("more"), Path("walk0.npz")])
    assert [one.name for one in both][-2:] == ["more/wave6.bvh", "walk0.npz"]
    with pytest.raises(InputError, match="no motion files"):
        find_clips([tmp_path])


PROMPTS = {
    "p.txt": "walk\n\n  somebody   waves \n",
    "p.jsonl": '{"text": "walk"}\n{"text": "somebody waves", "seconds": null, "more": 1}\n',
    "p.csv": 'seed,text\n,walk\n"",somebody waves\n',
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_of_every_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(PROMPTS[name])
    found = read_prompts(tmp_path / name, 2.0, 7)
    assert [(p.number, p.text, p.seconds, p.seed, p.error) for p in found] == [
        (1, "walk", 2.0, 7, None),
        (2, "somebody waves", 2.0, 7, None),
    ]


BROKEN = {
    "p.txt": ("\n", "no prompts"),
    "p.md": ("walk", "no prompts"),
    "p.jsonl": ('{"text": "walk"}\n[1]\n', "p.jsonl:2"),
    "q.jsonl": ('{"text": "walk"}\n{"text": \n', "q.jsonl:2"),
    "p.csv": ("a,b\nwalk,2\n", "no column 'text'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_hold_no_prompts_are_refused(name: str, tmp_path: Path) -> None:
    text, said = BROKEN[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_prompts(tmp_path / name, None, 0)


VALUES: Sequence[tuple[dict[str, Any], str]] = (
    ({"text": ""}, "empty"),
    ({"text": None}, "empty"),
    ({"text": 3}, "no text"),
    ({"text": "walk", "seconds": "long"}, "no number"),
    ({"text": "walk", "seconds": True}, "no number"),
    ({"text": "walk", "seconds": 0.2}, "seconds"),
    ({"text": "walk", "seconds": float("nan")}, "seconds"),
    ({"text": "walk", "seed": -1}, "seed"),
    ({"text": "walk", "seed": 1.5}, "no number"),
)


def test_what_is_wrong_with_a_prompt_is_said_of_it(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row, _ in VALUES) + '{"text": "walk"}\n')
    *bad, good = read_prompts(path, None, 0)
    assert good.error is None
    for prompt, (_, said) in zip(bad, VALUES, strict=True):
        assert prompt.error is not None and said in prompt.error


def test_motions_are_those_of_single_calls(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    asked = [("walk", 2.0, 3), ("a person waves", 1.5, 4), ("", 1.0, 0), ("walk", None, 3)]
    lines = [json.dumps(dict(zip(("text", "seconds", "seed"), row, strict=True))) for row in asked]
    path.write_text("\n".join(lines))
    prompts = tuple(read_prompts(path, None, 0))
    (tmp_path / "out").mkdir()
    job = Generating(prompts, str(tmp_path / "out"), model=Chosen(str(model)), part=2)
    rows = done(job, tmp_path / "out" / "parts")
    alone = motiongpt3.load(model)
    assert [row["file"] for row in rows] == ["000001.npz", "000002.npz", None, "000004.npz"]
    assert rows[2]["error"] is not None
    for (text, seconds, seed), row in zip(asked, rows, strict=True):
        if row["file"]:
            made = Motion.read(tmp_path / "out" / row["file"])
            single = alone.generate(text, seconds, seed=seed)
            np.testing.assert_allclose(made.joints, single.joints, atol=1e-4)
            assert made.caption == text and row["seconds"] == pytest.approx(made.seconds)


def test_generate_fills_a_folder_once(model: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "p.txt").write_text("walk\nwave\n")
    words = ["generate", "--prompts", str(tmp_path / "p.txt"), "-o", str(tmp_path / "out")]
    words += ["--model", str(model), "--seconds", "1", "--format", "bvh"]
    assert cli.main(words) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "000001.bvh", "000002.bvh", "index.jsonl",
    }  # fmt: skip
    capsys.readouterr()
    assert cli.main(words) == 2
    assert "it is done" in capsys.readouterr().err


REFUSED: Sequence[tuple[list[str], str]] = (
    (["caption", "."], "is no clip"),
    (["caption", ".", "-o", "t.csv"], "is no table"),
    (["caption", ".", "-o", "nowhere/t.jsonl"], "no such folder"),
    (["caption", "t.txt", "-o", "t.jsonl"], "cannot be read"),
    (["caption", ".", "-o", "t.jsonl", "--workers", "0"], "--workers"),
    (["generate", "-o", "a.npz"], "no TEXT"),
    (["generate", "walk", "--prompts", "p.txt", "-o", "out"], "for one motion"),
    (["generate", "--prompts", "p.txt", "-o", "out", "-o", "more"], "one folder"),
    (["generate", "--prompts", "p.txt", "-o", "out", "--samples", "2"], "--samples"),
    (["generate", "--prompts", "p.txt", "-o", "out"], "p.txt"),
)


@pytest.mark.parametrize("words, said", REFUSED, ids=lambda given: " ".join(given)[:40])
def test_bad_requests_are_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_usable_is_bad_input(model: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.npz").write_bytes(b"no motion")
    out = tmp_path / "t.jsonl"
    assert cli.main(["caption", str(tmp_path), "-o", str(out), "--model", str(model)]) == 2
    assert "nothing could be used" in capsys.readouterr().err
    assert read_table(out)[0]["error"]
