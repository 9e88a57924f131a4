"""Instruction templates: what they hold, how they are filled, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiongpt3.data.tasks import (
    MOTIONS,
    REQUIRED,
    TEMPLATES,
    Field,
    Task,
    Templates,
    format_seconds,
    parse,
    render,
)
from motiongpt3.errors import InputError


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load()


@pytest.mark.parametrize("task", list(Task))
def test_every_template_asks_for_all_its_task_needs(templates: Templates, task: Task) -> None:
    asked, answered = REQUIRED[task]
    for template in templates.all(task):
        assert asked <= set(template.question) and answered <= set(template.answer)
        assert not MOTIONS & set(template.question) - asked  # nothing observed that is not given
    assert len(set(templates.all(task))) == len(templates.all(task))


def test_there_is_variety(templates: Templates) -> None:
    counts = {task.value: len(templates.all(task)) for task in Task}
    assert counts["t2m"] >= 20 and counts["m2t"] >= 15 and counts["length"] >= 12
    assert counts["predict"] >= 8 and counts["inbetween"] >= 8


def test_captions_are_optional_for_prediction(templates: Templates) -> None:
    rng = np.random.default_rng(0)
    for task in (Task.PREDICTION, Task.INBETWEEN):
        for with_caption in (True, False):
            drawn = [templates.draw(task, rng, with_caption) for _ in range(30)]
            drawn.append(templates.canonical(task, with_caption))
            assert all((Field.CAPTION in t.question) == with_caption for t in drawn)


def test_drawing_is_repeatable_and_reaches_every_question(templates: Templates) -> None:
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    drawn = [templates.draw(Task.TEXT_TO_MOTION, first) for _ in range(500)]
    assert drawn == [templates.draw(Task.TEXT_TO_MOTION, second) for _ in range(500)]
    assert {t.question for t in drawn} == {t.question for t in templates.all(Task.TEXT_TO_MOTION)}


@given(
    caption=st.text(min_size=1)
    | st.sampled_from(["{motion}", "{caption}{end}", "{seconds} {", "\\1 $"])
)
def test_what_a_caption_holds_is_never_expanded(templates: Templates, caption: str) -> None:
    values = {Field.CAPTION: caption, Field.SECONDS: "4.2"}
    for task in Task:
        for template in templates.all(task):
            for segments in (template.question, template.answer):
                filled = render(segments, values)
                motions = [s for s in filled if isinstance(s, Field)]
                assert motions == [s for s in segments if s in MOTIONS]
                texts = [s for s in filled if isinstance(s, str)]
                assert sum(t.count(caption) for t in texts) >= segments.count(Field.CAPTION)
                assert all(texts) and len(texts) <= len(motions) + 1


def test_parse_and_render() -> None:
    segments = parse("Continue {start} for {seconds} s: {caption}")
    assert segments == (
        "Continue", Field.START, "for ", Field.SECONDS, " s: ", Field.CAPTION,
    )  # fmt: skip
    values = {Field.SECONDS: format_seconds(2), Field.CAPTION: "a {start} bows"}
    assert render(segments, values) == ["Continue", Field.START, "for 2.0 s: a {start} bows"]
    with pytest.raises(InputError):
        render(segments, {Field.SECONDS: "2.0"})
    with pytest.raises(InputError):
        parse("a {nonsense}")


@pytest.mark.parametrize(
    ("old", "new"),
    [("{caption} {seconds} seconds", "{caption}"), ("[m2t]", "[m3t]"), ("{end}", "{ende}")],
)
def test_wrong_template_files_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError):
        Templates.load(path)
