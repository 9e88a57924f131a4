"""Clean-up: feet that slide are locked, nobody is hurt by it, and still people stay still."""

from dataclasses import replace

import kit
import numpy as np
import pytest
from clips import walk, wave

import motiongpt3
from motiongpt3.app import cli
from motiongpt3.errors import InputError
from motiongpt3.motion.clean import Cleaning, clean, level, smooth
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.foot_lock import lock_feet, smoothed
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.physics import jitter, peak_acceleration, skate
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

BOTH = pytest.mark.parametrize(
    "skeleton", [HUMANML3D, KIT, replace(KIT, metres=1.0)], ids=["humanml3d", "kit", "metric kit"]
)
STEP = 0.5
"""Seconds that a foot of `strolling` stands, and swings."""


def strolling(skeleton: Skeleton, slip: float = 0.0, frames: int = 80) -> np.ndarray:
    """Somebody who walks at 0.7 m/s on bent legs with feet that stand, in the skeleton's unit.

    Args:
        slip: metres per second that the world moves under the feet.
    """
    metric = skeleton.metres if skeleton.name == "humanml3d" else KIT.metres
    made = walk(1) if skeleton.name == "humanml3d" else kit.walk(1)
    pose = made.joints[0].astype(np.float64) * metric
    time = np.arange(frames) / skeleton.fps
    joints = np.repeat(pose[None], frames, 0)
    joints[:, :, 2] += (0.7 * time)[:, None]
    for leg, late in zip(skeleton.legs, (0.0, STEP), strict=True):
        hip, knee, ankle = (pose[j] for j in leg[:3])
        thigh, shin = np.linalg.norm(knee - hip), np.linalg.norm(ankle - knee)
        phase = (time + late) / (2 * STEP)
        swing = np.clip(2 * (phase % 1) - 1, 0, 1)  # stands in the first half, then swings
        eased = swing * swing * (3 - 2 * swing)
        ahead = 0.7 * 2 * STEP * (np.floor(phase) + eased - late / (2 * STEP) + 0.25)
        goal = np.stack([0 * time + hip[0], ankle[1] + 0.09 * np.sin(np.pi * swing), ahead], -1)
        start = joints[:, leg[0]]
        start[:, 1] -= 0.04  # so that legs are bent and reach every step
        way = goal - start
        reach = np.minimum(np.linalg.norm(way, axis=-1, keepdims=True), 0.995 * (thigh + shin))
        axis = way / np.linalg.norm(way, axis=-1, keepdims=True)
        forward = np.array([0.0, 0, 1]) - axis * axis[:, 2:]
        along = (thigh**2 + reach**2 - shin**2) / (2 * reach)
        bend = np.sqrt(np.maximum(thigh**2 - along**2, 0))
        foot = joints[:, list(leg[3:])] - joints[:, leg[2], None]
        joints[:, leg[1]] = (
            start + axis * along + bend * forward / np.linalg.norm(forward, axis=-1, keepdims=True)
        )
        joints[:, leg[2]] = start + axis * reach
        joints[:, list(leg[3:])] = joints[:, leg[2], None] + foot
        joints[:, leg[0]] = start
    joints[:, :, 2] += slip * time[:, None]
    joints[..., 1] -= joints[..., 1].min()
    return joints / skeleton.metres


def bones(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    return np.linalg.norm(joints[:, 1:] - joints[:, list(skeleton.parents[1:])], axis=-1)


def moved(a: np.ndarray, b: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1) * skeleton.metres


@BOTH
def test_a_sliding_walk_is_locked(skeleton: Skeleton) -> None:
    sliding = strolling(skeleton, slip=0.25)
    locked = lock_feet(sliding, skeleton=skeleton)
    before, after = (skate(j, skeleton=skeleton) for j in (sliding, locked))
    assert before > 0.2 and after < 0.25 * before
    assert moved(locked, sliding, skeleton).mean() < 0.015
    np.testing.assert_allclose(bones(locked, skeleton), bones(sliding, skeleton), rtol=1e-5)
    assert np.abs(locked[:, skeleton.index("head")] - sliding[:, skeleton.index("head")]).max() < (
        0.06 / skeleton.metres
    )


@BOTH
def test_knees_do_not_pop(skeleton: Skeleton) -> None:
    """No joint is sharper for it than a foot that comes to rest at once."""
    for slip in (0.1, 0.25, 0.4):
        sliding = strolling(skeleton, slip=slip)
        locked = lock_feet(sliding, skeleton=skeleton)
        sharpest = [peak_acceleration(j, skeleton=skeleton).max() for j in (sliding, locked)]
        assert sharpest[1] < 1.25 * sharpest[0] + slip * skeleton.fps
        knees = [leg[1] for leg in skeleton.legs]
        steps = moved(locked[1:, knees], locked[:-1, knees], skeleton)
        assert steps.max() * skeleton.fps < 3


@BOTH
def test_feet_that_stand_stay(skeleton: Skeleton) -> None:
    walking = strolling(skeleton)
    locked = lock_feet(walking, skeleton=skeleton)
    assert moved(locked, walking, skeleton).mean() < 0.001


@pytest.mark.parametrize("standing", [wave(), kit.wave()], ids=["humanml3d", "kit"])
def test_who_stands_stays(standing: Motion) -> None:
    skeleton = standing.skeleton
    locked = lock_feet(standing.joints, skeleton=skeleton)
    assert moved(locked, standing.joints, skeleton).max() < 1e-4
    calm = smooth(standing.joints, skeleton=skeleton)
    toes = [leg[-1] for leg in skeleton.legs]
    assert moved(calm, standing.joints, skeleton)[:, toes].max() < 1e-4


@BOTH
def test_again_changes_little(skeleton: Skeleton) -> None:
    once = clean(strolling(skeleton, slip=0.25), skeleton=skeleton)
    twice = clean(once, skeleton=skeleton)
    assert moved(twice, once, skeleton).mean() < 0.002


@pytest.mark.parametrize("frames", [1, 2, 5, 9])
def test_short_clips(frames: int) -> None:
    joints = strolling(HUMANML3D, slip=0.3)[:frames]
    assert np.isfinite(clean(joints)).all()
    assert len(Motion(joints).clean()) == frames


def test_legs_that_are_too_short_take_the_body_along() -> None:
    """Feet that slide far apart on straight legs are still brought to their place."""
    sliding = strolling(HUMANML3D, slip=0.5)
    locked = lock_feet(sliding)
    hips = [leg[0] for leg in HUMANML3D.legs]
    assert 0.002 < moved(locked, sliding, HUMANML3D)[:, hips].max() < 0.15
    assert skate(locked) < 0.4 * skate(sliding)


# Smoothing


def test_noise_goes_and_movement_stays() -> None:
    walking = strolling(HUMANML3D)
    noisy = walking + np.random.default_rng(0).normal(0, 0.01, walking.shape)
    calm = smooth(noisy, 4.0)
    assert jitter(calm) < 0.45 * jitter(noisy)
    assert moved(calm, walking, HUMANML3D).mean() < 0.8 * moved(noisy, walking, HUMANML3D).mean()


def test_smoothing_has_no_delay_and_halves_power_at_its_frequency() -> None:
    time = np.arange(200) / 20
    for hertz, left in ((3.0, np.sqrt(0.5)), (0.5, 0.99)):
        wave_ = np.sin(2 * np.pi * hertz * time)[:, None]
        found = smoothed(wave_, 20 * np.sqrt(np.log(2)) / (2 * np.pi * 3.0))
        np.testing.assert_allclose(found[40:160], left * wave_[40:160], atol=0.01)
    line = np.stack([time, 3 - 2 * time], -1)
    np.testing.assert_allclose(smoothed(line, 2.0), line, atol=1e-12)


def test_bones_keep_their_length_in_fast_swings() -> None:
    waving = wave().joints.astype(np.float64)
    calm = smooth(waving, 2.0)
    np.testing.assert_allclose(bones(calm, HUMANML3D), bones(waving, HUMANML3D), rtol=1e-4)


# The floor, and all together


def test_the_floor_is_where_the_lowest_joint_is() -> None:
    walking = strolling(HUMANML3D)
    sunk = walking - [0, 0.3, 0]
    sunk[7, :, 1] -= 0.2  # one frame of noise does not lift all
    found = level(sunk)
    np.testing.assert_allclose(np.delete(found, 7, 0), np.delete(walking, 7, 0), atol=0.005)


def test_only_what_is_asked_for() -> None:
    joints = strolling(HUMANML3D, slip=0.3) + [0, 0.2, 0]
    nothing = Cleaning(smooth=0, ground=False, lock=False)
    np.testing.assert_array_equal(clean(joints, cleaning=nothing), joints)
    ground = clean(joints, cleaning=replace(nothing, ground=True))
    np.testing.assert_allclose(ground, level(joints))
    lock = clean(joints, cleaning=replace(nothing, lock=True))
    np.testing.assert_allclose(lock, lock_feet(joints))
    with pytest.raises(InputError, match="smooth"):
        Cleaning(smooth=float("nan"))


def test_a_motion_says_that_it_was_cleaned() -> None:
    motion = Motion(strolling(HUMANML3D, slip=0.3), provenance={"text": "walks"})
    found = motion.clean()
    assert found.caption == "walks" and "lock=True" in found.provenance["cleaned"]
    assert found.decoded is None and skate(found.joints) < 0.4 * skate(motion.joints)


def test_the_command_cleans(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    Motion(strolling(HUMANML3D, slip=0.3)).write(tmp_path / "a.npz")
    asked = ["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--clean"]
    assert cli.main(asked) == 0
    before, after = (Motion.read(tmp_path / f"{name}.npz").joints for name in "ab")
    assert skate(after) < 0.4 * skate(before)


def test_generated_feet_are_locked() -> None:
    """As the model's features have them, before its codec plants them."""
    prompts = ["a person walks forward", "a person turns to the left"]
    figures = []
    for made in motiongpt3.load().generate(prompts, seconds=4, seed=0):
        decoded = features_to_joints(made.features.astype(np.float64))
        locked = lock_feet(decoded)
        figures.append((skate(decoded), skate(locked), moved(locked, decoded, HUMANML3D).mean()))
    before, after, change = np.mean(figures, axis=0)
    assert after < 0.4 * before and change < 0.02
