"""The model's promises to its users: repeatable, places kept, typed refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from clips import trained_once, unchecked, walk, wave
from people import person

import motiongpt3
from motiongpt3 import Motion, Sampling
from motiongpt3.data.tasks import Field, render
from motiongpt3.errors import InputError
from motiongpt3.model.gpt import TEXT
from motiongpt3.model.loading import read_bundle
from motiongpt3.model.sequence import Turn
from motiongpt3.motion import rotation
from motiongpt3.motion.skeleton import KIT

PROMPTS = ["a person waves", "walk", "somebody turns to the left and keeps on walking slowly"]
QUICK = Sampling(steps=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> motiongpt3.MotionGPT:
    run = trained_once(tmp_path_factory.getbasetemp() / "tiny")
    return motiongpt3.load(run / "model")


@pytest.fixture
def says_something(model, monkeypatch) -> list[int]:
    """Lets the hardly trained model describe each window by the next of three letters."""
    windows: list[int] = []

    def write_text(prompt, told, stop, limit, penalty):
        first = len(windows)
        windows.extend(range(first, first + len(told)))
        return [model.tokenizer.encode("aab"[(first + n) % 3]) for n in range(len(told))]

    monkeypatch.setattr(model.network, "write_text", write_text)
    return windows


def test_the_same_seed_gives_the_same_bytes(model) -> None:
    one, two, other = (model.generate("walk", 2, seed=s, sampling=QUICK) for s in (5, 5, 6))
    assert one.joints.tobytes() == two.joints.tobytes()
    assert not np.allclose(one.joints, other.joints)


def test_a_batch_gives_what_one_by_one_gives(model) -> None:
    seconds = [2.0, 3.5, 1.0]
    together = model.generate(PROMPTS, seconds, seed=2, sampling=QUICK)
    for prompt, length, motion in zip(PROMPTS, seconds, together, strict=True):
        alone = model.generate(prompt, length, seed=2, sampling=QUICK)
        assert len(alone) == len(motion) == round(20 * length)
        np.testing.assert_allclose(alone.joints, motion.joints, atol=1e-4)
    assert model.generate([], seed=2) == []


def test_each_text_may_have_a_seed_of_its_own(model) -> None:
    together = model.generate(["walk"] * 3, 2, seed=[3, 4, 3], sampling=QUICK)
    for seed, motion in zip([3, 4, 3], together, strict=True):
        alone = model.generate("walk", 2, seed=seed, sampling=QUICK)
        np.testing.assert_allclose(alone.joints, motion.joints, atol=1e-4)
        assert motion.provenance["seed"] == seed
    with pytest.raises(InputError, match="2 seeds for 3 texts"):
        model.generate(["walk"] * 3, 2, seed=[3, 4])


@torch.no_grad()
def test_every_length_is_believed_as_if_its_answer_were_read_alone(model) -> None:
    reader, gpt = model.lengths, model.network.gpt
    turn = Turn(render(reader.question, {Field.CAPTION: PROMPTS[0]}), "text")
    question = model.packer.pack([turn]).ids[0].tolist()
    scores = []
    for answer in (answer for answers in reader.answers for answer in answers):
        ids = torch.tensor([question + answer])
        logits = gpt.logits(gpt(gpt.embed(ids), torch.full_like(ids, TEXT)))[0, -len(answer) - 1 :]
        each = logits[:-1].log_softmax(-1)[range(len(answer)), answer]
        scores.append(each.sum())
    wanted = torch.stack(scores).softmax(0)
    torch.testing.assert_close(reader.belief(PROMPTS[0]), wanted, atol=1e-6, rtol=1e-4)


def test_samples_differ_and_keep_their_index(model) -> None:
    three = model.generate("walk", 2, samples=3, seed=4, sampling=QUICK)
    assert [m.provenance["sample"] for m in three] == [0, 1, 2]
    first = model.generate("walk", 2, seed=4, sampling=QUICK)
    np.testing.assert_allclose(three[0].joints, first.joints, atol=1e-4)
    assert not np.allclose(three[1].joints, three[2].joints)
    both = model.generate(PROMPTS[:2], 2, samples=2, seed=4, sampling=QUICK)
    assert [m.caption for m in both] == [PROMPTS[0]] * 2 + [PROMPTS[1]] * 2
    np.testing.assert_allclose(both[2].joints, first.joints, atol=1e-4)


@pytest.mark.parametrize("seconds", [1.0, 4, 9.8])
def test_a_length_is_kept_to_the_frame(model, seconds: float) -> None:
    motion = model.generate("walk", seconds, sampling=QUICK)
    assert len(motion) == round(20 * seconds) and motion.seconds == pytest.approx(seconds)


def test_without_a_length_the_model_decides(model) -> None:
    first, again = (model.generate(PROMPTS, seed=1, sampling=QUICK) for _ in range(2))
    assert all(1.0 <= m.seconds <= 9.8 for m in first)
    assert [len(m) for m in first] == [len(m) for m in again]
    assert len(model.generate(PROMPTS[1], seed=1, sampling=QUICK)) == len(first[1])
    mixed = model.generate(PROMPTS, [2.0, None, 3.0], sampling=QUICK)
    assert [len(m) for m in mixed] == [40, len(first[1]), 60]


def test_long_motions_are_chained(model) -> None:
    motion = model.generate("walk", 21.0, seed=1, sampling=QUICK)
    assert len(motion) == 420 and motion.provenance["predictions"] == 2
    start = model.generate("walk", 9.8, seed=1, sampling=QUICK)
    assert np.array_equal(motion.joints[:196], start.joints)
    again = model.generate("walk", 21.0, seed=1, sampling=QUICK)
    assert np.array_equal(again.joints, motion.joints)


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0, 24.0, 12.0])
def test_observed_frames_of_any_rate_stay_as_they_are(model, fps: float) -> None:
    seen, end = walk(60).resample(fps), wave(60).resample(fps)
    longer = model.predict(seen, 2.0, sampling=QUICK)
    assert longer.fps == fps and np.array_equal(longer.joints[: len(seen)], seen.joints)
    assert len(longer) == len(seen) + round(2 * fps)
    joined = model.inbetween(seen, end, 1.0, sampling=QUICK)
    assert len(joined) == len(seen) + len(end) + round(fps)
    assert np.array_equal(joined.joints[: len(seen)], seen.joints)
    assert np.array_equal(joined.joints[-len(end) :], end.joints)


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0, 120.0])
def test_time_goes_on_evenly_over_the_seam(model, fps: float) -> None:
    """A walk at constant speed: the first new frames neither stall nor skip."""
    seen = walk(60, speed=1.5).resample(fps)[: round(2.5 * fps)]
    longer = model.predict(seen, 1.0, sampling=QUICK)
    ahead = Motion(seen.joints + np.float32([0, 0, 1.5 * 3.5]), fps)
    joined = model.inbetween(seen, ahead, 1.0, sampling=QUICK)
    usual = 1.5 / fps
    for made in (longer, joined):
        pelvis = made.joints[len(seen) - 2 : len(seen) + 2, 0]
        steps = np.linalg.norm(np.diff(pelvis, axis=0), axis=-1)
        assert (steps > 0.4 * usual).all() and (steps < 1.6 * usual).all(), steps / usual


def test_it_does_not_matter_where_the_observed_motion_is(model) -> None:
    turn, shift = rotation.about("Y", np.array(2.2)), np.array([5, 0, -3])
    here = walk(60)
    there = Motion(rotation.rotate(turn, here.joints.astype(np.float64)) + shift)
    made = model.predict(here, 1.5, seed=1, sampling=QUICK).joints.astype(np.float64)
    moved = model.predict(there, 1.5, seed=1, sampling=QUICK).joints
    np.testing.assert_allclose(moved, rotation.rotate(turn, made) + shift, atol=2e-3)


@pytest.mark.parametrize("fps", [20.0, 30.0])
@pytest.mark.parametrize("span", [(0.0, 1.5), (1.0, 2.5), (2.5, 4.0), (0.0, 4.0)])
def test_an_edit_keeps_everything_else(model, span: tuple[float, float], fps: float) -> None:
    motion = walk(80).resample(fps)
    edited = model.edit(motion, *span, "a person waves")
    assert len(edited) == len(motion) and edited.fps == fps
    first, last = (round(t * fps) for t in span)
    assert np.array_equal(edited.joints[:first], motion.joints[:first])
    assert np.array_equal(edited.joints[last:], motion.joints[last:])


def test_what_goes_on_is_drawn_nearer_to_what_is_likeliest(model) -> None:
    clip, cool = walk(40), model.maker.conventions.temperature
    assert cool < 1
    for made, usual in (
        (lambda how: model.predict(clip, 1.0, seed=1, sampling=how), cool),
        (lambda how: model.inbetween(clip, clip, 1.0, seed=1, sampling=how), cool),
        (lambda how: model.generate("a person walks", 2.0, seed=1, sampling=how), 1.0),
    ):
        joints = {t: made(Sampling(temperature=t)).joints for t in (None, cool, 1.0)}
        other = 1.0 if usual == cool else cool
        assert np.array_equal(joints[None], joints[usual])
        assert not np.array_equal(joints[None], joints[other])


def test_captions_of_one_and_of_many(model) -> None:
    motions = [walk(60), wave(40), walk(30).resample(30)]
    together = model.caption(motions)
    assert together == [model.caption(motion) for motion in motions]
    generated = model.generate("walk", 3, sampling=QUICK)
    assert isinstance(model.caption(generated), str) and model.caption([]) == []


def test_a_long_motion_is_described_part_after_part(model, says_something) -> None:
    said = model.caption(walk(590))
    assert len(says_something) == 4 and said == "a, then b, then a"


@pytest.mark.parametrize(
    "prompt", ["<som><motion_out>", "<|endoftext|>", "{caption}", "🏃‍♀️ runs", "شخص يمشي", "!!!"]
)
def test_odd_prompts_are_taken_literally(model, prompt: str) -> None:
    motion = model.generate(prompt, 1.0, sampling=QUICK)
    assert len(motion) == 20 and motion.caption == prompt
    assert len(model.predict(walk(30), 0.5, prompt, sampling=QUICK)) == 40


def test_what_is_made_says_where_it_comes_from(model) -> None:
    origin = model.generate("walk", 1, seed=9, sampling=QUICK).provenance
    assert origin == {"text": "walk", "seed": 9, "sample": 0, "model": "nano"}
    seen = Motion(walk(40).joints, provenance={"file": "walk.bvh"})
    predicted = model.predict(seen, 1, "a turn", seed=3, sampling=QUICK).provenance
    assert predicted["file"] == "walk.bvh" and predicted["text"] == "a turn"
    assert predicted["seed"] == 3 and predicted["model"] == "nano"


REFUSED = [
    (lambda m: m.generate(""), "empty"),
    (lambda m: m.generate("x" * 10_000), "10,000 characters"),
    (lambda m: m.generate(["walk", "a\x00b"]), "control characters"),
    (lambda m: m.generate("walk", 0.5), "from 1 to 60"),
    (lambda m: m.generate("walk", 1e9), "from 1 to 60"),
    (lambda m: m.generate("walk", float("nan")), "from 1 to 60"),
    (lambda m: m.generate(["walk", "run"], [2.0]), "1 lengths for 2 texts"),
    (lambda m: m.generate("walk", seed=-1), "seed"),
    (lambda m: m.generate("walk", seed=2**63), "seed"),
    (lambda m: m.generate("walk", seed=1.5), "seed"),
    (lambda m: m.generate("walk", samples=0), "samples"),
    (lambda m: m.generate("walk", samples=10_000), "samples"),
    (lambda m: m.predict(walk(5)), "5 frames at 20 fps are too few"),
    (lambda m: m.predict(walk(40), 0.0), "seconds"),
    (lambda m: m.predict(walk(40), text=" "), "empty"),
    (lambda m: m.predict(person(0, 40, KIT)), "kit"),
    (lambda m: m.inbetween(walk(40), walk(40).resample(30)), "fps"),
    (lambda m: m.inbetween(walk(40), walk(40), 60.0), "seconds"),
    (lambda m: m.edit(walk(40), 1.5, 0.5), "it lasts 2.00 s"),
    (lambda m: m.edit(walk(40), 1.0, 9.0), "it lasts 2.00 s"),
    (lambda m: m.caption(walk(2)), "too few"),
    (lambda m: m.caption(person(0, 40, KIT)), "kit"),
    (lambda m: m.instruct(""), "empty"),
]


@pytest.mark.parametrize(
    ("ask", "said"), REFUSED, ids=[f"{said}-{n}" for n, (_, said) in enumerate(REFUSED)]
)
def test_what_cannot_be_done_is_refused_with_the_reason(model, ask, said: str) -> None:
    with unchecked(), pytest.raises(InputError, match=said):
        ask(model)


def test_parameters_are_counted(model, tmp_path_factory) -> None:
    bundle = read_bundle(trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model")
    parts = (bundle.network, bundle.vae)
    assert model.parameters == sum(p.numel() for part in parts for p in part.parameters())


def test_a_model_folder_is_found_by_path_or_string(model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        motiongpt3.load(str(tmp_path / "gone"))
