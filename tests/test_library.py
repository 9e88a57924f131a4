"""Work over a library is done once for each input, whatever is killed in between."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from libraries import clips, done
from toys import quiet

import motiongpt3
from motiongpt3 import Motion
from motiongpt3.app import cli
from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.evaluation.protocol import Share
from motiongpt3.library.captioning import COLUMNS, Captioning
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.inputs import find_clips, parts_of
from motiongpt3.library.parts import Parts, Row
from motiongpt3.library.processes import Processes
from motiongpt3.library.tables import read_table, write_table
from motiongpt3.library.work import Local, OnRay, carry_out

__all__ = ["clips"]  # a fixture

KILLS = 10 if os.environ.get("MOTIONGPT3_SOAK") else 2
BAD = {"empty.npz": "is empty", "text.bvh": "HIERARCHY", "kit.npz": "kit", "short.npy": "too few"}


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
