"""What language stages learn from: codes, losses of tasks, and rows that do not know each other."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from jobs import (
    STAGES,
    batch_of,
    data,
    language_job,
    small_vae,
    tokenizer,
)
from torch import nn

from motiongpt3.data.dataset import MotionText
from motiongpt3.data.tasks import Field, Task, format_seconds
from motiongpt3.model.gpt import MOTION
from motiongpt3.model.sequence import IGNORE
from motiongpt3.model.vq import NO_CODE
from motiongpt3.training.codes import clip_codes, interleaved
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.turns import TurnMaker, Wording

__all__ = ["data", "tokenizer"]  # fixtures


def test_codes_of_whole_clips_are_made_once(data, tokenizer, tmp_path, monkeypatch) -> None:
    stage = LanguageStage({Task.TEXT_TO_MOTION: 1.0})
    job = language_job(data, tokenizer, "finetune", stage=stage)
    codec, batch = job.encoder.codec, batch_of(job)
    clip, mirrored = batch.motions[1]
    motion = data.features(clip, mirrored)
    features = (torch.tensor(motion) - job.encoder.mean) / job.encoder.std
    made = codec.to_codes(features[None], torch.tensor([len(motion)]))
    torch.testing.assert_close(job.codes(batch)[1:2], made, atol=1e-6, rtol=1e-5)
    again = clip_codes(codec, data, tmp_path)
    monkeypatch.setattr(codec, "encode", None)  # a second run does not encode
    both = [(3, False), (3, True)]
    assert torch.equal(clip_codes(codec, data, tmp_path).of(both), again.of(both))
    assert not torch.equal(*again.of(both))
    other = small_vae()
    nn.init.normal_(other.into.weight)
    changed = clip_codes(other, data, tmp_path)  # another codec does not read these
    assert not torch.equal(changed.of(both)[0], again.of(both)[0])


def test_parts_are_encoded_in_full_precision_in_their_places(data, tokenizer) -> None:
    stage = LanguageStage({Task.PREDICTION: 0.5, Task.MOTION_TO_TEXT: 0.5})
    job = language_job(data, tokenizer, "finetune", stage=stage)
    batch = batch_of(job)
    assert {isinstance(motion, tuple) for motion in batch.motions} == {False, True}
    clips = [data.features(*m) if isinstance(m, tuple) else m for m in batch.motions]
    alone = torch.cat([job.encoder.codes(job.encoder.posteriors([clip])) for clip in clips])
    with torch.autocast("cpu", torch.bfloat16):
        codes = job.codes(batch)
    torch.testing.assert_close(codes, alone, atol=1e-5, rtol=1e-5)


def test_ids_of_clips_and_of_parts_are_filled_up_to_one_width() -> None:
    clips, parts = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[7], [8]])
    rows = interleaved(clips, parts, [True, False, False, True])
    expected = [[7, NO_CODE, NO_CODE], [1, 2, 3], [4, 5, 6], [8, NO_CODE, NO_CODE]]
    assert rows.tolist() == expected


def test_codes_can_be_drawn_from_the_posterior(data, tokenizer) -> None:
    tasks = {Task.PREDICTION: 1.0}
    stages = [LanguageStage(tasks, sampled_codes=drawn) for drawn in (False, True)]
    means, draws = (language_job(data, tokenizer, "finetune", stage=stage) for stage in stages)
    for job in (means, draws):  # wide posteriors
        nn.init.ones_(job.encoder.codec.encoder.norm.bias)
    batch = batch_of(means, 1)
    mean, log_variance = means.encoder.posteriors(list(batch.motions)).chunk(2, 1)
    torch.testing.assert_close(means.codes(batch), mean)
    many = torch.cat(
        [draws.codes(replace(batch, seeds=(2 * n, 2 * n + 1)))[:1] for n in range(400)]
    )
    torch.testing.assert_close(many.mean(0), mean[0], atol=0.5, rtol=0)
    torch.testing.assert_close(many.std(0), (log_variance[0] / 2).exp(), atol=0, rtol=0.3)
    assert torch.equal(draws.codes(batch), draws.codes(batch)), "draws follow the batch's seeds"


def test_every_task_has_its_own_losses(data, tokenizer) -> None:
    tasks = {task: 1.0 for task in Task if task is not Task.PLAIN}
    job = language_job(data, tokenizer, "align", stage=LanguageStage(tasks, text_frozen=True))
    job.order = replace(job.order, batch=24)
    batch = batch_of(job, 24)
    losses = job.losses(batch)
    learned = (batch.tokens.targets != IGNORE).sum(1).tolist()
    made = batch.tokens.asked.any(1).tolist()
    for name, counts in (("text", learned), ("motion", made)):
        own: Counter[str] = Counter()
        for task, count in zip(batch.tasks, counts, strict=True):
            own[task.value] += count
        own = +own  # without tasks that have none
        assert {k for k in losses if k.startswith(f"{name}.")} == {f"{name}.{t}" for t in own}
        assert {t: batch.counts[f"{name}.{t}"] for t in own} == dict(own)
        total = sum(count * losses[f"{name}.{task}"] for task, count in own.items())
        torch.testing.assert_close(total / sum(own.values()), losses[name])
    assert not any(v.requires_grad for k, v in losses.items() if "." in k)
    assert losses.keys() <= job.terms.keys()


@pytest.mark.parametrize("name", ["text", "together", "align"])
def test_rows_of_a_batch_do_not_know_the_others(data, tokenizer, name) -> None:
    """What a row holds and the noise it is learned with are the same in any company."""
    job = language_job(data, tokenizer, name)
    job.module.eval()  # dropout is the one thing that is drawn for a whole batch
    whole, parts = batch_of(job), [job.draw(0, range(n, 4, 2)) for n in (0, 1)]
    found = [job.losses(batch) for batch in (whole, *parts)]
    for term in found[0]:
        counts = [batch.counts.get(term, 0) for batch in parts]
        values = [float(losses[term].detach()) if term in losses else 0.0 for losses in found[1:]]
        assert sum(counts) == whole.counts[term]
        mean = sum(c * v for c, v in zip(counts, values, strict=True)) / sum(counts)
        assert mean == pytest.approx(float(found[0][term].detach()), rel=1e-5), term


def test_what_it_made_itself_is_learned_as_it_said_it(data, tokenizer) -> None:
    stage = replace(STAGES["together"], tasks={Task.TEXT_TO_MOTION: 1.0}, kind_weight=0.0)
    job = language_job(data, tokenizer, "together", stage=replace(stage, own_weight=3.0))
    job.module.eval()
    job.teacher, batch = deepcopy(job.network), batch_of(job)
    assert not batch.own.any()  # clips of somebody's

    def losses(own: list[bool]) -> np.ndarray:
        made = job.losses(replace(batch, own=np.array(own)))
        return np.array([float(made[name].detach()) for name in ("motion", "text")])

    assert losses([False] * 4)[0] > 0.1 and losses([True] * 4)[0] == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        for weight in job.network.heads.diffusion.parameters():
            weight += 0.01 * torch.randn_like(weight)
    moved = losses([True] * 4)
    job.stage = replace(job.stage, own_weight=1.0)
    assert moved[0] > 1e-5 and losses([True] * 4) == pytest.approx(moved / 3)
    job.teacher, job.stage = None, replace(job.stage, own_weight=3.0)
    assert (losses([True] * 4) == losses([False] * 4)).all(), "nobody is asked"


def test_naming_kinds_teaches_the_slots(data, tokenizer) -> None:
    stage = replace(STAGES["together"], tasks={Task.TEXT_TO_MOTION: 1.0}, kind_weight=1.0)
    job = language_job(data, tokenizer, "together", stage=replace(stage, motion_weight=0.0))
    weights = [weight for group, _ in job.parameters() for weight in group]
    optimizer, kinds = torch.optim.Adam(weights, 1e-2), []
    for _ in range(60):
        losses = job.losses(batch_of(job))  # one batch, learned by heart
        optimizer.zero_grad()
        losses["kind"].backward()
        optimizer.step()
        kinds.append(float(losses["kind"].detach()))
    assert kinds[0] > 1 and kinds[-1] < 0.1
    reached = job.network.gpt.branch(MOTION)[0].grad
    assert reached is not None and reached.any(), "the loss goes through the motion branch"


def test_examples_of_every_task(data: MotionText) -> None:
    maker, rng = TurnMaker(data, Wording(varied=0.0)), np.random.default_rng(0)
    for task in Task:
        for index in range(len(data)):
            example = maker.draw(task, index, rng)
            motions = example.motions
            clip, image = data.features(index), data.features(index, mirrored=True)
            fields = [
                p for p in (*example.turn.question, *example.turn.answer) if isinstance(p, Field)
            ]
            assert set(fields) == set(motions)
            words = " ".join(p for p in example.turn.question if isinstance(p, str))
            frames = len(clip)
            if task is Task.PREDICTION:
                whole = np.concatenate([motions[Field.START], motions[Field.MOTION]])
                frames = len(motions[Field.MOTION])
            elif task is Task.INBETWEEN:
                whole = motions[Field.MOTION]
                start, end = motions[Field.START], motions[Field.END]
                frames = len(whole) - len(start) - len(end)
                assert np.array_equal(whole[: len(start)], start) and frames >= 4
                assert np.array_equal(whole[-len(end) :], end)
            else:
                whole = motions.get(Field.MOTION, clip)
            assert np.array_equal(whole, clip) or np.array_equal(whole, image)
            if task in (Task.TEXT_TO_MOTION, Task.PREDICTION, Task.INBETWEEN):
                assert format_seconds(frames / 20) in words


def test_the_words_of_a_mirrored_clip_are_mirrored_too(data: MotionText) -> None:
    maker, rng = TurnMaker(data, Wording(varied=0.0)), np.random.default_rng(0)
    index = next(i for i, r in enumerate(data.records) if r.id.startswith("wave_left"))
    seen = set()
    for _ in range(20):
        example = maker.draw(Task.MOTION_TO_TEXT, index, rng)
        mirrored = not np.array_equal(example.motions[Field.MOTION], data.features(index))
        answer = str(example.turn.answer[0])
        assert ("right" in answer) == mirrored and ("left" in answer) != mirrored
        seen.add(mirrored)
    assert seen == {True, False}
