"""The data doctor: every planted fault is found on the right clip, clean clips are left alone."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skeletons
from clips import archive, lines, published, unchecked, walk, wave

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import doctor as bench
import planting

from motiongpt3.app import cli
from motiongpt3.data.checks.check import Checked, check
from motiongpt3.data.checks.fix import fix
from motiongpt3.data.checks.samples import Folder
from motiongpt3.data.checks.words import cleaned
from motiongpt3.data.own import OwnFolder
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import InputError

FILES = 12
TEMPO = ("60 fps labelled 20", "20 fps labelled 60")
"""Faults that only people have: made-up movement has no tempo of its own."""


def made_up(count: int = FILES) -> list[planting.Item]:
    """People of different sizes who walk and wave, in a table with subjects and splits."""
    items = []
    for n in range(count):
        side = "right" if n % 10 == 4 else "left"
        motion = walk(80 + n, 1 + 0.01 * n, 0.0, n) if n % 2 else wave(80 + n, side, n)
        said = "a person walks." if n % 2 else f"a person waves the {side} hand."
        joints = motion.joints * (0.75 + 0.5 * n / count)
        split = "test" if n % 10 == 9 else "train"
        items.append(planting.Item(f"clip{n}", joints, (said,), split, f"p{n}"))
    return items


def found_in(items: list[planting.Item], folder: Path) -> Checked:
    with unchecked():
        return check(Folder(bench.write(items, folder)))


def wrong(found: Checked) -> set[tuple[str, str]]:
    return {(f.clip, f.kind) for f in found.findings if f.severity != "note"}


def test_nothing_is_wrong_with_made_up_people(tmp_path: Path) -> None:
    found = found_in(made_up(), tmp_path / "clean")
    assert not wrong(found) and found.clips == found.clean == found.measured == FILES


def test_faults_and_copies_are_found_on_their_clips_and_on_no_other(tmp_path: Path) -> None:
    faults = [fault for fault in planting.MOTIONS if fault[0] not in TEMPO]
    items = made_up(2 * len(faults) + 2 * len(planting.COPIES))
    planted: dict[str, str] = {}
    for n, (_, need, kind, change) in enumerate(faults):
        at = 2 * n + (need == "walk" or kind == "facing")  # those who wave stand on straight legs
        items[at] = change(items[at])
        if kind == "leak":
            items[at] = replace(items[at], subject=items[3].subject)
        planted[f"clip{at}.npz"] = kind
    for n, (_, kind, change) in enumerate(planting.COPIES):
        original = items[2 * len(faults) + 2 * n]
        items.append(change(replace(original, name=f"copy{n}", subject="other", split="train")))
        planted[f"copy{n}.npz"] = kind
    found = found_in(items, tmp_path / "set")
    told = wrong(found)
    assert set(planted.items()) <= told
    assert {clip for clip, _ in told} == set(planted)
    assert found.clips == len(items) and found.clean == len(items) - len(planted)


def test_200_real_clips_are_clean_and_every_planted_fault_in_them_is_found(
    data: Path, tmp_path: Path
) -> None:
    (items,) = bench.real_items(200, 1)
    planted_items, planted = planting.plant(items)
    assert len(planted) >= 30 and len({one.what for one in planted}) == len(planted)
    found = found_in(planted_items, tmp_path / "planted")
    assert not bench.missed(found, planted) and not bench.alarms(found, planted)
    spoilt = {one.clip for one in planted}
    assert found.clips == len(planted_items) and found.clean == found.clips - len(spoilt)


def test_files_that_are_no_use_and_captions_without_a_clip(tmp_path: Path) -> None:
    folder = bench.write(made_up(), tmp_path / "set")
    (folder / "broken.bvh").write_text("HIERARCHY\nROOT")
    (folder / "clip1.npz").write_bytes((folder / "clip1.npz").read_bytes()[:500])
    with open(folder / "captions.csv", "a") as file:
        file.write("gone.npz,somebody left,,,,\nbroken.bvh,a person moves,,,,\n")
    found = check(Folder(folder))
    told = {(f.clip, f.kind) for f in found.findings}
    assert ("broken.bvh", "unreadable") in told and ("clip1.npz", "unreadable") in told
    assert (f"captions.csv:{FILES + 2}", "motion-missing") in told
    assert found.clips == FILES + 1 and found.clean == FILES - 1


def test_what_a_reader_refuses_is_of_the_readers_kind(tmp_path: Path) -> None:
    tool = skeletons.TOOLS["bandai namco"]
    skeletons.write(replace(tool, metres=1e-6), tmp_path / "unit.bvh")
    skeletons.write(tool, tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    other = text.replace("_L", "_l").replace("_R", "_L").replace("_l", "_R")
    (tmp_path / "swapped-sides.bvh").write_text(other)
    (tmp_path / "not-finite.bvh").write_text(f"{text.rstrip().rpartition(' ')[0]} nan\n")
    (tmp_path / "a.bvh").unlink()
    refused = [f for f in check(Folder(tmp_path)).findings if f.kind != "caption-missing"]
    assert len(refused) == 3 and all(f.clip == f"{f.kind}.bvh" for f in refused), refused


def test_what_is_safe_is_put_right_in_a_new_folder(tmp_path: Path) -> None:
    items = made_up()
    for n, change in enumerate(
        c for what, _, _, c in planting.MOTIONS
        if what in ("centimetres", "Z is up", "arms exchanged", "spike", "sinks", "markup")
        or what in ("not a number", "mirrored axis", "ten frames")
    ):  # fmt: skip
        items[n] = change(items[n])
    items.append(replace(items[10], name="copy"))
    folder = bench.write(items, tmp_path / "bad")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    found = check(Folder(folder))
    done = fix(Folder(folder), found, tmp_path / "good")
    assert done.clips == FILES + 1 == done.written + len(done.left_out)
    assert set(done.left_out.values()) >= {"too short"} and len(done.left_out) == 2
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    again = check(Folder(tmp_path / "good"))
    assert not [f for f in again.findings if f.severity != "note"]
    with open(tmp_path / "good" / "captions.csv", newline="") as file:
        words = [row["caption"] for row in csv.DictReader(file)]
    assert "a person moves & stops" in words
    manifest = prepare([OwnFolder(tmp_path / "good")], tmp_path / "set")
    assert sum(manifest["clips"].values()) == done.written
    with pytest.raises(InputError, match="not an empty folder"):
        fix(Folder(folder), found, tmp_path / "good")


def test_other_layouts_are_looked_at_too(tmp_path: Path) -> None:
    raw = archive(tmp_path / "raw", lines(4))
    assert check(Folder(raw)).clips == 16
    # One phase apart, made-up walks are alike: copies are noticed, across splits as leaks.
    kinds = {f.kind for f in check(Folder(raw)).findings}
    assert kinds <= {"duplicate", "leak"}
    prepare([raw], tmp_path / "set")
    assert check(Folder(tmp_path / "set")).clips == 16
    human = published(tmp_path / "h", lines(2))
    features = np.load(human / "new_joint_vecs" / "walk1.npy")
    features[7:9] = np.nan
    np.save(human / "new_joint_vecs" / "walk1.npy", features)
    (human / "texts" / "turn1.txt").unlink()
    told = {(f.clip, f.kind) for f in check(Folder(human)).findings}
    assert ("walk1", "not-finite") in told and ("turn1", "unreadable") in told


def test_captions_are_cleaned() -> None:
    assert cleaned("<b>it\u2019s</b> a&nbsp;person\x07 who walks") == "it\u2019s a person who walks"
    assert cleaned("a person\u00e2\u20ac\u2122s arm") == "a person\u2019s arm"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = made_up()
    items[0] = replace(items[0], joints=100 * items[0].joints)
    folder = str(bench.write(items, tmp_path / "set"))
    page = tmp_path / "page.html"
    assert cli.main(["data", "check", folder, "--report", str(page), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["clips"] == FILES and told["errors"] == 1 and told["clean"] == FILES - 1
    assert told["findings"][0]["kind"] == "unit" and told["findings"][0]["clip"] == "clip0.npz"
    html = page.read_text()
    assert "clip0.npz" in html and "data:image/png;base64" in html and "http:" not in html
    good = str(tmp_path / "good")
    assert cli.main(["data", "check", folder, "--fix", "-o", good]) == 2
    assert "put right: unit 1" in capsys.readouterr().out
    assert cli.main(["data", "check", good]) == 0
    assert "12 clips, 12 with nothing wrong" in capsys.readouterr().out
    assert cli.main(["data", "check", folder, "--fix"]) == 2
    assert cli.main(["data", "check", folder, "--fix", "-o", folder]) == 2
    assert cli.main(["data", "check", str(tmp_path / "none")]) == 2
