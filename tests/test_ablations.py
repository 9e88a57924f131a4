"""Every ablation of the paper is one value: each trains, makes motions, and changes nothing else.

`golden/ablations.json` holds the losses of every cell. Write it anew, after a change that is meant
to change numbers, with `python tests/test_ablations.py`.
"""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from clips import archive, lines, tiny
from toys import SILENT

import motiongpt3
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import InputError
from motiongpt3.model.gpt import layer_set
from motiongpt3.model.vq import VQConfig
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.stage import Watch
from motiongpt3.training.train import train

GOLDEN = Path(__file__).parent / "golden" / "ablations.json"
LAYERS = 8
STEPS = 20


def base() -> Recipe:
    """Two branches, a VAE latent, K = 4, epsilon: the paper's choices at a small size."""
    recipe = tiny(STEPS)
    gpt = replace(recipe.model.gpt, layers=LAYERS)
    diffusion = replace(recipe.model.diffusion, prediction="epsilon", gaussian_start=False)
    vae = replace(recipe.vae, config=replace(recipe.vae.config, spline_points=0))
    stages = tuple(stage for stage in recipe.stages if stage.name in ("generate", "finetune"))
    model = replace(recipe.model, gpt=gpt, diffusion=diffusion)
    return replace(recipe, vae=vae, model=model, stages=stages)


def with_gpt(**values: object) -> Recipe:
    recipe = base()
    return replace(recipe, model=replace(recipe.model, gpt=replace(recipe.model.gpt, **values)))


def with_head(**values: object) -> Recipe:
    recipe = base()
    diffusion = replace(recipe.model.diffusion, **values)
    return replace(recipe, model=replace(recipe.model, diffusion=diffusion))


def with_codec(recipe: Recipe, config: object) -> Recipe:
    return replace(recipe, vae=replace(recipe.vae, config=config))


VQ = VQConfig(codebook=32, width=32, depth=1)
CELLS: dict[str, Recipe] = {
    "two branches, VAE": base(),
    "one branch, VAE": with_gpt(branches=1),
    "two branches, VQ": with_codec(base(), VQ),
    "one branch, VQ": with_codec(with_gpt(branches=1), VQ),
    **{f"L = {n}": with_gpt(cross_modal_layers=layer_set(f"last{n}", LAYERS)) for n in (1, 3, 6)},
    "L = all": with_gpt(cross_modal_layers=layer_set("all", LAYERS)),
    **{f"K = {k}": with_head(slots=k) for k in (1, 8)},
    **{f"K in = {k}": replace(base(), model=replace(base().model, told_slots=k)) for k in (1, 8)},
    "latents = 4": with_codec(base(), replace(base().vae.config, latents=4)),
    **{name: with_head(prediction=name) for name in ("x0", "v", "flow")},
}


def losses(recipe: Recipe, data: Path, out: Path) -> dict[str, float]:
    """The last losses of each stage."""
    seen: dict[str, float] = {}

    def report(stage: str, step: int, steps: int, record: dict[str, float]) -> None:
        seen.update({f"{stage}.{k}": record[k] for k in ("loss", "motion") if k in record})

    train(recipe, data, out, Watch(report))
    return seen


def distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Largest difference of two cells' losses."""
    return max(abs(a[name] - b[name]) for name in a)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablations")
    prepare([archive(folder / "raw", lines(copies=2))], folder / "set")
    return folder / "set"


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_trains_and_makes_motions(data: Path, tmp_path: Path, cell: str) -> None:
    found, golden = losses(CELLS[cell], data, tmp_path / "run"), json.loads(GOLDEN.read_text())
    assert found == pytest.approx(golden[cell], rel=2e-3)  # other machines add in another order
    same = {name for name in golden if golden[name] == golden[cell]}
    assert min(golden, key=lambda name: distance(found, golden[name])) in same
    model = motiongpt3.load(tmp_path / "run" / "model")
    sampling = motiongpt3.Sampling(steps=3, guidance=1.0)
    made = model.generate(["a person walks", "someone waves"], [1.0, 2.0], sampling=sampling)
    assert [len(motion) for motion in made] == [20, 40]
    assert all(np.isfinite(motion.joints).all() for motion in made)
    alone = model.generate("someone waves", 2.0, sampling=sampling)
    np.testing.assert_allclose(alone.joints, made[1].joints, atol=1e-4)
    assert isinstance(model.caption(made[0]), str)
    assert len(model.predict(made[1], 1.0, sampling=sampling)) == 60
    assert len(model.inbetween(*made, 1.0, sampling=sampling)) == 80


def test_cells_share_what_their_value_does_not_change(data: Path) -> None:
    """Meeting in all layers, by name, is the base cell to the last digit of its losses."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["L = all"] == golden["two branches, VAE"]
    codecs = {cell: golden[cell]["vae.loss"] for cell in golden}
    same = {cell for cell in CELLS if "VQ" not in cell and cell != "latents = 4"}
    assert len({codecs[cell] for cell in same}) == 1
    others = [tuple(golden[cell].values()) for cell in golden if cell != "L = all"]
    assert len(set(others)) == len(others), "every other value changes something"


def test_layers_are_named_as_in_the_paper() -> None:
    named = {name: replace(base(), meeting=name).sizes(400) for name in ("last3", "odd", "None")}
    found = {name: sizes.gpt.cross_modal_layers for name, sizes in named.items()}
    assert found == {"last3": (5, 6, 7), "odd": (0, 2, 4, 6), "None": ()}
    assert named["last3"] == with_gpt(cross_modal_layers=(5, 6, 7)).sizes(400)


def test_a_model_that_writes_ids_refuses_guidance(data: Path, tmp_path: Path) -> None:
    recipe = replace(CELLS["two branches, VQ"], stages=())
    train(recipe, data, tmp_path / "run", SILENT)
    model = motiongpt3.load(tmp_path / "run" / "model")
    with pytest.raises(InputError, match="leave it out"):
        model.generate("walk", 1.0, sampling=motiongpt3.Sampling(guidance=3.0))
    assert len(model.generate("walk", 1.0)) == 20, "none is usual"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        base_folder = Path(folder)
        prepare([archive(base_folder / "raw", lines(copies=2))], base_folder / "set")
        content = {
            name: losses(recipe, base_folder / "set", base_folder / str(n))
            for n, (name, recipe) in enumerate(CELLS.items())
        }
        GOLDEN.write_text(json.dumps(content, indent=1) + "\n")
