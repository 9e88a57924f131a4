"""Reconstruction, completion and length measures, on cases worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from motiongpt3 import InputError
from motiongpt3.data.sources import read_clips
from motiongpt3.evaluation.completion import (
    average_error,
    average_pair_distance,
    final_error,
    hold_pose,
    interpolated,
    seam_peak,
    usual_peak,
)
from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.lengths import UsualLengths, relative_error
from motiongpt3.evaluation.reconstruction import (
    NearestClip,
    PoseComponents,
    acceleration_error,
    aligned_error,
    global_error,
    path_error,
    pose_error,
    poses,
    retimed,
)
from motiongpt3.motion.skeleton import KIT


def walk(frames: int = 10, joints: int = 3, step: float = 0.1) -> np.ndarray:
    """A stiff body that glides along +Z, joints one above the other."""
    body = np.zeros((frames, joints, 3))
    body[..., 1] = np.arange(joints)
    body[..., 2] = step * np.arange(frames)[:, None]
    return body


def random_clips(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(20, 60), 5, 3)) for _ in range(count)]


def test_a_shift_is_a_global_error_and_not_a_pose_error():
    real = walk()
    made = real + [3.0, 0, 4.0]
    assert global_error(made, real) == pytest.approx(5)
    assert path_error(made, real) == pytest.approx(5)
    assert pose_error(made, real) == pytest.approx(0, abs=1e-12)


def test_the_pelvis_counts_as_a_joint_without_error():
    real = walk(joints=4)
    made = real.copy()
    made[:, 1:, 0] += 0.2
    assert pose_error(made, real) == pytest.approx(0.2 * 3 / 4)


def test_a_wrong_heading_is_a_pose_error():
    real = walk()
    real[:, 2, 0] += 1.0
    turned = real * [-1, 1, -1]
    assert pose_error(turned, real) == pytest.approx(2 / 3)


def test_only_the_last_frame_counts_for_the_path():
    real = walk()
    made = real.copy()
    made[:-1] += 1
    assert path_error(made, real) == 0


def registered(made: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Every frame moved, turned and scaled onto the real one by roma."""
    x, y = torch.from_numpy(made), torch.from_numpy(real)
    turn, shift, scale = roma.rigid_points_registration(x, y, compute_scaling=True)
    return (scale[:, None, None] * x @ turn.mT + shift[:, None]).numpy()


@pytest.mark.parametrize("mirrored", [1, -1], ids=["", "mirrored"])
def test_aligned_error_is_that_after_romas_registration(mirrored):
    rng = np.random.default_rng(3)
    real = rng.normal(size=(50, 22, 3))
    made = (real * [mirrored, 1, 1] + 0.3 * rng.normal(size=real.shape)) * 1.3 + [1.0, 2, 3]
    wanted = global_error(registered(made, real), real)
    assert aligned_error(made, real) == pytest.approx(wanted, rel=1e-9)
    assert wanted < global_error(made, real)
    turns = roma.random_rotmat(50, dtype=torch.float64, generator=torch.manual_seed(0)).numpy()
    moved = 2.5 * real @ turns + rng.normal(size=(50, 1, 3))
    assert aligned_error(moved, real) == pytest.approx(0, abs=1e-12)


def test_a_mirror_image_cannot_be_aligned():
    real = np.random.default_rng(4).normal(size=(10, 22, 3))
    assert aligned_error(real * [-1, 1, 1], real) > 0.3


def test_a_body_in_one_point_is_as_wrong_as_the_real_one_is_large():
    real = np.random.default_rng(4).normal(size=(10, 22, 3))
    size = np.linalg.norm(real - real.mean(1, keepdims=True), axis=-1).mean()
    assert aligned_error(np.zeros_like(real), real) == pytest.approx(size)


def test_acceleration_error_is_that_of_second_differences():
    real = np.random.default_rng(5).normal(size=(9, 4, 3))
    made = real + np.random.default_rng(6).normal(size=(9, 4, 3))
    total = 0.0
    for frame in range(1, 8):
        for joint in range(4):
            a, b = (
                j[frame - 1, joint] - 2 * j[frame, joint] + j[frame + 1, joint]
                for j in (made, real)
            )
            total += np.sqrt(((a - b) ** 2).sum())
    assert acceleration_error(made, real) == pytest.approx(total / 28)
    drifting = real + np.arange(9)[:, None, None] * [0.1, 0, 0.2]
    assert acceleration_error(drifting, real) == pytest.approx(0, abs=1e-12)
    with pytest.raises(InputError, match="2 frames"):
        acceleration_error(made[:2], real[:2])


def test_errors_of_a_made_part_per_joint_and_together():
    real = walk(frames=5, joints=22)
    made = real + np.arange(5)[:, None, None] * [0.3, 0, 0.4]  # half a metre further each frame
    assert average_error(made, real) == pytest.approx(1.0) == global_error(made, real)
    assert final_error(made, real) == pytest.approx(2.0)
    for error in (average_error, final_error):
        wanted = error(made, real) * np.sqrt(22)
        assert error(made, real, together=True) == pytest.approx(wanted)
        assert error(made, real, KIT) == pytest.approx(error(made, real) * KIT.metres)
        with pytest.raises(InputError, match="nothing was made"):
            error(made[:0], real[:0])


def test_joints_together_are_one_point_of_66_numbers():
    rng = np.random.default_rng(8)
    made, real = rng.normal(size=(2, 30, 22, 3))
    flat = [np.linalg.norm((made - real)[t].ravel()) for t in range(30)]
    assert average_error(made, real, together=True) == pytest.approx(np.mean(flat))
    assert final_error(made, real, together=True) == pytest.approx(flat[-1])


def test_pair_distance_is_the_mean_over_all_pairs_of_samples():
    samples = np.random.default_rng(7).normal(size=(5, 12, 22, 3))
    apart = [average_error(samples[i], samples[j]) for i in range(5) for j in range(5) if i != j]
    assert average_pair_distance(samples) == pytest.approx(np.mean(apart))
    assert average_pair_distance(samples[::-1]) == pytest.approx(np.mean(apart))
    assert average_pair_distance(np.repeat(samples[:1], 3, axis=0)) == 0
    assert average_pair_distance(samples[:1]) == Missing("n=1")


def test_retimed_keeps_ends_and_straight_lines():
    fast = retimed(walk(frames=11, step=0.1), 6)
    np.testing.assert_allclose(fast, walk(frames=6, step=0.2), atol=1e-12)
    assert retimed(walk(1), 4).shape == (4, 3, 3)


def test_the_nearest_clip_is_found_wherever_it_is_and_however_long_it_takes():
    clips = random_clips(100)
    wanted = retimed(clips[42], 77) + [5.0, 0, 1.0]
    index, error = NearestClip(clips).find(wanted)
    assert index == 42
    assert error == pytest.approx(pose_error(retimed(clips[42], 77), wanted))
    exact = NearestClip(clips).find(clips[7])
    assert exact == (7, pytest.approx(0, abs=1e-9))


def test_components_give_back_what_lies_in_their_span():
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(3, 40, 5, 3))
    clips = [np.tensordot(rng.normal(size=3), basis, 1) for _ in range(30)]
    fitted = PoseComponents.fit(clips, components=3, frames=40)
    assert fitted.axes.shape == (3, 40 * 5 * 3)
    np.testing.assert_allclose(fitted.axes @ fitted.axes.T, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(fitted.rebuilt(clips[0]), poses(clips[0]), atol=1e-3)
    two = PoseComponents.fit(clips, components=2, frames=40)
    assert pose_error(two.rebuilt(clips[0]), poses(clips[0])) > 0.01


def test_held_pose_glides_over_the_ground():
    before = walk(step=0.1)
    before[-1, :, 1] += 0.5  # on the way up: the height is not kept going
    held = hold_pose(before, 3)
    np.testing.assert_allclose(held[:, 0, 2], before[-1, 0, 2] + np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(held[..., 1], np.broadcast_to(before[-1, :, 1], (3, 3)))


def test_interpolation_fills_the_gap_of_a_steady_motion_exactly():
    whole = walk(frames=12)
    np.testing.assert_allclose(interpolated(whole[:4], whole[9:], 5), whole[4:9], atol=1e-12)


def test_a_jump_is_seen_at_its_seam_only():
    joints = walk(frames=20)
    joints[10:, 2, 0] += 0.05  # accelerations at frames 9 and 10
    jump, nothing = pytest.approx(0.05 * 20**2), pytest.approx(0, abs=1e-9)
    assert seam_peak(joints, 10) == jump
    assert seam_peak(joints, 9) == jump  # a jump between the first two made frames
    assert seam_peak(joints, 12) == nothing  # between observed frames
    assert seam_peak(joints, 3, 10) == jump
    assert seam_peak(joints, 3, 11) == jump
    assert seam_peak(joints, 3, 8) == nothing
    assert seam_peak(joints, 3) == nothing
    assert seam_peak(joints, 10, fps=10) == pytest.approx(0.05 * 10**2)


def test_usual_peak_is_over_frames_and_not_over_clips():
    still, jumpy = walk(frames=202, step=0), walk(frames=3, step=0)
    jumpy[2, 1] += [1.0, 0, 0]
    assert usual_peak([still, jumpy]) == pytest.approx(0)
    assert usual_peak([jumpy]) == pytest.approx(400)


def test_usual_lengths_know_their_labels():
    usual = UsualLengths.fit(["bow", "bow", "bow", "run"], [2.0, 3.0, 7.0, 1.0])
    assert usual.guess("bow") == 3.0
    assert usual.guess("never seen") == 2.5
    assert usual.within("bow", 7.05) and usual.within("bow", 1.95)
    assert not usual.within("bow", 7.1) and not usual.within("run", 2.0)
    assert usual.within("never seen", 2.0) is None


def test_relative_error_is_the_median_share():
    assert relative_error([1.1, 2.0, 6.0], [1.0, 4.0, 5.0]) == pytest.approx(0.2)


def test_the_acceleration_of_real_capture(data: Path):
    clips = [clip.joints for clip in read_clips(data / "motion5h", ("test",))]
    assert usual_peak(clips) == pytest.approx(62.5, abs=0.1)
