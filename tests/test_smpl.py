"""SMPL's poses: against scipy's rotations, in the layouts of AMASS, with and without a body."""

from pathlib import Path

import numpy as np
import pytest
from people import person
from scipy.spatial.transform import Rotation

from motiongpt3.errors import InputError
from motiongpt3.formats import npy, smpl_body
from motiongpt3.motion import kinematics
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""SMPL's kinematic tree, as its papers and programs have it."""


def oracle(poses: np.ndarray, trans: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Joints as SMPL places them, in the file's axes."""
    joints = np.zeros((len(poses), 22, 3))
    world: list[Rotation] = []
    for joint, parent in enumerate(PARENTS):
        local = Rotation.from_rotvec(poses[:, 3 * joint : 3 * joint + 3])
        world.append(local if parent < 0 else world[parent] * local)
        if parent < 0:
            joints[:, 0] = rest[0] + trans
        else:
            joints[:, joint] = joints[:, parent] + world[parent].apply(rest[joint] - rest[parent])
    return joints


def y_up(joints: np.ndarray) -> np.ndarray:
    return np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)


def amass(path: Path, frames: int = 20, width: int = 156, **others: object) -> dict:
    """A file as AMASS has them: somebody sways, Z up."""
    dice = np.random.default_rng(width)
    time = np.linspace(0, 3, frames)[:, None]
    poses = 0.2 * np.sin(time + dice.uniform(0, 6, width))
    poses[:, :3] = [np.pi / 2, 0, 0]
    poses[:, 66:] = 1.0
    trans = np.concatenate([time, 0 * time, 0.9 + 0 * time], 1)
    arrays = {
        "poses": poses,
        "trans": trans,
        "betas": np.linspace(1, -1, 16),
        "dmpls": np.zeros((frames, 8)),
        "gender": np.array("male"),
        "mocap_framerate": np.array(120.0),
        **others,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def refused(path: Path, match: str, **options: object) -> InputError:
    with pytest.raises(InputError, match=match) as error:
        Motion.read(path, **options)
    assert str(path) in error.value.where
    return error.value


# What we write


@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_reads_back_and_scipy_agrees(seed: int, tmp_path: Path) -> None:
    moved = person(seed, 30, swing=1.2).joints
    noise = np.random.default_rng(seed).normal(0, 0.003, moved.shape)
    motion = Motion(moved + noise, 23.976)
    motion.write(tmp_path / "a.smpl.npz")
    back = Motion.read(tmp_path / "a.smpl.npz")
    expected = kinematics.fit(motion.joints, HUMANML3D).joints
    assert back.fps == 23.976 and "own rest_joints" in back.provenance["body"]
    np.testing.assert_allclose(back.joints, expected, atol=1e-6)
    with np.load(tmp_path / "a.smpl.npz") as file:  # no pickles
        stored = dict(file)
    found = oracle(stored["poses"], stored["trans"], stored["rest_joints"])
    np.testing.assert_allclose(y_up(found), expected, atol=1e-6)


def test_the_layout_is_that_of_amass(tmp_path: Path) -> None:
    motion = person(1, 30)
    motion.write(tmp_path / "a.smpl.npz")
    with np.load(tmp_path / "a.smpl.npz") as file:
        shapes = {key: file[key].shape for key in file.files}
        assert str(file["gender"]) == "neutral" and file["mocap_framerate"] == 20
        assert not file["betas"].any() and not file["poses"][:, 66:].any()
        assert file["trans"][0, 2] == pytest.approx(motion.joints[0, 0, 1] - 0.03, abs=0.01)
    assert shapes == {
        "poses": (30, 156), "trans": (30, 3), "betas": (16,), "dmpls": (30, 8),
        "gender": (), "mocap_framerate": (), "rest_joints": (22, 3),
    }  # fmt: skip


def test_the_rest_pose_has_no_rotation(tmp_path: Path) -> None:
    """Turned to Z up, SMPL's T-pose is only that turn."""
    Motion(smpl_body.mean_joints()[None]).write(tmp_path / "a.smpl.npz")
    with np.load(tmp_path / "a.smpl.npz") as file:
        np.testing.assert_allclose(file["poses"][0, :3], [np.pi / 2, 0, 0], atol=1e-5)
        np.testing.assert_allclose(file["poses"][0, 3:], 0, atol=1e-3)
        # The pelvis stays where it was: SMPL turns about it, and trans comes on top of its rest.
        np.testing.assert_allclose(file["trans"][0], [0, -0.03 + 0.22, -0.22 - 0.03], atol=1e-5)
        np.testing.assert_allclose(file["rest_joints"], smpl_body.mean_joints(), atol=1e-5)


def test_joints_bend_where_people_bend_them(tmp_path: Path) -> None:
    """A forearm that comes forward turns at the elbow alone, about the upright axis."""
    rest = smpl_body.mean_joints()
    bent = np.repeat(rest[None], 2, 0)
    elbow, wrist = HUMANML3D.index("left_elbow"), HUMANML3D.index("left_wrist")
    bent[1, wrist] = bent[1, elbow] + np.linalg.norm(rest[wrist] - rest[elbow]) * np.eye(3)[2]
    Motion(bent).write(tmp_path / "a.smpl.npz")
    with np.load(tmp_path / "a.smpl.npz") as file:
        turns = file["poses"][1, 3:66].reshape(21, 3)
    np.testing.assert_allclose(turns[elbow - 1], [0, -np.pi / 2, 0], atol=0.05)
    np.testing.assert_allclose(np.delete(turns, elbow - 1, 0), 0, atol=1e-3)


def test_captured_motion_reads_back_as_its_rigid_fit(data: Path, tmp_path: Path) -> None:
    motion = Motion(np.load(data / "reference" / "012314_joints.npy"), 20.0)
    motion.write(tmp_path / "a.smpl.npz")
    np.testing.assert_allclose(
        Motion.read(tmp_path / "a.smpl.npz").joints, motion.joints, atol=1e-4
    )
    with np.load(tmp_path / "a.smpl.npz") as file:
        turns = file["poses"][:, :66].reshape(-1, 22, 3)
    jumps = np.degrees(np.linalg.norm(np.diff(turns[:, 1:], axis=0), axis=-1))
    assert jumps.max() < 60  # per frame of 1/20 s: nothing flips


def test_kit_has_other_joints(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kit are not SMPL's"):
        person(0, 5, KIT).write(tmp_path / "a.smpl.npz")
    assert not list(tmp_path.iterdir())


# What AMASS has


@pytest.mark.parametrize(("width", "model"), [(72, "smpl"), (156, "smplh"), (165, "smplx")])
def test_amass_on_an_average_body(width: int, model: str, tmp_path: Path) -> None:
    arrays = amass(tmp_path / "a.npz", width=width)
    found = Motion.read(tmp_path / "a.npz")
    expected = y_up(oracle(arrays["poses"], arrays["trans"], smpl_body.mean_joints()))
    np.testing.assert_allclose(found.joints, expected, atol=1e-5)
    assert found.fps == 120 and found.skeleton is HUMANML3D
    told = found.provenance
    assert told["up"] == "Z" and told["body"].startswith(f"{model}, of average size")


def test_smplx_in_parts(tmp_path: Path) -> None:
    arrays = amass(tmp_path / "a.npz", width=165)
    expected = Motion.read(tmp_path / "a.npz").joints
    poses = arrays["poses"]
    parts = {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "poses": None}
    rate = {"mocap_framerate": None, "mocap_frame_rate": np.array(30.0)}
    amass(tmp_path / "b.npz", width=165, **parts, **rate, surface_model_type=np.array("smplx"))
    found = Motion.read(tmp_path / "b.npz")
    np.testing.assert_array_equal(found.joints, expected)
    assert found.fps == 30


def test_y_up_is_seen(tmp_path: Path) -> None:
    arrays = amass(tmp_path / "a.npz")
    poses, trans = arrays["poses"].copy(), arrays["trans"][:, [0, 2, 1]]
    poses[:, :3] = 0
    amass(tmp_path / "b.npz", poses=poses, trans=trans)
    found = Motion.read(tmp_path / "b.npz")
    assert found.provenance["up"] == "Y"
    expected = oracle(poses, trans, smpl_body.mean_joints())
    np.testing.assert_allclose(found.joints, expected, atol=1e-5)


def test_average_bones_are_an_adults(data: Path) -> None:
    """HumanML3D's skeleton, 5 % smaller."""
    clip = np.load(data / "reference" / "012314_joints.npy").astype(np.float64)
    parents = list(HUMANML3D.parents[1:])
    bones = np.linalg.norm(clip[:, 1:] - clip[:, parents], axis=-1).mean(0)
    bones = (bones + bones[np.array(HUMANML3D.mirror[1:]) - 1]) / 2
    ours = np.linalg.norm(smpl_body.MEAN_OFFSETS[1:], axis=-1)
    np.testing.assert_allclose(ours, 0.95 * bones, atol=0.0015)


# The licensed bodies: one made up, in their layout


def body_model(path: Path, joints: int = 52, corners: int = 60, seed: int = 0) -> np.ndarray:
    """Write a model whose first 22 joints are plausible; its regressor, (J, V)."""
    dice = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    regressor = np.zeros((joints, corners))
    regressor[np.arange(joints), np.arange(joints)] = 1
    template = np.zeros((corners, 3))
    template[:22] = 1.04 * smpl_body.mean_joints()
    shapes = dice.normal(0, 0.01, (corners, 3, 16))
    np.savez(path, J_regressor=regressor, v_template=template, shapedirs=shapes, f=np.arange(9))
    return template[:22] + shapes[:22] @ np.linspace(1, -1, 16)


@pytest.mark.parametrize("name", ["SMPLH_MALE.npz", "smplh/male/model.npz", "male/model.npz"])
def test_joints_are_exact_with_the_body_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = amass(tmp_path / "a.npz")
    rest = body_model(tmp_path / "bodies" / name)
    found = Motion.read(tmp_path / "a.npz", body_model=tmp_path / "bodies")
    expected = y_up(oracle(arrays["poses"], arrays["trans"], rest))
    np.testing.assert_allclose(found.joints, expected, atol=1e-5)
    assert found.provenance["body"] == f"{name}, 16 betas"
    monkeypatch.setenv("MOTIONGPT3_SMPL", str(tmp_path / "bodies"))
    np.testing.assert_array_equal(Motion.read(tmp_path / "a.npz").joints, found.joints)


def test_a_body_of_the_other_gender_is_not_taken(tmp_path: Path) -> None:
    amass(tmp_path / "a.npz", gender=np.array(b"female"))
    body_model(tmp_path / "SMPLH_MALE.npz")
    with pytest.raises(InputError, match="no body model of smplh, female") as error:
        Motion.read(tmp_path / "a.npz", body_model=tmp_path)
    assert "SMPLH_FEMALE.npz" in error.value.hint
    body_model(tmp_path / "SMPLH_NEUTRAL.npz")
    assert "NEUTRAL" in Motion.read(tmp_path / "a.npz", body_model=tmp_path).provenance["body"]


def test_what_is_no_body_model(tmp_path: Path) -> None:
    amass(tmp_path / "a.npz")
    np.savez(
        tmp_path / "SMPLH_MALE.npz", J_regressor=np.zeros((52, 9)), v_template=np.zeros((8, 3))
    )
    with pytest.raises(InputError, match=r"no body model: J_regressor \(52, 9\)"):
        Motion.read(tmp_path / "a.npz", body_model=tmp_path)
    (tmp_path / "SMPLH_MALE.npz").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(InputError, match="SMPLH_MALE|something else"):
        Motion.read(tmp_path / "a.npz", body_model=tmp_path)


# Files that lie


LIES = {
    "no trans": ({"trans": None}, "no trans"),
    "no rate": ({"mocap_framerate": None}, "no frame rate"),
    "rate 0": ({"mocap_framerate": np.array(0.0)}, "fps"),
    "trans of fewer frames": ({"trans": np.zeros((5, 3))}, "trans has shape"),
    "poses of another body": ({"poses": np.zeros((20, 90))}, "poses have shape"),
    "no frames": ({"poses": np.zeros((0, 156))}, "poses have shape"),
    "one number": ({"poses": np.array(1.0)}, "poses have shape"),
    "nan": ({"poses": np.full((20, 156), np.nan)}, "not a usable number"),
    "huge": ({"trans": np.full((20, 3), 1e30)}, "not a usable number"),
    "shape is nan": ({"betas": np.full(16, np.nan)}, "not a usable number"),
    "far away": ({"trans": np.full((20, 3), 5000.0)}, "from the origin"),
    "own joints of another size": ({"rest_joints": np.ones((22, 3))}, "m tall"),
    "own joints too few": ({"rest_joints": np.ones((21, 3))}, "rest_joints has shape"),
    "words": ({"poses": np.array(["a"])}, "header"),
    "objects": ({"poses": np.array([None])}, "header"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(lie: str, tmp_path: Path) -> None:
    others, match = LIES[lie]
    amass(tmp_path / "a.npz", **others)
    with pytest.raises(InputError, match=match):
        Motion.read(tmp_path / "a.npz")


def test_a_rate_can_be_given(tmp_path: Path) -> None:
    amass(tmp_path / "a.npz", mocap_framerate=None)
    assert "--fps" in refused(tmp_path / "a.npz", "no frame rate").hint
    assert Motion.read(tmp_path / "a.npz", fps=100).fps == 100
    person(0, 5).write(tmp_path / "b.npz")
    refused(tmp_path / "b.npz", "fps cannot be said", fps=100)


def test_words_are_read_without_trust(tmp_path: Path) -> None:
    for word, expected in (
        (np.array("male"), "male"), (np.array(["male"]), "male"), (np.array(b"male"), "male"),
        (np.array(3), ""), (np.array(["a", "b"]), ""), (np.array(None), ""), ("x" * 5000, ""),
    ):  # fmt: skip
        np.savez(tmp_path / "a.npz", gender=word)
        assert npy.read_word(tmp_path / "a.npz", "gender") == expected
    assert npy.read_word(tmp_path / "a.npz", "other") == ""
