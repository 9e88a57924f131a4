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

from motiongpt3.errors import InputError
from motiongpt3.formats import bvh
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
