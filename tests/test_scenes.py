"""Scenes: what strangers say in place of a caption."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from motiongpt3.data.scenes import scenes
from motiongpt3.evaluation.novelty import known_bigrams, seen_share

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import semantics as bench

DRAWS = 400


def drawn(label: str, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [scenes()[label].draw(rng) for _ in range(DRAWS)]


@pytest.mark.parametrize("label", sorted(scenes()))
def test_scenes_are_plain_sentences(label: str) -> None:
    texts = drawn(label)
    assert len(set(texts)) >= 20, "many ways to say it"
    for text in texts:
        assert not re.search(r"[(){}|$]|  |^ | $| ,", text), text


@pytest.mark.parametrize(
    ("name", "side"), [("raise-up-left-hand", "left"), ("walk-right", "right")]
)
def test_every_scene_of_a_side_names_it(name: str, side: str) -> None:
    assert all(re.search(rf"\b{side}\b", text) for text in drawn(f"bandai_namco/{name}"))


def test_labels_are_those_of_the_data(data: Path) -> None:
    lines = [
        json.loads(line)
        for name in ("motion5h", "motion_extra")
        for line in (data / name / "clips.jsonl").read_text().splitlines()
    ]
    assert set(scenes()) <= {f"{line['source']}/{line['label']}" for line in lines}


def test_the_prompts_that_measure_are_not_among_them() -> None:
    """Settings of prompts are not those of scenes; plain orders ("take a bow") are shared."""
    known = known_bigrams(text for label in scenes() for text in drawn(label))
    asked = [prompt for one in bench.read_classes() for prompt in one.prompts]
    shares = np.array([seen_share(prompt, known) for prompt in asked])
    assert shares.mean() < 0.35
    assert (shares > 0.5).mean() < 0.15
