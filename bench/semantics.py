"""Does the model move as it is told? Rules on the joints, no learned judge.

python bench/semantics.py [--model PATH] [--seeds 4] [--seconds auto] [--json OUT]
python bench/semantics.py --real      # the same rules on real clips, and who else meets them
python bench/semantics.py --rebuilt   # on real clips after a round trip through the latents
python bench/semantics.py --by-prompt # which prompts fail
python bench/semantics.py --novel     # without prompts like what training may have said
python bench/semantics.py --captions val --guidance 2   # choose settings, away from the prompts

Prompts and classes are in bench/prompts.toml, rules in motiongpt3/motion/rules.py.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from asked import Asked, asked_in_captions, flagged, novel, read_classes, real_clips
from rich.progress import track

from motiongpt3 import MotionGPTError
from motiongpt3.data.sources import SPLITS, Clip
from motiongpt3.evaluation.reconstruction import round_trip
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.features import joints_to_features
from motiongpt3.motion.physics import skate
from motiongpt3.motion.rules import passes
from motiongpt3.motion.semantics import travel

BATCH = 13
"""Prompts generated at once, or motions rebuilt."""

TARGETS: Mapping[str, float] = {
    "limb": 0.95, "wave": 0.85, "raise": 0.85, "turn": 0.9, "backwards": 0.9, "diagonal": 0.9,
    "run": 0.95, "walk": 0.95, "run over walk": 0.95,
    "bow": 0.7, "squat": 0.7, "kick": 0.7, "sit": 0.7, "lunge": 0.7, "clap": 0.7, "throw": 0.7,
}  # fmt: skip
REAL_TARGET = 0.98

SKATE_LIMITS: Mapping[str, float] = {"walk": 2 * 0.072, "turn": 2 * 0.048, "standing": 0.02}
"""Metres per second: twice the real figure, and a bound for feet that should not move."""
SKATE_CLASSES = {
    "walk": ("walk",),
    "turn": ("turn-left", "turn-right"),
    "standing": (
        "raise-left", "raise-right", "raise-both", "wave-left", "wave-right", "wave-both",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """One motion to judge; `key` pairs a run with the walk of the same seed."""

    joints: np.ndarray
    key: tuple[Any, ...]
    flagged: bool = False


Motions = Mapping[str, Sequence[Moved]]


@dataclass(frozen=True)
class Row:
    """Pass rate of a class by one rule."""

    name: str
    rule: str
    rate: float
    target: float
    count: int

    @property
    def ok(self) -> bool:
        return self.rate >= self.target


def generated(
    classes: Sequence[Asked], model: Any, seeds: int, seconds: float | None, sampling: Sampling
) -> Motions:
    """What the model makes of every prompt with every seed."""
    motions: dict[str, list[Moved]] = defaultdict(list)
    jobs = [
        (asked, seed, first)
        for asked in classes
        for seed in range(seeds)
        for first in range(0, len(asked.prompts), BATCH)
    ]
    for asked, seed, first in track(jobs, "generating"):
        prompts = list(asked.prompts[first : first + BATCH])
        made = model.generate(prompts, seconds=seconds, seed=seed, sampling=sampling)
        for i, motion in enumerate(made, first):
            motions[asked.name].append(Moved(motion.resample(20).joints, (seed, i)))
    return motions


def captured(classes: Sequence[Asked], clips: Sequence[Clip]) -> Motions:
    """The real clips of each class."""
    doubtful = flagged()
    motions: dict[str, list[Moved]] = defaultdict(list)
    for asked in classes:
        number: dict[str, int] = defaultdict(int)
        for clip in clips:
            if f"{clip.source}/{clip.label}" in asked.real:
                key = (clip.style, number[clip.style])
                number[clip.style] += 1
                motions[asked.name].append(Moved(clip.joints, key, clip.id in doubtful))
    return motions


def rebuilt(motions: Motions, model: Any) -> Motions:
    """The same motions after a round trip through the model's latents: the best it can make."""
    made: dict[str, list[Moved]] = {}
    for name, real in track(motions.items(), "rebuilding"):
        made[name] = []
        for first in range(0, len(real), BATCH):
            some = real[first : first + BATCH]
            clips = [joints_to_features(m.joints[: model.codec.longest]) for m in some]
            pairs = zip(some, round_trip(model.codec, clips), strict=True)
            made[name] += [replace(moved, joints=joints) for moved, (joints, _) in pairs]
    return made


def rows_of(classes: Sequence[Asked], motions: Motions, target: float | None) -> list[Row]:
    """Pass rates by class and rule, and how many runs are faster than the walk of their seed."""
    rows = []
    for asked in classes:
        for rule in asked.rules:
            met = [passes(rule, m.joints, asked.side) for m in motions[asked.name]]
            rate = float(np.mean(met)) if met else float("nan")
            rows.append(Row(asked.name, rule, rate, target or TARGETS[rule], len(met)))
    walks = {m.key: travel(m.joints).speed for m in motions["walk"]}
    faster = [
        passes("run", m.joints) and travel(m.joints).speed > walks[m.key]
        for m in motions["run"]
        if m.key in walks
    ]
    rate = float(np.mean(faster)) if faster else float("nan")
    rule = "run over walk"
    return [*rows, Row("run", rule, rate, target or TARGETS[rule], len(faster))]


def skates(motions: Motions) -> dict[str, float]:
    """Mean skate in metres per second: walking, turning, standing."""
    return {
        group: float(np.mean([skate(m.joints) for name in names for m in motions[name]]))
        for group, names in SKATE_CLASSES.items()
    }


def print_rows(rows: Sequence[Row]) -> None:
    print(f"{'class':16s} {'rule':14s} {'pass':>7s} {'target':>7s} {'n':>6s}")
    for row in rows:
        mark = "" if row.ok else "  below"
        print(
            f"{row.name:16s} {row.rule:14s} {row.rate:7.1%} {row.target:7.0%} {row.count:6d}{mark}"
        )


def pooled(rows: Sequence[Row]) -> list[Row]:
    """One row per rule over the classes that use it, wave and raise counted together."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups["wave/raise count" if row.rule in ("wave", "raise") else row.rule].append(row)
    return [
        Row(
            "all" if len(group) > 1 else group[0].name,
            rule,
            sum(row.rate * row.count for row in group) / max(sum(row.count for row in group), 1),
            group[0].target,
            sum(row.count for row in group),
        )
        for rule, group in groups.items()
    ]


def print_verdict(rows: Sequence[Row], slides: Mapping[str, float]) -> bool:
    """Print the figures that decide, one line each; true when all are met."""
    print("\nverdict")
    print_rows(verdicts := pooled(rows))
    for group, limit in SKATE_LIMITS.items():
        mark = "" if slides[group] <= limit else "  above"
        print(f"skate {group:10s} {slides[group]:.4f} m/s, limit {limit:.3f}{mark}")
    met = all(row.ok for row in verdicts) and all(
        slides[group] <= limit for group, limit in SKATE_LIMITS.items()
    )
    print("all met" if met else "not all met")
    return met


def print_prompts(classes: Sequence[Asked], motions: Motions) -> None:
    """Prompts that fail in half of their seeds or more, by what they fail."""
    print("\nprompts that fail in half of their seeds or more")
    for asked in classes:
        for rule in asked.rules:
            failed = Counter(
                asked.prompts[m.key[1]]
                for m in motions[asked.name]
                if not passes(rule, m.joints, asked.side)
            )
            seeds = len(motions[asked.name]) / len(asked.prompts)
            for prompt, number in failed.items():
                if number >= seeds / 2:
                    print(f"{asked.name:16s} {rule:10s} {number}/{seeds:.0f}  {prompt}")


def print_contrast(classes: Sequence[Asked], clips: Sequence[Clip]) -> None:
    """For each class the other labels (4 clips or more) whose clips meet its rules most often."""
    print("\nclips of other labels that meet all rules of a class (share of the label's clips)")
    for asked in track(classes, "contrasting"):
        met: dict[str, list[bool]] = defaultdict(list)
        for clip in clips:
            label = f"{clip.source}/{clip.label}"
            if label not in asked.real:
                met[label].append(all(passes(r, clip.joints, asked.side) for r in asked.rules))
        share = {label: np.mean(hits) for label, hits in met.items() if len(hits) >= 4}
        worst = sorted(share.items(), key=lambda item: -item[1])[:6]
        total = np.mean([hit for hits in met.values() for hit in hits])
        named = ", ".join(f"{label} {rate:.0%}" for label, rate in worst if rate > 0)
        print(f"{asked.name:16s} all {total:6.2%}: {named}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="checkpoint folder; the shipped one if not given")
    parser.add_argument("--seeds", type=int, default=4)
    length: Callable[[str], float | None] = lambda s: None if s == "auto" else float(s)  # noqa: E731
    parser.add_argument("--seconds", type=length, default=None, help="a number, or auto")
    parser.add_argument("--guidance", type=float, help="scale; the model's own if not given")
    parser.add_argument("--captions", choices=SPLITS, metavar="SPLIT",
                        help="ask by captions of real clips in this split")  # fmt: skip
    parser.add_argument("--by-prompt", action="store_true", help="list prompts that fail")
    parser.add_argument("--novel", action="store_true",
                        help="only prompts of words training has not met together")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--real", action="store_true", help="judge real clips instead")
    parser.add_argument("--rebuilt", action="store_true",
                        help="judge real clips after the model's VAE instead")  # fmt: skip
    return parser.parse_args()


def judged(chosen: argparse.Namespace, classes: Sequence[Asked]) -> Motions:
    """The motions to judge: generated ones, or real clips after the model's VAE."""
    import motiongpt3

    model = motiongpt3.load(chosen.model) if chosen.model else motiongpt3.load()
    if not chosen.rebuilt:
        sampling = Sampling(guidance=chosen.guidance)
        return generated(classes, model, chosen.seeds, chosen.seconds, sampling)
    return rebuilt(captured(classes, list(track(real_clips(), "reading", total=5224))), model)


def main() -> int:
    chosen, classes = arguments(), read_classes()
    if chosen.novel:
        classes = novel(classes)
    if chosen.captions:
        classes = asked_in_captions(classes, chosen.captions, BATCH)
    if chosen.real:
        clips = list(track(real_clips(), "reading", total=5224))
        motions, target = captured(classes, clips), REAL_TARGET
        sound = {name: [m for m in made if not m.flagged] for name, made in motions.items()}
        print("without the flagged clips")
        print_rows(
            [row for row in rows_of(classes, sound, target) if row.rule in ("wave", "raise")]
        )
        print("\nall clips")
    else:
        motions, target = judged(chosen, classes), None
    rows, slides = rows_of(classes, motions, target), skates(motions)
    print_rows(rows)
    met = print_verdict(rows, slides)
    if chosen.real:
        print_contrast(classes, clips)
    if chosen.by_prompt:
        print_prompts(classes, motions)
    if chosen.json:
        figures = {"rows": [vars(row) for row in rows], "skate": slides, "met": met}
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MotionGPTError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
