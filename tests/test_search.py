"""Words find motions: an index at rest, exact search, a graph, and the page of what was found."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import walk, wave
from pages import read as read_page

from motiongpt3 import Motion
from motiongpt3.app import cli
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.library import neighbours
from motiongpt3.library.embedding import Embedding, index_of
from motiongpt3.library.index import Entry, Index, Origin, read_index, write_index
from motiongpt3.library.inputs import find_clips
from motiongpt3.library.parts import Parts
from motiongpt3.library.work import Local, carry_out
from motiongpt3.model.evaluator import observer_of, read_evaluator, shipped_evaluators

ORIGIN = Origin("toy", "0" * 64, "..")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("found") / "clips"
    folder.mkdir()
    for n in range(3):
        walk(60 + 5 * n, 1 + 0.1 * n).write(folder / f"walk{n}.npz")
        wave(70 + 5 * n, "left").write(folder / f"wave{n}.bvh")
    said = {"text": "somebody <b>waves</b> & walks"}
    Motion(walk(450).joints, provenance=said).write(folder / "long.npz")
    (folder / "bad.npz").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def index(clips: Path) -> Path:
    out = clips.parent / "clips.index"
    assert cli.main(["embed", str(clips), "-o", str(out)]) == 0
    return out


def made_up(rows: int, width: int = 8, seed: int = 0) -> Index:
    embeddings = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    return Index.of(ORIGIN, [Entry(f"{n}.npz", 0.0, 1.0) for n in range(rows)], embeddings)


def test_embeddings_are_the_evaluators_own(clips: Path, index: Path) -> None:
    found, evaluator = read_index(index), read_evaluator(shipped_evaluators()[0])
    assert (found.origin.evaluator, found.origin.hash) == (evaluator.name, evaluator.hash)
    assert found.origin.clips == "../clips"
    starts = [(e.path, e.start) for e in found.entries]
    assert starts == sorted(starts) and len(starts) == 9
    long = [e for e in found.entries if e.path == "long.npz"]
    assert [e.seconds for e in long] == pytest.approx([7.5, 7.5, 7.45])
    assert long[1].start == pytest.approx(7.5) and long[0].text == "somebody <b>waves</b> & walks"
    observer = observer_of(evaluator)
    for row, entry in enumerate(found.entries):
        windows = observer.windows([Motion.read(clips / entry.path)])[0]
        at = [e for e in found.entries if e.path == entry.path].index(entry)
        alone = evaluator.motions([windows[at]])[0]
        np.testing.assert_allclose(found.embeddings[row], alone, atol=2e-4)
    skipped = [json.loads(line) for line in (index / "skipped.jsonl").read_text().splitlines()]
    assert [row["path"] for row in skipped] == ["bad.npz"] and skipped[0]["error"]
    assert not (index / "parts").exists()


def test_an_index_does_not_depend_on_how_its_parts_were_made(
    clips: Path, index: Path, tmp_path: Path
) -> None:
    job = Embedding(tuple(find_clips([clips])), str(shipped_evaluators()[0]))
    kept = Parts(tmp_path / "parts", job.identity, len(job.parts))
    rows = carry_out(job, kept, Local(readers=0), lambda done, of: None)
    assert rows is not None
    again, skipped = index_of(rows[::-1], job.identity, "../clips")
    write_index(tmp_path, again, skipped)
    for name in ("embeddings.npy", "clips.jsonl", "skipped.jsonl", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (index / name).read_bytes(), name


def test_nearest_is_what_sorting_all_distances_gives() -> None:
    index, rng = made_up(500), np.random.default_rng(1)
    for count in (1, 7, 500, 600):
        text = rng.normal(size=8).astype(np.float32)
        apart = np.linalg.norm(index.embeddings.astype(np.float64) - text, axis=1)
        found = index.nearest(text, count)
        order = [int(one.entry.path[:-4]) for one in found]
        assert order == np.argsort(apart, kind="stable")[:count].tolist()
        np.testing.assert_allclose([one.distance for one in found], apart[order], rtol=1e-5)


def test_what_is_the_same_stays_in_its_order() -> None:
    index = Index.of(ORIGIN, made_up(6).entries, np.ones((6, 8), np.float32))
    found = index.nearest(np.zeros(8, np.float32), 6)
    assert [one.entry.path for one in found] == [f"{n}.npz" for n in range(6)]


def test_a_large_index_has_a_graph(tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 1000)
    exact = made_up(3000)
    write_index(tmp_path, exact, [])
    found = read_index(tmp_path)
    assert found.graph is not None
    rng, hits = np.random.default_rng(2), 0
    for _ in range(50):
        text = rng.normal(size=8).astype(np.float32)
        theirs, ours = found.nearest(text, 10), exact.nearest(text, 10)
        assert [one.distance for one in theirs] == sorted(one.distance for one in theirs)
        hits += len({one.entry.path for one in theirs} & {one.entry.path for one in ours})
    assert hits >= 0.99 * 500


def test_a_damaged_index_is_refused(index: Path, tmp_path: Path) -> None:
    for name in ("embeddings.npy", "clips.jsonl"):
        shutil.copytree(index, tmp_path / name)
        data = bytearray((tmp_path / name / name).read_bytes())
        data[-3] ^= 1
        (tmp_path / name / name).write_bytes(bytes(data))
        with pytest.raises(CorruptError, match="manifest"):
            read_index(tmp_path / name)
    (tmp_path / "clips.jsonl" / "manifest.json").write_text("{")
    with pytest.raises(CorruptError, match=r"manifest\.json: cannot be read"):
        read_index(tmp_path / "clips.jsonl")
    with pytest.raises(InputError, match="no index"):
        read_index(tmp_path)


def run(*words: object) -> int:
    return cli.main(["search", *(str(word) for word in words)])


def test_search_says_and_shows_what_it_found(
    clips: Path, index: Path, tmp_path: Path, capsys: Any
) -> None:
    captions = tmp_path / "captions.jsonl"
    captions.write_text('{"path": "wave0.bvh", "caption": "<script>waves</script>"}\n')
    out = tmp_path / "page.html"
    words = ["someone waves the left hand", index, "-k", 9, "--captions", captions]
    assert run(*words, "--json", "-o", out) == 0
    told = json.loads(capsys.readouterr().out)
    apart = [one["distance"] for one in told["found"]]
    assert apart == sorted(apart) and len(apart) == 9
    said = {one["path"]: one["caption"] for one in told["found"]}
    assert said["wave0.bvh"] == "<script>waves</script>" and said["walk0.npz"] is None
    page = read_page(out)
    assert page.tags.count("img") == 9 and "script" not in page.tags
    assert "1. " + told["found"][0]["path"] in page.text
    assert "http" not in out.read_text().replace("http-equiv", "")
    assert run(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and told["found"][0]["path"] in lines[0]


def test_a_clip_that_has_gone_is_said_on_the_page(clips: Path, index: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "clips")
    shutil.copytree(index, tmp_path / "clips.index")
    (tmp_path / "clips" / "wave0.bvh").unlink()
    out = tmp_path / "page.html"
    assert run("waves", tmp_path / "clips.index", "-o", out) == 0
    page = read_page(out)
    assert page.tags.count("img") == 8 and "cannot be drawn" in page.text


REFUSED: Sequence[tuple[list[str], int, str]] = (
    (["", "INDEX"], 2, "empty"),
    (["waves", "nowhere"], 2, "no index"),
    (["waves", "INDEX", "-k", "0"], 2, "-k"),
    (["waves", "INDEX", "-o", "page.pdf"], 2, "no page"),
    (["waves", "INDEX", "-o", "nowhere/page.html"], 2, "no such folder"),
    (["waves", "INDEX", "--captions", "nowhere.jsonl"], 2, "cannot be read"),
    (["waves", "INDEX", "--evaluator", "OTHER"], 2, "another evaluator"),
)


@pytest.mark.parametrize("words, code, said", REFUSED, ids=lambda given: str(given)[:40])
def test_bad_requests_are_refused(
    words: list[str],
    code: int,
    said: str,
    index: Path,
    tmp_path: Path,
    monkeypatch: Any,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    stands = {"INDEX": str(index), "OTHER": str(shipped_evaluators()[1])}
    assert run(*(stands.get(word, word) for word in words)) == code
    assert said in capsys.readouterr().err


def test_a_library_of_nothing_usable_is_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.npz").write_bytes(b"no motion")
    assert cli.main(["embed", str(tmp_path), "-o", str(tmp_path / "index")]) == 2
    assert "no clip could be embedded" in capsys.readouterr().err
