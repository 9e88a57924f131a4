"""Exported graphs say what the modules say, in any shape, and are refused where they cannot."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import unchecked, walk

import motiongpt3
from motiongpt3 import Sampling
from motiongpt3.data.tasks import Field
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model import loading
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.checkpoint import SHIPPED, Bundle, load_bundle, save
from motiongpt3.model.conventions import OFFICIAL
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.exported import load_exported
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.noise import item_generators, noise_rows
from motiongpt3.model.onnx_backend import opened
from motiongpt3.model.onnx_export import EXPORTED, GRAPHS, export
from motiongpt3.model.sequence import Packer, Turn
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.model.vq import MotionVQ, VQConfig

PARITY = 1e-4
EXPORT_PAGE = Path(__file__).parents[1] / "docs" / "export.md"
BACKENDS = ("onnx", "openvino")
TEXTS = ["a person walks.", "he jumps up and turns around twice", "someone bows"]


def ours() -> tuple[VAEConfig, BimodalConfig]:
    """Everything that the paper's model has not, and modalities that meet in one layer only."""
    vae = VAEConfig(
        width=8, latents=2, layers=3, heads=2, feedforward=8, frames_per_token=4, spline_points=6
    )
    gpt = GPTConfig(vocab=300, context=256, width=16, layers=2, heads=2, cross_modal_layers=(1,))
    head = DiffusionConfig(
        **{"latent": 16, "condition": 16, "slots": 4, "width": 16, "depth": 2, "pool_heads": 2},
        **{"prediction": "v", "gaussian_start": True, "told_start": True},
    )
    return vae, BimodalConfig(gpt, head)


def paper() -> tuple[VAEConfig, BimodalConfig]:
    """Like the released model, but small, and told of motions in other slots than it makes."""
    vae = VAEConfig(width=8, layers=1, heads=2, feedforward=8)
    gpt = GPTConfig(vocab=300, context=256, width=16, layers=1, heads=2)
    head = DiffusionConfig(latent=8, condition=16, slots=2, width=16, depth=1, pool_heads=2)
    return vae, BimodalConfig(gpt, head, told_slots=3, masked=True, shuffled_slots=True)


def random_bundle(sizes: tuple[VAEConfig, BimodalConfig], conventions: dict) -> Bundle:
    """No weight is zero, as many are before training."""
    tokenizer = Tokenizer.train([text for text in TEXTS for _ in range(9)], 298)
    config = replace(sizes[1], gpt=replace(sizes[1].gpt, vocab=tokenizer.text_vocab))
    torch.manual_seed(0)
    vae, network = MotionVAE(sizes[0]), Bimodal(config)
    for part in (vae, network):
        for p in part.parameters():
            p.data += 0.1 * torch.randn_like(p)
    network.heads.latent_scale.fill_(0.75)
    if vae.spline is not None:
        vae.spline.decoder.normal_(std=0.1)
    mean, std = np.zeros(263, np.float32), np.full(263, 0.1, np.float32)
    card = {"name": "tiny", "hip_sign": "corrected", "conventions": conventions}
    return Bundle(vae.eval(), network.eval(), tokenizer, mean, std, card)


@lru_cache(maxsize=2)
def exported(name: str, place: Path) -> tuple[Path, Path]:
    """A model folder, and the same exported by the command."""
    sizes, how = (paper(), asdict(OFFICIAL)) if name == "paper" else (ours(), {})
    model = save(random_bundle(sizes, how), place / name / "model", half=False)
    words = ["export-onnx", str(model), str(place / name / "graphs"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "motiongpt3", *words], capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)["bytes"]) == {n for n in EXPORTED if n.endswith(".onnx")}
    assert done.stderr.splitlines() == [f"exporting {graph}" for graph in GRAPHS]
    return model, place / name / "graphs"


@pytest.fixture(scope="module", params=["ours", "paper"])
def folders(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return exported(request.param, tmp_path_factory.getbasetemp() / "onnx")


@pytest.fixture(scope="module")
def bundle(folders: tuple[Path, Path]) -> Bundle:
    return load_bundle(folders[0])


@pytest.fixture(scope="module", params=BACKENDS)
def same(request, folders: tuple[Path, Path]) -> Bundle:
    return load_exported(folders[1], request.param)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(theirs, ours.detach(), atol=PARITY, rtol=0)


def prompts(bundle: Bundle, number: int) -> tuple[motiongpt3.model.sequence.Tokens, torch.Tensor]:
    """Sequences of many lengths: text alone, one motion told, two, and one that is missing."""
    kinds = [
        Turn((TEXTS[1],), "text"),
        Turn(("what is ", Field.MOTION, "?"), "text"),
        Turn((Field.START, TEXTS[0], Field.END, " and between"), "text"),
        Turn((TEXTS[2],), "motion"),
    ]
    if bundle.network.config.masked:
        kinds.append(Turn((Field.START, Field.MASKED, Field.END), "motion"))
    turns = [kinds[(n + number) % len(kinds)] for n in range(number)]
    packer = Packer(bundle.tokenizer, bundle.network.heads.slots)
    prompt = packer.pack(turns)
    generator = torch.Generator().manual_seed(number)
    latent = bundle.network.config.diffusion.latent
    return prompt, torch.randn(len(prompt.told_fields), latent, generator=generator)


@pytest.mark.parametrize("number", [1, 2, 5, 7])
def test_sequences_are_read_and_go_on_alike(bundle: Bundle, same: Bundle, number: int) -> None:
    prompt, told = prompts(bundle, number)
    cache, scores = bundle.network.read(prompt, told)
    past, answer = same.network.read(prompt, told)
    close(scores, answer)
    for tokens in (1, 1, 3, 20):
        ids = torch.randint(bundle.network.config.gpt.vocab, (number, tokens))
        close(bundle.network.next_logits(ids, cache), same.network.next_logits(ids, past))
    rows = torch.tensor([number - 1, 0, 0])
    cache, past, ids = cache.select(rows), past.select(rows), torch.tensor([[5], [6], [7]])
    close(bundle.network.next_logits(ids, cache), same.network.next_logits(ids, past))
    cache, past, ids = cache.expand(2), past.expand(2), torch.arange(6)[:, None]
    close(bundle.network.next_logits(ids, cache), same.network.next_logits(ids, past))


@pytest.mark.parametrize("number", [1, 2, 6])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(steps=6, guidance=3.0, guided_from=500),
        Sampling("ddpm", steps=4, guidance=1.0, temperature=0.5),
        Sampling("ddim", steps=3, guidance=0.0),
    ],
    ids=lambda how: how.sampler,
)
def test_motions_are_made_alike(
    bundle: Bundle, same: Bundle, number: int, sampling: Sampling
) -> None:
    prompt, told = prompts(bundle, number)
    one, two = (
        b.network.make(prompt, told, [20] * number, item_generators(3, range(number)), sampling)
        for b in (bundle, same)
    )
    size = max(1.0, float(one.abs().max()))  # of what was never trained, it may be large
    close(one / size, two / size)


@pytest.mark.parametrize("lengths", [[40], [5, 196, 41], [21, 20, 7, 64], [6, 6]], ids=str)
def test_clips_are_encoded_and_decoded_alike(
    bundle: Bundle, same: Bundle, lengths: list[int]
) -> None:
    length = torch.tensor(lengths)
    features = 0.3 * torch.randn(len(lengths), max(lengths), 263)
    one, two = bundle.vae.encode(features, length), same.vae.encode(features, length)
    close(one.mean, two.mean)
    close(one.log_variance, two.log_variance)
    close(bundle.vae.decode(one.mean, length), same.vae.decode(one.mean, length))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_whole_api_answers_alike(folders: tuple[Path, Path], backend: str) -> None:
    one = motiongpt3.load(folders[0])
    two = motiongpt3.load(folders[1], backend=backend)
    assert one.parameters == two.parameters
    clip, other = walk(40), walk(30, turn=0.5)
    answers = []
    for model in (one, two):
        made = [
            *model.generate(TEXTS, [2.0, None, 3.5], seed=1, samples=2),
            model.predict(clip, 1.0, seed=2),
            model.inbetween(clip, other, 1.0, seed=3),
            model.edit(clip, 0.0, 1.0, "he bows", seed=4),
        ]
        said = [*model.caption([clip, other]), model.instruct("what is this?", clip)]
        answers.append(([motion.joints for motion in made], said))
    for ours, theirs in zip(answers[0][0], answers[1][0], strict=True):
        np.testing.assert_allclose(theirs, ours, atol=10 * PARITY)  # latents are large, as above
    assert answers[0][1] == answers[1][1]


def test_what_is_too_long_is_refused(same: Bundle) -> None:
    prompt, told = prompts(same, 1)
    past, _ = same.network.read(prompt, told)
    with pytest.raises(InputError, match="reads at most 256"):
        same.network.next_logits(torch.zeros(1, 250, dtype=torch.long), past)
    with pytest.raises(InputError, match="197 frames"):
        same.vae.encode(torch.zeros(1, 197, 263), torch.tensor([197]))


def test_a_missing_motion_needs_a_model_that_knows_it(bundle: Bundle, same: Bundle) -> None:
    if bundle.network.config.masked:
        close(bundle.network.heads.hidden_motion(), same.network.heads.hidden_motion())
    else:
        with pytest.raises(InputError, match="missing motions"):
            same.network.heads.hidden_motion()


@pytest.mark.parametrize("name", ["step.onnx", "constants.safetensors", "config.json"])
def test_damaged_files_are_refused_and_named(
    folders: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    spoiled = Path(shutil.copytree(folders[1], tmp_path / "graphs"))
    content = bytearray((spoiled / name).read_bytes())
    content[len(content) // 2] ^= 1
    (spoiled / name).write_bytes(content)
    with pytest.raises(CorruptError, match=name):
        motiongpt3.load(spoiled, backend="onnx")
    (spoiled / "text.onnx").unlink()
    with pytest.raises(CorruptError, match="text.onnx"):
        motiongpt3.load(spoiled, backend="onnx")


def test_what_cannot_run_is_refused(folders: tuple[Path, Path], monkeypatch) -> None:
    with pytest.raises(InputError, match="graphs, not weights.*openvino"):
        motiongpt3.load(folders[1])
    with unchecked(), pytest.raises(InputError, match="no backend 'tpu'.*openvino"):
        motiongpt3.load(folders[1], backend="tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(InputError, match="use cpu"):
        motiongpt3.load(folders[1], "cuda", backend="onnx")
    for library, backend in (("onnxruntime", "onnx"), ("openvino", "openvino")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(InputError, match=r"motiongpt3\[onnx\]"):
            opened(backend)


def test_what_cannot_be_exported_is_refused(bundle: Bundle, tmp_path: Path, monkeypatch) -> None:
    ids = Bundle(
        MotionVQ(VQConfig(codebook=8, width=8, depth=1)),
        *(bundle.network, bundle.tokenizer, bundle.mean, bundle.std, bundle.card),
    )
    with pytest.raises(InputError, match="writes ids"):
        export(ids, tmp_path / "graphs")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"onnxscript.*motiongpt3\[onnx\]"):
        export(bundle, tmp_path / "graphs")
    assert not any(tmp_path.iterdir())


def test_a_model_is_exported_once_and_kept(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(loading, "export", lambda bundle, to: shutil.copytree(folders[1], to))
    with pytest.warns(UserWarning, match="exporting .* once"):
        first = motiongpt3.load(folders[0], backend="onnx")
    monkeypatch.setattr(loading, "export", None)
    again = motiongpt3.load(folders[0], backend="onnx")
    assert (
        first.generate("walk", 2.0).joints.tobytes() == again.generate("walk", 2.0).joints.tobytes()
    )
    assert len(list((tmp_path / "motiongpt3" / "onnx").iterdir())) == 1


def test_the_lines_of_the_documentation_make_the_same_motion(tmp_path_factory) -> None:
    model, folder = exported("ours", tmp_path_factory.getbasetemp() / "onnx")
    lines = re.findall(r"```python\n(.*?)```", EXPORT_PAGE.read_text(), re.DOTALL)
    noise = noise_rows(item_generators(0, [0]), (16,), torch.zeros(1)).numpy()
    given = {"folder": folder, "text": TEXTS[0], "seconds": 2.0, "noise": noise, "steps": 8}
    exec(compile("".join(lines), EXPORT_PAGE.name, "exec"), given)  # noqa: S102 - our own page
    how = Sampling("ddim", steps=8, guidance=3.0, guided_from=600)
    wanted = motiongpt3.load(model).generate(TEXTS[0], 2.0, sampling=how).decoded
    np.testing.assert_allclose(given["features"][0], wanted, atol=PARITY)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="ships without a model")
def test_a_file_in_the_way_of_the_cache_is_named(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with (
        pytest.warns(UserWarning, match="exporting"),
        pytest.raises(motiongpt3.ResourceError, match="XDG_CACHE_HOME"),
    ):
        motiongpt3.load(backend="onnx")
