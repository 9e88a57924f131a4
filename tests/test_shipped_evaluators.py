"""The evaluators of motion5h: they tell actions and styles of clips they never saw apart."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from motiongpt3.data.sources import Clip, read_clips
from motiongpt3.evaluation.retrieval import distinct_groups, r_precision_within
from motiongpt3.model.text_motion import TextMotion, load_evaluator
from motiongpt3.motion.features import joints_to_features
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

FOLDERS = sorted(path.parent for path in Path(__file__).parents[1].glob("evaluators/*/card.json"))
DRAWS, SHUFFLES = 20, 200
CHANCE = 3 / 32


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def evaluator(folder: Path) -> TextMotion:
    return load_evaluator(folder)


class Pairs:
    """Clips of the test split, features as `data prepare` makes them, with all their captions."""

    def __init__(self, clips: list[Clip]):
        self.keys = [(clip.label, clip.style) for clip in clips]
        self.said = [clip.captions for clip in clips]
        self.features = [self._features(clip) for clip in clips]

    @staticmethod
    def _features(clip: Clip) -> np.ndarray:
        motion = Motion(clip.joints, clip.fps, HUMANML3D).resample(HUMANML3D.fps)
        return joints_to_features(motion.joints, HUMANML3D, "corrected")[:196].astype(np.float32)


@pytest.fixture(scope="module")
def pairs(data: Path) -> Pairs:
    return Pairs([clip for clip in read_clips(data / "motion5h", ("test",)) if clip.captions])


@pytest.fixture(scope="module")
def embedded(evaluator: TextMotion, pairs: Pairs) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every caption and every clip."""
    texts = sorted({text for captions in pairs.said for text in captions})
    rows = dict(zip(texts, evaluator.texts(texts), strict=True))
    return rows, evaluator.motions(pairs.features)


def draws(
    pairs: Pairs, rows: dict[str, np.ndarray], number: int
) -> Iterator[tuple[np.random.Generator, np.ndarray, list[np.ndarray]]]:
    """One caption for each clip, and groups of clips that differ in action or style."""
    rng = np.random.default_rng(0)
    for _ in range(number):
        texts = np.stack([rows[said[int(rng.integers(len(said)))]] for said in pairs.said])
        yield rng, texts, distinct_groups(pairs.keys, rng)


def test_it_is_small(folder: Path, evaluator: TextMotion) -> None:
    assert evaluator.card["name"] == folder.name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 15 * 2**20


def test_clips_are_told_apart_by_action_and_style(evaluator, pairs, embedded) -> None:
    rows, motions = embedded
    assert len(set(pairs.keys)) >= 57
    found = [
        r_precision_within(texts, motions, groups) for _, texts, groups in draws(pairs, rows, DRAWS)
    ]
    first, _, third = np.mean(found, axis=0)
    assert first >= 0.55 and third >= 0.85, f"R@1 {first:.3f}, R@3 {third:.3f}"


def test_shuffled_captions_fall_to_chance(evaluator, pairs, embedded) -> None:
    rows, motions = embedded
    found = []
    for rng, texts, groups in draws(pairs, rows, SHUFFLES):
        shuffled = texts[rng.permutation(len(texts))]
        found.append(r_precision_within(shuffled, motions, groups)[2])
    assert abs(np.mean(found) - CHANCE) < 0.01


def test_a_few_frames_less_change_little(evaluator, pairs, embedded) -> None:
    """A clip cut short by 0.2 s is still nearer to itself than to other clips."""
    rows, motions = embedded
    cut = evaluator.motions([clip[:-4] for clip in pairs.features])
    moved = np.linalg.norm(cut - motions, axis=1)
    apart = np.linalg.norm(motions[:, None] - motions[None], axis=-1)
    assert np.median(moved) < 0.1 * np.median(apart)
    _, texts, groups = next(draws(pairs, rows, 1))
    before, after = (r_precision_within(texts, m, groups) for m in (motions, cut))
    np.testing.assert_allclose(before, after, atol=0.05)
