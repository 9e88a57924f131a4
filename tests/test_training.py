"""Training: goes on exactly where it stopped, refuses what is not finite, freezes what it says."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import archive, lines, tiny
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.prepare import prepare
from motiongpt3.data.tasks import Field, Task, format_seconds
from motiongpt3.errors import InputError, NonFiniteError
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import MOTION, TEXT, GPTConfig
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.training.codes import clip_codes
from motiongpt3.training.language import LanguageJob, LanguageStage
from motiongpt3.training.loop import Schedule, Stage, fit
from motiongpt3.training.train import train
from motiongpt3.training.turns import TurnMaker, Wording
from motiongpt3.training.vae import VAEJob, VAELoss

SCHEDULE = Schedule(steps=6, batch=4, lr=3e-3, warmup=2)
PAPER = LanguageStage({Task.TEXT_TO_MOTION: 1.0}, text_frozen=True, text_weight=0.0)
"""The paper's Stage I: the words are read without gradient, and only motion is learned."""
STAGES = {**{stage.name: stage.stage for stage in tiny().stages}, "paper": PAPER}


class Killed(Exception):
    """The end of a process, as far as a test can have it."""


def quiet(*_: object) -> None:
    """Report nothing."""


def killed_at(step: int) -> Callable[..., None]:
    def report(name: str, done: int, *_: object) -> None:
        if done == step:
            raise Killed

    return report


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
    return LanguageJob((network, vae, tokenizer), data, order, stage or STAGES[name], codes)


def jobs(data: MotionText, tokenizer: Tokenizer) -> dict[str, Callable[[], VAEJob | LanguageJob]]:
    return {
        "vae": lambda: vae_job(data),
        "generate": lambda: language_job(data, tokenizer, "generate"),
        "finetune": lambda: language_job(data, tokenizer, "finetune"),
    }


def logged(folder: Path) -> dict[int, dict[str, str]]:
    """Every number of the last record of each step but the speed, to the last bit."""
    rows = [json.loads(line) for line in (folder / "s.jsonl").read_text().splitlines()]
    return {
        row["step"]: {k: float(v).hex() for k, v in row.items() if k != "steps_per_s"}
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
    ("kind", "precision", "stop"),
    [("vae", "fp32", 4), ("vae", "bf16", 5), ("generate", "fp32", 5), ("finetune", "fp32", 4)],
)
def test_a_resumed_run_is_the_same_run_to_the_last_bit(
    data, tokenizer, tmp_path: Path, kind: str, precision: str, stop: int
) -> None:
    make = jobs(data, tokenizer)[kind]
    straight = Stage("s", SCHEDULE, tmp_path / "straight", 7, precision, save_every=3)
    broken = replace(straight, folder=tmp_path / "broken")
    whole = make()
    fit(whole, straight, quiet)
    with pytest.raises(Killed):
        fit(make(), broken, killed_at(stop))
    again = make()
    with torch.no_grad():  # a resumed run takes nothing from how the weights were drawn
        for weight in again.module.parameters():
            weight.add_(1.0)
    fit(again, broken, quiet)
    assert logged(broken.folder) == logged(straight.folder) and len(logged(broken.folder)) == 6
    assert everything(again.module) == everything(whole.module)
    assert straight.finished and broken.finished
    third = make()
    fit(third, straight, quiet)  # nothing left to do
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
        fit(job, Stage("s", replace(SCHEDULE, steps=2), folder, noise_seed, "fp32"), quiet)
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
        "vae": list(job.vae.parameters()),
    }
    before = {name: fingerprint(weights) for name, weights in parts.items()}
    fit(job, Stage("s", replace(SCHEDULE, steps=3), tmp_path, 0, "fp32"), quiet)
    changed = {name for name, weights in parts.items() if fingerprint(weights) != before[name]}
    expected = {
        "text": {"text"},
        "understand": {"text"},
        "generate": {"text", "motion", "head", "understanding"},
        "paper": {"motion", "head"},  # nobody is told about a motion
        "align": {"motion", "head", "understanding"},
        "finetune": {"text", "motion", "head", "understanding"},
        "polish": {"text", "motion", "head", "understanding"},
    }
    assert changed == expected[stage]


def test_codes_of_whole_clips_are_made_once(data, tokenizer, tmp_path, monkeypatch) -> None:
    job = language_job(data, tokenizer, "finetune")
    example = job.turns.draw(Task.TEXT_TO_MOTION, 3, np.random.default_rng(1))
    known = job._codes([example], [(0, Field.MOTION)])
    made = job._encoded([example.motions[Field.MOTION]])
    torch.testing.assert_close(known, made, atol=1e-6, rtol=1e-5)
    again = clip_codes(job.vae, data, tmp_path)
    monkeypatch.setattr(job.vae, "to_codes", None)  # a second run does not encode
    for mirrored in (False, True):
        assert torch.equal(
            clip_codes(job.vae, data, tmp_path).of(3, mirrored), again.of(3, mirrored)
        )
    assert not torch.equal(again.of(3, True), again.of(3, False))
    other = small_vae()
    nn.init.normal_(other.into.weight)
    changed = clip_codes(other, data, tmp_path)  # another codec does not read these
    assert not torch.equal(changed.of(3, False), again.of(3, False))


def test_naming_kinds_teaches_the_slots(data, tokenizer) -> None:
    stage = replace(STAGES["polish"], tasks={Task.TEXT_TO_MOTION: 1.0}, kind_weight=1.0)
    job = language_job(data, tokenizer, "polish", stage=replace(stage, motion_weight=0.0))
    weights = [weight for group, _ in job.parameters() for weight in group]
    optimizer, kinds = torch.optim.Adam(weights, 1e-2), []
    for _ in range(60):
        losses = job.losses(0)  # one batch, learned by heart
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        kinds.append(float(losses["kind"]))
    assert kinds[0] > 1 and kinds[-1] < 0.1
    reached = job.network.gpt.branch(MOTION)[0].grad
    assert reached is not None and reached.any(), "the loss goes through the motion branch"


class Toy:
    """One weight that is drawn towards 1."""

    def __init__(self, spoil: int | None = None, how: str = "loss"):
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self.spoil, self.how = spoil, how
        self.seen: list[float] = []

    def parameters(self):
        return [([self.module.weight], 2.0)]

    def samples(self, step: int) -> list[str]:
        return [f"clip{step}"]

    def losses(self, step: int) -> dict[str, Tensor]:
        weight = self.module.weight
        self.seen.append(float(weight.detach()))
        loss = ((weight - 1) ** 2).sum()
        if step == self.spoil:
            loss = loss * torch.nan if self.how == "loss" else loss + (weight - weight).abs().sqrt()
        return {"loss": loss.squeeze()}


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_not_taken(tmp_path: Path, how: str) -> None:
    job = Toy(spoil=3, how=how)
    stage = Stage("toy", SCHEDULE, tmp_path, precision="fp32", save_every=2)
    with pytest.raises(NonFiniteError, match=r"toy, step 3.*clip3") as caught:
        fit(job, stage, quiet)
    assert caught.value.exit_code == 5
    assert float(job.module.weight.detach()) == job.seen[3], "weights are those before the step"
    assert stage.state.is_file() and not stage.finished
    assert len((tmp_path / "toy.jsonl").read_text().splitlines()) == 3


def test_a_hole_in_the_data_stops_training(data, tmp_path: Path, monkeypatch) -> None:
    job = vae_job(data)
    before = fingerprint(list(job.module.parameters()))
    rows = data.features(0).copy()
    rows[3, 5] = np.nan
    monkeypatch.setattr(data, "features", lambda index, mirrored=False: rows)
    with pytest.raises(NonFiniteError):
        fit(job, Stage("s", SCHEDULE, tmp_path, precision="fp32"), quiet)
    assert fingerprint(list(job.module.parameters())) == before


def test_a_stage_hands_on_the_average_of_its_weights(tmp_path: Path) -> None:
    job, weights = Toy(), []
    schedule = Schedule(steps=40, batch=1, lr=0.01, warmup=1, average=0.9, clip=100.0)
    stage = Stage("toy", schedule, tmp_path, precision="fp32", save_every=10)
    fit(job, stage, lambda *_: weights.append(float(job.module.weight.detach())))
    average = 0.0
    for step, weight in enumerate(weights):
        decay = min(0.9, (step + 1) / (step + 10))
        average = decay * average + (1 - decay) * weight
    assert float(job.module.weight.detach()) == pytest.approx(average, rel=1e-5)
    assert average != pytest.approx(weights[-1], rel=1e-3) and not job.module.training


def test_the_learning_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=1000, batch=1, lr=1.0, warmup=100, floor=0.02)
    rates = [schedule.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(0.976, abs=0.01)
    assert rates[:97] == sorted(rates[:97]) and rates[100:] == sorted(rates[100:])[::-1]
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


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


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "vae.jsonl").write_text("{}")
    with pytest.raises(InputError, match="--resume"):
        train(tiny(), tmp_path / "set", tmp_path / "run", quiet)
    assert (tmp_path / "run" / "vae.jsonl").read_text() == "{}"
