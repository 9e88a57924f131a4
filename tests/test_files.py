"""Names, places, and that a file is written whole or not at all."""

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from people import person
from refusals import refused

from motiongpt3 import formats
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import atomic_write, check_input, describe
from motiongpt3.motion.motion import Motion

# Names and places


def test_unknown_suffixes_list_what_works(tmp_path: Path) -> None:
    (tmp_path / "a.fbx").write_text("Kaydara FBX")
    assert ".bvh, .glb, .gltf" in refused(tmp_path / "a.fbx", ".fbx cannot be read").hint
    refused(tmp_path / "a", "no suffix")
    with pytest.raises(InputError, match=r"\.fbx cannot be written.*\.glb.*\.mp4"):
        person(0).write(tmp_path / "b.fbx")
    with pytest.raises(InputError, match="caption cannot be said of this file"):
        person(0).write(tmp_path / "b.npz", caption=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.fbx"]


def test_suffixes_may_be_capitals(tmp_path: Path) -> None:
    for name in ("a.NPZ", "b.Npy", "c.BVH"):
        person(0).write(tmp_path / name)
        assert len(Motion.read(tmp_path / name)) == 40


@pytest.mark.parametrize(
    "name", ["a b;'\"$(x).npz", "-rf.npz", "🏃 نص.npz", "a\nb.npz", "x" * 250 + ".npz"]
)
def test_odd_names_work(name: str, tmp_path: Path) -> None:
    person(0).write(tmp_path / name)
    assert len(Motion.read(tmp_path / name)) == 40


def test_what_is_not_a_file_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    refused(path, "No such file")
    path.mkdir()
    refused(path, "folder")
    path.rmdir()
    path.touch()
    refused(path, "empty")
    path.unlink()
    path.symlink_to(path)
    refused(path)
    path.unlink()
    os.mkfifo(path)
    refused(path, "not a regular file")
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(path, "not a regular file")
    refused(tmp_path / ("x" * 300 + ".npy"))
    refused(tmp_path / "nul\0.npy")


def test_files_are_described_by_their_content() -> None:
    assert "LFS" in describe(b"version https://git-lfs.github.com/spec/v1\n")
    assert describe(b"\xef\xbb\xbf\n <!DOCTYPE HTML>") == "a web page"
    assert describe(b"") == "something else"


def test_size_is_checked_before_reading(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    check_input(tmp_path / "a", 11)
    with pytest.raises(InputError):
        check_input(tmp_path / "a", 10)


# Writing whole or not at all


@pytest.mark.parametrize("suffix", formats.WRITABLE)
def test_failure_leaves_nothing(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / f"a{suffix}"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left") as error:
        person(0).write(path)
    assert error.value.exit_code == 4 and list(tmp_path.iterdir()) == []
    path.write_text("older")
    with pytest.raises(ResourceError):
        person(0).write(path)
    assert path.read_text() == "older" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, MemoryError, InputError("no"), SystemExit])
def test_interruption_leaves_nothing(trouble: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(BaseException), atomic_write(tmp_path / "a.npy") as part:  # noqa: B017
        part.write_text("half")
        raise trouble
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.npz").mkdir()
    for path in ("missing/a.npz", "file/a.npz", "folder.npz", "x" * 300 + "/a.npz", "nul\0.npz"):
        with pytest.raises(ResourceError) as error:
            person(0).write(tmp_path / path)
        assert str(tmp_path) in error.value.where
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.npz"]


def test_devices_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.npz").symlink_to("/dev/null")
    with pytest.raises(ResourceError):
        person(0).write(tmp_path / "a.npz")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_links_stay_and_rights_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "to.npz").write_text("older")
    (tmp_path / "a.npz").symlink_to("to.npz")
    person(0).write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").is_symlink() and len(Motion.read(tmp_path / "to.npz")) == 40
    (tmp_path / "plain").touch()
    assert (tmp_path / "to.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_two_writers_leave_one_whole_file(tmp_path: Path) -> None:
    motions = [person(seed) for seed in range(4)]
    threads = [threading.Thread(target=m.write, args=(tmp_path / "a.npz",)) for m in motions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Motion.read(tmp_path / "a.npz").joints
    assert any(np.array_equal(found, m.joints) for m in motions)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_provenance_is_json(tmp_path: Path) -> None:
    Motion(person(0).joints, provenance={"path": Path("a"), "n": np.int64(3)}).write(
        tmp_path / "a.npz"
    )
    with np.load(tmp_path / "a.npz") as stored:
        assert json.loads(stored["provenance"].tobytes()) == {"path": "a", "n": "3"}
