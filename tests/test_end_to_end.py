"""From raw clips to a model that answers, as somebody with a folder of capture would go."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import tiny, trained_once, walk, wave
from toys import SILENT

import motiongpt3
from motiongpt3 import Motion
from motiongpt3.errors import CorruptError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import FILES, load_bundle, verify
from motiongpt3.motion.features import features_to_joints
from motiongpt3.training.stage import Upkeep, Watch
from motiongpt3.training.start import Start, fresh_network
from motiongpt3.training.train import train

LEG = ("knee", "ankle", "foot")
"""Joints that may move so that standing feet stay where they are."""


class Killed(Exception):
    """The end of a process, as far as a test can have it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_once(tmp_path_factory.getbasetemp() / "tiny")


@pytest.fixture(scope="module")
def model(run: Path) -> motiongpt3.MotionGPT:
    return motiongpt3.load(run / "model")


def test_a_recipe_leaves_a_verified_model(run: Path) -> None:
    verify(run / "model")
    bundle = load_bundle(run / "model")
    recipe = tiny()
    assert bundle.vae.config == recipe.vae.config
    assert bundle.card["name"] == "nano" and bundle.card["hip_sign"] == "corrected"
    for name in ("vae", *(stage.name for stage in recipe.stages)):
        assert len((run / name / "log.jsonl").read_text().splitlines()) == 4
    assert {p.name for p in (run / "model").iterdir()} == {*FILES, "manifest.json"}


def test_a_run_killed_in_any_stage_ends_in_the_same_model(run: Path, tmp_path: Path) -> None:
    kills = iter([("vae", 2), ("generate", 3), ("finetune", 1)])
    at = next(kills)

    def report(stage: str, step: int, *_: object) -> None:
        if (stage, step) == at:
            raise Killed

    again, resume = tmp_path / "again", False
    while not (again / "model").is_dir():
        try:
            train(tiny(), run.parent / "set", again, Watch(report), Upkeep(resume=resume))
        except Killed:
            resume, at = True, next(kills, ("", 0))
    for name in (*FILES, "manifest.json"):
        assert (again / "model" / name).read_bytes() == (run / "model" / name).read_bytes(), name


def test_a_run_goes_on_from_another_model(run: Path, tmp_path: Path) -> None:
    """Codec, vocabulary and statistics stay; the stages that are asked for train the rest."""
    start, recipe = load_bundle(run / "model"), tiny()
    kept = [stage for stage in recipe.stages if stage.name == "together"]
    recipe = replace(recipe, stages=tuple(kept))
    before = {name: t.clone() for name, t in start.network.state_dict().items()}
    train(recipe, run.parent / "set", tmp_path / "run", SILENT, start=Start(start))
    assert not (tmp_path / "run" / "vae").exists()
    made = load_bundle(tmp_path / "run" / "model")
    assert made.card["begun_from"] == start.card and made.card["stages"] == ["together"]
    for name, tensor in start.vae.state_dict().items():
        assert torch.equal(made.vae.state_dict()[name], tensor), name
    after = made.network.state_dict()
    assert before.keys() == after.keys()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert any("blocks" in name for name in changed) and "heads.latent_scale" not in changed
    for name, tensor in start.network.state_dict().items():
        assert torch.equal(before[name], tensor), "what it begins with stays what it was"
    assert made.tokenizer.encode("waves") == start.tokenizer.encode("waves")
    other = replace(recipe.model, gpt=replace(recipe.model.gpt, width=64))
    with pytest.raises(CorruptError, match="shape"):
        wider = replace(recipe, model=other)
        train(wider, run.parent / "set", tmp_path / "wider", SILENT, start=Start(start))


def test_a_run_may_take_over_a_codec_alone(run: Path, tmp_path: Path) -> None:
    """The language model is then the one that a run without a start would begin with."""
    start, recipe = load_bundle(run / "model"), replace(tiny(), stages=())
    train(recipe, run.parent / "set", tmp_path / "run", SILENT, start=Start(start, codec_only=True))
    made = load_bundle(tmp_path / "run" / "model")
    for name, tensor in start.vae.state_dict().items():
        assert torch.equal(made.vae.state_dict()[name], tensor), name
    assert made.tokenizer.encode("waves") == start.tokenizer.encode("waves")
    fresh = fresh_network(recipe, start.tokenizer).state_dict()
    for name, tensor in made.network.state_dict().items():
        spread = name in ("heads.latent_scale", "heads.diffusion.spread")
        expected = start.network.state_dict()[name] if spread else fresh[name].half().float()
        torch.testing.assert_close(tensor, expected, atol=1e-3 * spread, rtol=0)
    assert made.card["codec_from"] == start.card and "begun_from" not in made.card
    assert "--codec" in str(made.card["command"])
    again = Start(replace(made, card={"begun_from": made.card}), codec_only=True)
    assert again.origin == {"codec_from": start.card}, "the run that trained the codec"


def test_a_run_may_begin_with_a_model_that_was_not_told_spreads(run: Path, tmp_path: Path) -> None:
    recipe = tiny(1)
    recipe = replace(recipe, stages=recipe.stages[-1:])
    diffusion = replace(recipe.model.diffusion, gaussian_start=True, prediction="v")
    start = load_bundle(run / "model")
    plain = Bimodal(replace(start.network.config, diffusion=diffusion))
    told = replace(recipe.model, diffusion=replace(diffusion, told_start=True, places=5))
    begun = replace(start, network=plain), replace(recipe, model=told)
    train(begun[1], run.parent / "set", tmp_path / "run", SILENT, start=Start(begun[0]))
    made = load_bundle(tmp_path / "run" / "model").network.state_dict()
    names = made.keys() - plain.state_dict().keys()
    assert names == {"heads.diffusion.told.weight", "heads.diffusion.told.bias"}
    assert all(made[name].abs().max() > 0 for name in names)


def test_resuming_a_finished_run_changes_nothing(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "model")
    train(tiny(), run.parent / "set", copy, SILENT, Upkeep(resume=True))
    for name in FILES:
        assert (copy / "model" / name).read_bytes() == (run / "model" / name).read_bytes(), name


def test_text_to_motion_and_every_file(model, tmp_path: Path) -> None:
    motion = model.generate("a person waves the left hand", seconds=4, seed=3)
    assert motion.joints.shape == (80, 22, 3) and np.isfinite(motion.joints).all()
    assert motion.fps == 20 and motion.caption == "a person waves the left hand"
    assert motion.features.shape == (80, 263)
    decoded = features_to_joints(motion.features.astype(np.float64))
    above = [j for j, name in enumerate(motion.skeleton.joints) if not name.endswith(LEG)]
    pose, wanted = (joints - joints[:, :1] for joints in (motion.joints, decoded))
    np.testing.assert_allclose(pose[:, above], wanted[:, above], atol=1e-5)  # the feet are planted
    for suffix in (".npz", ".npy", ".bvh", ".glb"):
        path = motion.write(tmp_path / f"wave{suffix}")
        assert path.stat().st_size > 1000
    assert np.array_equal(Motion.read(tmp_path / "wave.npz").joints, motion.joints)
    assert len(Motion.read(tmp_path / "wave.bvh")) == 80


def test_motion_to_text_of_files(model, tmp_path: Path) -> None:
    walk(60).write(tmp_path / "walk.bvh")
    said = model.caption(Motion.read(tmp_path / "walk.bvh"))
    assert isinstance(said, str)


def test_prediction_keeps_what_was_observed(model) -> None:
    seen = walk(50)
    longer = model.predict(seen, seconds=2.0, text="a person walks forward", seed=1)
    assert len(longer) == 90 and np.array_equal(longer.joints[:50], seen.joints)
    assert np.isfinite(longer.joints).all()


def test_inbetweening_keeps_both_ends(model) -> None:
    start, end = walk(40), wave(30)
    whole = model.inbetween(start, end, seconds=1.5, seed=1)
    assert len(whole) == 100
    assert np.array_equal(whole.joints[:40], start.joints)
    assert np.array_equal(whole.joints[-30:], end.joints)


def test_editing_keeps_the_rest(model) -> None:
    motion = walk(90)
    edited = model.edit(motion, 1.5, 3.0, "a person waves")
    assert len(edited) == 90
    assert np.array_equal(edited.joints[:30], motion.joints[:30])
    assert np.array_equal(edited.joints[60:], motion.joints[60:])
    assert not np.allclose(edited.joints[30:60], motion.joints[30:60])


def test_free_instructions(model) -> None:
    for told in (None, walk(60)):
        answer = model.instruct("Show me someone who waves for 3 seconds.", told)
        assert isinstance(answer, str) or len(answer) == 60
