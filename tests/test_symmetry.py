"""Left and right: the mirror image of features is the features of the mirror image."""

from pathlib import Path

import numpy as np
import pytest
from clips import walk, wave
from people import person

from motiongpt3.data.sources import read_clips
from motiongpt3.errors import InputError
from motiongpt3.motion.features import HipSign, joints_to_features
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton
from motiongpt3.motion.symmetry import feature_mirror, mirror_joints

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
SIGNS = pytest.mark.parametrize("hip_sign", ["released", "corrected"])


def mirrored(features: np.ndarray) -> np.ndarray:
    order, sign = feature_mirror(features.shape[1])
    return features[:, order] * sign


@BOTH
@SIGNS
@pytest.mark.parametrize("seed", range(4))
def test_features_of_the_mirror_image(skeleton: Skeleton, hip_sign: HipSign, seed: int) -> None:
    joints = person(seed, 30, skeleton, swing=0.8).joints.astype(np.float64)
    features = joints_to_features(joints, skeleton, hip_sign)
    image = joints_to_features(mirror_joints(joints, skeleton), skeleton, hip_sign)
    np.testing.assert_allclose(mirrored(features), image, rtol=1e-6, atol=1e-6)


def test_features_of_the_mirror_image_of_real_clips(data: Path) -> None:
    clips = list(read_clips(data / "motion5h", ("val",)))
    for clip in clips[:: len(clips) // 5]:
        features = joints_to_features(clip.joints)
        image = joints_to_features(mirror_joints(clip.joints))
        np.testing.assert_allclose(mirrored(features), image, atol=2e-6, err_msg=clip.id)


@BOTH
def test_two_mirrors_change_nothing(skeleton: Skeleton) -> None:
    joints = person(1, 10, skeleton).joints
    assert np.array_equal(mirror_joints(mirror_joints(joints, skeleton), skeleton), joints)
    features = joints_to_features(joints, skeleton)
    assert np.array_equal(mirrored(mirrored(features)), features)
    order, sign = feature_mirror(skeleton.dim)
    assert sorted(order) == list(range(skeleton.dim)) and set(sign) == {-1, 1}


@BOTH
def test_every_joint_has_its_partner(skeleton: Skeleton) -> None:
    for joint, partner in enumerate(skeleton.mirror):
        assert skeleton.mirror[partner] == joint
        names = {skeleton.joints[joint], skeleton.joints[partner]}
        assert len({name.replace("left", "right") for name in names}) == 1
    parents = skeleton.parents
    assert all(
        parents[skeleton.mirror[j]] == skeleton.mirror[p] for j, p in enumerate(parents) if p >= 0
    )


def test_the_left_hand_becomes_the_right_one() -> None:
    left, right = wave(side="left").joints, wave(side="right").joints
    np.testing.assert_allclose(mirror_joints(left), right, atol=1e-6)
    turned = walk(turn=0.5).joints
    assert turned[-1, 0, 0] > 0 > mirror_joints(turned)[-1, 0, 0]


def test_other_rows_are_refused() -> None:
    with pytest.raises(InputError):
        feature_mirror(66)
