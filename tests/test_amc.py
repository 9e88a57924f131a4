"""ASF and AMC: CMU's skeleton by an independent forward kinematics, round trips, files that lie."""

import time
from pathlib import Path

import numpy as np
import pytest
from amc_files import CMU_UNIT, angles, motion_text, oracle, skeleton
from people import person
from scipy.spatial.transform import Rotation

from motiongpt3.app import cli
from motiongpt3.errors import InputError
from motiongpt3.formats import amc, asf
from motiongpt3.motion import kinematics
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

WHICH = {
    "left_hip": "lfemur", "left_knee": "ltibia", "left_ankle": "lfoot", "left_foot": "ltoes",
    "neck": "lowerneck", "head": "head", "left_collar": None, "left_shoulder": "lhumerus",
    "left_elbow": "lradius", "left_wrist": "lwrist", "right_knee": "rtibia", "right_hip": "rfemur",
    "right_wrist": "rwrist", "right_shoulder": "rhumerus", "right_foot": "rtoes",
}  # fmt: skip


@pytest.fixture
def cmu(tmp_path: Path) -> Path:
    (tmp_path / "01.asf").write_text(skeleton())
    (tmp_path / "01_05.amc").write_text(motion_text(angles()))
    return tmp_path / "01_05.amc"


def refused(path: Path, match: str, **options: object) -> InputError:
    with pytest.raises(InputError, match=match) as error:
        Motion.read(path, **options)
    return error.value


def test_cmu_is_where_scipy_has_it(cmu: Path) -> None:
    found, expected = Motion.read(cmu), oracle(angles())
    for joint, bone in WHICH.items():
        if bone:
            at = found.joints[:, HUMANML3D.index(joint)]
            np.testing.assert_allclose(at, expected[bone] * CMU_UNIT, atol=1e-5, err_msg=joint)
    assert found.fps == 120 and "assumed 120" in found.provenance["fps"]
    assert found.provenance["asf"] == str(cmu.parent / "01.asf")
    assert found.provenance["unit"] == "asf unit" and found.provenance["up"] == "Y"


@pytest.mark.parametrize("name", ["01_05.asf", "01.asf", "only.asf", "01_05.ASF"])
def test_the_skeleton_is_found_beside_it(cmu: Path, name: str) -> None:
    expected = Motion.read(cmu).joints
    (cmu.parent / "01.asf").rename(cmu.parent / name)
    np.testing.assert_array_equal(Motion.read(cmu).joints, expected)


def test_a_skeleton_that_is_not_clear_is_asked_for(cmu: Path) -> None:
    (cmu.parent / "01.asf").rename(cmu.parent / "02.asf")
    (cmu.parent / "03.asf").write_text(skeleton())
    error = refused(cmu, "which skeleton.*02.asf, 03.asf")
    assert "--asf" in error.hint
    assert len(Motion.read(cmu, asf=cmu.parent / "02.asf")) == 24


def test_the_command_takes_skeleton_and_rate(cmu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = cmu.parent / "elsewhere"
    elsewhere.mkdir()
    moved = cmu.rename(elsewhere / "x.amc")
    asked = ["convert", str(moved), str(cmu.parent / "out.npz"), "--fps", "60"]
    assert cli.main(asked) == 2 and "--asf" in capsys.readouterr().err
    assert cli.main([*asked, "--asf", str(cmu.parent / "01.asf")]) == 0
    assert Motion.read(cmu.parent / "out.npz").fps == 60
    (cmu.parent / "a.bvh").write_text("HIERARCHY")
    refused(cmu.parent / "a.bvh", "asf cannot be said", asf="01.asf")


def test_no_rate_is_guessed_for_others_than_cmu(cmu: Path) -> None:
    (cmu.parent / "01.asf").write_text(skeleton("1.0", scale=CMU_UNIT * 100))
    values = angles()
    values["root"][:, :3] *= CMU_UNIT * 100
    cmu.write_text(motion_text(values))
    assert "--fps" in refused(cmu, "no frame rate").hint
    found = Motion.read(cmu, fps=30)
    assert found.fps == 30 and found.provenance["unit"] == "centimetre"
    for line in ("# 25 fps", ":SAMPLES-PER-SECOND 25", "# Frame Rate: 25.0"):
        cmu.write_text(line + "\n" + motion_text(values))
        assert Motion.read(cmu).fps == 25


def test_radians_and_other_first_numbers(cmu: Path) -> None:
    expected = Motion.read(cmu).joints
    cmu.write_text(motion_text(angles(), 0, "RADIANS"))
    np.testing.assert_allclose(Motion.read(cmu).joints, expected, atol=1e-5)
    (cmu.parent / "01.asf").write_text(skeleton(angle="rad"))
    cmu.write_text(motion_text(angles(), 731))
    np.testing.assert_allclose(Motion.read(cmu).joints, expected, atol=1e-5)


def test_frames_of_many_blocks(cmu: Path) -> None:
    values = angles(700)
    cmu.write_text(motion_text(values))
    found, expected = Motion.read(cmu), oracle(values)
    at = found.joints[:, HUMANML3D.index("left_wrist")]
    np.testing.assert_allclose(at, expected["lwrist"] * CMU_UNIT, atol=1e-5)


# Round trips


@pytest.mark.parametrize("skeleton_", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_reads_back(skeleton_: Skeleton, seed: int, tmp_path: Path) -> None:
    moved = person(seed, 30, skeleton_, swing=1.2)
    noise = np.random.default_rng(seed).normal(0, 0.003 / skeleton_.metres, moved.joints.shape)
    motion = Motion(moved.joints + noise, 23.976, skeleton_)
    motion.write(tmp_path / "a.amc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.amc", "a.asf"]
    back = Motion.read(tmp_path / "a.amc")
    expected = kinematics.fit(motion.joints, skeleton_).joints
    assert back.skeleton is skeleton_ and back.fps == 23.976
    np.testing.assert_allclose(back.joints, expected, atol=2e-6 / skeleton_.metres)


def test_captured_motion_reads_back_as_its_rigid_fit(data: Path, tmp_path: Path) -> None:
    motion = Motion(np.load(data / "reference" / "012314_joints.npy"), 20.0)
    motion.write(tmp_path / "a.amc")
    np.testing.assert_allclose(Motion.read(tmp_path / "a.amc").joints, motion.joints, atol=1e-4)


def test_angles_do_not_jump_by_a_turn(tmp_path: Path) -> None:
    pose = person(6).joints[0].astype(np.float64)
    spin = Rotation.from_euler("y", np.arange(200)[:, None] / 9).as_matrix()
    Motion(np.einsum("tij,kj->tki", spin, pose), 20.0).write(tmp_path / "a.amc")
    rows = [r.split()[1:] for r in (tmp_path / "a.amc").read_text().splitlines() if r[:4] == "root"]
    assert len(rows) == 200 and np.abs(np.diff(np.array(rows, float), axis=0)).max() < 180


# Files that lie

SKELETON = skeleton()
SKELETONS = {
    "no root": SKELETON.replace(":root", ":soot"),
    "no hierarchy": SKELETON.partition(":hierarchy")[0],
    "no angle": SKELETON.replace("angle deg", ""),
    "angles in grad": SKELETON.replace("angle deg", "angle grad"),
    "length 0": SKELETON.replace("length 0.45", "length 0"),
    "length nan": SKELETON.replace("length 0.45", "length nan"),
    "no order": SKELETON.replace("  order TX TY TZ RX RY RZ\n", ""),
    "axis of two": SKELETON.replace("axis XYZ", "axis XXZ"),
    "a bone without end": SKELETON.replace("  end\n:hierarchy", ":hierarchy"),
    "a bone without name": SKELETON.replace("    name lfemur\n", ""),
    "a bone without axis": SKELETON.replace("    axis 0.0 0.0 20.0 XYZ\n", "", 1),
    "a bone that stretches": SKELETON.replace("dof rx ry rz", "dof rx ry l", 1),
    "a dof twice": SKELETON.replace("dof rx ry rz", "dof rx ry rx", 1),
    "a bone twice": SKELETON.replace("name lfemur", "name rfemur"),
    "a bone with two parents": SKELETON.replace("lhipjoint lfemur", "lhipjoint lfemur rfemur"),
    "a circle": SKELETON.replace("root lhipjoint", "lfoot lhipjoint"),
    "an unknown bone": SKELETON.replace("lhipjoint lfemur", "lhipjoint tail"),
    "a bone that hangs on nothing": SKELETON.replace("    lhipjoint lfemur\n", ""),
    "direction of two": SKELETON.replace("direction ", "direction 1 ", 1),
    "huge": SKELETON.replace("length 7.2", "length 1e300"),
    "many bones": ":units\nangle deg\n:root\norder rx\n:hierarchy\n:bonedata\n"
    + "".join(f"begin\nname a{i}\ndirection 1 0 0\nlength 1\nend\n" for i in range(5_000)),
    "cut off": SKELETON[:900],
    "binary": "\x00\x01\x02" * 999,
    "a web page": "<!DOCTYPE html><html></html>",
}


@pytest.mark.parametrize("lie", SKELETONS)
def test_skeletons_that_lie(lie: str, cmu: Path) -> None:
    (cmu.parent / "01.asf").write_text(SKELETONS[lie])
    begun = time.process_time()
    with pytest.raises(InputError) as error:
        Motion.read(cmu)
    assert time.process_time() - begun < 1 and str(cmu.parent / "01.asf:") in error.value.where
    assert len(str(error.value)) < 400


MOTION = motion_text(angles())
LAST = MOTION.splitlines()[-1]
WORD = MOTION.split()[-40]
MOTIONS = {
    "no frames": ":FULLY-SPECIFIED\n:DEGREES\n",
    "only numbers": "1\n2\n3\n",
    "frames of one number": ":DEGREES\n" + "1 " * 10**6,
    "a frame left out": MOTION.replace("\n7\n", "\n8\n"),
    "a bone less in one frame": MOTION.replace(LAST + "\n", ""),
    "a bone less in all": "\n".join(r for r in MOTION.splitlines() if not r.startswith("lfemur")),
    "a bone of another": MOTION.replace("lfemur", "tail"),
    "a bone twice": MOTION.replace("ltibia", "lfemur"),
    "another order in one frame": "\n".join(
        [*MOTION.splitlines()[:-2], LAST, MOTION.splitlines()[-2]]
    ),
    "a number less": MOTION[: MOTION.rindex(" ")],
    "a number more": MOTION.rstrip() + " 5\n",
    "nan": MOTION.replace(WORD, "nan"),
    "infinite": MOTION.replace(WORD, "1e999"),
    "huge": MOTION.replace(WORD, "1e30"),
    "underscore": MOTION.replace(WORD, "1_0"),
    "a comma": MOTION.replace(WORD, "0,5"),
    "a long line": MOTION.replace(WORD, WORD + " 1" * 10**6),
    "cut off": MOTION[:-60],
    "ten million lines": "\n" * 10**7,
    "many frames": MOTION + "\n9" * 900_000,
    "rate 0": "# 0 fps\n" + MOTION,
    "binary": "\x00\x01\x02" * 999,
    "a separator before a number": MOTION.replace("\n1\n", "\n\x1f1\n", 1),
    "other digits": MOTION.replace("\n1\n", "\n\u0661\n", 1),
    "a long number": MOTION.replace("\n1\n", "\n" + "1" * 5000 + "\n", 1),
    "an ASF": SKELETON,
}


@pytest.mark.parametrize("lie", MOTIONS)
def test_motions_that_lie(lie: str, cmu: Path) -> None:
    cmu.write_text(MOTIONS[lie])
    begun = time.process_time()
    with pytest.raises(InputError) as error:
        Motion.read(cmu)
    assert time.process_time() - begun < 1 and len(str(error.value)) < 400


def test_the_line_at_fault_is_named(cmu: Path) -> None:
    lines = MOTION.splitlines()
    for at in (-2, -40, -300):
        broken = lines.copy()
        broken[at] += "x"
        cmu.write_text("\n".join(broken))
        error = refused(cmu, "not a number|no bone|unexpected|expected")
        assert error.where == f"{cmu}:{len(lines) + at + 1}"


def test_another_subjects_skeleton_is_named_by_its_bones(cmu: Path) -> None:
    text = "\n".join(r for r in MOTION.splitlines() if not r.startswith(("lthumb", "rthumb")))
    cmu.write_text(text)
    assert "another subject" in refused(cmu, "frame 1 lacks lthumb, rthumb").hint


def test_what_an_asf_says(cmu: Path) -> None:
    found = asf.read(cmu.parent / "01.asf")
    assert found.length == 0.45 and found.degrees and found.bones[0].name == "root"
    assert all(parent < bone for bone, parent in enumerate(found.parents))
    assert pytest.approx(CMU_UNIT) == amc.CMU_UNIT
