"""Motion features, against HumanML3D's own clip, real capture, and what the numbers must mean."""

from pathlib import Path

import kit
import numpy as np
import pytest
import torch
from clips import unchecked, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from people import person
from scipy.spatial.transform import Rotation

from motiongpt3.data.sources import Clip, read_clips
from motiongpt3.errors import InputError
from motiongpt3.motion import rotation
from motiongpt3.motion.features import (
    HipSign,
    Layout,
    canonicalize,
    contacts,
    facing,
    features_to_joints,
    joints_to_features,
    layout_of,
    root_path,
)
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
SIGNS = pytest.mark.parametrize("hip_sign", ["released", "corrected"])
ROW = Layout(22)


@pytest.fixture(scope="module")
def reference(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Joints and features of clip 012314 as HumanML3D publishes them."""
    folder = data / "reference"
    return np.load(folder / "012314_joints.npy"), np.load(folder / "012314_features.npy")


@pytest.fixture(scope="module")
def real(data: Path) -> list[Clip]:
    """200 real clips, drawn at random."""
    clips = list(read_clips(data / "motion5h"))
    chosen = np.random.default_rng(0).choice(len(clips), 200, replace=False)
    return [clips[i] for i in chosen]


def spun(frames: int, rate: float) -> np.ndarray:
    """Someone who sways a little while the whole body turns by `rate` radians per frame."""
    joints = walk(frames, speed=0.0).joints.astype(np.float64)
    return rotation.rotate(rotation.about("Y", rate * np.arange(frames))[:, None], joints)


def test_released_features_give_the_released_joints(reference) -> None:
    joints, features = reference
    assert np.abs(features_to_joints(features) - joints).max() <= 1e-5


def test_released_joints_give_the_released_features(reference) -> None:
    joints, features = reference
    ours, theirs = joints_to_features(joints), features[: len(joints) - 1]
    assert np.array_equal(ours[:, ROW.contacts], theirs[:, ROW.contacts])
    assert np.abs(ours[:, ROW.yaw_velocity] - theirs[:, ROW.yaw_velocity]).max() <= 4e-4
    assert np.abs(ours - theirs).mean() <= 2e-4


def test_the_released_clip_has_the_sign_slip_of_the_hips(reference) -> None:
    joints, features = reference
    ours = joints_to_features(joints, hip_sign="corrected")
    assert np.abs(ours[:, 0] - features[:-1, 0]).max() > 0.05
    # ... which shows as a jump of the heading after frame 0 that the body does not make.
    assert abs(features[0, 0]) > 0.05 > abs(ours[0, 0])


def test_real_clips_survive_both_ways(real) -> None:
    """Joints to features and back is exact. Features to joints and back is all but exact: the
    filter of the heading sees one frame less at the end.
    """
    errors = []
    for clip in real:
        with unchecked():
            features = joints_to_features(clip.joints)
            joints = features_to_joints(features.astype(np.float64))
            again, first = joints_to_features(joints, floor=False), features[:-1]
        assert np.abs(joints - canonicalize(clip.joints)[:-1]).max() <= 1e-5, clip.id
        assert np.array_equal(again[:, ROW.root_height], first[:, ROW.root_height]), clip.id
        assert np.array_equal(again[:, ROW.contacts], first[:, ROW.contacts]), clip.id
        errors.append(np.abs(again - first).mean())
    assert np.mean(errors) <= 1e-3 and max(errors) <= 6e-3


def test_real_joints_come_back_without_the_sign_slip_too(real) -> None:
    for clip in real[:40]:
        with unchecked():
            joints = canonicalize(clip.joints, hip_sign="corrected")
            back = features_to_joints(joints_to_features(clip.joints, hip_sign="corrected"))
        assert np.abs(back - joints[:-1]).max() <= 1e-5, clip.id


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    skeleton=st.sampled_from([HUMANML3D, KIT]),
    hip_sign=st.sampled_from(["released", "corrected"]),
)
def test_made_up_joints_come_back_from_features(
    seed: int, skeleton: Skeleton, hip_sign: HipSign
) -> None:
    joints = person(seed, 30, skeleton, swing=0.8).joints
    features = joints_to_features(joints, skeleton, hip_sign)
    assert features.shape == (29, skeleton.dim) and features.dtype == np.float32
    wanted = canonicalize(joints, skeleton, hip_sign)[:-1]
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(features_to_joints(features) / scale, wanted / scale, atol=3e-6)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(2, 196),
    hip_sign=st.sampled_from(["released", "corrected"]),
)
def test_moving_kit_figures_come_back_to_a_ten_thousandth_of_their_unit(
    seed: int, frames: int, hip_sign: HipSign
) -> None:
    """With features in single precision as they are kept, however long the path."""
    joints = kit.anybody(seed, frames).joints
    features = joints_to_features(joints, KIT, hip_sign)
    assert features.dtype == np.float32
    wanted = canonicalize(joints, KIT, hip_sign)[:-1]
    np.testing.assert_allclose(features_to_joints(features), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("turn", [0.0, 0.9, 3.0])
@pytest.mark.parametrize("frames", [40, 100, 196])
def test_kit_walks_come_back_to_a_ten_thousandth_of_their_unit(frames: int, turn: float) -> None:
    """Sums in float32 would be off by 1.5 thousandths; a tensor in float32 holds a few 1e-4."""
    joints = kit.walk(frames, 1.0, turn).joints
    features = joints_to_features(joints, KIT)
    wanted = canonicalize(joints, KIT)[:-1]
    np.testing.assert_allclose(features_to_joints(features), wanted, rtol=0, atol=1e-4)
    tensor = features_to_joints(torch.from_numpy(features))
    assert tensor.dtype == torch.float32
    assert np.abs(tensor.numpy() - wanted).max() <= 5e-4


@SIGNS
@pytest.mark.parametrize("rate", [0.05, -0.09])
def test_the_heading_may_cross_half_a_turn(rate: float, hip_sign: HipSign) -> None:
    joints = spun(260, rate)
    features = joints_to_features(joints, hip_sign=hip_sign)
    # Heading is world to body, so a body that turns left has a falling one.
    np.testing.assert_allclose(features[90:170, 0], -rate / 2, atol=2e-3)
    back = features_to_joints(features.astype(np.float64))
    np.testing.assert_allclose(back, canonicalize(joints, hip_sign=hip_sign)[:-1], atol=1e-5)


@BOTH
def test_features_do_not_know_where_a_clip_was_made(skeleton: Skeleton) -> None:
    joints = person(3, 30, skeleton).joints.astype(np.float64)
    size = np.abs(joints).max()
    moved = rotation.rotate(rotation.about("Y", np.array(2.0)), joints) + size * np.array(
        [4, 1, -9]
    )
    here, there = (joints_to_features(j, skeleton) for j in (joints, moved))
    np.testing.assert_allclose(here, there, atol=1e-5 * max(1, size))


@BOTH
def test_rotations_turn_the_rest_pose_into_the_bones(skeleton: Skeleton) -> None:
    """Along each chain, as the official forward kinematics walks it from the heading."""
    layout = Layout(len(skeleton.joints))
    features = joints_to_features(person(5, 25, skeleton).joints, skeleton).astype(np.float64)
    yaw, root = root_path(features)
    joints = features_to_joints(features)
    six = features[:, layout.rotations].reshape(len(features), -1, 2, 3)
    third = np.cross(six[:, :, 0], six[:, :, 1])
    matrices = np.stack([six[:, :, 0], six[:, :, 1], third], -1)
    for chain in skeleton.chains:
        world = Rotation.from_rotvec(yaw[:, None] * [0, 1, 0])
        for parent, child in zip(chain, chain[1:], strict=False):
            world = world * Rotation.from_matrix(matrices[:, child - 1])
            # Rotations are seen from the body, bones in the clip: turn these to the body.
            bone = rotation.normalize(joints[:, child] - joints[:, parent])
            aimed = world.apply(skeleton.raw_offsets[child])
            np.testing.assert_allclose(aimed, bone, atol=1e-4)


@BOTH
def test_velocities_and_contacts_are_those_of_the_joints(skeleton: Skeleton) -> None:
    layout = Layout(len(skeleton.joints))
    joints = canonicalize(person(1, 30, skeleton).joints, skeleton)
    features = joints_to_features(joints, skeleton, floor=False).astype(np.float64)
    yaw, _ = root_path(features)
    steps = features[:, layout.velocities].reshape(len(features), -1, 3)
    world = Rotation.from_rotvec(-yaw[:, None] * [0, 1, 0]).as_matrix()
    size = np.abs(joints).max()
    np.testing.assert_allclose(
        np.einsum("tij,tnj->tni", world, steps), np.diff(joints, axis=0), atol=1e-5 * size
    )
    feet = [*skeleton.left_foot, *skeleton.right_foot]
    squared = (np.diff(joints, axis=0)[:, feet] ** 2).sum(-1)
    assert np.array_equal(features[:, layout.contacts], squared < skeleton.contact_threshold)


def test_a_standing_foot_is_in_contact_and_a_lifted_one_is_not() -> None:
    joints = np.repeat(walk(1).joints, 10, 0).astype(np.float64)
    joints[:, list(HUMANML3D.right_foot), 1] += 0.1 * np.arange(10)[:, None]
    assert np.array_equal(contacts(joints), [[1, 1, 0, 0]] * 9)


@SIGNS
def test_a_canonical_clip_stays_as_it_is(hip_sign: HipSign) -> None:
    moved = spun(40, 0.02) + [3, 0.7, -2]
    joints = canonicalize(moved, hip_sign=hip_sign)
    assert joints[..., 1].min() == pytest.approx(0) and np.abs(joints[0, 0, [0, 2]]).max() < 1e-12
    np.testing.assert_allclose(canonicalize(joints, hip_sign=hip_sign), joints, atol=1e-9)
    np.testing.assert_allclose(
        facing(canonicalize(spun(40, 0.0)))[0] * [1, 0, 1], [0, 0, 1], atol=1e-2
    )


@BOTH
def test_torch_gives_what_numpy_gives(skeleton: Skeleton) -> None:
    features = np.stack(
        [joints_to_features(person(n, 20, skeleton).joints, skeleton) for n in (1, 2)]
    ).astype(np.float64)
    ours = features_to_joints(torch.from_numpy(features))
    np.testing.assert_allclose(ours.numpy(), features_to_joints(features), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(features_to_joints(features)[1], features_to_joints(features[1]))


def test_gradients_flow_through_joints() -> None:
    features = torch.from_numpy(joints_to_features(walk(4).joints).astype(np.float64))
    used = features[:, :10].clone().requires_grad_()

    def joints(x: torch.Tensor) -> torch.Tensor:
        return features_to_joints(torch.cat([x, features[:, 10:]], -1))[:, :3]

    assert torch.autograd.gradcheck(joints, used, atol=1e-6)


def test_blocks_fill_a_row() -> None:
    for skeleton in (HUMANML3D, KIT):
        layout = layout_of(skeleton.dim)
        names = ("yaw_velocity", "root_velocity", "root_height", "positions", "rotations")
        blocks = [getattr(layout, name) for name in (*names, "velocities", "contacts")]
        ends = [0] + [block.stop for block in blocks]
        assert [block.start for block in blocks] == ends[:-1] and ends[-1] == skeleton.dim


def _hole(joints: np.ndarray) -> np.ndarray:
    joints = joints.copy()
    joints[3, HUMANML3D.index("head"), 1] = np.nan
    return joints


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_hole, "frame 3, joint head"),
        (lambda j: np.where(np.arange(22)[:, None] == 0, np.inf, j), "frame 0, joint pelvis"),
        (lambda j: j[:, :21], r"\(frames, 22, 3\)"),
        (lambda j: j[:1], "two frames or more"),
        (lambda j: j[:0], "two frames or more"),
    ],
)
def test_what_is_no_clip_is_refused(spoil, said: str) -> None:
    with pytest.raises(InputError, match=said):
        joints_to_features(spoil(walk(6).joints))


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="263 and KIT-ML 251"):
        features_to_joints(np.zeros((4, 260)))
