"""Joining motions: no jump at the seam, ends where they must be, and nothing else changed.

Positions in metres, differences per frame.
"""

import numpy as np
import pytest
from clips import walk, wave
from people import person

from motiongpt3.motion import rotation
from motiongpt3.motion.stitch import bridge, follow, lead

LENGTH = 14
"""Frames a difference takes to fade out."""


def moved(joints: np.ndarray, turn: float, x: float, z: float) -> np.ndarray:
    """The same motion made elsewhere on the ground."""
    q = rotation.about("Y", np.array(turn))
    return rotation.rotate(q, joints) + [x, 0, z]


def acceleration(joints: np.ndarray) -> np.ndarray:
    """(T-2,) largest second difference of any joint, metres per frame squared."""
    return np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).max(-1)


def steps(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(-1)


def whole(seed: int = 0, frames: int = 90) -> np.ndarray:
    return (walk(frames, 1.2, 0.4) if seed == 0 else person(seed, frames)).joints.astype(np.float64)


def bound(before: np.ndarray, made: np.ndarray, reach: float) -> float:
    """What the seam may show: what is there anyway, and a cubic that bridges `reach` metres."""
    fastest = max(steps(before).max(), steps(made).max())
    usual = max(acceleration(before).max(), acceleration(made).max())
    return usual + 6 * reach / LENGTH**2 + 2 * 6 * fastest / LENGTH


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("turn", [0.0, 3.1])
def test_what_follows_goes_on_without_a_jump(seed: int, turn: float) -> None:
    before, made = whole(seed, 40), moved(wave(50).joints.astype(np.float64), turn, 9, -4)
    after = follow(made, before)
    joined = np.concatenate([before, after])
    assert after.shape == made.shape
    # The first made pose is the one that is coming, as nearly as the person has been moving.
    coming = 2 * before[-1] - before[-2]
    miss = np.linalg.norm(after[0] - coming, axis=-1).max()
    assert miss <= acceleration(before)[-6:].max() + 1e-9
    gap = np.linalg.norm(before[-1] - before[-1, :1] - made[0] + made[0, :1], axis=-1).max()
    assert acceleration(joined)[36:56].max() <= bound(before, made, 2 * gap)


def test_what_follows_becomes_the_made_motion_itself() -> None:
    """Once the blend is over only a turn about Y and a shift on the ground are left."""
    made = wave(50).joints.astype(np.float64)
    after = follow(made, whole(0, 40))[LENGTH:]
    rest = made[LENGTH:]
    np.testing.assert_allclose(after[..., 1], rest[..., 1], atol=1e-9)
    between = [np.linalg.norm(m[:, :, None] - m[:, None], axis=-1) for m in (after, rest)]
    np.testing.assert_allclose(between[0], between[1], atol=1e-9)
    np.testing.assert_allclose(steps(after), steps(rest), atol=1e-9)


def test_a_motion_that_is_right_already_follows_all_but_unchanged() -> None:
    """All but: what the observed motion was about to do is a guess."""
    joints = whole(1)
    after = follow(moved(joints[40:], 1.0, 3, 2), joints[:40])
    assert np.abs(after - joints[40:]).max() <= 5 * acceleration(joints).max()


def test_leading_is_following_backwards() -> None:
    made, after = wave(50).joints.astype(np.float64), whole(0, 40)
    np.testing.assert_array_equal(lead(made, after), follow(made[::-1], after[::-1])[::-1])
    miss = np.linalg.norm(lead(made, after)[-1] - 2 * after[0] + after[1], axis=-1).max()
    assert miss <= acceleration(after)[:6].max() + 1e-9


@pytest.mark.parametrize("gap", [4, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_gap_whose_truth_is_given_is_filled_with_the_truth(seed: int, gap: int) -> None:
    joints = whole(seed)
    filled = bridge(moved(joints, -2.0, 5, 1), joints[:30], joints[30 + gap :])
    assert filled.shape == joints[30 : 30 + gap].shape
    assert np.abs(filled - joints[30 : 30 + gap]).max() <= 1e-3


@pytest.mark.parametrize("gap", [1, 4, 30])
def test_a_gap_is_entered_and_left_without_a_jump(gap: int) -> None:
    """Also where the made motion shows something else: a sway between two walks."""
    joints = whole(0, 60 + gap)
    before, after = joints[:30], joints[30 + gap :] + [0.2, 0, 0.1]
    made = whole(1, 60 + gap)
    filled = bridge(made, before, after)
    assert filled.shape == (gap, 22, 3) and np.isfinite(filled).all()
    if gap == 30:
        seams = acceleration(np.concatenate([before, filled, after]))[27:61]
        gaps = [np.linalg.norm(a[:, 1:] - a[:, :1], axis=-1) for a in (before, made)]
        reach = np.abs(gaps[0].max(0) - gaps[1].min(0)).max() + 1
        assert seams.max() <= bound(before, made, reach)


@pytest.mark.parametrize(("turn", "x", "z"), [(0.0, 5.0, -2.0), (2.5, 0.0, 0.0), (-1.2, -3.0, 8.0)])
def test_it_does_not_matter_where_the_observed_motion_is(turn: float, x: float, z: float) -> None:
    before, after, made = whole(0, 30), whole(0, 90)[60:], whole(1, 90)
    there = [moved(part, turn, x, z) for part in (before, after)]
    for function, here in (
        (lambda a, b: bridge(made, a, b), (before, after)),
        (lambda a, b: follow(made, a), (before, after)),
        (lambda a, b: lead(made, b), (before, after)),
    ):
        expected = moved(function(*here), turn, x, z)
        np.testing.assert_allclose(function(*there), expected, atol=1e-9)
    # ... nor where the made motion was made.
    np.testing.assert_allclose(
        bridge(moved(made, turn, x, z), before, after), bridge(made, before, after), atol=1e-9
    )


def test_a_single_pose_can_be_joined() -> None:
    pose, made = whole(0, 1), whole(1, 20)
    np.testing.assert_allclose(follow(made, pose)[0], pose[0], atol=1e-9)
    np.testing.assert_allclose(follow(made[:1], whole(0, 5)).shape, (1, 22, 3))


def test_what_was_observed_is_not_touched() -> None:
    parts = [whole(0, 90), whole(0, 30), whole(2, 30)]
    copies = [part.copy() for part in parts]
    for part in parts:
        part.setflags(write=False)
    bridge(*parts)
    assert all(np.array_equal(a, b) for a, b in zip(parts, copies, strict=True))
