"""Models at rest: what is loaded is what was saved, or it is refused."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from motiongpt3.errors import CorruptError, InputError, MotionGPTError, NonFiniteError
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.checkpoint import FILES, SHIPPED, VERSION, Bundle, load_bundle, save, verify
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.loading import load
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.motion.skeleton import HUMANML3D

CARD = {"name": "tiny", "hip_sign": "corrected", "words": "größer 走"}


@pytest.fixture
def bundle() -> Bundle:
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["a person walks."], 270)
    vae = MotionVAE(VAEConfig(width=8, layers=1, heads=2, feedforward=8, spline_points=5))
    gpt = GPTConfig(tokenizer.text_vocab, context=32, width=8, layers=1, heads=2)
    diffusion = DiffusionConfig(latent=8, condition=8, slots=2, width=8, depth=1)
    network = Bimodal(BimodalConfig(gpt, diffusion))
    network.heads.latent_scale.fill_(0.75)
    vae.spline.decoder.normal_()
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(2, 263)).astype(np.float32)
    return Bundle(vae, network, tokenizer, mean, np.abs(std) + 0.1, CARD)


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return save(bundle, tmp_path / "model")


def reseal(folder: Path) -> None:
    """Make the manifest agree with files that were changed on purpose."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / "manifest.json").write_text(json.dumps({"version": VERSION, "sha256": sums}))


def test_what_is_loaded_is_what_was_saved(bundle: Bundle, folder: Path) -> None:
    again = load_bundle(folder)
    for saved, loaded in ((bundle.vae, again.vae), (bundle.network, again.network)):
        assert saved.config == loaded.config and not loaded.training
        wanted = saved.state_dict()
        assert wanted.keys() == loaded.state_dict().keys()
        for name, tensor in loaded.state_dict().items():
            assert tensor.dtype == wanted[name].dtype
            assert torch.equal(tensor, wanted[name].half().to(tensor.dtype)), name
    assert np.array_equal(again.mean, bundle.mean) and np.array_equal(again.std, bundle.std)
    assert again.card == CARD
    text = "a person walks backwards! <som>"
    assert again.tokenizer.encode(text) == bundle.tokenizer.encode(text)


def test_saving_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = save(load_bundle(folder), tmp_path / "other")
    for name in (*FILES, "manifest.json"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    save(load_bundle(folder), folder)  # over itself
    verify(folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_one_flipped_bit_is_refused_and_the_file_named(folder, name: str, place: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 4
    (folder / name).write_bytes(content)
    with pytest.raises(CorruptError, match=name) as caught:
        load_bundle(folder)
    found = hashlib.sha256(content).hexdigest()
    assert found in str(caught.value) and caught.value.exit_code == 3


@pytest.mark.parametrize("name", FILES)
def test_missing_and_cut_files_are_refused_and_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for kept in (len(content) - 1, len(content) // 2, 0):
        (folder / name).write_bytes(content[:kept])
        with pytest.raises(CorruptError, match=name):
            load_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(CorruptError, match=name):
        load_bundle(folder)


def test_a_damaged_manifest_never_surprises(folder: Path) -> None:
    path = folder / "manifest.json"
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        for bit in (1, 32):
            damaged = bytearray(content)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            try:
                verify(folder)
            except MotionGPTError:
                continue
            # Only what means nothing may change: white space.
            assert json.loads(damaged) == json.loads(content), f"byte {place}"


def test_places_without_a_model(tmp_path: Path, folder: Path) -> None:
    (folder / "manifest.json").unlink()
    for place in (tmp_path / "nowhere", folder):
        with pytest.raises(InputError, match=r"manifest\.json"):
            load_bundle(place)
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_an_unknown_device_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use cpu"):
        load(tmp_path / "nowhere", device="abacus")


@pytest.mark.parametrize("version", [1, VERSION + 1, None, str(VERSION)])
def test_other_versions_are_refused(folder: Path, version: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": version}))
    with pytest.raises(CorruptError, match=f"this package reads {VERSION}"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"vae": {"layers": 3}},
        {"gpt": {"layers": 2}},
        {"gpt": {"width": 16}},
        {"diffusion": {"depth": 2}},
        {"vae": {"nonsense": 1}},
    ],
    ids=str,
)
def test_weights_that_do_not_fit_the_configuration_are_refused(folder: Path, change) -> None:
    config = json.loads((folder / "config.json").read_text())
    for part, fields in change.items():
        (config if part == "vae" else config["network"])[part] |= fields
    (folder / "config.json").write_text(json.dumps(config))
    reseal(folder)
    with pytest.raises(CorruptError):
        load_bundle(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e6])
def test_weights_that_are_not_finite_are_never_saved(bundle, tmp_path, value: float) -> None:
    """1e6 is beyond what half precision holds."""
    with torch.no_grad():
        bundle.network.gpt.wpe.weight[3, 2] = value
    with pytest.raises(NonFiniteError, match=r"network\.gpt\.wpe\.weight"):
        save(bundle, tmp_path / "model")
    assert not (tmp_path / "model" / "manifest.json").exists()


@pytest.mark.parametrize("which", ["mean", "std"])
def test_statistics_that_are_not_finite_are_never_saved(bundle, tmp_path, which: str) -> None:
    broken = replace(bundle, **{which: np.full(263, np.nan, np.float32)})
    with pytest.raises(NonFiniteError, match=which):
        save(broken, tmp_path / "model")


def test_a_failed_save_leaves_the_old_model(bundle: Bundle, folder: Path) -> None:
    with torch.no_grad():
        bundle.vae.out.weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError):
        save(bundle, folder)
    verify(folder)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped checkpoint in this checkout")
class TestShipped:
    """The checkpoint in the package."""

    def test_it_is_whole_and_small(self) -> None:
        assert sum(p.stat().st_size for p in SHIPPED.rglob("*") if p.is_file()) <= 40e6
        verify(SHIPPED)
        card = load_bundle(SHIPPED).card
        assert card["licence"] and card["sources"] and card["command"]

    def test_one_flipped_bit_is_noticed(self, tmp_path: Path) -> None:
        copy = shutil.copytree(SHIPPED, tmp_path / "copy")
        content = bytearray((copy / "model.safetensors").read_bytes())
        content[len(content) // 2] ^= 1
        (copy / "model.safetensors").write_bytes(content)
        with pytest.raises(CorruptError, match=r"model\.safetensors"):
            verify(copy)

    def test_it_raises_the_hand_it_is_told_to(self) -> None:
        left, right = HUMANML3D.index("left_wrist"), HUMANML3D.index("right_wrist")
        model = load()
        right_hand_stays_down = []
        for seed in range(4):
            motion = model.generate("a person raises the left hand", seconds=4.0, seed=seed)
            height = motion.joints[..., 1]
            rise = height[:, [left, right]].max(0) - height[0, [left, right]]
            right_hand_stays_down.append(rise[0] >= 0.25 and rise[1] < 0.25)
        assert sum(right_hand_stays_down) >= 3
