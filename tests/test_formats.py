"""Arrays in and out, what is refused, and that a file is written whole or not at all."""

import io
import json
import os
import stat
import struct
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import person

from motiongpt3 import formats
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import atomic_write, check_input, describe
from motiongpt3.formats.units import stature
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])


def refused(path: Path, says: str = "") -> InputError:
    """Reading must be refused, by name, in well under a second."""
    begun = time.process_time()
    with pytest.raises(InputError) as error:
        formats.read(path)
    assert time.process_time() - begun < 1
    assert str(path) in error.value.where and says in str(error.value)
    return error.value


# Round trips


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 30),
    fps=st.floats(0.5, 1000),
    skeleton=st.sampled_from([HUMANML3D, KIT]),
    text=st.text(max_size=20),
)
def test_npz_keeps_everything(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    frames: int,
    fps: float,
    skeleton: Skeleton,
    text: str,
) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    decoded = np.random.default_rng(seed).normal(size=(frames, skeleton.dim)).astype(np.float32)
    joints = person(seed, 30, skeleton).joints[:frames]
    motion = Motion(joints, fps, skeleton, decoded, {"text": text, "seed": seed})
    motion.write(path)
    back = Motion.read(path)
    assert back.skeleton is skeleton and back.fps == fps
    np.testing.assert_array_equal(back.joints, joints)
    np.testing.assert_array_equal(back.features, decoded)
    assert dict(back.provenance) == {"text": text, "seed": seed, "file": str(path)}


def test_npz_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        person(0).write(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@BOTH
def test_npy_takes_joints_in_every_layout(skeleton: Skeleton, tmp_path: Path) -> None:
    joints = person(1, 30, skeleton).joints
    person(1, 30, skeleton).write(tmp_path / "a.npy")
    for array in (
        np.load(tmp_path / "a.npy"),
        joints[None],
        joints.reshape(30, -1),
        joints.astype(np.float64),
        joints.astype(">f4"),
        np.asfortranarray(joints),
    ):
        np.save(tmp_path / "b.npy", array)
        back = formats.read(tmp_path / "b.npy")
        np.testing.assert_array_equal(back.joints, joints)
        assert back.fps == skeleton.fps and back.skeleton is skeleton


def test_npy_takes_features(tmp_path: Path) -> None:
    motion = person(2, 60).canonical()
    np.save(tmp_path / "a.npy", motion.features)
    back = formats.read(tmp_path / "a.npy")
    np.testing.assert_allclose(back.joints, motion.joints[:-1], atol=1e-4)
    np.testing.assert_array_equal(back.features, motion.features)


def test_the_reference_features(data: Path) -> None:
    back = formats.read(data / "reference" / "012314_features.npy")
    joints = np.load(data / "reference" / "012314_joints.npy")
    np.testing.assert_allclose(back.joints, joints[: len(back)], atol=1e-4)


def test_an_archive_of_features_alone_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=person(3).canonical().features, fps=20)
    assert len(formats.read(tmp_path / "a.npz")) == 39


# Shapes, values, sizes


@pytest.mark.parametrize(
    "shape", [(3, 22), (22, 3), (10, 17, 3), (22, 3, 10), (2, 10, 22, 3), (0, 22, 3), (), (10, 64)]
)
def test_wrong_shapes_are_told_what_is_expected(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    assert "(T, 22, 3)" in refused(tmp_path / "a.npy", str(shape)).hint


def test_the_frame_and_joint_at_fault_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    joints = person(4, 30).joints.copy()
    joints[17, HUMANML3D.index("left_knee"), 1] = np.nan
    for array in (joints, joints[None], joints.reshape(30, -1)):
        np.save(path, array)
        assert "frame 17, joint left_knee" in refused(path).where
    features = person(4, 30).features.copy()
    features[3, 100] = np.inf
    np.save(path, features)
    assert "frame 3, column 100" in refused(path).where
    np.savez(tmp_path / "a.npz", joints=joints, fps=20)
    assert "left_knee" in refused(tmp_path / "a.npz").where


@pytest.mark.parametrize(
    ("scale", "unit"), [(1000, "millimetres"), (100, "centimetres"), (39.37, ""), (1e-3, "")]
)
def test_other_units_are_recognised(scale: float, unit: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", person(5).joints * scale)
    assert unit in refused(tmp_path / "a.npy", "m tall").hint


def test_stature_does_not_depend_on_the_pose() -> None:
    tall = [stature(person(seed, swing=1.5).joints, HUMANML3D) for seed in range(5)]
    assert np.ptp(tall) < 1e-5 and 1.3 < tall[0] < 1.8


def test_joints_far_away_are_refused(tmp_path: Path) -> None:
    joints = person(6).joints.copy()
    joints[5] += 1e6
    np.save(tmp_path / "a.npy", joints)
    refused(tmp_path / "a.npy", "from the origin")
    np.save(tmp_path / "a.npy", joints.astype(np.float64) * 1e300)
    refused(tmp_path / "a.npy")


# Files that lie


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode("latin-1") + data


def head(shape: str = "(2, 22, 3)", descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


LIES = {
    "one byte short": npy(head(), bytes(527)),
    "one byte more": npy(head(), bytes(529)),
    "a terabyte": npy(head("(1000000000000, 22, 3)")),
    "overflow": npy(head("(4294967296, 4294967296, 22, 3)")),
    "a number of 190 digits": npy(head(f"({'9' * 190},)")),
    "zero times a lot": npy(head(f"(0, {'9' * 60})")),
    "forty axes": npy(head(f"({'1, ' * 40})"), bytes(4)),
    "negative": npy(head("(-2, 22, 3)"), bytes(528)),
    "objects": npy(head(descr="'|O'"), bytes(528)),
    "strings": npy(head("(1000000000000,)", "'|S0'")),
    "structured": npy(head(descr="[('a', '<f4')]"), bytes(528)),
    "complex": npy(head(descr="'<c8'"), bytes(1056)),
    "one-byte floats": npy(head(descr="'<f1'"), bytes(132)),
    "code": npy("{'descr': __import__('os').system('false'), }"),
    "nested": npy("(" * 4000),
    "a long header": npy(" " * 60_000),
    "a huge header": npy(head(), version=2).replace(struct.pack("<I", len(head())), b"\xff" * 4),
    "empty": b"",
    "magic only": b"\x93NUMPY",
    "a zip": b"PK\x03\x04" + bytes(99),
    "a web page": b"<!DOCTYPE html>",
}


@pytest.mark.parametrize("lie", LIES)
def test_arrays_that_lie(lie: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(LIES[lie])
    refused(tmp_path / "a.npy")


def test_a_sparse_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.npy", "wb") as file:
        file.write(npy(head("(100000000000,)")))
        file.truncate(400 * 10**9)
    refused(tmp_path / "a.npy", "MiB")


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_archives_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    fps, joints = saved(np.float64(20)), saved(person(0).joints)
    zeros = saved(np.zeros((300_000, 22, 3), np.float32))
    refused(archive(path, {"joints.npy": zeros, "fps.npy": fps}), "unpacks to too much")
    refused(archive(path, {"joints.npy": bytes(10**8), "fps.npy": fps}))
    refused(archive(path, {f"{i}.npy": b"" for i in range(1000)}), "entries")
    refused(archive(path, {"verts.npy": joints, "../trans.npy": joints}), "verts, ../trans")
    refused(archive(path, {"joints.npy": joints}), "fps")
    refused(archive(path, {"fps.npy": fps}), "joints")
    refused(archive(path, {"joints.npy": b"hello", "fps.npy": fps}))
    for bad in (0.0, -1.0, np.nan, np.inf, 1e9):
        broken = {"joints.npy": joints, "fps.npy": saved(np.float64(bad))}
        refused(archive(path, broken), "fps")
    for words in (b"[" * 10**5, b"\xff", b"{"):
        origin = saved(np.frombuffer(words, np.uint8))
        refused(
            archive(path, {"joints.npy": joints, "fps.npy": fps, "provenance.npy": origin}), "JSON"
        )


def test_a_size_that_the_archive_understates(tmp_path: Path) -> None:
    """The directory says 100 bytes; what unpacks is more. Nothing beyond is unpacked."""
    path = archive(tmp_path / "a.npz", {"joints.npy": saved(person(0).joints)})
    content = bytearray(path.read_bytes())
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    refused(path)


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
