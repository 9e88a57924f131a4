"""Rest after a motion."""

from pathlib import Path

import numpy as np
import pytest

from motiongpt3.data.sources import read_clips
from motiongpt3.evaluation.rules import passes
from motiongpt3.motion.features import features_to_joints, joints_to_features
from motiongpt3.motion.rest import ends_in_place, resting


@pytest.fixture(scope="module")
def clips(data: Path) -> dict[str, list[np.ndarray]]:
    """Features of real clips by label."""
    found: dict[str, list[np.ndarray]] = {}
    for clip in read_clips(data / "motion5h"):
        if clip.label in ("walk", "run", "kickLFront1Reps", "bow"):
            found.setdefault(clip.label, []).append(joints_to_features(clip.joints))
    return found


def test_the_last_pose_is_held(clips) -> None:
    bow = clips["bow"][0]
    joints = features_to_joints(resting(bow, len(bow) + 30).astype(np.float64))
    assert len(joints) == len(bow) + 30
    np.testing.assert_allclose(joints[: len(bow)], features_to_joints(bow.astype(np.float64)))
    still = joints[len(bow) :]
    assert np.ptp(still, axis=0).max() < 1e-6
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
    assert steps[len(bow) - 1] < 2 * steps[: len(bow) - 1].max(), "no jump into the rest"


def test_nothing_is_added_to_what_is_long_enough(clips) -> None:
    bow = clips["bow"][0]
    assert np.array_equal(resting(bow, 10), bow)


def test_who_walks_on_does_not_rest(clips) -> None:
    ending = {label: np.mean([ends_in_place(f) for f in some]) for label, some in clips.items()}
    assert ending["walk"] < 0.1 and ending["run"] < 0.1
    assert ending["bow"] > 0.9 and ending["kickLFront1Reps"] > 0.5


def test_a_kick_with_rest_is_still_a_kick(clips) -> None:
    kicks = [resting(f, 80) for f in clips["kickLFront1Reps"]]
    assert np.mean([passes("kick", features_to_joints(f), "left") for f in kicks]) > 0.95
