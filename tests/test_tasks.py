"""Instruction templates: what they hold, how they are filled, what is refused."""

import re
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiongpt3.data.tasks import (
    BARE_TEMPLATES,
    CAPTION,
    FRAMES,
    MOTIONS,
    NEEDS,
    SECONDS,
    TEMPLATES,
    Field,
    Said,
    Segments,
    Task,
    Templates,
    format_seconds,
    in_quotes,
    parse,
    render,
)
from motiongpt3.errors import InputError

NOTHING: Said = frozenset()
TOLD = [
    (Task.TEXT_TO_MOTION, CAPTION | SECONDS),
    (Task.TEXT_TO_MOTION, CAPTION | FRAMES),
    (Task.TEXT_TO_MOTION, CAPTION),
    (Task.TEXT_TO_MOTION, NOTHING),
    (Task.MOTION_TO_TEXT, CAPTION),
    (Task.MOTION_TO_TEXT, CAPTION | FRAMES),
    (Task.MOTION_TO_TEXT, CAPTION | SECONDS),
    (Task.PREDICTION, CAPTION | SECONDS),
    (Task.PREDICTION, SECONDS),
    (Task.PREDICTION, CAPTION),
    (Task.PREDICTION, NOTHING),
    (Task.INBETWEEN, CAPTION | SECONDS),
    (Task.INBETWEEN, SECONDS),
    (Task.INBETWEEN, CAPTION),
    (Task.INBETWEEN, NOTHING),
    (Task.CAPTION_TO_SECONDS, CAPTION | SECONDS),
    (Task.CAPTION_TO_SECONDS, CAPTION | FRAMES),
    (Task.SECONDS_TO_CAPTION, CAPTION | SECONDS),
    (Task.SECONDS_TO_CAPTION, CAPTION | FRAMES),
    (Task.SECONDS_TO_CAPTION, CAPTION),
]
"""Every sub-task of the paper, and those in which ours tells a length."""
CANONICAL = {
    (Task.TEXT_TO_MOTION, CAPTION | SECONDS): "Generate a motion of {seconds} seconds: {caption}",
    (Task.MOTION_TO_TEXT, CAPTION): "Describe this motion:{motion}",
    (Task.PREDICTION, CAPTION | SECONDS): (
        "Continue this motion for {seconds} seconds:{start}Text: {caption}"
    ),
    (Task.PREDICTION, SECONDS): "Continue this motion for {seconds} seconds:{start}",
    (Task.INBETWEEN, CAPTION | SECONDS): (
        "Fill the {seconds} seconds between{start}and{end}Text: {caption}"
    ),
    (Task.INBETWEEN, SECONDS): "Fill the {seconds} seconds between{start}and{end}",
    (Task.CAPTION_TO_SECONDS, CAPTION | SECONDS): "How many seconds does this take: {caption}",
    (Task.SECONDS_TO_CAPTION, CAPTION | SECONDS): "Suggest a motion that lasts {seconds} seconds.",
    (Task.PLAIN, CAPTION): "",
}
"""What the shipped checkpoint was trained to be asked at inference."""
ANSWERS = {
    Task.CAPTION_TO_SECONDS: "{seconds} seconds",
    **dict.fromkeys([Task.TEXT_TO_MOTION, Task.PREDICTION, Task.INBETWEEN], "{motion}"),
    **dict.fromkeys([Task.MOTION_TO_TEXT, Task.SECONDS_TO_CAPTION, Task.PLAIN], "{caption}"),
}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load()


def written(segments: Segments) -> str:
    """A wording with its placeholders as they are written in the file."""
    return "".join(f"{{{s.value}}}" if isinstance(s, Field) else s for s in segments)


def questions(templates: Templates, task: Task, said: Said) -> list[str]:
    return list(dict.fromkeys(written(t.question) for t in templates.all(task) if t.said == said))


def words(question: str) -> list[str]:
    """The words of a question, placeholders included, without case and punctuation."""
    return re.findall(r"\{\w+\}|\w+", question.lower().replace("'", ""))


def test_every_subtask_is_there_and_nothing_else(templates: Templates) -> None:
    there = [(task, said) for task in Task for said in templates.subtasks(task)]
    assert set(there) == {*TOLD, (Task.PLAIN, CAPTION)} and len(there) == 21


@pytest.mark.parametrize(("task", "said"), TOLD)
def test_every_subtask_is_asked_for_in_many_ways(
    templates: Templates, task: Task, said: Said
) -> None:
    asked = questions(templates, task, said)
    assert len(asked) >= 20
    assert len({tuple(words(q)) for q in asked}) == len(asked)
    for one, other in combinations(asked, 2):
        if min(len(words(one)), len(words(other))) > 4:
            alike = SequenceMatcher(None, words(one), words(other)).ratio()
            assert alike <= 0.75, f"near duplicates: {one} | {other}"


@pytest.mark.parametrize("task", list(Task))
def test_motions_and_texts_are_those_of_the_task(templates: Templates, task: Task) -> None:
    seen = {
        Task.MOTION_TO_TEXT: {Field.MOTION},
        Task.PREDICTION: {Field.START},
        Task.INBETWEEN: {Field.START, Field.END},
    }.get(task, set())
    makes_motion = task in (Task.TEXT_TO_MOTION, Task.PREDICTION, Task.INBETWEEN)
    for template in templates.all(task):
        assert MOTIONS & set(template.question) == seen
        assert MOTIONS & set(template.answer) == ({Field.MOTION} if makes_motion else set())
        told = [s for s in template.question if isinstance(s, Field)]
        assert len(told) == len(set(told)), "nothing is told twice"
        assert not set(told) & set(template.answer), "an answer is not given away"


def test_sentences_read_well_around_any_caption_and_number(templates: Templates) -> None:
    for task in Task:
        for template in templates.all(task):
            for text in (written(template.question), written(template.answer)):
                # "when a person walks. time passes" and "a 8.0 second motion" are not English.
                assert not re.search(r"\w \{caption\}|\{caption\} \w", text), text
                assert not re.search(r"\ban? \{(seconds|frames)\}", text), text


def test_a_length_is_answered_with_its_number_first(templates: Templates) -> None:
    """The model's own length is read off the first token of its answer."""
    for template in templates.all(Task.CAPTION_TO_SECONDS):
        assert template.answer[0] in (Field.SECONDS, Field.FRAMES)


@pytest.mark.parametrize(("task", "said"), CANONICAL)
def test_wordings_of_inference_stay(templates: Templates, task: Task, said: Said) -> None:
    template = templates.canonical(task, said)
    assert written(template.question) == CANONICAL[task, said]
    assert written(template.answer) == ANSWERS[task]
    if said == NEEDS[task].usual:
        assert templates.canonical(task) == template


@pytest.mark.parametrize(("task", "said"), TOLD)
def test_drawing_is_repeatable_and_reaches_every_wording(
    templates: Templates, task: Task, said: Said
) -> None:
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    drawn = [templates.draw(task, first, said) for _ in range(2500)]
    assert drawn[:100] == [templates.draw(task, second, said) for _ in range(100)]
    assert set(drawn) == {t for t in templates.all(task) if t.said == said}
    share = drawn.count(templates.canonical(task, said)) / len(drawn)
    assert share == pytest.approx(1 / len(set(drawn)), rel=0.9), "no wording is preferred"


@settings(max_examples=30)
@given(
    caption=st.text(min_size=1)
    | st.sampled_from(["{motion}", "{caption}{end}", "{seconds} {", "\\1 $", 'he says "hi"'])
)
def test_what_a_caption_holds_is_never_expanded(templates: Templates, caption: str) -> None:
    values = {Field.CAPTION: caption, Field.SECONDS: "4.2", Field.FRAMES: "84"}
    for task in Task:
        for template in templates.all(task):
            for segments in (template.question, template.answer):
                filled = render(segments, values)
                motions = [s for s in filled if isinstance(s, Field)]
                assert motions == [s for s in segments if s in MOTIONS]
                texts = [s for s in filled if isinstance(s, str)]
                assert sum(t.count(caption) for t in texts) >= segments.count(Field.CAPTION)
                assert all(texts) and len(texts) <= len(motions) + 1


@given(
    pieces=st.lists(st.text(st.characters(exclude_characters="{}")) | st.sampled_from(list(Field))),
    caption=st.text(),
)
def test_rendering_what_was_parsed_gives_the_text_back(
    pieces: list[str | Field], caption: str
) -> None:
    values = {Field.CAPTION: caption, Field.SECONDS: "4.2", Field.FRAMES: "84"}
    text = "".join(f"{{{p.value}}}" if isinstance(p, Field) else p for p in pieces)
    said = [values.get(p, p) if isinstance(p, Field) else p for p in pieces]
    filled = render(parse(text), values)
    assert [p for p in filled if isinstance(p, Field)] == [p for p in said if isinstance(p, Field)]
    if MOTIONS.isdisjoint(pieces):
        assert "".join(map(str, filled)) == "".join(map(str, said))
    else:  # the space beside a motion is not kept
        got = "".join(p for p in filled if isinstance(p, str))
        assert "".join(got.split()) == "".join("".join(p for p in said if p not in MOTIONS).split())


def test_parse_and_render() -> None:
    segments = parse("Continue {start} for {seconds} s: {caption}")
    assert segments == (
        "Continue", Field.START, "for ", Field.SECONDS, " s: ", Field.CAPTION,
    )  # fmt: skip
    values = {Field.SECONDS: format_seconds(2), Field.CAPTION: "a {start} bows"}
    assert render(segments, values) == ["Continue", Field.START, "for 2.0 s: a {start} bows"]
    with pytest.raises(InputError):
        render(segments, {Field.SECONDS: "2.0"})


@pytest.mark.parametrize(
    "text", ["a {nonsense}", "{}", "{Caption}", "{ caption }", "{caption", "caption}", "{{motion}}"]
)
def test_what_is_no_placeholder_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_captions_are_quoted_once(templates: Templates) -> None:
    values = {Field.CAPTION: "hop", Field.SECONDS: "4.2", Field.FRAMES: "84"}
    for task in Task:
        for template in templates.all(task):
            for segments in (template.question, template.answer):
                once = in_quotes(segments)
                assert in_quotes(once) == once
                text = " ".join(s for s in render(once, values) if isinstance(s, str))
                quoted = text.count('"hop"') + text.count("'hop'")
                assert quoted == text.count("hop") == segments.count(Field.CAPTION)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("Surprise me", "{surprise} me", ["[t2m]", "{surprise}", "{surprise} me with something"]),
        ("Name the activity: {motion}", "Name it.", ["[m2t]", "{motion} is missing", "Name it."]),
        ("{end} after", "{start} after", ["[inbetween]", "{end} is missing", "Start from {start}"]),
        ("{motion} -> text", "{motion} {caption}", ["[m2t]", "{caption} cannot be in", "{motion}"]),
        ("frames={frames}", "{seconds} {frames}", ["[t2m]", "one length", "{seconds} {frames};"]),
        ('"{frames} frames."', '"Long."', ["[length]", "{frames} {seconds}", "Long."]),
        ('question = [""]', "question = []", ["[caption]", "list of wordings"]),
        ('question = [""]', 'question = ["", 7]', ["[caption]", "list of wordings"]),
        ('question = [""]', "questions = []", ["[caption]", "list of wordings"]),
        ("[[caption]]", "[caption]", ["[caption]", "[[caption]]"]),
        ("[[caption]]", "[[captoin]]", ["captoin", "caption"]),
        ("[[caption]]", "[[caption", ["cannot read"]),
    ],
)
def test_wrong_template_files_are_refused(
    tmp_path: Path, old: str, new: str, named: list[str]
) -> None:
    path, content = tmp_path / "mine.toml", TEMPLATES.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Templates.load(path)
    assert all(part in str(caught.value) for part in [str(path), *named]), caught.value


def test_a_missing_template_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        Templates.load(tmp_path / "none.toml")


def test_what_no_wording_says_cannot_be_asked_for() -> None:
    bare = Templates.load(BARE_TEMPLATES)
    rng = np.random.default_rng(0)
    for task, said, named in (
        (Task.TEXT_TO_MOTION, CAPTION | FRAMES, "[t2m]: no wording says {caption} {frames}"),
        (Task.INBETWEEN, NOTHING, "[inbetween]: no wording says nothing"),
    ):
        with pytest.raises(InputError) as caught:
            bare.canonical(task, said)
        assert str(BARE_TEMPLATES) in str(caught.value) and named in str(caught.value)
        with pytest.raises(InputError):
            bare.draw(task, rng, said)


def test_bare_prompts_add_nothing() -> None:
    bare = Templates.load(BARE_TEMPLATES)
    asked = {t.task: written(t.question) for task in Task for t in bare.all(task)}
    assert asked == {
        Task.TEXT_TO_MOTION: "{caption}",
        Task.MOTION_TO_TEXT: "{motion}",
        Task.PREDICTION: "Predict motion:{start}",
        Task.PLAIN: "",
    }
