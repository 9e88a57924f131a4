"""Work over a library is done once for each input, whatever is killed in between."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import trained_once, walk, wave
from people import person
from toys import quiet

import motiongpt3
from motiongpt3 import Motion
from motiongpt3.app import cli
from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.evaluation.protocol import Share
from motiongpt3.library.captioning import COLUMNS, Captioning
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.generating import Generating
from motiongpt3.library.inputs import find_clips, parts_of
from motiongpt3.library.parts import Parts, Row
from motiongpt3.library.processes import Processes
from motiongpt3.library.prompts import read_prompts
from motiongpt3.library.tables import read_table, write_table
from motiongpt3.library.work import Job, Local, OnRay, carry_out
from motiongpt3.motion.skeleton import KIT

KILLS = 10 if os.environ.get("MOTIONGPT3_SOAK") else 2
BAD = {"empty.npz": "is empty", "text.bvh": "HIERARCHY", "kit.npz": "kit", "short.npy": "too few"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 14 good clips, in it and below, and of four bad ones."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "more").mkdir()
    for n in range(7):
        walk(30 + 9 * n, 1 + 0.1 * n, 0.2 * n).write(folder / f"walk{n}.npz")
        wave(40 + 5 * n, "left" if n % 2 else "right").write(folder / "more" / f"wave{n}.bvh")
    (folder / "empty.npz").touch()
    (folder / "text.bvh").write_text("a person waves")
    (folder / "readme.md").write_text("not a motion")
    (folder / ".hidden.npz").touch()
    person(skeleton=KIT).write(folder / "kit.npz")
    walk(4).write(folder / "short.npy")
    return folder


def done(job: Job, folder: Path, engine: Local | OnRay = Local(readers=0)) -> list[Row]:  # noqa: B008
    rows = carry_out(job, Parts(folder, job.identity, len(job.parts)), engine, quiet)
    assert rows is not None
    return sorted(rows, key=lambda row: str(row.get("path", row.get("number"))))


@pytest.fixture(scope="module")
def job(model: Path, clips: Path) -> Captioning:
    return Captioning(tuple(find_clips([clips])), Chosen(str(model)), part=3)


@pytest.fixture(scope="module")
def rows(job: Captioning, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What an undisturbed run makes."""
    return done(job, tmp_path_factory.mktemp("whole") / "parts")


def dies(work: Callable[[], object]) -> bool:
    """Do it in a process of its own, and say whether that was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_every_clip_has_one_row_and_bad_ones_say_why(clips: Path, rows: list[Row]) -> None:
    names = {
        str(p.relative_to(clips)) for s in ("npz", "bvh", "npy") for p in clips.rglob(f"*.{s}")
    }
    assert [row["path"] for row in rows] == sorted(names - {".hidden.npz"})
    assert len(rows) == 18
    for row in rows:
        assert (row["caption"] is None) == (row["error"] is not None) == (row["path"] in BAD)
        if row["path"] in BAD:
            assert BAD[row["path"]] in row["error"] and str(clips) not in row["error"]
        else:
            assert row["seconds"] == pytest.approx(
                Motion.read(clips / row["path"]).seconds, abs=1e-3
            )


def test_captions_are_those_of_single_clips(model: Path, clips: Path, rows: list[Row]) -> None:
    alone = motiongpt3.load(model)
    said = {row["path"]: row["caption"] for row in rows if row["caption"] is not None}
    assert said == {name: alone.caption(Motion.read(clips / name)) for name in said}


def test_parts_follow_from_the_inputs_alone(job: Captioning, clips: Path) -> None:
    listed = find_clips([clips])
    assert parts_of(listed[::-1], 3) == parts_of(listed, 3) == job.parts
    everything = [one for part in job.parts for one in part]
    assert sorted(everything, key=lambda one: one.name) == listed
    bvh = [one.bytes for part in job.parts for one in part if one.name.endswith("bvh")]
    assert bvh == sorted(bvh), "alike lengths are described together"


class Killed:
    """Lets `keep` kill the process before or after the file has its name."""

    def __init__(self, patch: pytest.MonkeyPatch, after: int, whole: bool):
        self.after, self.whole = after, whole
        keep, name = (Parts.keep, "keep") if whole else (os.replace, "replace")
        patch.setattr(Parts if whole else os, name, self.kept(keep))

    def kept(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def keep(*given: Any) -> None:
            if not self.whole and self.after == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*given)
            self.after -= 1
            if self.whole and self.after < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return keep


@pytest.mark.parametrize("whole", [False, True], ids=["half written", "between parts"])
def test_what_is_killed_goes_on_to_the_same_bytes(
    whole: bool, job: Captioning, rows: list[Row], tmp_path: Path
) -> None:
    rng = random.Random(int(whole))
    folder, kills = tmp_path / "parts", 0
    while kills < KILLS:
        before = len(list(folder.glob("[0-9]*")))
        with pytest.MonkeyPatch.context() as patch:
            # The first file that is written is the folder's identity.
            Killed(patch, rng.randint(0, 1) + (not whole and before == 0), whole)
            if not dies(lambda: done(job, folder)):
                break
        kills += 1
        assert len(list(folder.glob("[0-9]*"))) >= before
    assert kills
    times = {path: path.stat().st_mtime_ns for path in folder.glob("[0-9]*")}
    assert done(job, folder) == rows
    assert all(path.stat().st_mtime_ns == then for path, then in times.items()), "made once"
    kept = Parts(folder, job.identity, len(job.parts))
    kept.remove()
    assert not folder.exists()


def test_readers_beside_the_model_change_nothing(
    job: Captioning, rows: list[Row], tmp_path: Path
) -> None:
    assert done(job, tmp_path / "parts", Local(readers=2)) == rows


def test_processes_with_a_model_each_change_nothing(
    job: Captioning, rows: list[Row], tmp_path: Path
) -> None:
    assert done(job, tmp_path / "parts", Local(readers=0, makers=2)) == rows


def test_what_a_process_refuses_is_said_here(job: Captioning, model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model"
    shutil.copytree(model, damaged)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptError, match="manifest"):
        done(
            replace(job, model=Chosen(str(damaged))), tmp_path / "parts", Local(readers=0, makers=2)
        )


def test_processes_share_the_parts(job: Captioning, rows: list[Row], tmp_path: Path) -> None:
    kept = Parts(tmp_path / "parts", job.identity, len(job.parts))
    assert carry_out(job, kept, Local(Share(1, 2), 0), quiet) is None
    assert kept.done() == set(range(1, len(job.parts), 2))
    assert done(job, tmp_path / "parts", Local(Share(0, 2), 0)) == rows


def test_other_work_in_the_same_place_is_refused(
    job: Captioning, model: Path, clips: Path, tmp_path: Path
) -> None:
    Parts(tmp_path / "parts", job.identity, 3).begin()
    fewer = Captioning(job.clips[1:], Chosen(str(model)), part=3)
    with pytest.raises(InputError, match="begun with inputs"):
        done(fewer, tmp_path / "parts")
    shipped = Captioning(job.clips, Chosen(), part=3)
    with pytest.raises(InputError, match="begun with model"):
        done(shipped, tmp_path / "parts")
    rounded = Captioning(job.clips, Chosen(str(model), precision="int8"), part=3)
    with pytest.raises(InputError, match="begun with precision"):
        done(rounded, tmp_path / "parts")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        done(job, tmp_path / "mine")
    (tmp_path / "parts" / "000000.jsonl").write_text("{")
    (tmp_path / "parts" / "000001.jsonl").write_text("")
    (tmp_path / "parts" / "000002.jsonl").write_text("")
    with pytest.raises(CorruptError, match="000000"):
        Parts(tmp_path / "parts", job.identity, 3).rows()


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


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_tables_come_back(suffix: str, rows: list[Row], tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    write_table(tmp_path / f"t{suffix}", rows, COLUMNS, {"model": "x"})
    assert read_table(tmp_path / f"t{suffix}") == rows
    (tmp_path / f"t{suffix}").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(CorruptError):
        read_table(tmp_path / f"t{suffix}")


def test_a_reader_that_ends_is_said_and_none_is_left_behind() -> None:
    with Processes(2) as readers:
        assert list(readers.results([os.getpid] * 5))[0] != os.getpid()
        with pytest.raises(ResourceError, match="has ended"):
            list(readers.results([_end]))
    script = (
        "import os, signal\nfrom motiongpt3.library.processes import Processes\n"
        "readers = Processes(1).__enter__()\n"
        "print(*readers.results([os.getpid]), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert made.returncode == -signal.SIGKILL
    for _ in range(100):
        if not Path(f"/proc/{made.stdout.strip()}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{made.stdout.strip()}").exists()


def _end() -> None:
    os._exit(3)


@pytest.mark.slow
def test_workers_of_ray_make_the_same(job: Captioning, rows: list[Row], tmp_path: Path) -> None:
    pytest.importorskip("ray.data")
    before = signal.getsignal(signal.SIGTERM)
    assert done(job, tmp_path / "parts", OnRay(2)) == rows
    assert signal.getsignal(signal.SIGTERM) == before, "handlers are put back"


# -- prompts --------------------------------------------------------------------------------

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


# -- on the command line --------------------------------------------------------------------


def test_caption_writes_a_table_and_one_clip_a_sentence(
    model: Path, clips: Path, rows: list[Row], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "captions.jsonl"
    words = ["caption", str(clips), "-o", str(out), "--model", str(model)]
    assert cli.main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["skipped"] == 4 and "skipped empty.npz" in told.err
    made = read_table(out)
    assert [row["path"] for row in made] == [row["path"] for row in rows]
    assert not Path(f"{out}.parts").exists()
    assert cli.main(["caption", str(clips / "walk0.npz"), "--model", str(model)]) == 0
    assert capsys.readouterr().out.strip() == next(
        row["caption"] for row in rows if row["path"] == "walk0.npz"
    )


@pytest.mark.slow
def test_two_processes_of_torchrun_write_one_table(
    model: Path, clips: Path, rows: list[Row], tmp_path: Path
) -> None:
    out = tmp_path / "captions.jsonl"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    words = ["-m", "motiongpt3", "caption", str(clips), "-o", str(out), "--model", str(model)]
    program = [sys.executable, *launch, *free, *words]
    made = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr[-3000:]
    assert made.stdout.count("14 done, 4 skipped") == 1, "one process speaks"
    assert [row["path"] for row in read_table(out)] == [row["path"] for row in rows]


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
