"""KIT-ML from its published folder to a trained model's answers, and what does not go together."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import clips
import kit
import numpy as np
import pytest
import torch
from clips import Line, published, tiny, trained_once, unchecked
from PIL import Image
from toys import SILENT

import motiongpt3
from motiongpt3 import Motion, MotionGPT
from motiongpt3.app.cli import main
from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.prepare import LIMITS, PrepareConfig, prepare
from motiongpt3.data.statistics import statistics
from motiongpt3.data.tasks import Field, Task, format_seconds, render
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.evaluation.reconstruction import global_error, pose_error, round_trip
from motiongpt3.model.checkpoint import load_bundle
from motiongpt3.model.sequence import Turn
from motiongpt3.model.vae import MotionVAE, VAEConfig
from motiongpt3.motion.features import joints_to_features
from motiongpt3.motion.rules import passes
from motiongpt3.motion.skeleton import HUMANML3D, KIT
from motiongpt3.training.stage import Upkeep
from motiongpt3.training.train import train
from motiongpt3.training.turns import TurnMaker, Wording
from motiongpt3.training.vae import VAEJob, VAELoss


def with_statistics(folder: Path, mean: np.ndarray, std: np.ndarray) -> Path:
    np.save(folder / "Mean.npy", mean)
    np.save(folder / "Std.npy", std)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder, the set prepared from it by command, and a model trained on that."""
    base = tmp_path_factory.mktemp("kit")
    made = kit.lines(4)
    rows = np.concatenate([joints_to_features(line.motion.joints, KIT) for line in made])
    mean, std = statistics(rows)
    published(base / "KIT-ML", made)
    with_statistics(base / "KIT-ML", mean.astype(np.float64), 1.25 * std)  # nobody computes these
    assert main(["data", "prepare", str(base / "KIT-ML"), "-o", str(base / "set")]) == 0
    train(tiny(), base / "set", base / "run", SILENT)
    return base


@pytest.fixture(scope="module")
def model(base: Path) -> MotionGPT:
    return motiongpt3.load(base / "run" / "model")


@pytest.fixture(scope="module")
def humanml3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a HumanML3D model."""
    return trained_once(tmp_path_factory.getbasetemp() / "tiny")


def test_the_published_folder_is_read_as_it_is(base: Path) -> None:
    manifest = json.loads((base / "set" / "manifest.json").read_text())
    assert manifest["skeleton"] == "kit" and manifest["clips"] == {"train": 8, "val": 4, "test": 4}
    expected = {"hip_sign": "released", "min_frames": 24, "max_frames": 196}
    assert expected.items() <= manifest["config"].items()
    split = MotionText(base / "set", "train")
    assert split.skeleton is KIT
    for index, record in enumerate(split.records):
        file = base / "KIT-ML" / "new_joint_vecs" / f"{record.id}.npy"
        assert np.array_equal(split.features(index), np.load(file)), record.id
    assert manifest["statistics"] == "published"
    assert np.array_equal(split.std, np.load(base / "KIT-ML" / "Std.npy"))
    np.testing.assert_allclose(split.mean, np.load(base / "KIT-ML" / "Mean.npy"), rtol=1e-6)


def test_limits_and_times_are_those_of_the_skeleton(tmp_path: Path) -> None:
    """Rows of published features are frames; seconds count 12.5 of them, down to whole ones."""
    made = [Line(f"{n}", kit.walk(n + 1), ("a walk",)) for n in (23, 24, 196, 200, 230)]
    folder = published(tmp_path / "KIT-ML", made)
    with open(folder / "texts" / "196.txt", "a") as file:
        file.write("a part of it#a/DET#1.0#4.95\nnothing of it#a/DET#0.0#0.03\n")
    manifest = prepare([folder], tmp_path / "set")
    assert manifest["statistics"] == "computed"
    found = {r.id: r.frames for r in MotionText(tmp_path / "set", "train").records}
    parts = {"24": 24, "196": 196, "196_12_61": 49, "200": 196, "230": 196, "230#1": 34}
    assert found == parts and manifest["rejected"] == {"too short": 1}
    prepare([folder], tmp_path / "other", PrepareConfig(min_frames=100, max_frames=150))
    found = {r.id: r.frames for r in MotionText(tmp_path / "other", "train").records}
    assert found == {"196": 150, "200": 150, "230": 150}
    assert LIMITS == {"humanml3d": (20, 196), "kit": (24, 196)}


def test_training_is_told_lengths_at_kits_rate(base: Path) -> None:
    split = MotionText(base / "set", "train")
    maker = TurnMaker(split, Wording(varied=0.0, canonical=1.0))
    for index in range(len(split)):
        turn = maker.draw(Task.TEXT_TO_MOTION, index, np.random.default_rng(0)).turn
        seconds = format_seconds(split.records[index].frames / 12.5)
        assert seconds in "".join(part for part in turn.question if isinstance(part, str))


def test_generation_keeps_the_length_at_kits_rate(model: MotionGPT) -> None:
    motion = model.generate("a person waves the left hand", seconds=4, seed=3)
    assert motion.joints.shape == (50, 21, 3) and motion.fps == 12.5 and motion.skeleton is KIT
    assert motion.features.shape == (50, 251)
    decided = model.generate("a person walks forward", seed=1)
    assert 1.0 <= decided.seconds <= 196 / 12.5
    # 196 frames are made in one go; what is longer is chained, each part ending in a prediction.
    whole, chained = (model.generate("a walk", seconds=s) for s in (15.68, 20))
    assert len(whole) == 196 and "predictions" not in whole.provenance
    assert len(chained) == 250 and chained.provenance["predictions"] == 1


def test_lengths_up_to_the_longest_clip_are_believed_in(model: MotionGPT) -> None:
    """Answers of three and of four tokens, scored as one by one would be."""
    reader = model.lengths
    belief = reader.belief("a person walks forward")
    assert reader.tenths == range(10, 157) and len(belief) == 147
    assert float(belief.sum()) == pytest.approx(1, abs=1e-5)
    answers = [ids for group in reader.answers for ids in group]
    assert [len(ids) for ids in answers] == [3] * 90 + [4] * 57
    turn = Turn(render(reader.question, {Field.CAPTION: "a person walks forward"}), "text")
    prompt, none = reader.packer.pack([turn]), torch.zeros(0, 32)
    ratios = []
    for tenth in (12, 99, 100, 156):
        cache, scores = model.network.read(prompt, none)
        log = torch.zeros(())
        for token in answers[tenth - 10]:
            log = log + scores.log_softmax(-1)[0, token]
            scores = model.network.next_logits(torch.tensor([[token]]), cache)
        ratios.append(float(belief[tenth - 10].log() - log.detach()))
    np.testing.assert_allclose(ratios, ratios[0], atol=1e-4)


def test_observed_motion_is_kept(model: MotionGPT) -> None:
    start, end = kit.walk(40), kit.wave(30)
    longer = model.predict(start, seconds=2.0, text="a person walks", seed=1)
    assert len(longer) == 65 and longer.joints[:40].tobytes() == start.joints.tobytes()
    bridge = model.inbetween(start, end, seconds=1.6, seed=1)
    assert len(bridge) == 90 and bridge.skeleton is KIT
    assert bridge.joints[:40].tobytes() == start.joints.tobytes()
    assert bridge.joints[-30:].tobytes() == end.joints.tobytes()
    edited = model.edit(start, 0.8, 1.6, "a person waves")
    assert edited.joints[:10].tobytes() == start.joints[:10].tobytes()
    fast = model.predict(kit.walk(60).resample(30), seconds=1.0)
    assert fast.fps == 30 and len(fast) == 174


def test_commands_write_files_that_read_back(base: Path, tmp_path: Path, capsys) -> None:
    trained = ["--model", str(base / "run" / "model")]
    files = {s: tmp_path / f"wave.{s}" for s in ("npz", "npy", "bvh", "glb", "png")}
    outputs = [word for path in files.values() for word in ("-o", str(path))]
    asked = ["generate", "a person waves", "--seconds", "4", *outputs, *trained]
    assert main(asked) == 0
    made = Motion.read(files["npz"])
    for suffix in ("npz", "npy", "bvh"):
        back = Motion.read(files[suffix])
        assert back.skeleton is KIT and back.fps == 12.5 and len(back) == 50
        # BVH has bones of one length, which a model of four steps does not make.
        assert global_error(back.joints, made.joints) * KIT.metres < 0.1, suffix
    assert made.features.shape == (50, 251)
    assert files["glb"].stat().st_size > 10_000
    with Image.open(files["png"]) as picture:
        assert np.asarray(picture.convert("RGB")).std() > 10
    capsys.readouterr()
    assert main(["caption", str(files["bvh"]), str(files["npy"]), "--json", *trained]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_reconstruction_is_measured_in_metres(base: Path, model: MotionGPT) -> None:
    split = MotionText(base / "set", "test")
    rows = [split.features(index) for index in range(len(split))]
    for row, (made, real) in zip(rows, round_trip(model.codec, rows), strict=True):
        assert made.shape == real.shape == (len(row), 21, 3)
        height = np.median(real[:, KIT.index("head"), 1])
        assert 1.0 < height < 1.5 and 0 < pose_error(made, real) < 0.5
    better = round_trip(model.codec, [rows[0], rows[0]])
    assert pose_error(*better[0]) == pytest.approx(pose_error(*better[1]), abs=1e-6)


def _whole(model: MotionGPT, motion: Motion) -> object:
    return model.edit(motion, 0.0, motion.seconds, "a person waves")


ASKED: list[Callable[[MotionGPT, Motion], object]] = [
    lambda model, motion: model.caption(motion),
    lambda model, motion: model.caption(replace(motion, fps=model.codec.fps)),
    lambda model, motion: model.predict(motion, 2.0),
    lambda model, motion: model.inbetween(motion, motion, 1.5),
    lambda model, motion: model.instruct("what is it?", motion),
    _whole,
]


@pytest.mark.parametrize("ask", ASKED)
def test_clips_of_the_other_skeleton_are_refused(model, humanml3d, ask) -> None:
    other = motiongpt3.load(humanml3d / "model")
    there = replace(kit.walk(41)[:40], decoded=kit.walk(41).features)
    here = replace(clips.walk(41)[:40], decoded=clips.walk(41).features)
    with unchecked():
        with pytest.raises(InputError, match=r"21 joints of kit.*22 of humanml3d") as refused:
            ask(other, there)
        assert refused.value.where == "motion" and "trained on kit" in refused.value.hint
        with pytest.raises(InputError, match=r"22 joints of humanml3d.*21 of kit"):
            ask(model, here)


def test_the_command_line_says_so_too(humanml3d, tmp_path: Path, capsys) -> None:
    kit.walk().write(tmp_path / "walk.bvh")
    clip, trained = str(tmp_path / "walk.bvh"), str(humanml3d / "model")
    assert main(["caption", clip, "--model", trained]) == InputError.exit_code
    said = capsys.readouterr().err
    assert "21 joints of kit" in said and "or a model trained on kit" in said


def test_features_of_the_other_skeleton_are_refused(base, model, humanml3d) -> None:
    theirs = MotionText(humanml3d.parent / "set", "test")
    with unchecked(), pytest.raises(InputError, match="263 numbers per frame.*reads 251"):
        round_trip(model.codec, [theirs.features(0)])
    data = MotionText(base / "set", "train")
    vae = MotionVAE(VAEConfig(width=16, layers=3, heads=2, feedforward=16))
    order = Order(data.weights(), data.lengths(), 4, 0)
    with pytest.raises(InputError, match=r"reads 263 .*\(kit\) has 251"):
        VAEJob(vae, data, order, VAELoss())
    with unchecked(), pytest.raises(InputError, match="22 joints of HumanML3D"):
        passes("walk", kit.walk().joints)
    with pytest.raises(InputError, match="251 numbers per frame"):
        Motion(clips.walk(20).joints, decoded=kit.walk(21).features)


def test_statistics_of_the_other_skeleton_are_refused(base, humanml3d, tmp_path: Path) -> None:
    bundle = load_bundle(base / "run" / "model")
    theirs = load_bundle(humanml3d / "model")
    with unchecked(), pytest.raises(CorruptError, match="263 and 263 numbers, the VAE reads 251"):
        MotionGPT(replace(bundle, mean=theirs.mean, std=theirs.std))
    folder = shutil.copytree(base / "KIT-ML", tmp_path / "KIT-ML")
    with_statistics(folder, theirs.mean, theirs.std)
    with pytest.raises(InputError, match="263 and 263 numbers, the features 251") as refused:
        prepare([folder], tmp_path / "set")
    assert refused.value.where == str(folder) and "remove both" in refused.value.hint
    copy = shutil.copytree(base / "set", tmp_path / "copy")
    shutil.copy(humanml3d.parent / "set" / "stats.npz", copy)
    with pytest.raises(CorruptError, match="features of kit 251"):
        MotionText(copy, "train")


def test_a_run_goes_on_with_the_set_it_began_with(base, humanml3d, tmp_path: Path) -> None:
    run = shutil.copytree(humanml3d, tmp_path / "run")
    with pytest.raises(InputError, match=r"begun with other values: data\.frames: .*data\.sha256"):
        train(tiny(), base / "set", run, SILENT, Upkeep(resume=True))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "Std.npy").unlink(), r"Std\.npy: .*go together"),
        (lambda folder: np.save(folder / "Std.npy", np.zeros(251)), "not above zero"),
        (lambda folder: np.save(folder / "Mean.npy", np.full(251, np.nan)), "not a finite"),
        (lambda folder: np.save(folder / "Mean.npy", np.zeros(21)), r"Mean\.npy.*21 numbers"),
        (lambda folder: (folder / "new_joint_vecs" / "00001.npy").unlink(), r"00001\.npy"),
        (lambda folder: (folder / "texts" / "00001.txt").unlink(), r"00001\.txt"),
        (
            lambda folder: np.save(folder / "new_joint_vecs" / "00001.npy", np.zeros((9, 21, 3))),
            r"00001\.npy: an array of shape \(9, 21, 3\)",
        ),
        (
            lambda folder: np.save(folder / "new_joint_vecs" / "00001.npy", np.zeros((9, 63))),
            r"00001\.npy: features have 63 numbers",
        ),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(base, tmp_path: Path, spoil, said: str) -> None:
    folder = shutil.copytree(base / "KIT-ML", tmp_path / "KIT-ML")
    spoil(folder)
    with pytest.raises(InputError, match=said):
        prepare([folder], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_motion_has_its_skeletons_rate() -> None:
    assert Motion(kit.walk(20).joints, skeleton=KIT).fps == 12.5
    assert Motion(clips.walk(20).joints).fps == HUMANML3D.fps == 20
