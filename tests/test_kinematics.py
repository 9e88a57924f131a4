"""Forward kinematics against matrices, and the rigid fit against people whose bones are rigid."""

from pathlib import Path

import kit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import offsets, person
from scipy.spatial.transform import Rotation

from motiongpt3.motion import rotation
from motiongpt3.motion.kinematics import fit, forward, rest_directions
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])


@BOTH
def test_forward_equals_products_of_matrices(skeleton: Skeleton) -> None:
    random = np.random.default_rng(0)
    local = rotation.normalize(random.normal(size=(5, len(skeleton.joints), 4)))
    root, rest = random.normal(size=(5, 3)), random.normal(size=(len(skeleton.joints), 3))
    joints = forward(local, root, rest, skeleton)
    matrices = Rotation.from_quat(local[..., [1, 2, 3, 0]].reshape(-1, 4)).as_matrix()
    matrices = matrices.reshape(5, -1, 3, 3)
    for frame in range(5):
        world = {0: np.eye(4)}
        world[0][:3, :3], world[0][:3, 3] = matrices[frame, 0], root[frame]
        for joint, parent in enumerate(skeleton.parents[1:], start=1):
            step = np.eye(4)
            step[:3, :3], step[:3, 3] = matrices[frame, joint], rest[joint]
            world[joint] = world[parent] @ step
            np.testing.assert_allclose(joints[frame, joint], world[joint][:3, 3], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), skeleton=st.sampled_from([HUMANML3D, KIT]))
def test_rigid_people_are_reproduced(seed: int, skeleton: Skeleton) -> None:
    motion = person(seed, 20, skeleton, swing=1.0)
    found = fit(motion.joints, skeleton)
    size = np.abs(offsets(skeleton)).max()
    assert found.error <= 2e-6 * size
    np.testing.assert_allclose(found.joints, motion.joints, atol=2e-6 * size + found.error)
    lengths = np.linalg.norm(offsets(skeleton), axis=-1)
    np.testing.assert_allclose(np.linalg.norm(found.offsets, axis=-1), lengths, atol=1e-5 * size)
    np.testing.assert_allclose(np.linalg.norm(found.rotations, axis=-1), 1, atol=1e-9)


def test_error_is_the_largest_distance() -> None:
    joints = person(1).joints.astype(np.float64)
    joints += np.random.default_rng(0).normal(0, 0.004, joints.shape)
    found = fit(joints, HUMANML3D)
    assert found.error == pytest.approx(np.linalg.norm(found.joints - joints, axis=-1).max())
    assert 0.004 < found.error < 0.04


def test_deviations_do_not_add_up_along_a_limb() -> None:
    """A leg whose bones stretch by 2 cm ends where the captured leg ends, to about that."""
    joints = person(2).joints.astype(np.float64)
    stretch = 0.02 * np.sin(np.linspace(0, 9, len(joints)))[:, None]
    knee, foot = HUMANML3D.index("left_knee"), HUMANML3D.index("left_foot")
    joints[:, [knee, HUMANML3D.index("left_ankle"), foot]] += stretch[:, None] * [0, 1.0, 0]
    found = fit(joints, HUMANML3D)
    assert np.linalg.norm(found.joints - joints, axis=-1)[:, foot].max() < 0.02


def test_the_rest_pose_is_a_t_pose() -> None:
    rest = fit(person(3, swing=0.3).joints, HUMANML3D).offsets
    wanted = rest_directions(HUMANML3D)
    single = [c for kids in HUMANML3D.children if len(kids) == 1 for c in kids]
    np.testing.assert_allclose(rotation.normalize(rest[single]), wanted[single], atol=1e-6)
    for joint in ("left_hip", "left_collar", "left_wrist"):
        assert (
            rest[HUMANML3D.index(joint), 0] > 0 > rest[HUMANML3D.mirror[HUMANML3D.index(joint)], 0]
        )
    assert rest[HUMANML3D.index("left_foot"), 2] > 0 < rest[HUMANML3D.index("head"), 1]


def test_the_rest_pose_of_kit_faces_ahead_too() -> None:
    """Its published offsets do not: they have the right side at +X and the toes at +Z."""
    rest = fit(kit.walk().joints, KIT).offsets
    for joint, name in enumerate(KIT.joints):
        if name.endswith(("_hip", "_shoulder", "_elbow", "_wrist")):
            assert (rest[joint, 0] > 0) == name.startswith("left"), name
        if name.endswith("_toe"):
            assert rest[joint, 2] > 0, name


def test_rotations_are_smooth_in_time() -> None:
    motion = person(4, frames=200, swing=0.8)
    local = fit(motion.joints, HUMANML3D).rotations
    assert (np.abs(np.diff(local, axis=0)) < 0.15).all()


def test_one_frame_and_a_collapsed_body_give_finite_numbers() -> None:
    assert fit(person(0).joints[:1], HUMANML3D).error < 1e-5
    found = fit(np.zeros((3, 22, 3)), HUMANML3D)
    assert found.error == 0 and np.isfinite(found.rotations).all()


def test_the_reference_clip(data: Path) -> None:
    joints = np.load(data / "reference" / "012314_joints.npy")
    assert fit(joints, HUMANML3D).error <= 1e-4


def test_captured_bones(data: Path) -> None:
    """Median over clips of the largest distance between capture and rigid bones: 6 mm."""
    archive = np.load(data / "motion5h" / "motion" / "bandai_namco.npz")
    quantised, starts, scale = archive["joints_q"], archive["offsets"], archive["scale"]
    clips = np.random.default_rng(0).choice(len(starts) - 1, 50, replace=False)
    errors = [
        fit(quantised[starts[i] : starts[i + 1]].astype(np.float64) * scale, HUMANML3D).error
        for i in clips
    ]
    assert np.median(errors) <= 0.006
