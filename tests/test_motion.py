"""The Motion type: cutting, joining, resampling, mirroring, files."""

from pathlib import Path

import numpy as np
import pytest
from clips import unchecked, walk, wave
from people import person

from motiongpt3.errors import InputError
from motiongpt3.motion.features import canonicalize, joints_to_features
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT


def test_a_slice_is_its_frames() -> None:
    motion = walk(60)
    part = motion[10:30]
    assert len(part) == 20 and part.seconds == 1.0
    assert np.array_equal(part.joints, motion.joints[10:30])
    assert np.array_equal(motion.cut(0.5, 1.5).joints, part.joints)
    assert len(motion.cut(1.0)) == 40 and len(motion.cut()) == 60


def test_a_slice_keeps_its_decoded_features() -> None:
    features = joints_to_features(walk(21).joints)
    motion = Motion(walk(20).joints, decoded=features)
    assert motion.features is features
    assert np.array_equal(motion[5:9].features, features[5:9])
    assert walk(20).features.shape == (19, 263)


@pytest.mark.parametrize("span", [(2.0, 1.0), (-0.5, 1.0), (0.0, 9.0), (1.0, 1.0)])
def test_impossible_cuts_are_refused(span: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="it lasts 3"):
        walk(60).cut(*span)


def test_single_frames_and_empty_slices_are_refused() -> None:
    with unchecked(), pytest.raises(InputError, match="use a slice"):
        walk(10)[3]  # type: ignore[index]
    with pytest.raises(InputError, match="no frames"):
        walk(10)[20:30]


@pytest.mark.parametrize("fps", [10.0, 20.0, 30.0, 59.94, 120.0])
def test_another_frame_rate_keeps_the_duration_and_the_places(fps: float) -> None:
    motion = walk(61)
    other = motion.resample(fps)
    assert other.fps == fps and abs(other.seconds - motion.seconds) <= 0.5 / fps + 1e-9
    at = np.arange(len(other)) / fps
    inside = at <= 3.0  # the last frame of the clip
    straight = np.interp(at, np.arange(61) / 20, motion.joints[:, 20, 1])
    np.testing.assert_allclose(other.joints[inside, 20, 1], straight[inside], atol=1e-5)
    assert other.decoded is None or other is motion


def test_there_and_back_again() -> None:
    motion = wave(60)
    again = motion.resample(60).resample(20)
    np.testing.assert_allclose(again.joints, motion.joints, atol=1e-5)


def test_motions_are_joined_end_to_end() -> None:
    joined = Motion.concatenate([walk(10), wave(15)])
    assert len(joined) == 25 and np.array_equal(joined.joints[10:], wave(15).joints)
    for wrong in ([], [walk(10), walk(10).resample(30)], [walk(10), person(0, 10, KIT)]):
        with pytest.raises(InputError, match="concatenate"):
            Motion.concatenate(wrong)


def test_the_mirror_swaps_hands_and_words() -> None:
    motion = Motion(wave().joints, provenance={"text": "waves the left hand", "seed": 3})
    image = motion.mirror()
    assert image.caption == "waves the right hand" and image.provenance["seed"] == 3
    np.testing.assert_allclose(image.joints, wave(side="right").joints, atol=1e-6)
    assert motion.caption == "waves the left hand"
    assert np.array_equal(image.mirror().joints, motion.joints)


def test_canonical_starts_at_the_origin() -> None:
    motion = Motion(walk(30).joints + np.float32([2, 1, 3]))
    np.testing.assert_allclose(motion.canonical().joints, canonicalize(motion.joints), atol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_files_give_the_motion_back(tmp_path: Path, suffix: str) -> None:
    motion = walk(30)
    path = motion.write(tmp_path / f"walk{suffix}")
    again = Motion.read(path)
    assert again.joints.shape == motion.joints.shape
    np.testing.assert_allclose(again.joints, motion.joints, atol=1e-6)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        walk(30).write(tmp_path / "walk.fbx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0.0, -20.0, np.nan, np.inf, 1e9, 1e-9])
def test_impossible_frame_rates_are_refused(fps: float) -> None:
    with pytest.raises(InputError, match="fps"):
        Motion(walk(5).joints, fps)


def test_joints_that_are_no_motion_are_refused() -> None:
    joints = walk(5).joints.copy()
    joints[2, 3, 0] = np.inf
    with pytest.raises(InputError, match="frame 2, joint spine1"):
        Motion(joints)
    with pytest.raises(InputError, match="22"):
        Motion(np.zeros((5, 24, 3)))


@pytest.mark.parametrize("pose", [np.full((1, 22, 3), np.nan), np.zeros((1, 24, 3))])
def test_a_single_pose_is_checked_too(pose: np.ndarray) -> None:
    assert len(Motion(np.zeros((1, 22, 3)), skeleton=HUMANML3D)) == 1
    with pytest.raises(InputError):
        Motion(pose)
