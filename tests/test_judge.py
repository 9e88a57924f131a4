"""What is measured: controls at chance, judges that know, and replications in any order."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evaluations import FEW, data
from judges import Leaky, Oracle

import motiongpt3
from motiongpt3.errors import InputError
from motiongpt3.evaluation.completing import Completing
from motiongpt3.evaluation.draws import Draw, draw, seed_of
from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.evaluation.judge import Judge
from motiongpt3.evaluation.motion_to_text import MotionToText
from motiongpt3.evaluation.protocol import Share, replicate
from motiongpt3.evaluation.replications import Replications
from motiongpt3.evaluation.text_metrics import rouge_l
from motiongpt3.evaluation.text_to_motion import ModalitySizes, TextToMotion
from motiongpt3.formats.files import digest
from motiongpt3.model.loading import fingerprint
from motiongpt3.motion.features import joints_to_features

__all__ = ["data"]  # a fixture


@pytest.fixture(scope="module")
def held(data: Path) -> HeldOut:
    return HeldOut(data, "test")


@pytest.fixture(scope="module")
def oracle(held: HeldOut) -> Oracle:
    """Knows each clip by the caption that no other has."""
    return Oracle(
        [((r.captions[-1],), clip) for r, clip in zip(held.records, again(held), strict=True)]
    )


def again(held: HeldOut) -> list[np.ndarray]:
    """Features of the clips' joints."""
    doubles = (joints.astype(np.float64) for joints in held.joints)
    made = (joints_to_features(joints, held.skeleton, held.hip_sign) for joints in doubles)
    return [np.asarray(clip, np.float32) for clip in made]


def test_real_clips_are_embedded_by_their_joints_as_by_their_features(held: HeldOut) -> None:
    for made, features in zip(again(held), held.features, strict=True):
        np.testing.assert_allclose(made, features[:-1], atol=0.03)


def test_what_is_embedded_together_does_not_depend_on_what_came_before(held: HeldOut) -> None:
    row = ["not said of any clip.", *held.captions(0)[1:]]
    fresh, used = Judge(Leaky(), held), Judge(Leaky(), held)
    for seed in range(3):
        used.texts(held.captions(seed))
        used.texts([f"number {seed}", *row[1:]])
    for captions in (row, held.captions(5)):
        np.testing.assert_array_equal(fresh.texts(captions), used.texts(captions))


def test_the_order_of_replications_does_not_matter(model: Path, data: Path, tmp_path: Path) -> None:
    def experiment() -> TextToMotion:
        held = HeldOut(data, "test", FEW)
        loaded = motiongpt3.load(model)
        return TextToMotion(loaded, held, Judge(Leaky(), held), ModalitySizes(2, 2))

    forwards, backwards = experiment(), experiment()
    first = [forwards.measure(seed_of(5, number))[0] for number in range(3)]
    second = [backwards.measure(seed_of(5, number))[0] for number in (2, 0, 1)]
    assert [first[2], first[0], first[1]] == second
    kept = Replications(tmp_path, {"it": "is"}, 3)
    kept.keep(1, first[1])
    assert replicate(experiment(), kept, 5, Share(), lambda done, of: None) == first
    assert first[0] != first[1], "replications differ"


def test_seeds_of_replications_are_their_own() -> None:
    seeds = {seed_of(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000 and all(0 <= seed < 2**63 for seed in seeds)
    drawn = {draw(0, what, n).random() for what in Draw for n in range(5)}
    assert len(drawn) == 5 * len(Draw)


def test_a_judge_that_knows_finds_every_clip(held: HeldOut, oracle: Oracle) -> None:
    judge, captions = Judge(oracle, held), [record.captions[-1] for record in held.records]
    figures = judge.matching(captions, judge.real, 0)
    assert figures["R@1"] == figures["R@3"] == 1.0
    assert isinstance(figures["R@1 distinct"], Missing), "four kinds fill no group"


def test_controls_are_at_chance(held: HeldOut, oracle: Oracle) -> None:
    judge, captions = Judge(oracle, held), [record.captions[-1] for record in held.records]
    rng = np.random.default_rng(0)
    found = []
    for seed in range(60):
        unheard = rng.normal(size=(len(captions), oracle.size)).astype(np.float32)
        found.append([judge.matching(captions, unheard, seed)[f"R@{k}"] for k in (1, 2, 3)])
    np.testing.assert_allclose(np.mean(found, axis=0), np.array([1, 2, 3]) / 32, atol=0.01)
    other = judge.matching(captions[1:] + captions[:1], judge.real, 0)["R@3"]
    assert not isinstance(other, Missing) and other < 0.15


def test_real_embeddings_are_made_once(held: HeldOut, oracle: Oracle) -> None:
    judge, before = Judge(oracle, held), oracle.seen
    for seed in range(3):
        judge.matching(held.captions(seed), judge.real, seed)
        judge.halves(seed)
    assert oracle.seen - before == len(held.records) + len(held.train)


def test_few_samples_are_compared_on_components_and_by_the_kernel(
    held: HeldOut, oracle: Oracle
) -> None:
    judge = Judge(oracle, held)
    figures = judge.spread(judge.real, judge.real)
    assert isinstance(figures["FID"], Missing) and isinstance(figures["FID-32"], Missing)
    assert figures["KID x1000"] == pytest.approx(
        judge.spread(judge.real[::-1], judge.real)["KID x1000"]
    )


def test_pairs_that_do_not_belong_together_are_far(data: Path) -> None:
    held = HeldOut(data, "train")
    captions = [record.captions[-1] for record in held.records]
    known = [((text,), clip) for text, clip in zip(captions, again(held), strict=True)]
    judge, together, apart = Judge(Oracle(known, size=3), held), [], []
    for seed in range(5):
        other = np.roll(judge.real, seed + 1, axis=0)
        together.append(judge.paired(captions, judge.real, seed)["paired KID"])
        apart.append(judge.paired(captions, other, seed)["paired KID"])
    assert np.mean(apart) > np.mean(together) + 3 * np.std(together)


def test_without_an_evaluator_its_figures_say_so(held: HeldOut) -> None:
    judge = Judge(None, held)
    found = judge.matching(held.captions(0), judge.real, 0) | judge.halves(0)
    assert {str(figure) for figure in found.values()} == {"n/a (no evaluator given)"}
    assert judge.distances(held.captions(0), judge.real) is None
    assert judge.confusion(judge.real) == {}


def test_motions_that_are_not_finite_are_no_figures(held: HeldOut, oracle: Oracle) -> None:
    judge = Judge(oracle, held)
    features = [np.full((40, 263), np.nan, np.float32), *held.features[1:]]
    joints = [np.full((40, 22, 3), np.inf, np.float32), *held.joints[1:]]
    for broken in (judge.motions(features), judge.bodies(joints)):
        figures = judge.matching(held.captions(0), broken, 0) | judge.spread(broken, judge.real)
        assert {str(f) for f in figures.values()} == {"n/a (motions are not finite)"}


def test_captions_are_drawn_from_the_clips_own(held: HeldOut) -> None:
    one, two = held.captions(1), held.captions(2)
    assert one == held.captions(1) != two
    assert all(text in record.captions for text, record in zip(one, held.records, strict=True))


def test_guesses_are_as_far_off_as_a_loop_says(model: Path, data: Path) -> None:
    held = HeldOut(data, "test", 3)
    rows, _ = Completing(motiongpt3.load(model), held, Judge(None, held), "predict", 2).measure(0)
    frames, last = [], []
    for joints in held.joints:
        seen = round(0.2 * len(joints))
        far = [
            np.linalg.norm(joints[t] - joints[seen - 1], axis=1) for t in range(seen, len(joints))
        ]
        frames.append(np.mean([one.mean() for one in far]))
        last.append(far[-1].mean())
    hold = rows["hold last pose"]
    assert hold["ADE m"] == pytest.approx(np.mean(frames), rel=1e-5) == hold["ADE best m"]
    assert hold["FDE m"] == pytest.approx(np.mean(last), rel=1e-5)
    assert "APD m" in rows["model"] and "APD m" not in hold


def test_a_reference_is_judged_by_the_others(model: Path, data: Path) -> None:
    held = HeldOut(data, "test", 40)
    task = MotionToText(motiongpt3.load(model), held, Judge(None, held))
    rows, _ = task.measure(3)
    aside = held.captions(3)
    others = [
        [text for text in record.captions if text != one]
        for record, one in zip(held.records, aside, strict=True)
    ]
    assert rows["reference caption"]["ROUGE-L raw"] == rouge_l(aside, others)
    whole = rouge_l(task.made, [record.captions for record in held.records])
    assert rows["model"]["ROUGE-L raw"] == whole
    assert rows["model, one reference less"]["ROUGE-L raw"] == rouge_l(task.made, others)
    counted = Counter(c for record in held.train.records for c in record.captions)
    assert counted[task.frequent] == max(counted.values())


def test_weights_have_a_fingerprint(model: Path, tmp_path: Path) -> None:
    assert fingerprint(model) == digest(model / "model.safetensors")
    with pytest.raises(InputError, match="is no model"):
        fingerprint(tmp_path)
