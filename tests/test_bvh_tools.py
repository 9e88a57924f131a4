"""BVH of other tools: names, units, axes, and people who cannot be mapped."""

from pathlib import Path

import numpy as np
import pytest
from people import person

from motiongpt3.errors import InputError
from motiongpt3.formats import bvh, mapping
from motiongpt3.formats.matching import match
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

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
    found = Motion.read(path).provenance["joints"]
    assert found["left_knee"] == {"node": "Tail", "by": "shape"}
    assert found["head"] == {"node": "Horn", "by": "shape"}
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


def test_spine_is_placed_along_the_way(tmp_path: Path) -> None:
    foreign(tmp_path / "a.bvh", renamed("cmu"))
    file = bvh.read(tmp_path / "a.bvh")
    joints = mapping.map_joints(match(file, "a"))
    way = joints[:, [HUMANML3D.index(j) for j in ("pelvis", "spine1", "spine2", "spine3", "neck")]]
    steps = np.linalg.norm(np.diff(way, axis=1), axis=-1)
    np.testing.assert_allclose(steps.sum(1)[0] * 0.2142, steps[0, 0], rtol=0.05)
