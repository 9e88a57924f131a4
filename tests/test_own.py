"""A user's own motion files with captions, as strangers keep them, become a set to train on."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import unchecked, walk, wave

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from own_data import write_stranger

import motiongpt3
from motiongpt3.app import cli
from motiongpt3.data.captions import read_beside, read_table
from motiongpt3.data.dataset import MotionText, verify
from motiongpt3.data.own import OwnFolder
from motiongpt3.data.prepare import PrepareConfig, prepare
from motiongpt3.data.scenes import scenes
from motiongpt3.data.splits import assign, parse_shares
from motiongpt3.errors import InputError
from motiongpt3.model.checkpoint import SHIPPED
from motiongpt3.model.length import LengthReader
from motiongpt3.model.loading import read_bundle
from motiongpt3.motion.calm import cuts
from motiongpt3.motion.skeleton import HUMANML3D
from motiongpt3.training import replay
from motiongpt3.training.replay import PREFIX, balanced
from motiongpt3.training.turns import TurnMaker, Wording


@pytest.fixture
def mine(tmp_path: Path, files: Path) -> Path:
    """A copy of the files that a test may spoil."""
    return Path(shutil.copytree(files, tmp_path / "mine"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of four formats, folders and rates with a table, and files that are no use."""
    folder = tmp_path_factory.mktemp("files") / "mine"
    rows = ["File;Caption;start;end;Subject;label;notes"]
    for n in range(12):
        side = "left" if n % 2 else "right"
        motion = walk(60 + n, 1.0, phase=n) if n % 3 else wave(70 + n, side, n)
        suffix = ("bvh", "npz", "npy", "bvh")[n % 4]
        name = f"day{n % 2}/clip{n:02d}.{suffix}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if n % 4 == 3:
            write_stranger(motion.resample(30), folder / name)
        else:
            motion.write(folder / name)
        said = "a person walks ahead" if n % 3 else f'someone waves the ""{side}"" hand'
        rows.append(f'{name};"{said}, really";;;actor{n % 6};{"walk" if n % 3 else "wave"};x')
    (folder / "broken.bvh").write_text("HIERARCHY\nROOT")
    walk(10).write(folder / "short.npz")
    walk(50).write(folder / "mute.npz")
    rows += ["broken.bvh;nobody;;;;;", "short;too short;;;;;", "absent.npz;not there;;;;;"]
    (folder / "captions.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    return folder


def test_a_folder_of_strangers_files_becomes_a_set(mine: Path, tmp_path: Path) -> None:
    source = OwnFolder(mine)
    manifest = prepare([source], tmp_path / "set")
    verify(tmp_path / "set")
    told = manifest["own"][0]
    assert told["files"] == 15 and told["kept"] == 12
    assert told["rejected"] == {"cannot be read": 1, "no caption": 1, "too short": 1}
    assert told["files"] == told["kept"] + sum(told["rejected"].values())
    assert told["fps"] == {"20": 12 + 1 - 3, "30": 3} and told["parts_left_out"] == 1
    lines = [json.loads(x) for x in (tmp_path / "set" / "left_out.jsonl").read_text().splitlines()]
    assert {line["name"].rpartition("/")[2] for line in lines} >= {"broken.bvh", "mute.npz"}
    assert sum(manifest["clips"].values()) == 12 and manifest["clips"]["val"] >= 1
    lines = map(json.loads, (tmp_path / "set" / "clips.jsonl").read_text().splitlines())
    words = [record["captions"] for record in lines if record["label"] == "wave"]
    assert len(words) == 4 and all('"' in w[0] and w[0].endswith("really") for w in words)
    again = prepare([OwnFolder(mine)], tmp_path / "again")
    assert again["sha256"] == manifest["sha256"]


def test_no_subject_and_no_file_is_in_two_splits(mine: Path, tmp_path: Path) -> None:
    prepare([OwnFolder(mine, shares=(0.4, 0.3, 0.3))], tmp_path / "set")
    lines = (tmp_path / "set" / "clips.jsonl").read_text().splitlines()
    by_subject: dict[int, set[str]] = {}
    for record in map(json.loads, lines):
        number = int(record["id"].rpartition("clip")[2])
        by_subject.setdefault(number % 6, set()).add(record["split"])
    assert len(by_subject) == 6 and all(len(splits) == 1 for splits in by_subject.values())


def test_another_skeletons_motion_is_the_same_motion(tmp_path: Path) -> None:
    """Through BVH with other names at 30 fps, and back: the wave stays a wave of that hand."""
    motion = wave(80, "left")
    (tmp_path / "in").mkdir()
    write_stranger(motion.resample(30), tmp_path / "in" / "a.bvh")
    (tmp_path / "in" / "a.txt").write_text("someone waves the left hand\n\nand waves again\n")
    prepare([OwnFolder(tmp_path / "in")], tmp_path / "set")
    made = MotionText(tmp_path / "set", "train")
    assert made.records[0].captions == ("someone waves the left hand", "and waves again")
    wrists = [HUMANML3D.index("left_wrist"), HUMANML3D.index("right_wrist")]
    heights = made.joints(0)[:79, wrists, 1] - motion.joints[:79, wrists, 1]
    # The trunk is put where the training data has it, so limbs end a little elsewhere.
    assert np.abs(heights - heights.mean()).max() < 0.03


def test_captions_beside_clips_in_humanml3ds_form(tmp_path: Path) -> None:
    walk(200).write(tmp_path / "long.npz")
    (tmp_path / "long.txt").write_text(
        "walks#walk/VERB#0.0#0.0\nstarts #1#a#0.0#2.5\nnan#a#nan#nan"
    )
    said = read_beside(tmp_path / "long.npz")
    assert [(s.caption, s.start, s.end) for s in said] == [
        ("walks", None, None), ("starts #1", 0.0, 2.5), ("nan", None, None)
    ]  # fmt: skip
    prepare([OwnFolder(tmp_path)], tmp_path / "set")
    made = MotionText(tmp_path / "set", "train").records
    assert {(r.id, r.captions) for r in made if "_" in r.id} == {("long_0_50", ("starts #1",))}
    (tmp_path / "long.txt").write_text("walks#a#soon#2.0")
    with pytest.raises(InputError, match="no usable clips.*soon"):
        prepare([OwnFolder(tmp_path)], tmp_path / "other")


def test_long_clips_are_cut_where_it_is_calm_and_never_inside_a_part() -> None:
    still = np.repeat(walk(1).joints, 500, 0)
    moving = np.concatenate([walk(150).joints, still[:20], walk(150).joints, still[:20]])
    parts = cuts(moving, 20, (20, 196))
    assert parts[0][0] == 0 and parts[-1][1] == len(moving)
    assert all(a == b for (_, a), (b, _) in zip(parts, parts[1:], strict=False))
    assert all(20 <= last - first <= 196 for first, last in parts)
    assert 150 <= parts[0][1] <= 172
    held = cuts(moving, 20, (20, 196), [(100, 180)])
    assert not any(100 < last < 180 for _, last in held)
    assert cuts(still[:196], 20, (20, 196)) == [(0, 196)]


def test_splits_follow_the_table_or_a_hash_of_the_name() -> None:
    many = assign({f"subject {n}": 3 for n in range(500)}, (0.8, 0.1, 0.1))
    share = {s: list(many.values()).count(s) / 500 for s in ("train", "val", "test")}
    assert abs(share["train"] - 0.8) < 0.06 and share["val"] > 0.05 < share["test"]
    more = assign({f"subject {n}": 3 for n in range(600)}, (0.8, 0.1, 0.1))
    assert all(more[name] == split for name, split in many.items()), "adding moves nobody"
    assert set(assign({"a": 5, "b": 2, "c": 9}, (0.8, 0.1, 0.1)).values()) == {
        "train", "val", "test"
    }  # fmt: skip
    assert assign({"a": 5}, (0.8, 0.1, 0.1)) == {"a": "train"}
    assert parse_shares("8/1/1") == (0.8, 0.1, 0.1)
    for wrong in ("80/20", "a/b/c", "0/1/1", "80/-1/1", ""):
        with pytest.raises(InputError, match="split"):
            parse_shares(wrong)


def test_a_subject_that_is_said_to_be_in_two_splits_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        walk(40).write(tmp_path / f"{name}.npz")
    table = "file,caption,subject,split\na.npz,walks,ann,train\nb.npz,walks,ann,test\n"
    (tmp_path / "captions.csv").write_text(table)
    with pytest.raises(InputError, match=r"csv:3: subject ann is in train and in test"):
        prepare([OwnFolder(tmp_path)], tmp_path / "set")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("name,text\na,b\n", "no column file or caption"),
        ("file,caption,start\na,b,soon\n", r"csv:2: 'soon' is no time"),
        ("file,caption,end\na,b,-1\n", r"csv:2: '-1' is no time"),
        ("file,caption,split\na,b,dev\n", r"csv:2: split is 'dev'"),
        ("file,caption\n,b\n", r"csv:2: names no file"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    tmp_path: Path, table: str, complaint: str
) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(InputError, match=complaint):
        read_table(tmp_path / "t.csv")


def test_too_many_useless_files_stop_it(mine: Path, tmp_path: Path) -> None:
    for n in range(8):
        (mine / f"bad{n}.npz").write_text("no archive")
    with pytest.raises(InputError, match="11 of 23 files cannot be used, more than 20%") as error:
        prepare([OwnFolder(mine)], tmp_path / "set")
    assert "bad0.npz" in error.value.where and not (tmp_path / "set").exists()
    prepare([OwnFolder(mine)], tmp_path / "set", PrepareConfig(max_reject=0.6))


def test_a_set_may_forbid_mirror_images(mine: Path, tmp_path: Path) -> None:
    prepare([OwnFolder(mine)], tmp_path / "set", PrepareConfig(mirror=False))
    from motiongpt3.data.tasks import Task

    turns = TurnMaker(MotionText(tmp_path / "set", "train"), Wording())
    drawn = [turns.draw(Task.TEXT_TO_MOTION, 0, np.random.default_rng(n)) for n in range(20)]
    assert not any(one.mirrored for one in drawn)


def test_the_command_says_what_was_read(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "prepare", str(mine), "-o", str(tmp_path / "set")]) == 0
    said = capsys.readouterr().out
    assert "read 15 files, kept 12; fps 20 (10), 30 (3)" in said
    assert "left out: 1 (cannot be read)" in said and "left_out.jsonl" in said
    code = cli.main(["data", "prepare", str(mine), "-o", str(tmp_path / "s"), "--split", "80"])
    assert code == 2 and "is no split" in capsys.readouterr().err
    other = ["data", "prepare", str(mine), "-o", str(tmp_path / "s"), "--captions", "none.csv"]
    assert cli.main(other) == 2 and "no such file" in capsys.readouterr().err


def test_the_shipped_model_is_trained_on_it_as_documented(mine: Path, tmp_path: Path) -> None:
    """docs/own_data.md at small scale: check, prepare, fine-tune; and what it knew is replayed."""
    made = str(tmp_path / "set")
    table = ["--captions", str(mine / "captions.csv")]
    assert cli.main(["data", "check", str(mine), *table]) == 2, "three files are of no use"
    assert cli.main(["data", "prepare", str(mine), *table, "-o", made]) == 0
    run = tmp_path / "run"
    small = ["--replay.motions", "16", "--stages.0.schedule.steps", "2"]
    small += ["--stages.0.schedule.batch", "8", "--out", str(run)]
    with unchecked():
        train = ["train", "finetune", "--data", made]
        assert cli.main([*train, *small]) == 2, "there must be a model to go on from"
        assert cli.main([*train, "--from", "shipped", *small]) == 0
    model = motiongpt3.load(run / "model")
    assert len(model.generate("a person waves the left hand", seconds=2.0)) == 40
    both = MotionText(run / "set", "train")
    own = np.array([not r.id.startswith(PREFIX) for r in both.records])
    assert own.any() and not own.all() and "begun_from" in model.card
    assert balanced(both, both.weights(), 0.5)[own].sum() == pytest.approx(0.5)


def test_lengths_of_replayed_actions_are_asked_for_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = scenes()
    some = {name: known[name] for name in ("bandai_namco/bow", "accad/run")}
    monkeypatch.setattr(replay, "scenes", lambda: some)
    monkeypatch.setattr(replay, "_BATCH", 8)
    asked: list[str] = []
    read = LengthReader.read
    monkeypatch.setattr(
        LengthReader, "read", lambda self, texts: asked.extend(texts) or read(self, texts)
    )
    made = [record for record, _ in replay._made(read_bundle(SHIPPED), (20, 0), lambda *_: None)]
    assert len(asked) == 2 * replay._LENGTHS and len(made) == 20
    for name in some:
        lengths = [r.frames for r in made if f"{r.source}/{r.label}" == name]
        assert set(lengths[replay._LENGTHS :]) <= set(lengths[: replay._LENGTHS])
