"""Features of many clips at once are those of each alone, to the last bit."""

import numpy as np
import pytest
from clips import unchecked
from hypothesis import given, settings
from hypothesis import strategies as st
from people import person

from motiongpt3.errors import InputError
from motiongpt3.formats.units import stature
from motiongpt3.model.observer import Observer
from motiongpt3.motion.features import HipSign, joints_to_features
from motiongpt3.motion.many import features_of_each
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
@pytest.mark.parametrize("hip_sign", ["released", "corrected"])
@settings(max_examples=10, deadline=None)
@given(
    lengths=st.lists(st.one_of(st.integers(2, 230), st.just(1500)), max_size=24),
    seed=st.integers(0, 999),
)
def test_as_of_each_alone(
    skeleton: Skeleton, hip_sign: HipSign, lengths: list[int], seed: int
) -> None:
    clips = [person(seed + n, frames, skeleton).joints for n, frames in enumerate(lengths)]
    made = features_of_each(clips, skeleton, hip_sign)
    assert len(made) == len(clips)
    for clip, features in zip(clips, made, strict=True):
        assert np.array_equal(features, joints_to_features(clip, skeleton, hip_sign))


def test_several_clips_at_once_keep_their_shape() -> None:
    clips = np.stack([[person(2 * row + n, 30).joints for n in range(2)] for row in range(3)])
    features = joints_to_features(clips)
    assert features.shape == (3, 2, 29, 263)
    assert np.array_equal(features[2, 1], joints_to_features(clips[2, 1]))


@pytest.mark.parametrize("bad", [np.zeros((22, 3)), np.zeros((4, 9, 21, 3))])
def test_other_shapes_are_refused(bad: np.ndarray) -> None:
    with unchecked(), pytest.raises(InputError, match="joints"):
        joints_to_features(bad)


def test_windows_are_of_each_motion_in_its_place() -> None:
    observer = Observer(HUMANML3D, "released")
    motions = [person(seed, frames) for seed, frames in enumerate((450, 30, 80, 197))]
    many = observer.windows(motions)
    assert [len(parts) for parts in many] == [3, 1, 1, 1]
    for motion, parts in zip(motions, many, strict=True):
        assert np.array_equal(np.concatenate(parts), joints_to_features(motion.joints))
    with pytest.raises(InputError, match="too few"):
        observer.windows([motions[0], motions[1][:4]])


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
@pytest.mark.parametrize("frames", [1, 2, 31, 40])
def test_stature_is_made_of_median_bones(skeleton: Skeleton, frames: int) -> None:
    joints = person(frames, frames, skeleton).joints
    joints = joints * np.linspace(0.9, 1.1, frames)[:, None, None]
    head, expected = skeleton.index("head"), 0.0
    for tip in (skeleton.legs[0][2], head):
        while tip > 0:
            bone = joints[:, tip] - joints[:, skeleton.parents[tip]]
            length = np.median(np.linalg.norm(bone, axis=-1))
            expected += length * (1 + skeleton.neck_beyond * (tip == head))
            tip = skeleton.parents[tip]
    assert np.isclose(stature(joints, skeleton), expected, rtol=1e-6)
