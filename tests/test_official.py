"""The official release: its numbers are the official code's, and anything odd in it is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import released
import torch
from torch import Tensor

import motiongpt3
from motiongpt3.app.cli import main
from motiongpt3.data.tasks import Field, Task, render
from motiongpt3.errors import InputError
from motiongpt3.model import diffusion
from motiongpt3.model.conventions import OFFICIAL
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.loading import read_bundle
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.official import read_vae
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Turn
from motiongpt3.model.tokenizer import check_prompt

GOLDEN = json.loads((Path(__file__).parent / "golden" / "released.json").read_text())
CAPTION = "a person walks forward."


@pytest.fixture(scope="module")
def model(release: Path) -> MotionGPT:
    return motiongpt3.load(release / "motiongpt3.ckpt", compat="official")


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(released.numbers(name, shape))


def agrees(ours: Tensor, name: str) -> None:
    theirs = torch.tensor(GOLDEN[name]).view(ours.shape)
    error = (ours - theirs).norm() / theirs.norm()
    assert error < 1e-4, f"{name}: {error:.1e} off"


def hidden(model: MotionGPT) -> Tensor:
    """Hidden states of the slots of a motion that the official evaluation asks for."""
    prompt = model.packer.pack([model.maker.turn(Task.TEXT_TO_MOTION, 4.0, CAPTION)])
    cache, _ = model.network.read(prompt, torch.zeros(0, 0))
    x = model.network.heads.motion_out.expand(1, 4, -1)
    return model.network.gpt(x, torch.full((1, 4), MOTION), None, cache)


@torch.no_grad()
def test_the_vae_is_the_official_one(model) -> None:
    length, vae = torch.tensor([40, 97]), model.codec.vae
    posterior = vae.encode(drawn("features", 2, 97, 263), length)
    agrees(posterior.mean[:, 0, :8], "vae_mean")
    agrees(posterior.log_variance[:, 0, :8], "vae_log_variance")
    made = vae.decode(drawn("latents", 2, 256)[:, None], length)
    agrees(torch.cat([made[0, 39, :8], made[1, 96, :8]]), "vae_decoded")


@torch.no_grad()
def test_the_language_model_is_the_official_one(model) -> None:
    agrees(hidden(model)[0, :, :8], "hidden")
    prompt = model.packer.pack([model.maker.turn(Task.TEXT_TO_MOTION, 4.0, CAPTION)])
    x = model.network.gpt(model.network.gpt.embed(prompt.ids[:, :1]), torch.tensor([[TEXT]]))
    agrees(model.network.gpt.logits(x)[0, 0, :8], "logits")


@torch.no_grad()
def test_the_head_and_its_hundred_steps_are_the_official_ones(model, monkeypatch) -> None:
    head, told = model.network.heads.diffusion, hidden(model)
    condition = head.pool(told)
    noise = head.said(drawn("noisy", 1, 256), torch.tensor([500]), condition)
    agrees(noise[0, :16], "epsilon")
    feed = iter([drawn("start", 1, 256)[0], *drawn("steps", 100, 1, 256)[:, 0]])
    monkeypatch.setattr(diffusion.torch, "randn", lambda *_, **__: next(feed))
    sample = head.sample(told, [torch.Generator()], Sampling("ddpm", 100, 7.5))
    agrees(sample[0, :16] / model.network.heads.latent_scale, "sample")


@torch.no_grad()
def test_captions_are_the_official_ones(model) -> None:
    question = model.templates.canonical(Task.MOTION_TO_TEXT).question
    prompt = model.packer.pack([Turn(render(question, {}), "text")])
    said = model.network.write_text(prompt, drawn("told", 1, 256), 50256, 12, 1.1)
    assert said == [GOLDEN["caption"]]


def test_prompts_are_the_official_ones(model) -> None:
    """The ids that the official evaluation feeds its model."""
    som, eom, slot = 50257, 50258, 0
    double = [220, 198, 220, 198, 220, som]
    motion = [som, *[slot] * 4, eom]
    asked = {
        (Task.TEXT_TO_MOTION, CAPTION): [8645, 378, 6268, 25, 257, 1048, 11114, 2651, 13, *double],
        (Task.PREDICTION, None): [47, 17407, 6268, 25, 220, *motion, *double],
        (Task.INBETWEEN, None): [20988, 262, 29229, 6268, 25, 220, *motion, *[slot] * 4, *motion,
                                 *double],
    }  # fmt: skip
    for (task, text), ids in asked.items():
        prompt = model.packer.pack([model.maker.turn(task, 2.0, text)])
        assert prompt.ids.tolist() == [ids]
        assert int(prompt.masked.sum()) == (4 if task is Task.INBETWEEN else 0)
    question = model.templates.canonical(Task.MOTION_TO_TEXT).question
    prompt = model.packer.pack([Turn(render(question, {}), "text")])
    assert prompt.ids.tolist() == [[8645, 378, 2420, 25, 220, *motion, 220, 198, 220, 198]]


@torch.no_grad()
def test_two_motions_of_one_question_share_its_slots_turn_by_turn(model) -> None:
    """motgpt_lm.py:561: first quarters of both, second quarters of both ..."""
    turn = Turn((Field.START, Field.END), "text")
    told = drawn("told", 2, 256)
    tokens = model.packer.pack([turn])
    x = model.network._embed(tokens, told)[tokens.told]
    slots = model.network.heads.embed(told).view(2, 4, -1)
    torch.testing.assert_close(x, slots.transpose(0, 1).flatten(0, 1))


def test_parts_have_the_papers_sizes(release) -> None:
    """Weights the official code holds and never reads are counted in by hand."""
    model = MotionGPT(read_bundle(release / "motiongpt3.ckpt"))

    def size(weights) -> int:
        return sum(w.numel() for w in weights)

    gpt, heads = model.network.gpt, model.network.heads
    tables = [gpt.wte.weight, gpt.control.weight, gpt.wpe.weight]
    assert size([*gpt.branch(TEXT), *tables]) == 124_441_344
    # Six embeddings of motion tokens, of which two are read, and six scores that no loss trains.
    unread = 4 * 768 + 6 * 768
    own = [*gpt.branch(MOTION), heads.motion_out, heads.masked]
    assert size(own) + unread == 85_065_216
    head = [p for name, p in heads.diffusion.named_parameters() if name != "nothing"]
    assert size(head) == 27_947_776
    assert size(heads.understand.parameters()) == 789_504
    assert heads.diffusion.nothing.numel() == 3_072
    assert size(model.codec.vae.parameters()) == 18_032_135


def test_all_tasks_run(model) -> None:
    quick = Sampling("ddpm", 2)
    walk = model.generate(CAPTION, 2.0, seed=3, sampling=quick)
    assert walk.joints.shape == (40, 22, 3) and np.isfinite(walk.joints).all()
    assert len(model.predict(walk, 1.0, sampling=quick)) == 60
    assert len(model.inbetween(walk, walk, 1.0, sampling=quick)) == 100
    assert isinstance(model.caption(walk), str)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_is_little_more_than_the_weights(release: Path) -> None:
    """In a process of its own, the 1.02 GB of weights loaded and run once."""
    script = (
        "import re, sys, motiongpt3\n"
        "model = motiongpt3.load(sys.argv[1])\n"
        "model.generate('walk', 2.0, sampling=motiongpt3.Sampling(steps=2))\n"
        "peak = re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1]\n"
        "print(int(peak) * 1024 / (4 * model.parameters))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(release)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) <= 1.4


def test_a_converted_release_is_the_release(release: Path, tmp_path: Path, capsys) -> None:
    source, out = str(release / "motiongpt3.ckpt"), str(tmp_path / "ours")
    assert main(["convert-checkpoint", source, out]) == 0
    assert "MotionGPT3 (official release)" in capsys.readouterr().out
    ours, theirs = motiongpt3.load(out), motiongpt3.load(source)
    assert ours.conventions == theirs.conventions
    expected = theirs.network.state_dict()
    assert all(torch.equal(t, expected[name]) for name, t in ours.network.state_dict().items())
    assert main(["convert-checkpoint", source, out]) == InputError.exit_code  # not empty any more


def test_captions_keep_their_spaces_where_numbers_are_compared(model) -> None:
    """The ids of " walks  slowly " in the official evaluation; elsewhere such spaces are noise."""
    prompt = model.packer.pack([model.maker.turn(Task.TEXT_TO_MOTION, 4.0, " walks  slowly ")])
    assert prompt.ids.tolist() == [[8645, 378, 6268, 25, 220, 11114, 220, 6364,
                                    220, 220, 198, 220, 198, 220, 50257]]  # fmt: skip
    assert check_prompt(" walks  slowly ", keep_spaces=OFFICIAL.keep_spaces) == "walks slowly"


def test_the_vae_loads_alone_under_either_name(tmp_path: Path) -> None:
    own = {name: released.tensor(name, shape) for name, shape in released.shapes()
           if name.startswith("vae.")}  # fmt: skip
    for prefix in ("vae.", "motion_vae."):
        state = {name.replace("vae.", prefix, 1): tensor for name, tensor in own.items()}
        torch.save({"state_dict": state}, tmp_path / "mld.ckpt")
        vae = read_vae(tmp_path / "mld.ckpt")
        mean = vae.encode(drawn("features", 2, 97, 263), torch.tensor([40, 97])).mean
        agrees(mean[:, 0, :8].detach(), "vae_mean")
    with pytest.raises(InputError, match="no language model"):
        motiongpt3.load(tmp_path / "mld.ckpt")
