"""Markers: C3D against ezc3d, joint centres on a known body, gaps, and files that lie."""

import struct
from pathlib import Path
from typing import Any

import ezc3d
import numpy as np
import pytest

from motiongpt3.errors import InputError
from motiongpt3.formats import c3d
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

FPS = 100.0
TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From Y up to Z up."""


def marked(motion: Motion) -> dict[str, np.ndarray]:
    """Markers (T, 3) where they are stuck on a body, metres; measures are those of an adult."""
    at = {j: motion.joints[:, i].astype(float) for i, j in enumerate(HUMANML3D.joints)}

    def unit(v: np.ndarray) -> np.ndarray:
        return v / np.linalg.norm(v, axis=-1, keepdims=True)

    left = unit(at["left_hip"] - at["right_hip"])
    up = unit(at["spine1"] - (at["left_hip"] + at["right_hip"]) / 2)
    front = np.cross(left, up)
    hips = (at["left_hip"] + at["right_hip"]) / 2
    wide = np.linalg.norm(at["left_hip"] - at["right_hip"], axis=-1)[:1] / 2
    found = {}
    for letter, side, sign in (("L", "left", 1), ("R", "right", -1)):
        found[f"{letter}ASI"] = hips + 1.4 * wide * sign * left + 0.075 * up + 0.05 * front
        found[f"{letter}PSI"] = hips + 0.04 * sign * left + 0.09 * up - 0.13 * front
        found[f"{letter}KNE"] = at[f"{side}_knee"] + 0.055 * sign * left
        found[f"{letter}ANK"] = at[f"{side}_ankle"] + 0.036 * sign * left
        found[f"{letter}TOE"] = at[f"{side}_foot"] + 0.01 * up
        found[f"{letter}SHO"] = at[f"{side}_shoulder"] + 0.06 * up
        found[f"{letter}ELB"] = at[f"{side}_elbow"]
        thumb = 0.03 * unit(np.cross(at[f"{side}_wrist"] - at[f"{side}_elbow"], left) + 1e-6)
        found[f"{letter}WRA"] = at[f"{side}_wrist"] + thumb
        found[f"{letter}WRB"] = at[f"{side}_wrist"] - thumb
        skull = at["head"] + 0.12 * up + 0.07 * sign * left
        found[f"{letter}FHD"], found[f"{letter}BHD"] = skull + 0.09 * front, skull - 0.09 * front
    found["C7"] = at["neck"] - 0.06 * front + 0.02 * up
    found["CLAV"] = at["neck"] + 0.06 * front - 0.02 * up
    found["T10"] = at["spine3"] - 0.1 * front
    found["STRN"] = at["spine3"] + 0.1 * front
    return found


def capture(
    path: Path,
    motion: Motion,
    prefix: str = "",
    change: Any = None,
    screen: str = "+Z",
    unit: str = "mm",
) -> Path:
    """A file as ezc3d writes it, with analog channels beside the markers."""
    markers = marked(motion)
    scale = {"mm": 1000, "m": 1, "": 1000}[unit]
    points = np.stack(list(markers.values()), 1) @ (TURN.T if screen == "+Z" else np.eye(3)) * scale
    labels = [prefix + name for name in markers]
    if change is not None:
        labels, points = change(labels, points)
    file = ezc3d.c3d()
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [motion.fps]
    parameters["POINT"]["LABELS"]["value"] = labels
    parameters["POINT"]["UNITS"]["value"] = [unit]
    if screen:
        file.add_parameter("POINT", "Y_SCREEN", [screen])
    parameters["ANALOG"]["RATE"]["value"] = [motion.fps * 3]
    parameters["ANALOG"]["LABELS"]["value"] = ["force"]
    data = np.ones((4, points.shape[1], len(points)))
    data[:3] = points.transpose(2, 1, 0)
    file["data"]["points"] = data
    file["data"]["analogs"] = np.zeros((1, 1, 3 * len(points)))
    file.write(str(path))
    return path


def wave() -> Motion:
    import clips  # slow: it brings torch, which the mutants of a capture do without

    return Motion(clips.wave(80).joints, FPS)


def nearest(found: Motion, expected: Motion) -> dict[str, float]:
    """Largest distance of each joint, metres."""
    far = np.linalg.norm(found.joints - expected.joints, axis=-1).max(0)
    return dict(zip(HUMANML3D.joints, map(float, far), strict=True))


@pytest.mark.parametrize("screen", ["+Z", "+Y", ""])
@pytest.mark.parametrize(("unit", "said"), [("mm", "millimetre"), ("m", "metre")])
def test_joints_lie_where_the_body_has_them(
    screen: str, unit: str, said: str, tmp_path: Path
) -> None:
    path = capture(tmp_path / "a.c3d", wave(), "Anna:", screen=screen, unit=unit)
    motion = Motion.read(path)
    assert motion.fps == FPS and len(motion) == 80
    assert motion.provenance["unit"] == said and "subject Anna" in motion.provenance["notes"]
    assert motion.provenance["up"] == ("Z" if screen == "+Z" else "Y")
    far = nearest(motion, wave())
    trunk = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
    assert max(v for joint, v in far.items() if joint not in trunk) < 0.04, far
    assert max(far[joint] for joint in trunk) < 0.1, far
    high = motion.joints[-1, [HUMANML3D.index(f"{s}_wrist") for s in ("left", "right")], 1]
    assert high[0] > motion.joints[-1, HUMANML3D.index("head"), 1] > high[1]


def test_the_41_markers_of_cmu(tmp_path: Path) -> None:
    def cmu(labels: list[str], points: np.ndarray) -> tuple[list[str], np.ndarray]:
        names = {"ASI": "FWT", "PSI": "BWT"}
        return [n[:1] + names.get(n[1:], n[1:]) for n in labels], points

    plain = Motion.read(capture(tmp_path / "a.c3d", wave()))
    found = Motion.read(capture(tmp_path / "b.c3d", wave(), change=cmu))
    np.testing.assert_array_equal(found.joints, plain.joints)


def lost(marker: str, begin: int, end: int) -> Any:
    def change(labels: list[str], points: np.ndarray) -> tuple[list[str], np.ndarray]:
        points = points.copy()
        points[begin:end, labels.index(marker)] = np.nan
        return labels, points

    return change


def test_short_gaps_are_filled_and_ends_left_out(tmp_path: Path) -> None:
    plain = Motion.read(capture(tmp_path / "a.c3d", wave()))
    path = tmp_path / "b.c3d"
    filled = Motion.read(capture(path, wave(), change=lost("LKNE", 20, 45)))
    np.testing.assert_allclose(filled.joints, plain.joints, atol=0.02)
    with pytest.raises(InputError, match=r"frames 20 to 45: marker LKNE is lost for 0.26 s"):
        Motion.read(capture(path, wave(), change=lost("LKNE", 20, 46)))
    short = Motion.read(capture(path, wave(), change=lost("LKNE", 0, 30)))
    assert len(short) == 50 and "frames 30 to 79 of 80" in short.provenance["notes"][0]
    np.testing.assert_allclose(short.joints, plain.joints[30:], atol=0.01)
    with pytest.raises(InputError, match="half of the frames"):
        Motion.read(capture(path, wave(), change=lost("LKNE", 0, 41)))
    helpful = Motion.read(capture(path, wave(), change=lost("T10", 5, 79)))
    np.testing.assert_allclose(helpful.joints[:, 18:], plain.joints[:, 18:], atol=0.02)


def test_markers_that_are_not_there_are_listed(tmp_path: Path) -> None:
    def fewer(labels: list[str], points: np.ndarray) -> tuple[list[str], np.ndarray]:
        keep = [i for i, name in enumerate(labels) if name not in ("RTOE", "C7")]
        return [labels[i] for i in keep], points[:, keep]

    with pytest.raises(InputError, match=r"no markers C7, RTOE .*Plug-in Gait"):
        Motion.read(capture(tmp_path / "a.c3d", wave(), change=fewer))


@pytest.mark.parametrize("frames", [1, 80])
def test_points_are_those_of_ezc3d(frames: int, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.c3d", wave()[:frames], change=lost("LKNE", 0, frames // 2))
    found, theirs = c3d.read(path), ezc3d.c3d(str(path))
    np.testing.assert_array_equal(found.points, theirs["data"]["points"][:3].transpose(2, 1, 0))
    assert list(found.labels) == theirs["parameters"]["POINT"]["LABELS"]["value"]


# Files by hand: other machines, and lies


def parameter(order: str, group: int, name: str, kind: int, shape: list[int], data: bytes) -> bytes:
    body = struct.pack("bB", kind, len(shape)) + bytes(shape) + data + b"\0"
    head = struct.pack("bb", len(name), group) + name.encode()
    return head + struct.pack(f"{order}H", 2 + len(body)) + body


def by_hand(processor: int, floats: bool, points: np.ndarray, **lie: Any) -> bytes:
    """A C3D file of a machine: 84 PC, 85 DEC, 86 MIPS."""
    order = ">" if processor == 86 else "<"
    frames, count = points.shape[:2]

    def real(values: Any) -> bytes:
        array = np.asarray(values, np.float32)
        if processor != 85:
            return array.astype(f"{order}f4").tobytes()
        words = (array * 4).astype("<f4").reshape(-1).view("<u2").reshape(-1, 2)
        return np.ascontiguousarray(words[:, ::-1]).tobytes()

    def whole(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}H", *(v % 65536 for v in values))

    scale = -1.0 if floats else 0.5
    labels = b"".join(b"M%-3d" % i for i in range(count))
    group = struct.pack("bb", 5, -1) + b"POINT" + struct.pack(f"{order}HB", 3, 0)
    used = lie.get("used", count)
    section = b"\x01\x50\x02" + bytes([processor]) + group
    for name, kind, shape, data in (
        ("USED", 2, [], whole(used)), ("SCALE", 4, [], real(scale)),
        ("RATE", 4, [], real(lie.get("rate", 50.0))),
        ("DATA_START", 2, [], whole(lie.get("start", 4))),
        ("FRAMES", 2, [], whole(frames)), ("LABELS", -1, [4, count], labels),
        ("UNITS", -1, [2], b"mm"),
    ):  # fmt: skip
        section += parameter(order, 1, name, kind, lie.get(name, shape), data)
    section += b"\0\0"
    head = b"\x02\x50" + whole(count, 0, 1, lie.get("last", frames), 0) + real(scale) + whole(4, 0)
    rows = np.concatenate([points / (1 if floats else scale), np.zeros((frames, count, 1))], -1)
    rows[0, 0, 3] = -1
    data = real(rows) if floats else rows.round().astype(f"{order}i2").tobytes()
    return head.ljust(512, b"\0") + section.ljust(1024, b"\0") + data + bytes(-len(data) % 512)


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("floats", [True, False])
def test_numbers_of_every_machine(processor: int, floats: bool, tmp_path: Path) -> None:
    points = np.random.default_rng(0).integers(-2000, 2000, (5, 3, 3)) / 2
    (tmp_path / "a.c3d").write_bytes(by_hand(processor, floats, points))
    found = c3d.read(tmp_path / "a.c3d")
    points[0, 0] = np.nan
    np.testing.assert_allclose(found.points, points)
    assert (found.labels, found.fps, found.unit) == (("M0", "M1", "M2"), 50, "mm")
    if processor == 84:
        theirs = ezc3d.c3d(str(tmp_path / "a.c3d"))["data"]["points"][:3]
        np.testing.assert_allclose(theirs.transpose(2, 1, 0), points)


LIES = {
    "65000 frames": {"last": 65000},
    "no frames": {"last": 0},
    "60000 markers": {"used": 60000},
    "no markers": {"used": 0},
    "no rate": {"rate": np.nan},
    "a rate of 0": {"rate": 0.0},
    "data elsewhere": {"start": 30000},
    "data in the header": {"start": 1},
    "labels without end": {"LABELS": [255, 255]},
    "labels in seven dimensions": {"LABELS": [255] * 7},
    "no labels' length": {"LABELS": [0, 255]},
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(lie: str, tmp_path: Path) -> None:
    points = np.ones((5, 3, 3))
    (tmp_path / "a.c3d").write_bytes(by_hand(84, True, points, **LIES[lie]))
    with pytest.raises(InputError) as error:
        Motion.read(tmp_path / "a.c3d")
    assert str(tmp_path) in error.value.where and len(str(error.value)) < 500


@pytest.mark.parametrize(
    "data", [b"\x02\x50", b"\x02\x50" + bytes(2000), b"HIERARCHY\n" * 200, b"\xff\x50" * 2000]
)
def test_what_is_no_c3d_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.c3d").write_bytes(data)
    with pytest.raises(InputError):
        Motion.read(tmp_path / "a.c3d")
