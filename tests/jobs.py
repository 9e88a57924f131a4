"""Jobs of every stage on a made-up set, small enough to train in a test."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from clips import archive, lines, tiny
from torch import nn

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.prepare import prepare
from motiongpt3.data.tasks import Task
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.training.codes import clip_codes
from motiongpt3.training.language import LanguageBatch, LanguageJob, LanguageStage
from motiongpt3.training.stage import Watch
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


def batch_of(job: LanguageJob, number: int = 4, step: int = 0) -> LanguageBatch:
    return job.draw(step, range(number))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MotionText:
    base = tmp_path_factory.mktemp("training")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return MotionText(base / "set", "train")


@pytest.fixture(scope="module")
def tokenizer(data: MotionText) -> Tokenizer:
    return Tokenizer.train([text for r in data.records for text in r.captions], 300)
