"""Any skeleton to our joints: tools' own trees, odd ones by shape, maps, and what is refused."""

import json
import warnings
from pathlib import Path

import numpy as np
import pybvh
import pytest
import skeletons
from skeletons import CENTRAL, ODD, SIDED, TOOLS, Tool

from motiongpt3 import formats
from motiongpt3.app.cli import main
from motiongpt3.errors import InputError
from motiongpt3.formats import names, report
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D


def truth(tool: Tool, path: Path) -> dict[str, np.ndarray]:
    """Where pybvh has the joints that our joints stand for, in metres with Y up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pybvh.read_bvh_file(path)
    places = file.node_positions() * tool.metres
    if tool.up == "Z":
        places = np.stack([places[..., 0], places[..., 2], -places[..., 1]], -1)
    joints = [i for i, node in enumerate(file.nodes) if not node.is_end_site()]
    found = {}
    for index, node in zip(joints, skeletons.nodes(tool), strict=True):
        side = {1: "left_", -1: "right_", 0: ""}[node.side]
        if node.part in (*SIDED, *CENTRAL):
            found.setdefault(side + node.part, places[:, index])
    return found


def check_person(motion: Motion) -> None:
    """Walks forward, left hand up, left on the left."""
    at = {joint: motion.joints[:, HUMANML3D.index(joint)] for joint in HUMANML3D.joints}
    assert (at["left_wrist"][:, 1] > at["head"][:, 1] + 0.1).all()
    assert (at["right_wrist"][:, 1] < at["neck"][:, 1] - 0.2).all()
    assert (at["left_hip"] - at["right_hip"])[:, 0].min() > 0.1
    assert (at["left_foot"] - at["left_ankle"])[:, 2].min() > 0.05
    way = at["pelvis"][-1] - at["pelvis"][0]
    assert way[2] > 0.25 and abs(way[0]) < 0.01 and abs(way[1]) < 0.01
    assert np.ptp(motion.joints[..., 1].min(1)) < 0.2 and 1.3 < at["head"][0, 1] < 1.7
    bones = np.linalg.norm(motion.joints[:, 1:] - motion.joints[:, HUMANML3D.parents[1:]], axis=-1)
    assert np.ptp(bones, axis=0).max() < 0.03


@pytest.mark.parametrize("name", TOOLS)
def test_files_of_a_tool_read_right(name: str, tmp_path: Path) -> None:
    tool, path = TOOLS[name], tmp_path / "a.bvh"
    skeletons.write(tool, path)
    motion = Motion.read(path)
    check_person(motion)
    assert motion.fps == tool.fps and motion.provenance["unit"] == tool.unit
    assert motion.provenance["up"] == tool.up
    for joint, place in truth(tool, path).items():
        index = HUMANML3D.index(joint)
        np.testing.assert_allclose(motion.joints[:, index], place, atol=2e-4, err_msg=joint)
    origins = motion.provenance["joints"]
    by_shape = {joint for joint, way in origins.items() if way["by"] == "shape"}
    assert by_shape == set(tool.shaped)
    json.dumps(dict(motion.provenance))


@pytest.mark.parametrize("rest", ["T", "I"])
@pytest.mark.parametrize("up", ["Y", "Z"])
def test_an_unknown_skeleton_is_matched_by_shape(rest: str, up: str, tmp_path: Path) -> None:
    tool = Tool(ODD.unit, ODD.metres, up, ODD.fps, ODD.sides, ODD.tree, rest)
    assert len(skeletons.nodes(tool)) == 37
    skeletons.write(tool, tmp_path / "a.bvh")
    motion = Motion.read(tmp_path / "a.bvh")
    check_person(motion)
    for joint, place in truth(tool, tmp_path / "a.bvh").items():
        np.testing.assert_allclose(
            motion.joints[:, HUMANML3D.index(joint)], place, atol=2e-4, err_msg=joint
        )
    ways = {way["by"] for way in motion.provenance["joints"].values()}
    assert ways == {"shape", "placed"}


def without(tool: Tool, *parts: str) -> Tool:
    """A tool's tree without the branches of some parts."""
    kept, cut = [], None
    for line in tool.tree.splitlines():
        depth = len(line) - len(line.lstrip())
        if cut is not None and depth > cut:
            continue
        cut = depth if line.split()[-1:] and line.split()[-1] in parts else None
        kept += [] if cut is not None else [line]
    return Tool(tool.unit, tool.metres, tool.up, tool.fps, tool.sides, "\n".join(kept))


def test_bodies_that_lack_something_are_told_what(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    for parts, says in (
        (("collar",), "no joint stands for .*left_shoulder.*left_wrist.*one pair of like limbs"),
        (("hip",), "no joint stands for left_hip, right_hip.*one pair of like limbs"),
        (("collar", "hip"), "no joint stands for left_hip.*no two like branches"),
        (("neck",), "no joint stands for .*neck"),
    ):
        skeletons.write(without(ODD, *parts), path)
        with pytest.raises(InputError, match=says) as error:
            Motion.read(path)
        assert "map" in error.value.hint and len(str(error.value)) < 700
    skeletons.write(without(TOOLS["mixamo"], "elbow"), path)
    with pytest.raises(InputError, match="no joint stands for left_elbow, right_elbow, left_wrist"):
        Motion.read(path)


HAND = """
w pelvis
 t1 finger
  t2 finger
   t3 finger
 i1 finger
  i2 finger
   i3 finger
 m1 finger
  m2 finger
   m3 finger
"""


def four_legs(named: bool) -> str:
    """A dog: the trunk lies along the ground."""
    names = ("Hips", "Spine", "Neck", "Head", "LeftArm", "LeftForeArm", "LeftHand", "LeftUpLeg")
    names = (*names, "LeftLeg", "LeftFoot") if named else tuple("abcdefghij")
    hips, spine, neck, head, arm, fore, hand, hip, knee, foot = names
    return f"""
{hips} pelvis
 {spine} along
  {neck} along2
   {head} along3
  *{arm} side
   {fore} knee
    {hand} ankle
 *{hip} side
  {knee} knee
   {foot} ankle
"""


@pytest.mark.parametrize("named", [False, True])
def test_other_beings_are_refused(named: bool, tmp_path: Path, monkeypatch) -> None:
    more = {"along": (0, 0, 0.5), "along2": (0, 0.1, 0.1), "along3": (0, 0.15, 0.15)}
    for part, place in {**more, "side": (0.09, -0.05, 0)}.items():
        monkeypatch.setitem(skeletons.BONE, part, place)
    path = tmp_path / "a.bvh"
    sides = ("Left", "Right") if named else ("", "r")
    skeletons.write(Tool("centimetre", 0.01, "Y", 30, sides, four_legs(named)), path)
    with pytest.raises(InputError, match="four legs" if named else "hang below the trunk"):
        Motion.read(path)
    skeletons.write(Tool("centimetre", 0.01, "Y", 30, sides, HAND), path)
    with pytest.raises(InputError, match="no joint stands for left_hip"):
        Motion.read(path)


def test_two_pairs_of_arms_are_too_many(tmp_path: Path) -> None:
    arms = ODD.tree[ODD.tree.index("       *va") : ODD.tree.index(" *ka")]
    more = arms.replace("va", "Va").replace("wa", "Wa").replace("xa", "Xa").replace("ya", "Ya")
    more = more.replace("za", "Za").replace("ua", "Ua").replace("ta", "Ta")
    four = Tool("centimetre", 0.01, "Y", 30, ODD.sides, ODD.tree.replace(arms, arms + more))
    skeletons.write(four, tmp_path / "a.bvh")
    with pytest.raises(InputError, match="one pair of arms.*wa or w"):
        Motion.read(tmp_path / "a.bvh")
    stated = tmp_path / "map.toml"
    stated.write_text('[joints]\nleft_shoulder = "Wa"\nright_shoulder = "Wb"\n')
    found = Motion.read(tmp_path / "a.bvh", joints=stated).provenance["joints"]
    assert found["left_shoulder"] == {"node": "Wa", "by": "map"}
    assert found["left_wrist"] == {"node": "Ya", "by": "shape"}


# Maps


def test_a_map_says_what_is_what(tmp_path: Path) -> None:
    path, stated = tmp_path / "a.bvh", tmp_path / "map.toml"
    skeletons.write(ODD, path)
    plain = Motion.read(path)
    stated.write_text(
        'unit = 0.008\nup = "Y"\nfps = 25\n[joints]\nleft_hip = "kb"\nright_hip = "ka"\n'
        'neck = "q6"\npelvis = "q0"\n'
    )
    with pytest.raises(InputError, match="left and right are swapped"):
        Motion.read(path, joints=stated)
    stated.write_text(
        'unit = 0.008\nfps = 25\n[joints]\nleft_hip = "ka"\nneck = "q6"\npelvis = "q0"\n'
    )
    motion = Motion.read(path, joints=stated)
    assert motion.fps == 25 and motion.provenance["unit"] == 0.008
    assert motion.provenance["map"] == str(stated)
    assert motion.provenance["joints"]["neck"] == {"node": "q6", "by": "map"}
    assert motion.provenance["joints"]["pelvis"] == {"node": "q0", "by": "map"}
    wrist = HUMANML3D.index("left_wrist")
    np.testing.assert_allclose(motion.joints[:, wrist], 0.8 * plain.joints[:, wrist], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[joints]\nleft_hipp = "ka"', "no joint 'left_hipp' of ours.*did you mean left_hip"),
        ('[joints]\nleft_hip = "kaa"', "the file has no joint 'kaa'.*did you mean ka"),
        ('[joints]\nleft_hip = "ka"\nright_hip = "ka"', "'ka' is given twice"),
        ("[joints]\nleft_hip = 3", "joints are not names"),
        ('joints = "ka"', "joints are not names"),
        ('unit = "centimeter"', "unit 'centimeter'.*did you mean centimetre"),
        ("unit = -1", "unit is -1"),
        ("unit = nan", "unit is nan"),
        ("unit = true", "unit is True"),
        ("unit = 1", "m tall"),
        ('up = "W"', "up is 'W'"),
        ("up = [1]", r"up is \[1\]"),
        ("fps = 0", "fps is 0"),
        ('fps = "30"', "fps is '30'"),
        ('units = "metre"', "does not know 'units'.*did you mean unit"),
        ("a = = 3", "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML"),
    ],
)
def test_maps_that_are_wrong(text: str, says: str, tmp_path: Path) -> None:
    skeletons.write(ODD, tmp_path / "a.bvh")
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(InputError, match=says):
        Motion.read(tmp_path / "a.bvh", joints=tmp_path / "map.toml")


def test_a_map_needs_a_skeleton(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("fps = 30")
    skeletons.write(ODD, tmp_path / "a.bvh")
    Motion.read(tmp_path / "a.bvh").write(tmp_path / "a.npz")
    with pytest.raises(InputError, match="joints cannot be said of this file"):
        formats.read(tmp_path / "a.npz", joints=tmp_path / "map.toml")
    with pytest.raises(InputError, match="No such file"):
        formats.read(tmp_path / "a.bvh", joints=tmp_path / "none.toml")


def test_the_command_line_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skeletons.write(TOOLS["rigify"], tmp_path / "a.bvh")
    (tmp_path / "map.toml").write_text('[joints]\nhead = "spine.006"\n')
    files = [str(tmp_path / "a.bvh"), str(tmp_path / "b.npz")]
    options = ["--map", str(tmp_path / "map.toml")]
    assert main(["convert", *files, *options, "--report"]) == 0
    said = capsys.readouterr().out
    assert "40 frames at 24 fps" in said and "unit metre, Z up" in said
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in said.splitlines()[3:]}
    assert lines["left_elbow"] == ["forearm.L", "by name"]
    assert lines["neck"] == ["spine.004", "by shape"]
    assert lines["head"] == ["spine.006", "as the map says"]
    assert lines["pelvis"] == ["-", "placed between the others"]
    assert main(["convert", *files, *options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["provenance"]["joints"]["neck"] == {"node": "spine.004", "by": "shape"}
    assert "read as it is" in report.lines(Motion.read(written(tmp_path)))[1]


def written(folder: Path) -> Path:
    return Motion.read(folder / "b.npz").write(folder / "c.bvh")


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
        ("DEF-upper_arm.L.001", ("left", "upperarm")),
        ("", ("", "")),
    ],
)
def test_names_are_taken_apart(name: str, expected: tuple[str, str]) -> None:
    assert names.split_name(name) == expected


def test_a_neck_that_is_stated_below_an_arm_is_taken_as_stated(tmp_path: Path) -> None:
    """Whatever lies above it is then no head: found by guided fuzzing."""
    skeletons.write(skeletons.TOOLS["rigify"], tmp_path / "a.bvh", frames=6)
    (tmp_path / "map.toml").write_text(
        'unit = "metre"\nup = "Z"\nfps = 30\n[joints]\nleft_hip = "thigh.L"\n'
        'right_hip = "thigh.R"\nleft_knee = "shin.L"\nright_knee = "toe.R"\n'
        'neck= "forearm.L"\nright_elbow = "forearm.R"\nleft_wrist = "hand.L"\n'
    )
    motion = Motion.read(tmp_path / "a.bvh", joints=tmp_path / "map.toml")
    assert motion.provenance["joints"]["neck"]["node"] == "forearm.L"
