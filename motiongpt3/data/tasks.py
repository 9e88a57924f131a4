"""The instructions of each task: questions and answers in which text and motion take turns.

A template is parsed once into a list of segments. What fills a placeholder is never looked at
again, so a caption that happens to contain "{motion}" stays a caption.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from motiongpt3.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEMPLATES = Path(__file__).with_name("templates.toml")


class Task(str, Enum):
    """What is asked of the model."""

    TEXT_TO_MOTION = "t2m"
    MOTION_TO_TEXT = "m2t"
    PREDICTION = "predict"
    INBETWEEN = "inbetween"
    CAPTION_TO_SECONDS = "length"
    SECONDS_TO_CAPTION = "suggest"
    PLAIN = "caption"


class Field(Enum):
    """A placeholder. MOTION, START and END stay motions; CAPTION and SECONDS are filled with text.

    MOTION in a question is a whole observed motion. In an answer it is what the model makes: the
    whole motion for text to motion, what follows START for prediction, what lies between START and
    END for in-betweening. SECONDS is the length of that MOTION.
    """

    CAPTION = "caption"
    SECONDS = "seconds"
    MOTION = "motion"
    START = "start"
    END = "end"


Segment = str | Field
MOTIONS = frozenset({Field.MOTION, Field.START, Field.END})
# Fields that a question and an answer of each task must hold.
REQUIRED: dict[Task, tuple[frozenset[Field], frozenset[Field]]] = {
    Task.TEXT_TO_MOTION: (frozenset({Field.CAPTION, Field.SECONDS}), frozenset({Field.MOTION})),
    Task.MOTION_TO_TEXT: (frozenset({Field.MOTION}), frozenset({Field.CAPTION})),
    Task.PREDICTION: (frozenset({Field.START, Field.SECONDS}), frozenset({Field.MOTION})),
    Task.INBETWEEN: (
        frozenset({Field.START, Field.END, Field.SECONDS}),
        frozenset({Field.MOTION}),
    ),
    Task.CAPTION_TO_SECONDS: (frozenset({Field.CAPTION}), frozenset({Field.SECONDS})),
    Task.SECONDS_TO_CAPTION: (frozenset({Field.SECONDS}), frozenset({Field.CAPTION})),
    Task.PLAIN: (frozenset(), frozenset({Field.CAPTION})),
}
OPTIONAL_CAPTION = frozenset({Task.PREDICTION, Task.INBETWEEN})


@dataclass(frozen=True)
class Template:
    """One way to ask for a task and to answer it."""

    task: Task
    question: tuple[Segment, ...]
    answer: tuple[Segment, ...]


@dataclass(frozen=True)
class _Wordings:
    with_caption: tuple[tuple[Segment, ...], ...]
    plain: tuple[tuple[Segment, ...], ...]
    answers: tuple[tuple[Segment, ...], ...]


class Templates:
    """Every wording of every task."""

    def __init__(self, wordings: Mapping[Task, _Wordings]):
        self._wordings = dict(wordings)

    @classmethod
    def load(cls, path: Path = TEMPLATES) -> "Templates":
        """Read a template file (default: the packaged one); InputError names the wrong task."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError("cannot read templates", where=str(path), hint=str(error)) from error
        return cls({task: _read_task(task, content, path) for task in Task})

    def canonical(self, task: Task, with_caption: bool = True) -> Template:
        """The wording used at inference.

        `with_caption` matters for prediction and in-betweening only.
        """
        wordings = self._wordings[task]
        return Template(task, self._questions(task, with_caption)[0], wordings.answers[0])

    def draw(self, task: Task, rng: np.random.Generator, with_caption: bool = True) -> Template:
        """A wording at random, every question of the kind being equally likely."""
        questions, answers = self._questions(task, with_caption), self._wordings[task].answers
        question = questions[int(rng.integers(len(questions)))]
        return Template(task, question, answers[int(rng.integers(len(answers)))])

    def all(self, task: Task) -> list[Template]:
        """Every pair of question and answer of a task (a tokenizer learns its words from them)."""
        wordings = self._wordings[task]
        questions = wordings.with_caption + wordings.plain
        return [Template(task, q, a) for q in questions for a in wordings.answers]

    def _questions(self, task: Task, with_caption: bool) -> tuple[tuple[Segment, ...], ...]:
        wordings = self._wordings[task]
        plain = task in OPTIONAL_CAPTION and not with_caption
        return wordings.plain if plain else wordings.with_caption


def parse(text: str) -> tuple[Segment, ...]:
    """Split a template into literal text and placeholders; InputError for an unknown one.

    A motion is a break between separately encoded texts, so the space beside it is dropped: it
    would only be a stray token.
    """
    segments: list[Segment] = []
    for piece in re.split(r"(\{\w*\})", text):
        if re.fullmatch(r"\{\w*\}", piece):
            try:
                segments.append(Field(piece[1:-1]))
            except ValueError as error:
                raise InputError(f"unknown placeholder {piece}", where=text) from error
        elif piece:
            segments.append(piece)
    for at, segment in enumerate(segments):
        if not isinstance(segment, str):
            continue
        if at > 0 and segments[at - 1] in MOTIONS:
            segment = segment.lstrip()
        if at + 1 < len(segments) and segments[at + 1] in MOTIONS:
            segment = segment.rstrip()
        segments[at] = segment
    return tuple(segment for segment in segments if segment != "")


def render(segments: Sequence[Segment], values: Mapping[Field, str]) -> list[str | Field]:
    """Fill the text placeholders of a question or an answer; motion placeholders stay.

    Neighbouring texts are joined, so no two texts follow each other. Raises InputError when a value
    is missing.
    """
    filled: list[str | Field] = []
    for segment in segments:
        if segment in MOTIONS:
            filled.append(segment)
            continue
        if isinstance(segment, Field):
            if segment not in values:
                raise InputError(f"no value for {{{segment.value}}}", where="template")
            segment = values[segment]
        if filled and isinstance(filled[-1], str):
            filled[-1] += segment
        elif segment:
            filled.append(segment)
    return filled


def format_seconds(seconds: float) -> str:
    """A length as every instruction prints it: seconds with one decimal, "4.2"."""
    return f"{seconds:.1f}"


def _read_task(task: Task, content: Mapping[str, object], path: Path) -> _Wordings:
    table = content.get(task.value)
    where = f"{path.name}: [{task.value}]"
    if not isinstance(table, dict):
        raise InputError("this task has no templates", where=where)
    asked, answered = REQUIRED[task]
    with_caption = asked | {Field.CAPTION} if task in OPTIONAL_CAPTION else asked
    plain = table.get("question_plain", [])
    return _Wordings(
        _parse_all(table.get("question", []), with_caption, where),
        _parse_all(plain, asked, where) if plain or task in OPTIONAL_CAPTION else (),
        _parse_all(table.get("answer", []), answered, where),
    )


def _parse_all(
    texts: object, needed: frozenset[Field], where: str
) -> tuple[tuple[Segment, ...], ...]:
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise InputError("expected a list of wordings", where=where)
    parsed = tuple(parse(text) for text in texts)
    for text, segments in zip(texts, parsed, strict=True):
        missing = needed - {segment for segment in segments if isinstance(segment, Field)}
        if missing:
            names = ", ".join(sorted(f"{{{field.value}}}" for field in missing))
            raise InputError(f"{names} is missing from: {text}", where=where)
    return parsed
