"""Evaluators: the official networks, embeddings that depend on nothing else, mistakes noticed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import walk, wave
from test_words import WORDS, glove
from torch import Tensor, nn

from motiongpt3.data.dataset import pad
from motiongpt3.errors import CorruptError, InputError, NonFiniteError
from motiongpt3.model.evaluator import read_evaluator
from motiongpt3.model.guo import GuoConfig, GuoNetworks
from motiongpt3.model.guo_release import ENCODERS
from motiongpt3.model.text_motion import TextMotion, load_evaluator, save_evaluator
from motiongpt3.model.tmr import TMRConfig, TMRNetworks
from motiongpt3.model.words import Vocabulary
from motiongpt3.motion.features import joints_to_features, layout_of

GUO = GuoConfig(vocabulary=len(WORDS), word=12, text=16, movement=16, motion=16, embedding=8)
TMR = TMRConfig(vocabulary=len(WORDS), width=16, layers=2, feedforward=32, embedding=8)
CAPTIONS = ["a person walks", "slow", "a person walks forward slow a person walks"]


def shapes(features: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the official weights: facts of T2M's `finest.tar`."""

    def recurrent(name: str, given: int, hidden: int) -> dict[str, tuple[int, ...]]:
        own: dict[str, tuple[int, ...]] = {
            "hidden": (2, 1, hidden),
            "input_emb.weight": (hidden, given),
            "input_emb.bias": (hidden,),
            "output_net.0.weight": (hidden, 2 * hidden),
            "output_net.0.bias": (hidden,),
            "output_net.1.weight": (hidden,),
            "output_net.1.bias": (hidden,),
            "output_net.3.weight": (512, hidden),
            "output_net.3.bias": (512,),
        }
        for direction in ("", "_reverse"):
            for kind in ("ih", "hh"):
                own[f"gru.weight_{kind}_l0{direction}"] = (3 * hidden, hidden)
                own[f"gru.bias_{kind}_l0{direction}"] = (3 * hidden,)
        return {f"{name}.{key}": shape for key, shape in own.items()}

    movement = {
        "main.0.weight": (512, features - 4, 4),
        "main.0.bias": (512,),
        "main.3.weight": (512, 512, 4),
        "main.3.bias": (512,),
        "out_net.weight": (512, 512),
        "out_net.bias": (512,),
    }
    return {
        "text_encoder.pos_emb.weight": (300, 15),
        "text_encoder.pos_emb.bias": (300,),
        **recurrent("text_encoder", 300, 512),
        **{f"movement_encoder.{key}": shape for key, shape in movement.items()},
        **recurrent("motion_encoder", 512, 1024),
    }


@pytest.mark.parametrize("features", [263, 251], ids=["HumanML3D", "KIT-ML"])
def test_names_and_shapes_are_the_official_ones(features: int) -> None:
    with torch.device("meta"):
        networks = GuoNetworks(GuoConfig(features=features, vocabulary=7))
    held = {name: tuple(tensor.shape) for name, tensor in networks.state_dict().items()}
    assert held == {"words.weight": (7, 300), **shapes(features)}


def released(folder: Path, features: int = 263, spoil: str = "") -> Path:
    """Random weights in the official layout."""
    torch.manual_seed(0)
    content: dict[str, object] = {"epoch": 7, "iter": 3}
    for name in ENCODERS:
        content[name] = {
            key.removeprefix(f"{name}."): 0.05 * torch.randn(shape)
            for key, shape in shapes(features).items()
            if key.startswith(name) and key != spoil
        }
    weights = folder / "t2m" / "text_mot_match" / "model"
    meta = folder / "t2m" / "Comp_v6_KLD01" / "meta"
    for place in (weights, meta):
        place.mkdir(parents=True, exist_ok=True)
    torch.save(content, weights / "finest.tar")
    np.save(meta / "mean.npy", np.zeros(features, np.float32))
    np.save(meta / "std.npy", np.full(features, 0.5, np.float32))
    glove(folder / "glove", list(WORDS), {word: at for at, word in enumerate(WORDS)}, 300)
    return folder / "t2m"


def as_t2m(networks: GuoNetworks, clip: Tensor) -> Tensor:
    """A clip's embedding as T2M computes it: padded to 196 frames, the GRU stopped at its end."""
    padded = F.pad(clip, (0, 0, 0, max(0, 196 - len(clip))))[None, :, :-4]
    encoder = networks.movement_encoder
    movements = encoder.out_net(nn.Sequential(*encoder.main)(padded.mT).mT)
    return as_gru(networks, movements[:, : len(clip) // 4])


def as_gru(networks: GuoNetworks, movements: Tensor) -> Tensor:
    encoder = networks.motion_encoder
    _, last = encoder.gru(encoder.input_emb(movements), encoder.hidden)
    return encoder.output_net(torch.cat([last[0], last[1]], -1))[0]


@torch.no_grad()
def test_the_release_loads_and_embeds_as_t2m_does(tmp_path: Path) -> None:
    folder = released(tmp_path)
    evaluator = read_evaluator(folder)
    assert isinstance(evaluator, TextMotion) and evaluator.size == 512
    held = evaluator.networks.state_dict()
    content = torch.load(folder / "text_mot_match/model/finest.tar", weights_only=True)  # noqa: TID251
    for name in ENCODERS:
        for key, tensor in content[name].items():
            assert torch.equal(held.pop(f"{name}.{key}"), tensor)
    assert list(held) == ["words.weight"]
    real = clips()
    theirs = [as_t2m(evaluator.networks, torch.from_numpy(clip / 0.5)) for clip in real]
    np.testing.assert_allclose(evaluator.motions(real), torch.stack(theirs), atol=1e-5)
    assert evaluator.texts(CAPTIONS).shape == (3, 512)


def test_a_release_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="main.3.bias: the weights lack"):
        read_evaluator(released(tmp_path, spoil="movement_encoder.main.3.bias"))
    torch.save({"text_encoder": {}}, tmp_path / "t2m/text_mot_match/model/finest.tar")
    with pytest.raises(CorruptError, match="no movement_encoder of tensors"):
        read_evaluator(tmp_path / "t2m")
    (tmp_path / "t2m/Comp_v6_KLD01/meta/std.npy").unlink()
    with pytest.raises(InputError, match="no std.npy here"):
        read_evaluator(tmp_path / "t2m")


def clips() -> list[np.ndarray]:
    """Features of clips of several lengths: odd ones, the longest that T2M reads, and longer."""
    made = [walk(30), wave(61), walk(198, turn=0.4), walk(197, 1.3), wave(251), walk(6)]
    return [joints_to_features(m.joints, m.skeleton).astype(np.float32) for m in made]


def statistics() -> tuple[np.ndarray, np.ndarray]:
    """Mean, and std averaged inside each kind of feature, as sets have them."""
    rows, layout = np.concatenate(clips()), layout_of(263)
    std = rows.std(0)
    for kind in (layout.root_velocity, layout.positions, layout.rotations, layout.velocities):
        std[kind] = std[kind].mean()
    return rows.mean(0), np.maximum(std, 1e-3)


def evaluator(config: GuoConfig | TMRConfig) -> TextMotion:
    torch.manual_seed(0)
    networks = GuoNetworks(config) if isinstance(config, GuoConfig) else TMRNetworks(config)
    card = {"name": "small"}
    return TextMotion(networks.eval(), Vocabulary(WORDS), *statistics(), card)


@pytest.mark.parametrize("config", [GUO, TMR, replace(TMR, frames_per_token=4)])
def test_embeddings_do_not_depend_on_the_batch(config: GuoConfig | TMRConfig) -> None:
    judge, real = evaluator(config), clips()
    together = judge.motions(real)
    for row, clip in zip(together, real, strict=True):
        np.testing.assert_allclose(judge.motions([clip])[0], row, atol=1e-5)
    np.testing.assert_allclose(judge.motions(real[::-1])[::-1], together, atol=1e-5)
    written = judge.texts(CAPTIONS)
    for row, caption in zip(written, CAPTIONS, strict=True):
        np.testing.assert_allclose(judge.texts([caption])[0], row, atol=1e-5)
    spread = np.linalg.norm(together - together.mean(0), axis=1).mean()
    assert spread > 100 * 1e-5  # the bound above says something


@torch.no_grad()
def test_without_packing_the_longest_clip_leaks_into_the_others() -> None:
    """MotionGPT3's own use (`tm2t_evaluator.py:57`): the GRU runs on over the padding."""
    judge = evaluator(replace(GUO, packing=False))
    packed = replace(judge, networks=evaluator(GUO).networks)
    short, long = clips()[1], clips()[2]
    alone, beside = judge.motions([short])[0], judge.motions([short, long])[0]
    assert np.abs(alone - beside).max() > 1e-3
    assert np.abs(packed.motions([short])[0] - packed.motions([short, long])[0]).max() < 1e-5
    x, _ = pad([((clip - judge.mean) / judge.std).astype(np.float32) for clip in (short, long)])
    encoder = judge.networks.movement_encoder
    movements = encoder.out_net(encoder.main(torch.from_numpy(x)[:1, :, :-4].mT).mT)
    theirs = as_gru(judge.networks, movements)
    np.testing.assert_allclose(beside, theirs, atol=1e-5)


def test_mistakes_with_statistics_are_noticed() -> None:
    judge, real = evaluator(GUO), clips()
    normalised = [(clip - judge.mean) / judge.std for clip in real]
    twice = [clip * judge.std + judge.mean for clip in real]
    judge.motions(real)
    for clip in normalised:
        with pytest.raises(InputError, match="clip 2: features are normalised already"):
            judge.motions([*real[:2], clip.astype(np.float32)])
    for clip in twice:
        with pytest.raises(InputError, match="standard deviation twice"):
            judge.motions([clip.astype(np.float32)])
    with pytest.raises(InputError, match="251 numbers per frame, the evaluator reads 263"):
        judge.motions([np.zeros((20, 251), np.float32)])
    with pytest.raises(InputError, match="clip 1: a value is not a finite number"):
        judge.motions([real[0], np.full((20, 263), np.nan, np.float32)])
    with pytest.raises(InputError, match="nothing to embed"):
        judge.motions([])
    with pytest.raises(InputError, match="a clip of 3 frames"):
        judge.motions([real[0][:3]])


def test_poor_motion_is_not_taken_for_a_mistake() -> None:
    """What a bad model makes must still be measured: noise, a mean pose, a frozen frame."""
    judge, rng = evaluator(GUO), np.random.default_rng(0)
    still = np.repeat(clips()[0][:1], 40, axis=0)
    mean = np.repeat(judge.mean[None], 40, axis=0)
    noisy = clips()[1] + 0.3 * judge.std * rng.standard_normal(clips()[1].shape)
    assert judge.motions([still, mean, noisy.astype(np.float32)]).shape == (3, 8)


@pytest.mark.parametrize("config", [GUO, TMR], ids=["guo", "tmr"])
def test_an_evaluator_is_saved_and_read(config: GuoConfig | TMRConfig, tmp_path: Path) -> None:
    made = evaluator(config)
    save_evaluator(made, tmp_path / "e")
    read = read_evaluator(tmp_path / "e")
    assert all(torch.equal(t, made.networks.state_dict()[name])
               for name, t in read.networks.state_dict().items())  # fmt: skip
    np.testing.assert_allclose(read.motions(clips()), made.motions(clips()), atol=1e-5)
    np.testing.assert_allclose(read.texts(CAPTIONS), made.texts(CAPTIONS), atol=1e-5)
    assert (read.name, read.size, len(read.hash)) == ("small", 8, 64)
    for name in ("model.safetensors", "config.json", "words.json", "card.json", "manifest.json"):
        path = tmp_path / "e" / name
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(CorruptError):
            load_evaluator(tmp_path / "e")
        path.write_bytes(before)
    with pytest.raises(InputError, match="no model here"):
        read_evaluator(tmp_path)


def test_an_evaluator_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    made = evaluator(GUO)
    with torch.no_grad():
        made.networks.words.weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="words.weight"):
        save_evaluator(made, tmp_path / "e")
