"""What the model is asked for in bench/prompts.toml, and the real clips of the same classes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from motiongpt3.data.folder import data_folder
from motiongpt3.data.scenes import scenes
from motiongpt3.data.sources import SPLITS, Clip, read_clips
from motiongpt3.evaluation.novelty import known_bigrams, seen_share
from motiongpt3.formats.toml import read_toml
from motiongpt3.motion.rules import Named, Rule

PROMPTS = Path(__file__).with_name("prompts.toml")
SCENES = 2000
"""Draws of every scene that stand for what training may say."""


@dataclass(frozen=True)
class Asked:
    """One class of prompts: what to type, and by which rules on the joints it is judged."""

    name: str
    rules: tuple[Rule, ...]
    side: Named | None
    prompts: tuple[str, ...]
    real: tuple[str, ...]


def read_classes(path: Path = PROMPTS) -> list[Asked]:
    """The classes of the prompt file, one per side."""
    classes = []
    for entry in read_toml(path)["classes"]:
        sides = entry.get("sides", [None])
        for side in sides:
            other = {"left": "right", "right": "left"}.get(side, "")
            prompts = [p.replace("{side}", str(side)).replace("{other}", other)
                       for p in entry["prompts"]]  # fmt: skip
            name = f"{entry['name']}-{side}" if len(sides) > 1 else entry["name"]
            real = entry["real"][side or "none"]
            classes.append(Asked(name, tuple(entry["rules"]), side, tuple(prompts), tuple(real)))
    return classes


def flagged() -> frozenset[str]:
    """Real clips whose labels are in doubt."""
    return frozenset(read_toml(PROMPTS)["real"]["flagged"])


def asked_in_captions(classes: Sequence[Asked], split: str, most: int) -> list[Asked]:
    """The classes, asked for by captions of their real clips in a split instead of prompts.

    Args:
        most: captions per class.
    """
    captions: dict[str, list[str]] = defaultdict(list)
    for clip in real_clips((split,)):
        captions[f"{clip.source}/{clip.label}"] += clip.captions
    rng = np.random.default_rng(0)
    chosen = []
    for asked in classes:
        said = sorted({text for label in asked.real for text in captions[label]})
        if said:
            picked = rng.permutation(said)[:most].tolist()
            chosen.append(replace(asked, prompts=tuple(picked)))
    return chosen


def real_clips(splits: tuple[str, ...] = SPLITS) -> Iterator[Clip]:
    """Every clip of motion5h and motion_extra."""
    for name in ("motion5h", "motion_extra"):
        yield from read_clips(data_folder() / name, splits)


def novel(classes: Sequence[Asked]) -> list[Asked]:
    """The same classes without prompts whose words training may have met side by side."""
    rng = np.random.default_rng(0)
    texts = [
        caption for clip in track(real_clips(), "reading", total=5224) for caption in clip.captions
    ]
    texts += [scene.draw(rng) for scene in scenes().values() for _ in range(SCENES)]
    known = known_bigrams(texts)
    kept = [tuple(p for p in one.prompts if seen_share(p, known) <= 0.5) for one in classes]
    print(f"{sum(map(len, kept))} of {sum(len(one.prompts) for one in classes)} prompts")
    return [replace(one, prompts=prompts) for one, prompts in zip(classes, kept, strict=True)]
