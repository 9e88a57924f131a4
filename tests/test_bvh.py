"""BVH: our reader and writer against pybvh, skeletons of many tools, and files that lie."""

import random
import time
import warnings
from pathlib import Path

import numpy as np
import pybvh
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from people import person

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.formats import bvh, mapping, names
from motiongpt3.formats.units import stature
from motiongpt3.motion import kinematics
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton


def oracle(path: Path) -> tuple[list[str], np.ndarray]:
    """Node names and world positions as pybvh finds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pybvh.read_bvh_file(path)
        return [node.name for node in file.nodes], file.node_positions()


# Round trips


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 30),
    fps=st.sampled_from([12.5, 20.0, 23.976, 29.97, 30.0, 60.0, 120.0, 29.999]),
    skeleton=st.sampled_from([HUMANML3D, KIT]),
)
def test_what_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    frames: int,
    fps: float,
    skeleton: Skeleton,
) -> None:
    path = tmp_path_factory.mktemp("bvh") / "a.bvh"
    joints = person(seed, 30, skeleton, swing=1.2).joints[:frames].astype(np.float64)
    size = stature(joints, skeleton)
    joints += np.random.default_rng(seed).normal(0, 0.003 * size, joints.shape)
    motion = Motion(joints, fps, skeleton)
    motion.write(path)
    back = Motion.read(path)
    expected = kinematics.fit(motion.joints, skeleton).joints
    assert back.skeleton is skeleton and back.fps == fps
    np.testing.assert_allclose(back.joints, expected, atol=1e-6 * size)


def test_pybvh_reads_what_we_write(tmp_path: Path) -> None:
    motion = person(5, swing=1.5)
    motion.write(tmp_path / "a.bvh")
    found, positions = oracle(tmp_path / "a.bvh")
    joints = positions[:, [found.index(j) for j in HUMANML3D.joints]] / 100
    np.testing.assert_allclose(joints, motion.joints, atol=1e-4)


def test_captured_motion_reads_back_as_its_rigid_fit(data: Path, tmp_path: Path) -> None:
    motion = Motion(np.load(data / "reference" / "012314_joints.npy"), 20.0)
    motion.write(tmp_path / "a.bvh")
    np.testing.assert_allclose(Motion.read(tmp_path / "a.bvh").joints, motion.joints, atol=1e-4)


def test_angles_do_not_jump_by_a_turn(tmp_path: Path) -> None:
    motion = person(6, frames=200)
    turning = person(6).joints[0] @ np.stack(
        [
            [[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]]
            for a in np.arange(200) / 9
        ]
    )
    Motion(turning, motion.fps).write(tmp_path / "a.bvh")
    values = np.loadtxt((tmp_path / "a.bvh").read_text().partition("Frame Time")[2].split("\n")[1:])
    assert np.abs(np.diff(values, axis=0)).max() < 180


# The parser against pybvh, on what pybvh can read


def random_tree(seed: int, position_first: bool = True) -> str:
    """A BVH of random shape, names, channel orders and spelling."""
    dice = random.Random(seed)
    count = dice.randint(2, 25)
    parents = [-1] + [dice.randrange(i) for i in range(1, count)]
    children = [[c for c in range(count) if parents[c] == p] for p in range(count)]
    lines = ["HIERARCHY"]

    def emit(node: int, depth: int) -> None:
        tab = dice.choice(["\t", "  "]) * depth
        axes = dice.sample("XYZ", 3)
        turns = [f"{axis}rotation" for axis in axes]
        channels = ["Xposition", "Yposition", "Zposition", *turns] if node == 0 else turns
        offset = " ".join(f"{dice.uniform(-9, 9):.4f}" for _ in range(3)) if node else "0 0 0"
        lines.extend([f"{tab}{'JOINT' if node else 'ROOT'} node{node}", f"{tab}{{"])
        lines.extend(
            [f"{tab} OFFSET {offset}", f"{tab} CHANNELS {len(channels)} " + " ".join(channels)]
        )
        for child in children[node]:
            emit(child, depth + 1)
        if not children[node]:
            lines.extend([f"{tab} End Site", f"{tab} {{", f"{tab} OFFSET 0 1.5 0", f"{tab} }}"])
        lines.append(f"{tab}}}")

    emit(0, 0)
    lines += ["MOTION", "Frames:\t7", "Frame Time: 0.0083333"]
    for _ in range(7):
        lines.append(" ".join(f"{dice.uniform(-200, 200):.5f}" for _ in range(3 * count + 3)))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(12))
def test_any_hierarchy_and_channel_order(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(random_tree(seed))
    expected_names, expected = oracle(path)
    found = bvh.read(path)
    assert found.fps == 120
    mine = [n for n, c in zip(found.names, found.channels, strict=True) if c]
    assert mine == [n for n in expected_names if n.startswith("node")]
    np.testing.assert_allclose(found.joints, expected, atol=1e-9)


def test_position_channels_replace_the_offset_of_any_joint(tmp_path: Path) -> None:
    text = """HIERARCHY
ROOT a {
  OFFSET 5 5 5
  CHANNELS 3 Xposition Zposition Yrotation
  JOINT b
  {
    OFFSET 0 1 0
    CHANNELS 6 Zrotation Yrotation Xrotation Xposition Yposition Zposition
  }
}
MOTION
Frames: 1
Frame Time: 0.04
1 3 90 0 0 0 2 0 0
"""
    (tmp_path / "a.bvh").write_text(text)
    found = bvh.read(tmp_path / "a.bvh")
    np.testing.assert_allclose(found.joints[0], [[1, 5, 3], [1, 5, 1]], atol=1e-12)
    np.testing.assert_allclose(found.at_rest.joints[0], [[5, 5, 5], [5, 6, 5]])
    assert found.fps == 25


def test_spelling_that_is_accepted(tmp_path: Path) -> None:
    person(0, 5).write(tmp_path / "a.bvh")
    plain = (tmp_path / "a.bvh").read_text()
    expected = bvh.read(tmp_path / "a.bvh").joints
    for change in (
        lambda t: "\ufeff" + t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\n\n"),
        lambda t: t.replace("\t", "    ").replace(" ", "\t").replace("End\tSite", "End Site"),
        lambda t: t.replace("JOINT left_", "JOINT linke Hüfte "),
        lambda t: t.replace("ROOT pelvis\n{", "ROOT pelvis {"),
        lambda t: t.replace("Zrotation", "ZROTATION").replace("Frames:", "frames :"),
    ):
        (tmp_path / "b.bvh").write_text(change(plain), encoding="utf-8", newline="")
        np.testing.assert_array_equal(bvh.read(tmp_path / "b.bvh").joints, expected)


# Skeletons of other tools

HABITS = {
    "smpl": "Pelvis L_Hip L_Knee L_Ankle L_Foot Neck Head L_Shoulder L_Elbow L_Wrist L_Collar",
    "smpl fbx": "m_avg_Pelvis m_avg_L_Hip m_avg_L_Knee m_avg_L_Ankle m_avg_L_Foot m_avg_Neck "
    "m_avg_Head m_avg_L_Shoulder m_avg_L_Elbow m_avg_L_Wrist m_avg_L_Collar",
    "bandai": "Hips UpperLeg_L LowerLeg_L Foot_L Toes_L Neck Head UpperArm_L LowerArm_L Hand_L "
    "Shoulder_L",
    "cmu": "Hips LeftUpLeg LeftLeg LeftFoot LeftToeBase Neck Head LeftArm LeftForeArm LeftHand "
    "LeftShoulder",
    "lafan": "Hips LeftUpLeg LeftLeg LeftFoot LeftToe Neck Head LeftArm LeftForeArm LeftHand "
    "LeftShoulder",
    "mixamo": "mixamorig:Hips mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot "
    "mixamorig:LeftToeBase mixamorig:Neck mixamorig:Head mixamorig:LeftArm "
    "mixamorig:LeftForeArm mixamorig:LeftHand mixamorig:LeftShoulder",
    "daz": "hip lThigh lShin lFoot lToe neck head lShldr lForeArm lHand lCollar",
    "asf": "root lfemur ltibia lfoot ltoes lowerneck head lhumerus lradius lwrist lclavicle",
    "biped": "Bip01 Bip01_L_Thigh Bip01_L_Calf Bip01_L_Foot Bip01_L_Toe0 Bip01_Neck Bip01_Head "
    "Bip01_L_UpperArm Bip01_L_Forearm Bip01_L_Hand Bip01_L_Clavicle",
    "unreal": "pelvis thigh_l calf_l foot_l ball_l neck_01 head upperarm_l lowerarm_l hand_l "
    "clavicle_l",
    "xsens": "Hips LeftHip LeftKnee LeftAnkle LeftToe Neck Head LeftShoulder LeftElbow LeftWrist "
    "LeftCollar",
    "vrm": "J_Bip_C_Hips J_Bip_L_UpperLeg J_Bip_L_LowerLeg J_Bip_L_Foot J_Bip_L_ToeBase "
    "J_Bip_C_Neck J_Bip_C_Head J_Bip_L_UpperArm J_Bip_L_LowerArm J_Bip_L_Hand J_Bip_L_Shoulder",
}
OURS = (
    "pelvis left_hip left_knee left_ankle left_foot neck head left_shoulder left_elbow left_wrist "
    "left_collar"
).split()


def other_side(name: str) -> str:
    for left, right in (("Left", "Right"), ("L_", "R_"), ("_L", "_R"), ("_l", "_r")):
        if left in name:
            return name.replace(left, right)
    return "r" + name[1:]  # lfemur, lThigh


def renamed(habit: str) -> dict[str, str]:
    """Our joint names to those of another tool; spine joints get its plainest names."""
    table = dict(zip(OURS, HABITS[habit].split(), strict=True))
    sided = {o.replace("left", "right"): other_side(n) for o, n in table.items() if "left" in o}
    spines = {"spine1": "Spine", "spine2": "Chest", "spine3": "UpperChest"}
    if habit.startswith("smpl"):
        spines = {f"spine{i}": table["pelvis"].replace("Pelvis", f"Spine{i}") for i in (1, 2, 3)}
    return {**table, **sided, **spines}


def foreign(path: Path, table: dict[str, str], scale: float = 1.0, z_up: bool = False) -> Motion:
    """Write a person as another tool would: its names, its unit, its axes."""
    motion = person(7, 30)
    motion.write(path)
    header, _, block = path.read_text().partition("MOTION")
    lines = []
    for line in header.splitlines():
        words = line.split()
        if words and words[0] in ("JOINT", "ROOT"):
            line = f"{words[0]} {table[words[1]]}"
        if words and words[0] == "OFFSET":
            x, y, z = (float(w) * scale for w in words[1:])
            line = f"OFFSET {x} {-z if z_up else y} {y if z_up else z}"
        if z_up:  # what turns about Y turns about Z, what turns about Z turns the other way about Y
            line = line.replace("Zrotation", "_").replace("Yrotation", "Zrotation")
            line = line.replace("_ ", "Yrotation ", 1) if "CHANNELS" in line else line
        lines.append(line)
    frames, rate, *rows = block.strip().splitlines()
    values = np.array([row.split() for row in rows], float)
    values[:, :3] *= scale
    if z_up:
        values[:, :3] = values[:, [0, 2, 1]] * [1, -1, 1]
        values[:, 3::3] *= -1
    rows = [" ".join(f"{v:.6f}" for v in row) for row in values]
    path.write_text("\n".join([*lines, "MOTION", frames, rate, *rows]) + "\n")
    return motion


@pytest.mark.parametrize("habit", HABITS)
def test_names_of_many_tools(habit: str, tmp_path: Path) -> None:
    motion = foreign(tmp_path / "a.bvh", renamed(habit))
    found = Motion.read(tmp_path / "a.bvh")
    assert found.skeleton is HUMANML3D and len(found) == len(motion) and found.fps == motion.fps
    exact = [j for j in HUMANML3D.joints if not any(w in j for w in ("pelvis", "spine", "collar"))]
    index = [HUMANML3D.index(j) for j in (HUMANML3D.joints if "smpl" in habit else exact)]
    np.testing.assert_allclose(found.joints[:, index], motion.joints[:, index], atol=1e-5)
    assert np.linalg.norm(found.joints - motion.joints, axis=-1).max() < 0.12


@pytest.mark.parametrize("habit", ["smpl", "mixamo"])
@pytest.mark.parametrize("z_up", [False, True], ids=["y up", "z up"])
@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("metre", 0.01),
        ("centimetre", 1),
        ("millimetre", 10),
        ("inch", 1 / 2.54),
        ("asf unit", 0.45 / 2.54),
    ],
)
def test_units_and_axes(habit: str, z_up: bool, unit: str, scale: float, tmp_path: Path) -> None:
    motion = foreign(tmp_path / "a.bvh", renamed(habit), scale, z_up)
    found = Motion.read(tmp_path / "a.bvh")
    assert found.provenance["unit"] == unit and found.provenance["up"] == ("Z" if z_up else "Y")
    index = [
        HUMANML3D.index(f"{s}_{j}") for s in ("left", "right") for j in ("wrist", "foot", "knee")
    ]
    np.testing.assert_allclose(found.joints[:, index], motion.joints[:, index], atol=2e-4)


def test_toes_come_from_end_sites(tmp_path: Path) -> None:
    """The cgspeed conversion of CMU has no toe joint, only the end of the foot."""
    table = renamed("daz")
    motion = foreign(tmp_path / "a.bvh", {**table, "left_foot": "x", "right_foot": "y"})
    found = Motion.read(tmp_path / "a.bvh")
    np.testing.assert_allclose(found.joints[:, 10], motion.joints[:, 10], atol=1e-5)


def test_people_who_cannot_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    foreign(path, {**renamed("cmu"), "left_knee": "Tail", "head": "Horn"})
    with pytest.raises(InputError, match=r"no joint stands for left_knee, head") as error:
        Motion.read(path)
    assert str(path) in str(error.value)
    foreign(path, renamed("cmu"), scale=1e4)
    with pytest.raises(InputError, match="no person's size"):
        Motion.read(path)
    table = renamed("cmu")
    swapped = {
        joint: table[HUMANML3D.joints[HUMANML3D.mirror[i]]]
        for i, joint in enumerate(HUMANML3D.joints)
    }
    foreign(path, swapped)
    with pytest.raises(InputError, match="left and right are swapped"):
        Motion.read(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LHipJoint", ("left", "hipjoint")),
        ("rShldr", ("right", "shldr")),
        ("radius", ("", "radius")),
        ("lowerback", ("", "lowerback")),
        ("mixamorig1:RightUpLeg", ("right", "upleg")),
        ("left shoulder", ("left", "shoulder")),
        ("leftshoulder", ("left", "shoulder")),
        ("Character1_LeftFoot", ("left", "foot")),
        ("", ("", "")),
    ],
)
def test_names_are_taken_apart(name: str, expected: tuple[str, str]) -> None:
    assert names.split_name(name) == expected


def test_spine_is_placed_along_the_way(tmp_path: Path) -> None:
    foreign(tmp_path / "a.bvh", renamed("cmu"))
    file = bvh.read(tmp_path / "a.bvh")
    joints = mapping.map_joints(file, "a")
    way = joints[:, [HUMANML3D.index(j) for j in ("pelvis", "spine1", "spine2", "spine3", "neck")]]
    steps = np.linalg.norm(np.diff(way, axis=1), axis=-1)
    np.testing.assert_allclose(steps.sum(1)[0] * 0.2142, steps[0, 0], rtol=0.05)


# Files that lie


GOOD = random_tree(3)
ROWS = GOOD.partition("0.0083333\n")[2]
LIES = {
    "1e9 frames": GOOD.replace("Frames:\t7", "Frames: 1000000000"),
    "too many zeros": GOOD.replace("Frames:\t7", "Frames: " + "9" * 300),
    "one frame more": GOOD.replace("Frames:\t7", "Frames: 8"),
    "one frame less": GOOD.replace("Frames:\t7", "Frames: 6"),
    "-1 frames": GOOD.replace("Frames:\t7", "Frames: -1"),
    "no frames": GOOD.replace("Frames:\t7", "Frames: 0").replace(ROWS, ""),
    "6e1 frames": GOOD.replace("Frames:\t7", "Frames: 7e0"),
    "frame time 0": GOOD.replace("0.0083333", "0"),
    "frame time nan": GOOD.replace("0.0083333", "nan"),
    "frame time inf": GOOD.replace("0.0083333", "inf"),
    "frame time tiny": GOOD.replace("0.0083333", "1e-320"),
    "frame time with a comma": GOOD.replace("0.0083333", "0,0083"),
    "cut in a row": GOOD[:-40],
    "cut in the hierarchy": GOOD[:90],
    "nan": GOOD.replace(ROWS.split()[5], "nan"),
    "infinite": GOOD.replace(ROWS.split()[5], "1e309"),
    "huge": GOOD.replace(ROWS.split()[5], "1e30"),
    "hexadecimal": GOOD.replace(ROWS.split()[5], "0x10"),
    "underscore": GOOD.replace(ROWS.split()[5], "1_0"),
    "a word": GOOD.replace(ROWS.split()[5], "walk"),
    "one number more": GOOD.replace(ROWS.split()[5], "1 2"),
    "two roots": GOOD.replace("JOINT node1\n", "ROOT node1\n"),
    "twice the same name": GOOD.replace("JOINT node1\n", "JOINT node0\n"),
    "unknown channel": GOOD.replace("Xposition", "Wposition", 1),
    "wrong channel count": GOOD.replace("CHANNELS 6", "CHANNELS 5"),
    "channel twice": GOOD.replace("Xposition Yposition", "Xposition Xposition"),
    "no offset": GOOD.replace(" OFFSET 0 0 0\n", "", 1),
    "offset of two": GOOD.replace(" OFFSET 0 0 0\n", " OFFSET 0 0\n", 1),
    "no channels": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}\nMOTION\nFrames: 1\nFrame Time: 1\n1\n",
    "deep": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n"
    + "".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\n" for i in range(10_000)),
    "wide": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n"
    + "".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\n}}\n" for i in range(10_000)),
    "a long line": "HIERARCHY\nROOT " + "a" * 10**7,
    "a long row": GOOD.replace(ROWS, "1 " * 10**6),
    "ten million lines": "HIERARCHY" + "\n" * 10**7,
    "a wide body over a long time": "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
    + "".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\n}}\n" for i in range(500))
    + "}\nMOTION\nFrames: 500000\nFrame Time: 0.01\n"
    + "1\n" * 500_000,
    "a web page": "<!DOCTYPE html><html></html>",
    "binary": "\x00\x01\x02" * 999,
    "unbalanced": GOOD.replace("}", "", 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_quickly(lie: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(LIES[lie])
    begun = time.process_time()
    with pytest.raises(InputError) as error:
        bvh.read(path)
    assert time.process_time() - begun < 1
    assert error.value.where.startswith(f"{path}:") and error.value.where.split(":")[-1].isdigit()
    assert len(str(error.value)) < 400


def test_the_line_at_fault_is_named(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    for at in (-1, -4, -7):
        broken = lines.copy()
        broken[at] = broken[at].replace(" ", " x", 1)
        (tmp_path / "a.bvh").write_text("\n".join(broken))
        with pytest.raises(InputError) as error:
            bvh.read(tmp_path / "a.bvh")
        assert error.value.where.endswith(f":{len(lines) + at + 1}")


def mutant(text: bytes, dice: random.Random) -> bytes:
    """The file with some bytes, words or lines changed, lost or repeated."""
    lines = text.split(b"\n")
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(lines))
        match dice.randrange(6):
            case 0:
                lines = lines[:at] + lines[at + 1 :] or [b""]
            case 1:
                lines.insert(at, lines[dice.randrange(len(lines))])
            case 2:
                words = lines[at].split() or [b""]
                odd = [
                    b"nan",
                    b"-1",
                    b"1e999",
                    b"{",
                    b"}",
                    b"",
                    b"9" * 30,
                    b"ROOT",
                    b"\xff\xfe",
                    b"0,5",
                ]
                words[dice.randrange(len(words))] = dice.choice(odd)
                lines[at] = b" ".join(words)
            case 3:
                place = dice.randrange(len(lines[at]) + 1)
                lines[at] = (
                    lines[at][:place] + bytes([dice.randrange(256)]) + lines[at][place + 1 :]
                )
            case 4:
                lines = lines[: at + 1]
            case _:
                other = dice.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
    return b"\n".join(lines)


def test_mutants_never_surprise(tmp_path: Path) -> None:
    foreign(tmp_path / "seed.bvh", renamed("bandai"))
    originals = [(tmp_path / "seed.bvh").read_bytes(), GOOD.encode()]
    dice = random.Random(0)
    accepted = 0
    for _ in range(400):
        (tmp_path / "a.bvh").write_bytes(mutant(dice.choice(originals), dice))
        begun = time.process_time()
        try:
            motion = Motion.read(tmp_path / "a.bvh")
        except MotionGPTError as error:
            assert str(error)
        else:
            accepted += 1
            assert np.isfinite(motion.joints).all() and 0.05 < motion.fps < 10_001
        assert time.process_time() - begun < 1
    assert 0 < accepted < 300
