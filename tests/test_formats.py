"""Arrays in and out, and what is refused."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import person
from refusals import refused

from motiongpt3 import formats
from motiongpt3.formats.units import stature
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])


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
