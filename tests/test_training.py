"""Training: goes on exactly where it stopped, refuses what is not finite, freezes what it says."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import archive, lines, tiny
from torch import nn
from toys import SCHEDULE, SILENT

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.prepare import prepare
from motiongpt3.data.tasks import Field, Task, format_seconds
from motiongpt3.errors import InputError, NonFiniteError
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import MOTION, TEXT, GPTConfig
from motiongpt3.model.sequence import IGNORE
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.model.vq import NO_CODE
from motiongpt3.training.codes import clip_codes, interleaved
from motiongpt3.training.engine import Engine
from motiongpt3.training.folder import held
from motiongpt3.training.language import LanguageBatch, LanguageJob, LanguageStage
from motiongpt3.training.loop import fit
from motiongpt3.training.stage import Stage, Upkeep, Watch
from motiongpt3.training.train import Run, begin_tokenizer, train
from motiongpt3.training.turns import TurnMaker, Wording
from motiongpt3.training.vae import VAEJob, VAELoss

PAPER = LanguageStage({Task.TEXT_TO_MOTION: 1.0}, text_frozen=True, text_weight=0.0)
"""The paper's Stage I: the words are read without gradient, and only motion is learned."""
STAGES = {**{stage.name: stage.stage for stage in tiny().stages}, "paper": PAPER}


class Killed(Exception):
    """The end of a process, as far as a test can have it."""


def killed_at(step: int) -> Watch:
    def report(name: str, done: int, *_: object) -> None:
        if done == step:
            raise Killed

    return Watch(report)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MotionText:
    base = tmp_path_factory.mktemp("training")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return MotionText(base / "set", "train")


@pytest.fixture(scope="module")
def tokenizer(data: MotionText) -> Tokenizer:
    return Tokenizer.train([text for r in data.records for text in r.captions], 300)


def small_vae() -> MotionVAE:
    return MotionVAE(
        VAEConfig(width=16, layers=3, heads=2, feedforward=16, dropout=0.1, frames_per_token=4)
    )


def vae_job(data: MotionText, seed: int = 0) -> VAEJob:
    torch.manual_seed(0)
    return VAEJob(small_vae(), data, Order(data.weights(), data.lengths(), 4, seed), VAELoss())


def language_job(
    data: MotionText,
    tokenizer: Tokenizer,
    name: str,
    seed: int = 0,
    stage: LanguageStage | None = None,
) -> LanguageJob:
    torch.manual_seed(0)
    gpt = GPTConfig(tokenizer.text_vocab, context=512, width=16, layers=2, heads=2, dropout=0.1)
    diffusion = DiffusionConfig(latent=16, condition=16, slots=2, width=16, depth=1)
    network = Bimodal(BimodalConfig(gpt, diffusion))
    order, vae = Order(data.weights(), data.lengths(), 4, seed), small_vae()
    codes = clip_codes(vae, data, data.folder)
    bundle = Bundle(vae, network, tokenizer, data.mean, data.std, {})
    return LanguageJob(bundle, data, order, stage or STAGES[name], codes)


def jobs(data: MotionText, tokenizer: Tokenizer) -> dict[str, Callable[[], VAEJob | LanguageJob]]:
    return {
        "vae": lambda: vae_job(data),
        "generate": lambda: language_job(data, tokenizer, "generate"),
        "align": lambda: language_job(data, tokenizer, "align"),
        "finetune": lambda: language_job(data, tokenizer, "finetune"),
    }


def logged(folder: Path) -> dict[int, dict[str, str]]:
    """Every number of the last record of each step but the speed, to the last bit."""
    rows = [json.loads(line) for line in (folder / "s" / "log.jsonl").read_text().splitlines()]
    return {
        row["step"]: {k: float(v).hex() for k, v in row.items() if not k.endswith("per_s")}
        for row in rows
    }


def fingerprint(weights: list[nn.Parameter]) -> str:
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.detach().numpy().tobytes())
    return digest.hexdigest()


def everything(module: nn.Module) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in module.state_dict().items()}


@pytest.mark.parametrize(
    ("kind", "precision", "stop", "workers", "parts"),
    [
        ("vae", "fp32", 4, 0, 1),
        ("vae", "bf16", 5, 2, 1),
        ("vae", "fp32", 5, 0, 2),
        ("generate", "fp32", 5, 0, 1),
        ("generate", "bf16", 4, 2, 2),
        ("align", "fp32", 5, 2, 1),
        ("finetune", "fp32", 4, 0, 1),
        ("finetune", "bf16", 6, 0, 2),
    ],
)
def test_a_resumed_run_is_the_same_run_to_the_last_bit(
    data, tokenizer, tmp_path: Path, kind: str, precision: str, stop: int, workers: int, parts: int
) -> None:
    """Killed after a state, between states, at the last step; then taken up with other workers."""
    make, schedule = jobs(data, tokenizer)[kind], replace(SCHEDULE, parts=parts)
    upkeep = Upkeep(save_every=3)
    straight = Stage("s", schedule, tmp_path / "straight", 7, precision, upkeep)
    broken = replace(straight, run=tmp_path / "broken", upkeep=replace(upkeep, workers=workers))
    whole = make()
    fit(whole, straight, SILENT)
    with pytest.raises(Killed):
        fit(make(), broken, killed_at(stop))
    again = make()
    with torch.no_grad():  # a resumed run takes nothing from how the weights were drawn
        for weight in again.module.parameters():
            weight.add_(1.0)
    fit(again, broken, SILENT)
    assert logged(broken.run) == logged(straight.run) and len(logged(broken.run)) == 6
    assert everything(again.module) == everything(whole.module)
    assert straight.states.steps()[-1] == broken.states.steps()[-1] == SCHEDULE.steps
    third = make()
    fit(third, straight, SILENT)  # nothing left to do
    assert everything(third.module) == everything(whole.module)


@pytest.mark.parametrize("kind", ["vae", "finetune"])
def test_another_seed_is_another_run(data, tokenizer, tmp_path: Path, kind: str) -> None:
    """Without this, the test of resuming would prove nothing."""
    losses = []
    for n, (order_seed, noise_seed) in enumerate([(0, 0), (0, 1), (1, 0)]):
        job = (
            vae_job(data, order_seed)
            if kind == "vae"
            else language_job(data, tokenizer, kind, order_seed)
        )
        folder = tmp_path / str(n)
        fit(job, Stage("s", replace(SCHEDULE, steps=2), folder, noise_seed, "fp32"), SILENT)
        losses.append(logged(folder)[1]["loss"])
    assert len(set(losses)) == 3


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_changes_what_it_says_and_nothing_else(data, tokenizer, tmp_path, stage) -> None:
    job = language_job(data, tokenizer, stage)
    gpt, heads = job.network.gpt, job.network.heads
    parts = {
        "text": [*gpt.branch(TEXT), gpt.wte.weight, gpt.wpe.weight],
        "motion": gpt.branch(MOTION),
        "head": list(heads.diffusion.parameters()),
        "understanding": list(heads.understand.parameters()),
        "vae": list(job.encoder.codec.parameters()),
    }
    before = {name: fingerprint(weights) for name, weights in parts.items()}
    fit(job, Stage("s", replace(SCHEDULE, steps=3), tmp_path, 0, "fp32"), SILENT)
    changed = {name for name, weights in parts.items() if fingerprint(weights) != before[name]}
    expected = {
        "text": {"text"},
        "understand": {"text"},
        "generate": {"text", "motion", "head", "understanding"},
        "paper": {"motion", "head"},  # nobody is told about a motion
        "align": {"motion", "head", "understanding"},
        "finetune": {"text", "motion", "head", "understanding"},
        "together": {"text", "motion", "head", "understanding"},
    }
    assert changed == expected[stage]


def batch_of(job: LanguageJob, number: int = 4, step: int = 0) -> LanguageBatch:
    return job.draw(step, range(number))


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


def test_a_hole_in_the_data_stops_training(data, tmp_path: Path, monkeypatch) -> None:
    job = vae_job(data)
    before = fingerprint(list(job.module.parameters()))
    rows = data.features(0).copy()
    rows[3, 5] = np.nan
    monkeypatch.setattr(data, "features", lambda index, mirrored=False: rows)
    with pytest.raises(NonFiniteError):
        fit(job, Stage("s", SCHEDULE, tmp_path, 0, "fp32"), SILENT)
    assert fingerprint(list(job.module.parameters())) == before


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


def test_a_folder_in_use_is_not_written_over(data, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not the folder of a run"):
        train(tiny(), data.folder, tmp_path / "other", SILENT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="--resume"):
        train(tiny(), data.folder, tmp_path / "run", SILENT)
    assert (tmp_path / "run" / "run.json").read_text() == "{}"


def test_a_changed_recipe_is_refused_key_by_key(data, tmp_path: Path) -> None:
    """A run goes on as it began, unless what changed is named."""
    recipe, run, resume = replace(tiny(2), stages=()), tmp_path / "run", Upkeep(resume=True)
    train(recipe, data.folder, run, SILENT)
    longer = replace(
        recipe, vae=replace(recipe.vae, schedule=replace(recipe.vae.schedule, steps=3))
    )
    with pytest.raises(InputError, match=r"recipe\.vae\.schedule\.steps: 2 -> 3") as refused:
        train(longer, data.folder, run, SILENT, resume)
    assert "--allow-config-change" in refused.value.hint
    with pytest.raises(InputError, match="schedule.steps"):
        train(longer, data.folder, run, SILENT, replace(resume, allow=("recipe.vae.loss",)))
    allowed = replace(resume, save_every=7, allow=("recipe.vae.schedule.steps",))
    train(longer, data.folder, run, SILENT, allowed)
    assert Stage("vae", longer.vae.schedule, run).states.steps()[-1] == 3
    train(longer, data.folder, run, SILENT, resume)  # the change is now what the run is


def test_two_runs_do_not_share_a_folder(data, tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        script = "import sys; from motiongpt3.training.folder import held\n"
        script += "from pathlib import Path\nwith held(Path(sys.argv[1])): pass"
        program = [sys.executable, "-c", script, str(tmp_path / "run")]
        second = subprocess.run(program, capture_output=True, text=True)
        assert second.returncode and "another run is at work here" in second.stderr
        assert str(os.getpid()) in second.stderr
    assert subprocess.run(program).returncode == 0, "a lock does not outlive its process"


def test_one_process_learns_the_vocabulary(data, tmp_path: Path, monkeypatch) -> None:
    """The others wait for it, and read it: two that write one file get in each other's way."""
    recipe = replace(tiny(), stages=())

    def run(rank: int) -> Run:
        engine = Engine(torch.device("cpu"), rank=rank, ranks=2)
        return Run(recipe, data, tmp_path, SILENT, Upkeep(), engine)

    def wait(engine: Engine, error: object) -> None:
        if not engine.first:
            begin_tokenizer(run(0))
        met.append(engine.rank)

    met: list[int] = []
    monkeypatch.setattr(Engine, "agree", wait)
    assert begin_tokenizer(run(1)).encode("waves") == begin_tokenizer(run(0)).encode("waves")
    assert met == [0, 1, 0], "all meet, also when the file is there"
