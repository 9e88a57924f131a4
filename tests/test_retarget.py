"""Motions on other skeletons: limbs point as they did, feet stay on the floor, left stays left."""

import warnings
from pathlib import Path

import numpy as np
import pybvh
import pytest
from capture import captured
from clips import walk, wave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import wave as kit_wave
from people import person

from motiongpt3.app.cli import main
from motiongpt3.errors import InputError
from motiongpt3.formats import bvh, stance
from motiongpt3.formats.retarget import LIMBS, leg_ratio, retarget, round_trip
from motiongpt3.formats.target import PRESETS, load
from motiongpt3.motion import kinematics
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D

JOINTS = {"mixamo": 65, "cmu": 31, "smpl": 24}
AT = HUMANML3D.index


def directions(motion: Motion, rig: bvh.Bvh, nodes: dict[str, int]) -> tuple[np.ndarray, ...]:
    """Of the limbs, meant and found."""
    bones = [b for b in LIMBS if b[0] in nodes]
    meant = [motion.joints[:, AT(b)].astype(float) - motion.joints[:, AT(a)] for a, b in bones]
    found = [rig.joints[:, nodes[b]] - rig.joints[:, nodes[a]] for a, b in bones]
    return normalize(np.stack(meant)), normalize(np.stack(found))


def check(motion: Motion, preset: str) -> None:
    """All that must hold for any motion."""
    target = load(preset)
    rig = retarget(motion, target)
    meant, found = directions(motion, rig, target.nodes)
    assert np.linalg.norm(np.cross(meant, found), axis=-1).max() < 1e-3
    assert (meant * found).sum(-1).min() > 0
    lengths = np.linalg.norm(rig.positions - target.rig.offsets, axis=-1)
    assert np.delete(lengths, target.pelvis, axis=1).max() == 0, "its own bones"
    assert np.abs(np.linalg.norm(rig.rotations, axis=-1) - 1).max() < 1e-9
    scale = leg_ratio(motion.joints.astype(float), target)
    feet = motion.joints[:, [AT("left_foot"), AT("right_foot")]]
    theirs = rig.joints[:, [target.nodes["left_foot"], target.nodes["right_foot"]]] * target.metres
    stands = np.stack(stance.contacts(motion.joints.astype(float), HUMANML3D, motion.fps), 1)
    alone = stands & ~stands[:, ::-1]
    off = np.abs(theirs[..., 1] - scale * feet[..., 1])[alone]
    assert not len(off) or off.max() < 0.01, "feet that stand are on the floor"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete_people(preset: str) -> None:
    target = load(preset)
    assert sum(map(bool, target.rig.channels)) == JOINTS[preset]
    assert len(target.nodes) == 18 and target.length("left_hip", "left_knee", "left_ankle") > 0.7
    left = target.places[[n for j, n in target.nodes.items() if j.startswith("left")]]
    right = target.places[[n for j, n in target.nodes.items() if j.startswith("right")]]
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-9)
    assert left[:, 0].min() > -1e-9


@pytest.mark.parametrize("preset", PRESETS)
def test_real_clips(preset: str, data: Path) -> None:
    for motion in captured(data, 5):
        check(motion[:80], preset)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), swing=st.floats(0, 1.2), preset=st.sampled_from(PRESETS))
def test_any_motion(seed: int, swing: float, preset: str) -> None:
    check(person(seed, 16, swing=swing), preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_hand_that_waves_is_the_left(preset: str, tmp_path: Path) -> None:
    motion = wave(60, "left")
    motion.write(tmp_path / "a.bvh", skeleton=preset)
    back = Motion.read(tmp_path / "a.bvh")
    assert back.fps == motion.fps and len(back) == len(motion)
    high = back.joints[-1, :, 1]
    assert high[AT("left_wrist")] > high[AT("head")] > high[AT("right_wrist")]
    assert round_trip(motion, tmp_path / "a.bvh", preset).max_degrees < 0.06


@pytest.mark.parametrize("preset", PRESETS)
def test_the_path_is_that_of_longer_or_shorter_legs(preset: str, tmp_path: Path) -> None:
    motion = walk(60, 1.2)
    target = load(preset)
    rig = retarget(motion, target)
    path = rig.joints[:, target.pelvis] * target.metres
    scale = leg_ratio(motion.joints.astype(float), target)
    gone = np.linalg.norm(path[-1] - path[0])
    assert gone == pytest.approx(
        scale * np.linalg.norm(motion.joints[-1, 0] - motion.joints[0, 0]), rel=0.05
    )


def test_an_independent_reader_sees_the_same_joints(tmp_path: Path) -> None:
    motion, target = person(2, 12), load("mixamo")
    motion.write(tmp_path / "a.bvh", skeleton="mixamo")
    rig = retarget(motion, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pybvh.read_bvh_file(tmp_path / "a.bvh")
        found, names = theirs.node_positions(), [node.name for node in theirs.nodes]
    for joint in ("mixamorig:LeftHand", "mixamorig:RightToeBase", "mixamorig:Head"):
        expected = rig.joints[:, rig.names.index(joint)]
        np.testing.assert_allclose(found[:, names.index(joint)], expected, atol=0.01)  # cm


def test_our_own_bones_change_nothing(tmp_path: Path) -> None:
    motion = person(4, 20)
    own = motion.write(tmp_path / "own.bvh")
    motion.write(tmp_path / "a.bvh", skeleton=own)
    expected = kinematics.fit(motion.joints, HUMANML3D).joints
    np.testing.assert_allclose(Motion.read(tmp_path / "a.bvh").joints, expected, atol=2e-4)


def test_arms_that_hang_at_rest_and_z_up(tmp_path: Path) -> None:
    text = (Path(bvh.__file__).parent / "skeletons" / "smpl.bvh").read_text()
    lines = []
    for line in text.splitlines():
        if "OFFSET" in line:
            head, x, y, z = line.rsplit(" ", 3)
            line = f"{head} {x} {-float(z):g} {y}"
        lines.append(line)
    tilted = "\n".join(lines)
    for sign in (1, -1):  # forearms straight down
        tilted = tilted.replace(f"OFFSET {0.255 * sign:g} -0 0.01", "OFFSET 0 0 -0.255")
    (tmp_path / "z.bvh").write_text(tilted + "\n")
    motion = wave(40)
    motion.write(tmp_path / "a.bvh", skeleton=tmp_path / "z.bvh")
    assert round_trip(motion, tmp_path / "a.bvh", tmp_path / "z.bvh").max_degrees < 0.06
    assert Motion.read(tmp_path / "a.bvh").provenance["up"] == "Z"


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    motion = person(0)
    with pytest.raises(InputError, match="no skeleton is called 'mixam'"):
        motion.write(tmp_path / "a.bvh", skeleton="mixam")
    with pytest.raises(InputError, match="skeleton cannot be said of this file"):
        motion.write(tmp_path / "a.npz", skeleton="mixamo")
    with pytest.raises(InputError, match="only motions of the 22 joints"):
        kit_wave().write(tmp_path / "a.bvh", skeleton="mixamo")
    assert not list(tmp_path.iterdir())


def test_the_command_reports_the_round_trip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    person(0).write(tmp_path / "a.npz")
    convert = ["convert", str(tmp_path / "a.npz")]
    assert main([*convert, str(tmp_path / "b.bvh"), "--skeleton", "mixamo", "--json"]) == 0
    assert '"round_trip"' in capsys.readouterr().out
    assert main([*convert, str(tmp_path / "b.bvh"), "--skeleton", "cmu"]) == 0
    assert "read back: legs x" in capsys.readouterr().out
    assert main([*convert, str(tmp_path / "b.png"), "--skeleton", "cmu"]) == 2
