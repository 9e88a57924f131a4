"""The model card's table is what docs/figures.json says, and a figure that moved is noticed."""

import json
import sys
from copy import deepcopy
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import figures


@pytest.fixture(scope="module")
def kept() -> dict[str, dict[str, dict[str, float]]]:
    return json.loads(figures.KEPT.read_text())


def test_the_card_has_the_table(kept) -> None:
    card = figures.CARD.read_text()
    assert card.split(figures.BEGIN)[1].split(figures.END)[0].strip() == figures.table(kept).strip()
    assert "{" not in figures.table(kept), "every figure of a row was measured"


def test_both_columns_hold_the_same_figures(kept) -> None:
    before, now = ({m: sorted(f) for m, f in kept[c].items()} for c in ("before", "now"))
    assert before == now == {m.name: before[m.name] for m in figures.MEASURES}


@pytest.mark.parametrize(
    ("measure", "key", "off", "seen"),
    [
        ("prompts", "limb", 1.0, False),
        ("prompts", "limb", -4.0, True),
        ("prompts", "skate walk", 0.05, True),
        ("captions", "bandai_namco, macro", -4.0, True),
        ("vae", "the rest, mpjpe_mm", 0.2, False),
        ("completion", "pose_mm", 9.0, True),
    ],
)
def test_a_figure_that_moved_is_noticed(
    kept, measure: str, key: str, off: float, seen: bool
) -> None:
    again = deepcopy(kept["now"])
    again[measure][key] += off
    assert bool(figures.apart(kept["now"], again)) is seen


def test_a_figure_that_nobody_kept_is_noticed(kept) -> None:
    again = deepcopy(kept["now"])
    again["length"]["new"] = 1.0
    assert figures.apart(kept["now"], again)
