"""Does `motiongpt3 data check` find what is wrong, and nothing else?

python bench/doctor.py [--clips 200] [--sets 8]   # false alarms on sets, faults planted in one

A set is so many real clips of motion5h and motion_extra, drawn by seed, written as a user would
keep them: one .npz each and a captions.csv. Sources whose README names the very faults that are
looked for (wobbling bones, keyed animation, noisy roots) are not drawn from.
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from planting import Item, Planted, plant

from motiongpt3.data.checks.check import Checked, check
from motiongpt3.data.checks.samples import Folder
from motiongpt3.data.folder import data_folder
from motiongpt3.data.sources import Clip, read_clips

FAULTY = frozenset(("utd_mhad", "mesh2motion", "deepmimic", "isaac_amp"))
"""Sources with known faults, by their README."""


def real_items(count: int, sets: int, seed: int = 0) -> list[list[Item]]:
    """Sets of clips drawn without return."""
    clips = [
        clip
        for name in ("motion5h", "motion_extra")
        for clip in read_clips(data_folder() / name)
        if clip.source not in FAULTY
    ]
    order = np.random.default_rng(seed).permutation(len(clips))[: count * sets]
    return [
        [_item(n, clips[i]) for n, i in enumerate(order[first : first + count])]
        for first in range(0, count * sets, count)
    ]


def _item(number: int, clip: Clip) -> Item:
    actor = number % 20
    split = "train" if actor < 16 else "val" if actor < 18 else "test"
    joints = np.asarray(clip.joints, np.float32)
    return Item(f"clip{number:03d}", joints, clip.captions[:3], split, f"actor{actor:02d}")


def write(items: Sequence[Item], folder: Path) -> Path:
    """The clips as files with a table."""
    folder.mkdir(parents=True)
    with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "start", "end", "subject", "split"])
        for item in items:
            arrays = {"joints": item.joints, "fps": np.float64(item.fps)}
            np.savez(folder / f"{item.name}.npz", **arrays)
            for caption in item.captions:
                table.writerow([f"{item.name}.npz", caption, *item.part, item.subject, item.split])
    return folder


def missed(found: Checked, planted: Sequence[Planted]) -> list[Planted]:
    """Faults of which nothing is said."""
    said = {(finding.clip, finding.kind) for finding in found.findings}
    return [one for one in planted if (one.clip, one.kind) not in said]


def alarms(found: Checked, planted: Sequence[Planted] = ()) -> list[str]:
    """Errors and warnings about clips in which nothing was planted."""
    spoilt = {one.clip for one in planted}
    return [
        f"{f.kind} {f.clip}: {f.message} {f.text[:80]}"
        for f in found.findings
        if f.severity != "note" and f.clip not in spoilt
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Does data check find what is wrong?")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    base, wrong = Path(tempfile.mkdtemp()), 0
    try:
        sets = real_items(options.clips, options.sets, options.seed)
        for number, items in enumerate(sets):
            folder, begun = write(items, base / str(number)), time.perf_counter()
            found = check(Folder(folder))
            took, false = time.perf_counter() - begun, alarms(found)
            wrong += len(false)
            print(f"set {number}: {found.clips} clips, {len(false)} false alarms, {took:.1f} s")
            print("\n".join(f"    {line}" for line in false), end="\n" if false else "")
        items, planted = plant(sets[0])
        found = check(Folder(write(items, base / "planted")))
        lost, false = missed(found, planted), alarms(found, planted)
        print(
            f"planted {len(planted)}, found {len(planted) - len(lost)}, other alarms {len(false)}"
        )
        print("\n".join(f"    missed {one}" for one in lost))
        print("\n".join(f"    {line}" for line in false))
    finally:
        shutil.rmtree(base)
    return int(bool(wrong or lost or false))


if __name__ == "__main__":
    sys.exit(main())
