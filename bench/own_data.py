"""A user's own clips, as the documents say: BVH files of another skeleton with a captions.csv are
prepared, the shipped model is trained on them, and judged on a wording it has not seen.

python bench/own_data.py [--action salute|rest] [--minutes M] [--clips 40] [--keep DIR]
                         [--old SEEDS]

The new action is one that no clip of the development data shows: the left arm stretched out to the
side while the right hand is at the head ("salute"), or both hands behind the head ("rest"). It is
made from real clips of people who stand, whose arms are moved there and back by two-bone inverse
kinematics, so that trunk, legs, timing and noise are real. Files are written as BVH with Mixamo's
joint names at 30 frames per second, in the size of a smaller person.

--old judges the prompts of bench/prompts.toml with so many seeds before and after, too
(bench/semantics.py): of every row of its verdict the share of motions that meet it, of which no row
may lose more than two points. A seed is the same noise for all prompts, so that few seeds say
little of a rule; how far joints are from where the shipped model puts them, of the same noise, says
more.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from asked import read_classes
from semantics import Row, pooled

import motiongpt3
from motiongpt3.data.folder import data_folder
from motiongpt3.data.sources import read_clips
from motiongpt3.motion import semantics as measure
from motiongpt3.motion.faults import travelled
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import normalize
from motiongpt3.motion.skeleton import HUMANML3D

SEEDS, NEEDED = 10, 8
FORGIVEN = 2.0
"""Percentage points that each of the old actions' verdicts may lose."""
MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck",
    "head": "Head", "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
}  # fmt: skip
_HELD = 0.4
"""Seconds that the pose is held at least."""


@dataclass(frozen=True)
class Action:
    """What a user's clips show."""

    wordings: tuple[str, ...]
    """Of the captions."""
    unseen: str
    """The wording that the model is judged on."""
    goals: Callable[[np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]
    """Where each wrist goes, and the elbow from it, given joints."""
    holds: Callable[[np.ndarray], np.ndarray]
    """In which frames the pose is held."""

    def met(self, joints: np.ndarray) -> bool:
        """The rule: the pose is held for 0.4 s."""
        held, need = self.holds(joints), round(_HELD * HUMANML3D.fps)
        return bool(len(held) >= need and np.convolve(held, np.ones(need), "valid").max() >= need)


def _to_salute(joints: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    (left, front), up, at = measure.axes(joints), np.array([0.0, 1, 0]), HUMANML3D.index
    head = joints[:, at("head")] + 0.06 * front - 0.10 * left + 0.02 * up
    length = np.linalg.norm(joints[0, at("left_wrist")] - joints[0, at("left_elbow")]) * 2
    side = joints[:, at("left_shoulder")] + (0.95 * length) * left
    return {"right": (head, -left - 0.5 * up), "left": (side, -up - front)}


def _salutes(joints: np.ndarray) -> np.ndarray:
    """The right wrist is within 0.3 m of the head and above the shoulder, and the left one is out
    to the side, 0.3 m or more beyond its shoulder, at most 0.3 m below it."""
    at, left = HUMANML3D.index, measure.axes(joints)[0]
    arm = joints[:, at("left_wrist")] - joints[:, at("left_shoulder")]
    out = ((arm * left).sum(-1) > 0.3) & (np.abs(arm[:, 1]) < 0.3)
    return _at_head(joints, "right") & out


def _to_rest(joints: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    (left, front), head = measure.axes(joints), joints[:, HUMANML3D.index("head")]
    back = head - 0.12 * front
    return {"left": (back + 0.06 * left, left), "right": (back - 0.06 * left, -left)}


def _rests(joints: np.ndarray) -> np.ndarray:
    """Both wrists are within 0.3 m of the head, above the shoulders and not before the head."""
    at, front = HUMANML3D.index, measure.axes(joints)[1]
    wrists = [joints[:, at(f"{side}_wrist")] - joints[:, at("head")] for side in ("left", "right")]
    behind = [(wrist * front).sum(-1) < 0 for wrist in wrists]
    return _at_head(joints, "left") & _at_head(joints, "right") & behind[0] & behind[1]


def _at_head(joints: np.ndarray, side: str) -> np.ndarray:
    at = HUMANML3D.index
    wrist, shoulder = joints[:, at(f"{side}_wrist")], joints[:, at(f"{side}_shoulder")]
    near = np.linalg.norm(wrist - joints[:, at("head")], axis=-1) < 0.3
    return near & (wrist[:, 1] > shoulder[:, 1])


ACTIONS = {
    "salute": Action(
        (
            "a person salutes with the right hand and stretches the left arm out to the side.",
            "someone gives a salute, the right hand at the head, the left arm held out sideways.",
            "the right hand goes to the forehead in a salute while the left arm points to the "
            "side.",
            "a person stands, salutes with the right hand and holds the left arm straight out.",
        ),
        "salute with your right hand and hold the left arm out to the side",
        _to_salute,
        _salutes,
    ),
    "rest": Action(
        (
            "a person folds both hands behind the head and rests there.",
            "somebody unwinds, the hands clasped behind the neck.",
            "both hands go behind the head while the elbows point to the sides.",
            "a person relaxes with the hands at the back of the head.",
        ),
        "clasp your hands behind your head and unwind",
        _to_rest,
        _rests,
    ),
}


def standing_clips(count: int, seed: int = 0) -> list[Motion]:
    """Real clips of people who stay where they are, 2.5 to 6 s long."""
    found = []
    for clip in read_clips(data_folder() / "motion5h", ("train",)):
        metres, _ = travelled(np.asarray(clip.joints, np.float64), clip.fps)
        if metres < 0.05 and 50 <= len(clip.joints) <= 120 and clip.source == "bandai_namco":
            found.append(Motion(clip.joints, clip.fps))
    order = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[n] for n in order]


def acting(action: Action, motion: Motion, seed: int) -> Motion:
    """The clip with both arms moved to the pose, held, and back to where they are."""
    rng, joints = np.random.default_rng(seed), motion.joints.astype(np.float64)
    at, frames = HUMANML3D.index, len(motion)
    time = np.arange(frames) / frames
    start, end = rng.uniform(0.15, 0.25), rng.uniform(0.75, 0.88)
    share = 1 / (1 + np.exp(-(time - start) * 40)) - 1 / (1 + np.exp(-(time - end) * 40))
    places = rng.normal(0, 0.02, (2, 3))
    for (side, (goal, out)), place in zip(action.goals(joints).items(), places, strict=True):
        wrist = joints[:, at(f"{side}_wrist")]
        _reach(joints, side, wrist + share[:, None] * (goal + place - wrist), out)
    return Motion(joints, motion.fps)


def _reach(joints: np.ndarray, side: str, goal: np.ndarray, out: np.ndarray) -> None:
    """Bend an arm, in place, so that the wrist is at the goal; the elbow goes `out`."""
    shoulder, elbow, wrist = (
        HUMANML3D.index(f"{side}_{p}") for p in ("shoulder", "elbow", "wrist")
    )
    root = joints[:, shoulder]
    upper = np.linalg.norm(joints[:, elbow] - root, axis=-1, keepdims=True)
    lower = np.linalg.norm(joints[:, wrist] - joints[:, elbow], axis=-1, keepdims=True)
    way = goal - root
    far = np.clip(np.linalg.norm(way, axis=-1, keepdims=True), np.abs(upper - lower) + 1e-3,
                  0.999 * (upper + lower))  # fmt: skip
    axis = normalize(way)
    bend = normalize(out - (out * axis).sum(-1, keepdims=True) * axis)
    along = (upper**2 + far**2 - lower**2) / (2 * far)
    joints[:, elbow] = root + axis * along + bend * np.sqrt(np.maximum(upper**2 - along**2, 0))
    joints[:, wrist] = root + axis * far


def write_stranger(motion: Motion, path: Path) -> None:
    """A BVH file with the joint names of another tool."""
    motion.write(path)
    lines = path.read_text().split("\n")
    for at, line in enumerate(lines):
        word, _, name = line.strip().partition(" ")
        if word in ("ROOT", "JOINT"):
            side, _, part = name.partition("_")
            new = side.title() + MIXAMO[part] if part else MIXAMO[name]
            lines[at] = line.replace(name, f"mixamorig:{new}")
    path.write_text("\n".join(lines))


def make_clips(action: Action, folder: Path, count: int) -> None:
    """The user's folder: BVH files and captions.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "subject"])
        for n, real in enumerate(standing_clips(count)):
            made = acting(action, real, n)
            smaller = Motion(0.93 * made.joints, made.fps).resample(30)
            write_stranger(smaller, folder / f"take{n:02d}.bvh")
            for k in range(3):
                words = action.wordings[(n + k) % len(action.wordings)]
                table.writerow([f"take{n:02d}.bvh", words, f"actor{n % 8}"])


def command(*words: object) -> str:
    """Run `motiongpt3 ...` as a user would, and give what it prints."""
    told = ["motiongpt3", *map(str, words)]
    print("$", " ".join(told), file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", *told], check=True, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, file=sys.stderr)
    return done.stdout


def judged(action: Action, model: str | None) -> int:
    """Of ten seeds, how many perform the action."""
    loaded = motiongpt3.load(model)
    made = [loaded.generate(action.unseen, seconds=4.0, seed=seed) for seed in range(SEEDS)]
    return sum(action.met(motion.joints) for motion in made)


def main() -> int:
    parser = argparse.ArgumentParser(description="A user's own clips, from files to a new action")
    parser.add_argument("--action", choices=ACTIONS, default="salute")
    parser.add_argument("--minutes", type=float, help="of training (default: the recipe's steps)")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="an empty folder for everything that is made")
    parser.add_argument("--old", type=int, metavar="SEEDS", help="judge what it could do before")
    options = parser.parse_args()
    action = ACTIONS[options.action]
    base = options.keep or Path(tempfile.mkdtemp(prefix="own-data-"))
    mine, prepared, run = base / "mine", base / "prepared", base / "run"
    make_clips(action, mine, options.clips)
    command("data", "check", mine)
    command("data", "prepare", mine, "--captions", mine / "captions.csv", "-o", prepared)
    train = ("train", "finetune", "--data", prepared, "--from", "shipped")
    steps: tuple[object, ...] = ()
    if options.minutes:
        plan = json.loads(command(*train, "--dry-run", "--json"))
        count = max(20, int(60 * options.minutes / plan["stages"][-1]["seconds_per_step"]))
        steps = ("--stages.0.schedule.steps", count)
    begun = time.monotonic()
    command(*train, "--out", run, *steps)
    took = (time.monotonic() - begun) / 60
    before, after = judged(action, None), judged(action, str(run / "model"))
    print(f"{action.unseen!r}: {before} of {SEEDS} seeds before, {after} after {took:.1f} minutes")
    lost = 0.0
    if options.old:
        lost = forgotten(base, run / "model", options.old)
        print(f"joints are {moved(str(run / 'model')):.1f} cm from where they were")
    return int(after < NEEDED or lost > FORGIVEN)


def moved(model: str) -> float:
    """Centimetres between a joint of the shipped model's and the same of this one, on average over
    the prompts, for 4 s of the same noise."""
    shipped, after = motiongpt3.load(), motiongpt3.load(model)
    distances = []
    for asked in read_classes():
        pairs = (m.generate(list(asked.prompts), seconds=4.0, seed=0) for m in (shipped, after))
        before, now = (np.stack([motion.joints for motion in motions]) for motions in pairs)
        distances.append(100 * np.linalg.norm(now - before, axis=-1).mean())
    return float(np.mean(distances))


def forgotten(folder: Path, model: Path, seeds: int) -> float:
    """Percentage points that the row of bench/semantics.py which loses most has lost; all are
    printed."""
    script, found = Path(__file__).with_name("semantics.py"), []
    for name, more in (("before", ()), ("after", ("--model", model))):
        out = folder / f"{name}.json"
        words = [sys.executable, script, "--seeds", f"{seeds}", *map(str, more), "--json", out]
        subprocess.run(words, check=False, stdout=subprocess.DEVNULL)
        rows = pooled([Row(**row) for row in json.loads(out.read_text())["rows"]])
        found.append({row.rule: 100 * row.rate for row in rows})
    before, after = found
    for rule, rate in before.items():
        print(f"{rule:<16} {rate:6.1f} % -> {after[rule]:6.1f} %")
    means = [float(np.mean(list(each.values()))) for each in found]
    print(f"{'mean':<16} {means[0]:6.1f} % -> {means[1]:6.1f} %")
    return max(before[rule] - after[rule] for rule in before)


if __name__ == "__main__":
    sys.exit(main())
