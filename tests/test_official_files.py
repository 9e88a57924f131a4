"""The official release as files: what is no such release is refused by name."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import motiongpt3
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.loading import read_bundle
from motiongpt3.model.official import read_official


def changed(folder: Path, out: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """The release with something wrong in it."""
    content = torch.load(folder / "motiongpt3.ckpt", weights_only=True, mmap=True)  # noqa: TID251
    state = content["state_dict"]
    # A zero seen through each tensor's shape: refusals need names and shapes, and files stay small.
    state |= {name: torch.zeros(()).expand(t.shape) for name, t in state.items()}
    change(state)
    torch.save(content, out / "broken.ckpt")
    for name in ("Mean.npy", "Std.npy"):
        (out / name).write_bytes((folder / name).read_bytes())
    return out / "broken.ckpt"


WORDS = "lm.language_model.transformer.wte.weight"
HEAD = "lm.language_model.lm_head.weight"
TOKENS = "lm.language_model.pre_processors.1.weight"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("lm.motion_und_head.layers.bias"), "understand.bias: .*lack"),
        (lambda s: s.update({"lm.surprise": torch.ones(2)}), "lm.surprise: nothing here"),
        (lambda s: s.update({"vae.final_layer.bias": torch.full((263,), torch.nan)}),
         "vae.final_layer.bias: weights are not finite"),
        (lambda s: s.update({"lm.motion_und_head.layers.weight": torch.ones(2048, 256)}),
         r"understand.weight: .*\(2048, 256\)"),
        (lambda s: s.update({HEAD: torch.ones(50259, 768)}), f"{HEAD}: is not .*wte"),
        (lambda s: s.update({TOKENS: torch.zeros(518, 768)}), f"{TOKENS}: 518 motion tokens"),
    ],
    ids=["missing", "extra", "nan", "width", "words", "tokens"],
)  # fmt: skip
def test_a_wrong_tensor_is_named(release: Path, tmp_path: Path, change, says: str) -> None:
    with pytest.raises(CorruptError, match=says):
        read_official(changed(release, tmp_path, change))


def test_later_stages_and_other_precisions_load(release: Path, tmp_path: Path) -> None:
    """Half precision, names in another order, and no stand-in for "nothing": then no guidance."""

    def change(state: dict[str, Tensor]) -> None:
        del state["lm.fake_latent"]
        for name in reversed(list(state)):
            kind = torch.bfloat16 if name.startswith("lm.") else torch.float16
            state[name] = state.pop(name).to(kind)

    bundle = read_official(changed(release, tmp_path, change))
    assert all(t.dtype == torch.float32 for t in bundle.network.state_dict().values())
    assert bundle.card["conventions"]["guidance"] == 1.0
    assert not bundle.network.heads.diffusion.nothing.any()


def test_a_folder_of_checkpoints_holds_one_release(release: Path, tmp_path: Path) -> None:
    """The authors' folder: the release, the VAE it was trained on, statistics in another place."""
    place = tmp_path / "checkpoints"
    place.mkdir()
    (place / "1222_mld_humanml3d_FID041.ckpt").write_bytes(b"not read")
    (place / "motiongpt3.ckpt").symlink_to(release / "motiongpt3.ckpt")
    meta = tmp_path / "assets" / "meta"
    meta.mkdir(parents=True)
    for name in ("Mean.npy", "Std.npy"):
        (meta / name.lower()).write_bytes((release / name).read_bytes())
    bundle = read_bundle(place)
    np.testing.assert_array_equal(bundle.mean, np.load(release / "Mean.npy"))
    (place / "motiongpt3.ckpt").rename(place / "other.ckpt")
    with pytest.raises(InputError, match="which of 1222.*other.ckpt"):
        read_bundle(place)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    """`test_state_file.py` has more of them."""
    trap = functools.partial(Path.touch, tmp_path / "trapped")
    torch.save(
        {"state_dict": {WORDS: torch.ones(1)}, "hyper_parameters": trap}, tmp_path / "t.ckpt"
    )
    with pytest.raises(CorruptError, match="which is not a weight"):
        motiongpt3.load(tmp_path / "t.ckpt")


def test_statistics_must_lie_beside_it_and_fit(release, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.ckpt").symlink_to(release / "motiongpt3.ckpt")
    monkeypatch.setenv("MOTIONGPT3_DATA", str(tmp_path))  # no reference files there
    with pytest.raises(InputError, match=r"Mean\.npy and Std\.npy"):
        motiongpt3.load(tmp_path / "a.ckpt")
    for name in ("Mean.npy", "Std.npy"):
        np.save(tmp_path / name, np.ones(251))
    with pytest.raises(InputError, match="251"):
        motiongpt3.load(tmp_path / "a.ckpt")
    np.save(tmp_path / "Mean.npy", np.ones(263))
    np.save(tmp_path / "Std.npy", np.zeros(263))
    with pytest.raises(InputError, match="not above zero"):
        motiongpt3.load(tmp_path / "a.ckpt")


def test_compat_is_for_the_release_alone() -> None:
    with pytest.raises(InputError, match="not the official release"):
        motiongpt3.load(compat="official")
