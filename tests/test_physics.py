"""Floor, feet and jitter, on bodies moved by hand and against scipy; KIT-ML's unit and rate."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from motiongpt3 import InputError
from motiongpt3.data.sources import read_clips
from motiongpt3.motion.features import features_to_joints, joints_to_features
from motiongpt3.motion.physics import floating, jitter, penetration, skate, skating_ratio
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)


def body(frames: int = 40, skeleton: Skeleton = HUMANML3D, toes: float = 0.0) -> np.ndarray:
    """A body that stands still, its toes at some height in metres and all else above them."""
    joints = np.zeros((frames, len(skeleton.joints), 3))
    joints[..., 1] = 1.0
    joints[:, [skeleton.left_foot[1], skeleton.right_foot[1]], 1] = toes
    return joints / skeleton.metres


def sliding(speed: float, skeleton: Skeleton, toes: float = 0.0) -> np.ndarray:
    """Both feet slide along Z, metres per second."""
    joints = body(skeleton=skeleton, toes=toes)
    joints[..., 2] = np.arange(40)[:, None] * speed / skeleton.fps / skeleton.metres
    return joints


@BOTH
def test_height_over_the_floor_is_floating_and_below_it_penetration(skeleton: Skeleton) -> None:
    for height, above, below in ((0.3, 0.3, 0), (-0.02, 0, 0.02), (0.004, 0, 0), (-0.004, 0, 0)):
        joints = body(skeleton=skeleton, toes=height)
        assert floating(joints, skeleton) == pytest.approx(above)
        assert penetration(joints, skeleton) == pytest.approx(below)


def test_frames_that_are_on_the_floor_count_as_nothing() -> None:
    joints = body(40)
    joints[:10, :, 1] += 0.4
    joints[30:, :, 1] -= 0.1
    assert floating(joints) == pytest.approx(0.1)
    assert penetration(joints) == pytest.approx(0.025)


def test_one_foot_on_the_floor_is_enough() -> None:
    joints = body()
    joints[:, HUMANML3D.left_foot[1], 1] = 0.5
    assert floating(joints) == 0


@BOTH
def test_a_foot_that_slides_on_the_floor_skates(skeleton: Skeleton) -> None:
    assert skating_ratio(sliding(0.4, skeleton), skeleton=skeleton) == 0
    assert skating_ratio(sliding(0.6, skeleton, toes=0.06), skeleton=skeleton) == 0
    assert skating_ratio(sliding(1.0, skeleton), skeleton=skeleton) > 0.9
    assert skate(sliding(1.0, skeleton), skeleton=skeleton) == pytest.approx(1.0)


def test_one_quick_step_is_no_skating() -> None:
    joints = body()
    joints[20:, :, 2] += 0.1  # 2 m/s in one step, 0.4 m/s over five
    assert skating_ratio(joints) == 0
    joints[21:, :, 2] += 0.1  # two such steps: 0.8 m/s around each
    assert skating_ratio(joints) == pytest.approx(2 / 39)


def skating_by_scipy(joints: np.ndarray) -> float:
    """As Guided Motion Diffusion computes it, with scipy's running mean."""
    toes = joints[:, [10, 11]]
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * 20
    average = uniform_filter1d(speed, 5, axis=0, mode="constant")
    skating = np.zeros(len(speed), bool)
    for foot in (0, 1):
        low = toes[:, foot, 1] < 0.05
        skating |= low[:-1] & low[1:] & (speed[:, foot] > 0.5) & (average[:, foot] > 0.5)
    return float(skating.mean())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("frames", [2, 4, 60])
def test_skating_ratio_is_guided_motion_diffusions(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    joints = body(frames) + np.cumsum(rng.normal(scale=0.03, size=(frames, 22, 3)), axis=0)
    joints[:, [10, 11], 1] = rng.uniform(0, 0.07, size=(frames, 2))
    assert skating_ratio(joints) == pytest.approx(skating_by_scipy(joints))


@BOTH
def test_jitter_is_the_third_derivative(skeleton: Skeleton) -> None:
    """A cubic in time: 6 times its coefficient, at any rate."""
    for fps in (None, 60.0):
        time = np.arange(30) / (fps or skeleton.fps)
        joints = body(30, skeleton)
        joints += ((2 * time**3 + time**2 - time)[:, None, None] * [0.6, 0, 0.8]) / skeleton.metres
        assert jitter(joints, fps, skeleton) == pytest.approx(12)
    with pytest.raises(InputError, match="3 frames"):
        jitter(body(3))


def test_jitter_grows_by_the_noise() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 22, 3))
    small, large = (jitter(body(200) + size * noise) for size in (0.001, 0.002))
    assert large == pytest.approx(2 * small)


def test_the_figures_of_real_capture(data: Path) -> None:
    """What a table has in its real row: on the floor of the features."""
    clips = read_clips(data / "motion5h", ("test",))
    joints = [features_to_joints(joints_to_features(clip.joints)) for clip in clips]
    found = [np.mean([f(j) for j in joints]) for f in (floating, penetration, skating_ratio)]
    assert found == pytest.approx([0.0139, 0, 0.0858], abs=1e-4)
    assert np.mean([jitter(j) for j in joints]) == pytest.approx(94.1, abs=0.1)
