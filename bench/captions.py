"""Does the model say what it sees? Captions of real clips, judged by a table of keywords.

python bench/captions.py [--model PATH] [--split test] [--json OUT]
python bench/captions.py --real [--split all]     # judge the reference captions: must be 100 %

The judge is motiongpt3/data/keywords.py.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from motiongpt3 import MotionGPTError
from motiongpt3.data.folder import data_folder
from motiongpt3.data.keywords import Verdict, expected, judge
from motiongpt3.data.sources import Clip, read_clips

DATA_SETS = ("motion5h", "motion_extra")
SPLITS = ("train", "val", "test")
BATCH = 16
"""Clips captioned at once."""
TARGETS = {"bandai_namco action": 0.95, "motion5h seen action": 0.85, "motion5h seen side": 0.95}


@dataclass(frozen=True)
class Judged:
    """One caption of one clip."""

    clip: Clip
    caption: str
    verdict: Verdict
    seen: bool
    """The clip's label occurs in the training clips of its source."""


def read(name: str, split: str) -> tuple[list[Clip], set[tuple[str, str]]]:
    """The clips of a split ("all": of every split), and the labels that training saw."""
    clips = list(track(read_clips(data_folder() / name), f"reading {name}"))
    seen = {(clip.source, clip.label) for clip in clips if clip.split == "train"}
    return [clip for clip in clips if split in ("all", clip.split)], seen


def captions_of(clips: Sequence[Clip], model: Any | None) -> Iterable[tuple[Clip, str]]:
    """The model's caption of each clip, or, without a model, every reference caption."""
    if model is None:
        yield from ((clip, caption) for clip in clips for caption in clip.captions)
        return
    from motiongpt3 import Motion

    for first in track(range(0, len(clips), BATCH), "captioning"):
        batch = clips[first : first + BATCH]
        motions = [Motion(clip.joints, fps=clip.fps) for clip in batch]
        yield from zip(batch, model.caption(motions), strict=True)


def judged(pairs: Iterable[tuple[Clip, str]], seen: set[tuple[str, str]]) -> list[Judged]:
    """Judge captions; those of clips without a label are left out."""
    return [
        Judged(
            clip,
            caption,
            judge(caption, clip.label, clip.source, clip.captions),
            (clip.source, clip.label) in seen,
        )
        for clip, caption in pairs
        if clip.label
    ]


def scores(name: str, group: Sequence[Judged]) -> dict[str, float | int | str]:
    """Accuracy over a group of clips, and the mean over its labels (macro)."""
    by_label: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in group:
        by_label[one.clip.source, one.clip.label].append(one.verdict.action_ok)
    sides = [one.verdict.side_ok for one in group if one.verdict.side_ok is not None]
    return {
        "group": name,
        "clips": len(group),
        "action": _mean([one.verdict.action_ok for one in group]),
        "macro": _mean([_mean(hits) for hits in by_label.values()]),
        "labels": len(by_label),
        "side": _mean(sides),
        "with side": len(sides),
    }


def _mean(values: Sequence[float | bool]) -> float:
    return float(np.mean(values)) if values else float("nan")


def summary(name: str, results: Sequence[Judged]) -> list[dict[str, float | int | str]]:
    """Rows by source, over the labels that training saw, and over those it did not."""
    sources = sorted({one.clip.source for one in results})
    rows = [scores(s, [one for one in results if one.clip.source == s]) for s in sources]
    rows.append(scores(f"{name} seen", [one for one in results if one.seen]))
    rows.append(scores(f"{name} absent from training", [one for one in results if not one.seen]))
    return rows


def print_summary(rows: Sequence[dict[str, float | int | str]]) -> None:
    print(f"{'':34s} {'n':>6s} {'action':>7s} {'macro':>7s} {'side':>7s} {'with side':>9s}")
    for row in rows:
        print(
            f"{row['group']:34s} {row['clips']:6d} {row['action']:7.1%} {row['macro']:7.1%} "
            f"{row['side']:7.1%} {row['with side']:9d}"
        )
        for figure in ("action", "side"):
            target = TARGETS.get(f"{row['group']} {figure}")
            if target is not None:
                word = "met" if float(row[figure]) >= target else "missed"
                print(f"{'':34s} {figure} target {target:.0%}: {word}")


def print_confusion(results: Sequence[Judged]) -> None:
    """For each action, the share of right captions and what the wrong ones named."""
    named: dict[str, Counter[str]] = defaultdict(Counter)
    right: Counter[str] = Counter()
    for one in results:
        needed = expected(one.clip.label, one.clip.source).needed
        action = " + ".join("/".join(sorted(choice)) for choice in needed)
        if one.verdict.action_ok:
            right[action] += 1
        else:
            named[action][" + ".join(sorted(one.verdict.named)) or "nothing"] += 1
    print(f"\n{'action':28s} {'right':>11s}  wrong captions name")
    for action in sorted(set(named) | set(right)):
        total = right[action] + sum(named[action].values())
        wrong = ", ".join(f"{what} {count}" for what, count in named[action].most_common(5))
        print(f"{action:28s} {right[action]:5d}/{total:5d}  {wrong}")


def print_absent(results: Sequence[Judged]) -> None:
    """Labels of the split that training never saw."""
    absent: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in results:
        if not one.seen:
            absent[one.clip.source, one.clip.label].append(one.verdict.action_ok)
    for (source, label), hits in sorted(absent.items()):
        print(f"absent from training: {source}/{label} {sum(hits)}/{len(hits)}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="checkpoint folder; the shipped one if not given")
    parser.add_argument("--split", choices=(*SPLITS, "all"), default="test")
    parser.add_argument("--json", type=Path, help="write figures and captions here")
    parser.add_argument("--real", action="store_true", help="judge the reference captions instead")
    return parser.parse_args()


def main() -> int:
    chosen, model = arguments(), None
    if not chosen.real:
        import motiongpt3

        model = motiongpt3.load(chosen.model) if chosen.model else motiongpt3.load()
    figures: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    for name in DATA_SETS:
        clips, seen = read(name, chosen.split)
        results = judged(captions_of(clips, model), seen)
        rows = summary(name, results)
        print(f"\n{name}, split {chosen.split}")
        print_summary(rows)
        print_absent(results)
        print_confusion(results)
        figures += rows
        captions += [
            {"id": one.clip.id, "caption": one.caption, "action": one.verdict.action_ok,
             "side": one.verdict.side_ok}
            for one in results
        ]  # fmt: skip
    if chosen.json:
        text = json.dumps({"figures": figures, "captions": captions}, indent=1)
        chosen.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MotionGPTError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
