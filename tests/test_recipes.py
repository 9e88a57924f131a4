"""Recipes: sizes, and the script that trains one for release."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import released
import torch
from clips import archive, lines, tiny
from toys import SILENT

from motiongpt3.data.prepare import prepare
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import load_bundle, motion_codec
from motiongpt3.model.official import read_vae
from motiongpt3.model.vae import VAEConfig
from motiongpt3.training.plan import plan
from motiongpt3.training.recipe import VAERecipe
from motiongpt3.training.recipes import RECIPES
from motiongpt3.training.train import train

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_release.sh"
CONTROL = 2
TRAINER = """#!/bin/sh
echo "$@" > "$8/command"
mkdir -p "$8/model"
cd "$8/model"
echo {} | tee config.json tokenizer.json card.json manifest.json > /dev/null
head -c 40000000 /dev/urandom > model.safetensors
"""
"""Stands in for Python: what `motiongpt3 train` leaves behind, without the training."""


def test_small_lies_between_nano_and_the_paper() -> None:
    weights = {}
    for name, recipe in RECIPES.items():
        with torch.device("meta"):
            parts = motion_codec(recipe.vae.config), Bimodal(recipe.sizes(recipe.vocab + CONTROL))
        weights[name] = sum(p.numel() for part in parts for p in part.parameters())
    assert 25e6 < weights["small"] < 35e6
    assert weights["nano"] < weights["small"] < weights["paper-humanml3d"]
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    small, nano = RECIPES["small"], RECIPES["nano"]
    assert [stage.stage for stage in small.stages] == [stage.stage for stage in nano.stages]
    assert small.sources == nano.sources and small.licence == nano.licence


def test_a_vae_of_a_release_is_taken_over_as_it_is(tmp_path: Path) -> None:
    """The paper begins with MLD's; files of other sizes are refused before anything is trained."""
    weights = {name: released.tensor(name, shape) for name, shape in released.shapes()
               if name.startswith("vae.")}  # fmt: skip
    release = tmp_path / "mld.ckpt"
    torch.save({"state_dict": weights}, release)
    prepare([archive(tmp_path / "raw", lines())], tmp_path / "set")
    recipe = tiny(1)
    together = tuple(stage for stage in recipe.stages if stage.name == "together")
    diffusion = replace(recipe.model.diffusion, latent=VAEConfig().width)
    recipe = replace(recipe, stages=together, model=replace(recipe.model, diffusion=diffusion))
    begun = VAERecipe(VAEConfig(), recipe.vae.schedule, trained=str(release))
    planned = plan(replace(recipe, vae=begun), tmp_path / "set", lambda: 0)
    assert [stage.name for stage in planned.stages] == ["codes", "together"]
    train(replace(recipe, vae=begun), tmp_path / "set", tmp_path / "run", SILENT)
    assert not (tmp_path / "run" / "vae").exists()
    expected = read_vae(release).state_dict()
    for name, found in load_bundle(tmp_path / "run" / "model").vae.state_dict().items():
        torch.testing.assert_close(found, expected[name], atol=1e-3, rtol=1e-3)  # stored as half
    smaller = replace(begun, config=VAEConfig(layers=3))
    with pytest.raises(InputError, match=r"mld.ckpt: is of size .*layers=9.*recipe asks for"):
        train(replace(recipe, vae=smaller), tmp_path / "set", tmp_path / "no", SILENT)


def test_the_release_script_trains_what_it_is_told_and_cuts_it_up(tmp_path: Path) -> None:
    trainer, out = tmp_path / "trainer", tmp_path / "out"
    trainer.write_text(TRAINER)
    trainer.chmod(0o755)
    out.mkdir()
    command = ["sh", str(SCRIPT), "small", "some set", str(out), "--seed", "3"]
    said = subprocess.run(
        command, env={**os.environ, "PYTHON": str(trainer)}, check=True, capture_output=True
    )
    assert said.stdout.endswith(f"done: {out}/pieces\n".encode())
    asked = f"-m motiongpt3 train small --data some set --out {out} --resume --seed 3\n"
    assert (out / "command").read_text() == asked
    pieces = sorted((out / "pieces").glob("model.safetensors.*"))
    assert len(pieces) == 3 and all(piece.stat().st_size <= 2**24 for piece in pieces)
    whole = b"".join(piece.read_bytes() for piece in pieces)
    assert whole == (out / "model" / "model.safetensors").read_bytes()
