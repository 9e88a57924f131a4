"""Prepared sets: from two published layouts to batches, checked and in a repeatable order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import Line, archive, lines, published, walk, wave
from people import person

from motiongpt3.data.dataset import MotionText, Order, pad, verify
from motiongpt3.data.prepare import PrepareConfig, prepare
from motiongpt3.data.sources import read_clips
from motiongpt3.data.statistics import statistics
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.motion.features import joints_to_features
from motiongpt3.motion.skeleton import HUMANML3D, KIT
from motiongpt3.motion.symmetry import mirror_joints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of one small archive."""
    base = tmp_path_factory.mktemp("archive")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return base / "set"


@pytest.fixture(scope="module")
def train_split(folder: Path) -> MotionText:
    return MotionText(folder, "train")


def test_an_archive_becomes_features_and_captions(folder: Path, train_split: MotionText) -> None:
    made = {line.id: line for line in lines(4)}
    assert [r.id for r in train_split.records] == [n for n in made if made[n].split == "train"]
    for index, record in enumerate(train_split.records):
        line = made[record.id]
        assert record.captions == line.captions and record.label == line.label
        wanted = joints_to_features(line.motion.joints, hip_sign="corrected")
        # Positions are packed to half a millimetre: steps and angles are off by that.
        np.testing.assert_allclose(train_split.features(index)[:, :67], wanted[:, :67], atol=5e-3)
    assert train_split.corpus == ["a person stands still.", "someone jumps twice!"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["clips"] == {"train": 8, "val": 4, "test": 4} and not manifest["rejected"]
    assert manifest["frames"] == sum(len(made[n].motion) - 1 for n in made)
    verify(folder)


def test_statistics_are_those_of_the_train_split_alone(train_split: MotionText) -> None:
    rows = np.concatenate([train_split.features(i) for i in range(len(train_split))])
    np.testing.assert_allclose(train_split.mean, rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(train_split.std[1:3], rows[:, 1:3].std(0).mean(), rtol=1e-4)
    assert len(np.unique(train_split.std[67:193])) == 1 and (train_split.std > 0).all()
    _, std = statistics(np.zeros((4, 263), np.float32))
    assert (std > 0).all()


def test_a_mirrored_clip(train_split: MotionText) -> None:
    index = next(i for i, r in enumerate(train_split.records) if r.label == "wave")
    joints = next(line for line in lines(4) if line.id == train_split.records[index].id)
    image = joints_to_features(mirror_joints(joints.motion.joints), hip_sign="corrected")
    mirrored = train_split.features(index, mirrored=True)
    assert mirrored.dtype == np.float32
    np.testing.assert_allclose(mirrored[:, :67], image[:, :67], atol=5e-3)


def test_the_published_layout_with_all_its_oddities(tmp_path: Path) -> None:
    made = [
        Line("000001", walk(90), ("a person walks #1 forward", "somebody walks")),
        Line("000002", wave(60), ("a person waves.",), "val"),
        Line("007975", walk(50), ("broken",)),
        Line("000003", walk(50), ()),
    ]
    source = published(tmp_path / "HumanML3D", made)
    broken = np.load(source / "new_joint_vecs" / "007975.npy")
    np.save(source / "new_joint_vecs" / "007975.npy", np.full_like(broken, np.nan))
    with open(source / "texts" / "000001.txt", "a") as file:
        file.write(
            "a person starts#a/DET#0.5#2.0\n\na short part#a/DET#0.0#0.5\nall of it#x#nan#nan\n"
        )
    manifest = prepare([source], tmp_path / "set")
    split = MotionText(tmp_path / "set", "train")
    assert [r.id for r in split.records] == ["000001", "000001_10_40"]
    # What is written with "#" inside, and without a span, belongs to the whole clip.
    whole = ("a person walks #1 forward", "somebody walks", "all of it")
    assert split.records[0].captions == whole and split.records[1].captions == ("a person starts",)
    features = np.load(source / "new_joint_vecs" / "000001.npy")
    assert np.array_equal(split.features(0), features), "published features stay as they are"
    assert np.array_equal(split.features(1), features[10:40])
    assert manifest["rejected"]["too short"] == 1
    assert manifest["clips"] == {"train": 2, "val": 1, "test": 0}


def test_a_set_remembers_by_which_convention_its_features_were_made(tmp_path: Path) -> None:
    """A model reads motions by what its manifest says, so that must hold for every clip."""
    source = published(tmp_path / "HumanML3D", lines(2))
    manifest = prepare([source], tmp_path / "set")
    assert manifest["config"]["hip_sign"] == "released"


def test_a_malformed_caption_line_is_named(tmp_path: Path) -> None:
    source = published(tmp_path / "raw", lines(2))
    (source / "texts" / "walk1.txt").write_text("a person#a/DET#0.0#0.0\nno hashes here\n")
    with pytest.raises(InputError, match=r"walk1\.txt:2"):
        list(read_clips(source))


@pytest.mark.parametrize("line", ["text#x#soon#2.0", "text#x#2.0#1.0"])
def test_impossible_spans_are_named(tmp_path: Path, line: str) -> None:
    source = published(tmp_path / "raw", lines(2))
    (source / "texts" / "walk1.txt").write_text(line + "\n")
    with pytest.raises(InputError, match=r"walk1\.txt:1"):
        list(read_clips(source))


def test_long_clips_are_cut_and_short_ones_left_out(tmp_path: Path) -> None:
    made = [
        Line("long", walk(450), ("a long walk",)),
        Line("short", walk(15), ("too short",)),
        Line("mute", walk(40), ()),
        Line("least", walk(20), ("just enough",)),
    ]
    manifest = prepare([archive(tmp_path / "raw", made)], tmp_path / "set")
    split = MotionText(tmp_path / "set", "train")
    found = {r.id: r.frames for r in split.records}
    assert found == {"long": 196, "long#1": 196, "long#2": 57, "least": 19}
    assert manifest["rejected"] == {"too short": 1, "no caption": 1}


def test_other_frame_rates_are_brought_to_the_skeletons_own(tmp_path: Path) -> None:
    made = [Line("fast", walk(60).resample(60), ("a walk",))]
    prepare([archive(tmp_path / "raw", made)], tmp_path / "set")
    split = MotionText(tmp_path / "set", "train")
    wanted = joints_to_features(walk(60).joints, hip_sign="corrected")
    assert len(split.features(0)) == 59
    np.testing.assert_allclose(split.features(0)[:57, 3:67], wanted[:57, 3:67], atol=5e-3)


def test_the_other_skeleton_is_read_but_never_mixed_in(tmp_path: Path) -> None:
    motion = replace(person(0, 60, KIT), joints=person(0, 60, KIT).joints / 1000)
    kit = archive(tmp_path / "kit", [Line("k", motion, ("someone sways",))])
    prepare([kit], tmp_path / "set")
    split = MotionText(tmp_path / "set", "train")
    assert split.features(0).shape[1] == KIT.dim and split.manifest["skeleton"] == KIT.name
    both = [archive(tmp_path / "h", lines(2)), kit]
    with pytest.raises(InputError, match="mixed"):
        prepare(both, tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_folders_without_motions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clips\.jsonl"):
        prepare([tmp_path], tmp_path / "set")
    with pytest.raises(InputError, match="data prepare"):
        MotionText(tmp_path, "train")
    val = [replace(line, split="val") for line in lines(1)]
    with pytest.raises(InputError, match="train split"):
        prepare([archive(tmp_path / "val", val)], tmp_path / "set")


def test_a_list_of_another_version_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path / "raw", lines(1))
    text = (source / "clips.jsonl").read_text().replace('"turn0"', '"turn7"')
    (source / "clips.jsonl").write_text(text)
    with pytest.raises(InputError, match="turn7 is not at index 1"):
        prepare([source], tmp_path / "set")


@pytest.mark.parametrize("place", [0.0, 0.6])
@pytest.mark.parametrize("name", ["features.npy", "clips.jsonl", "corpus.txt", "stats.npz"])
def test_one_flipped_byte_is_noticed(tmp_path: Path, folder: Path, name: str, place: float) -> None:
    _damage(folder, tmp_path, name, place)
    with pytest.raises(CorruptError):
        verify(tmp_path)


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, folder: Path) -> None:
    _damage(folder, tmp_path, "manifest.json", 0.0)
    with pytest.raises(CorruptError, match=r"manifest\.json"):
        MotionText(tmp_path, "train")


def test_clips_that_cannot_be_read_are_refused(tmp_path: Path, folder: Path) -> None:
    _damage(folder, tmp_path, "clips.jsonl", 0.0)
    with pytest.raises(CorruptError, match=r"clips\.jsonl"):
        MotionText(tmp_path, "train")


def _damage(folder: Path, copy: Path, name: str, place: float) -> None:
    """Copy a set with one bit of one file flipped."""
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    content = bytearray((copy / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (copy / name).write_bytes(content)


def test_another_version_is_refused(tmp_path: Path, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(CorruptError, match="99"):
        MotionText(tmp_path, "train")


def test_the_same_sources_give_the_same_set(tmp_path: Path, folder: Path) -> None:
    again = prepare([archive(tmp_path / "raw", lines(4))], tmp_path / "set")
    assert again["sha256"] == json.loads((folder / "manifest.json").read_text())["sha256"]
    other = prepare([tmp_path / "raw"], tmp_path / "other", PrepareConfig(hip_sign="released"))
    assert other["sha256"] != again["sha256"]


def test_the_order_is_a_function_of_seed_and_step() -> None:
    rng = np.random.default_rng(0)
    weights, lengths = rng.dirichlet(np.ones(50)), rng.integers(20, 197, 50)
    order = Order(weights, lengths, batch=16, seed=3)
    forward = [order.clips(step) for step in range(40)]
    fresh = Order(weights, lengths, batch=16, seed=3)
    for step in reversed(range(40)):  # asked in any order, by anybody
        assert np.array_equal(fresh.clips(step), forward[step])
        assert fresh.rng(step, 5).random() == order.rng(step, 5).random()
    other = Order(weights, lengths, batch=16, seed=4)
    assert any(not np.array_equal(other.clips(s), forward[s]) for s in range(3))
    first = order.rng(0, 0).random()
    assert first not in [r.random() for r in (other.rng(0, 0), order.rng(1, 0), order.rng(0, 1))]


def test_clips_are_drawn_by_weight_with_others_of_their_length() -> None:
    weights = np.array([0.5, 0.25, *[0.25 / 48] * 48])
    lengths = np.random.default_rng(1).integers(20, 197, 50)
    order = Order(weights, lengths, batch=32, seed=0, pool=8)
    drawn = [order.clips(step) for step in range(400)]
    share = np.bincount(np.concatenate(drawn), minlength=50) / (400 * 32)
    np.testing.assert_allclose(share, weights, atol=0.015)
    even = Order(np.full(50, 0.02), lengths, batch=32, seed=0, pool=8)
    spread = np.mean([np.ptp(lengths[even.clips(step)]) for step in range(80)])
    assert spread < 0.4 * np.ptp(lengths)


def test_what_is_rare_is_drawn_more_often(train_split: MotionText) -> None:
    labels = np.array([r.label for r in train_split.records])
    assert {n: int((labels == n).sum()) for n in set(labels)} == {"walk": 2, "turn": 2, "wave": 4}
    for power, wanted in ((0.0, 1 / 2), (1.0, 1 / 3)):
        weights = train_split.weights(power)
        assert weights.sum() == pytest.approx(1)
        assert weights[labels == "wave"].sum() == pytest.approx(wanted)
    assert 1 / 3 < train_split.weights()[labels == "wave"].sum() < 1 / 2
    # Classes below `rare` are drawn as in the data, here two clips against four at four's rate.
    weights = train_split.weights(1.0, rare=4)
    assert weights[labels == "wave"].sum() == pytest.approx(1 / 2)


def test_padding() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(n, HUMANML3D.dim)).astype(np.float32) for n in (5, 9, 1)]
    padded, length = pad(clips)
    assert padded.shape == (3, 9, 263) and length.tolist() == [5, 9, 1]
    for row, clip in zip(padded, clips, strict=True):
        assert np.array_equal(row[: len(clip)], clip) and not row[len(clip) :].any()
