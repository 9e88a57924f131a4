"""What a run was begun with, and when it may go on."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from motiongpt3.errors import InputError
from motiongpt3.training.folder import begin


@dataclass(frozen=True)
class Part:
    """Of a recipe; `added` came to it later."""

    steps: int = 5
    added: float = 0.5


@dataclass(frozen=True)
class Whole:
    """A recipe; `added` and `more` came to it later."""

    name: str
    parts: tuple[Part, ...] = (Part(), Part(7))
    added: Part = field(default_factory=Part)
    more: tuple[str, ...] = ()


WHOLE = Whole("walk")


def begun(folder: Path, recipe: Whole, resume: bool = True, allow: tuple[str, ...] = ()) -> None:
    begin(folder, recipe, {"recipe": asdict(recipe)}, resume, allow, pytest.fail)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder of a run that was begun before some fields were there."""
    begun(tmp_path, WHOLE, resume=False)
    path = tmp_path / "run.json"
    written: dict[str, Any] = json.loads(path.read_text())
    del (
        written["recipe"]["added"],
        written["recipe"]["more"],
        written["recipe"]["parts"][1]["added"],
    )
    path.write_text(json.dumps(written))
    return tmp_path


def test_goes_on_where_new_fields_have_their_defaults(earlier: Path) -> None:
    begun(earlier, WHOLE)
    assert json.loads((earlier / "run.json").read_text())["recipe"]["added"]["steps"] == 5


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (replace(WHOLE, added=Part(6)), r"recipe\.added\.steps: 5 -> 6"),
        (replace(WHOLE, more=("a",)), r"recipe\.more\.0: None -> a"),
        (replace(WHOLE, parts=(Part(), Part(7, 1.5))), r"recipe\.parts\.1\.added: 0\.5 -> 1\.5"),
        (replace(WHOLE, parts=(Part(),)), r"recipe\.parts\.1\.steps: 7 -> None"),
    ],
)
def test_other_values_are_refused(earlier: Path, recipe: Whole, told: str) -> None:
    with pytest.raises(InputError, match=told):
        begun(earlier, recipe)
    begun(earlier, recipe, allow=("recipe",))


def test_a_value_that_is_gone_is_a_change(earlier: Path) -> None:
    path = earlier / "run.json"
    written = json.loads(path.read_text())
    written["recipe"]["old"] = 3
    path.write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"recipe\.old: 3 -> None"):
        begun(earlier, WHOLE)
