"""The instructions of each task: questions and answers in which text and motion take turns.

A template is parsed once into a list of segments. What fills a placeholder is never looked at
again, so a caption that happens to contain "{motion}" stays a caption. A task has sub-tasks: with a
caption or without, with a length in seconds, in frames, or with none. Which one a template belongs
to follows from the placeholders it holds.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from motiongpt3.errors import InputError
from motiongpt3.formats.toml import read_toml

TEMPLATES = Path(__file__).with_name("templates.toml")
BARE_TEMPLATES = TEMPLATES.with_name("templates_bare.toml")
"""The paper's prompts of the stages that come before instructions."""


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
    """A placeholder. MOTION, START and END stay motions; the others are filled with text.

    MOTION in a question is a whole observed motion. In an answer it is what the model makes: the
    whole motion for text to motion, what follows START for prediction, what lies between START and
    END for in-betweening. SECONDS and FRAMES are the length of that MOTION. MASKED stands where
    that motion is missing, for models that were trained to see its place.
    """

    CAPTION = "caption"
    SECONDS = "seconds"
    FRAMES = "frames"
    MOTION = "motion"
    START = "start"
    END = "end"
    MASKED = "masked"


Segment = str | Field
Segments = tuple[Segment, ...]
Said = frozenset[Field]
"""What a question and its answer say in text, taken together: which sub-task of a task it is."""
MOTIONS = frozenset({Field.MOTION, Field.START, Field.END, Field.MASKED})
SECONDS, FRAMES = frozenset({Field.SECONDS}), frozenset({Field.FRAMES})
CAPTION = frozenset({Field.CAPTION})


@dataclass(frozen=True)
class Needs:
    """Which placeholders the wordings of a task hold: one of these sets, and nothing else."""

    questions: tuple[frozenset[Field], ...]
    answers: tuple[frozenset[Field], ...]
    usual: Said
    """What is said at inference, where it is not decided otherwise."""


_LENGTH = (frozenset[Field](), SECONDS, FRAMES)
_TOLD = (*_LENGTH, *(CAPTION | length for length in _LENGTH))
_MOTION = frozenset({Field.MOTION})
_START, _ENDS = frozenset({Field.START}), frozenset({Field.START, Field.END})
_MASKED = frozenset({Field.MASKED})
NEEDS: dict[Task, Needs] = {
    Task.TEXT_TO_MOTION: Needs(_TOLD, (_MOTION,), CAPTION | SECONDS),
    Task.MOTION_TO_TEXT: Needs(tuple(_MOTION | told for told in _LENGTH), (CAPTION,), CAPTION),
    Task.PREDICTION: Needs(tuple(_START | told for told in _TOLD), (_MOTION,), CAPTION | SECONDS),
    Task.INBETWEEN: Needs(
        tuple(ends | told for ends in (_ENDS, _ENDS | _MASKED) for told in _TOLD),
        (_MOTION,),
        CAPTION | SECONDS,
    ),
    Task.CAPTION_TO_SECONDS: Needs((CAPTION,), (SECONDS, FRAMES), CAPTION | SECONDS),
    Task.SECONDS_TO_CAPTION: Needs(_LENGTH, (CAPTION,), CAPTION | SECONDS),
    Task.PLAIN: Needs((frozenset(),), (CAPTION,), CAPTION),
}


@dataclass(frozen=True)
class Template:
    """One way to ask for a task and to answer it."""

    task: Task
    question: Segments
    answer: Segments

    @property
    def said(self) -> Said:
        """What question and answer say in text."""
        return _fields((*self.question, *self.answer)) - MOTIONS


_Wordings = dict[Said, dict[Segments, list[Segments]]]
"""Of each sub-task, the questions in the order of the file, each with its answers."""


class Templates:
    """Every wording of every task that a template file knows."""

    def __init__(self, wordings: Mapping[Task, _Wordings], source: str):
        self._wordings, self.source = dict(wordings), source

    @classmethod
    def load(cls, path: Path = TEMPLATES) -> "Templates":
        """Read a template file (default: the packaged one).

        Raises:
            InputError: for what cannot be read or does not hold what its task needs; it names the
                file, the task and the sentence.
        """
        try:
            content = read_toml(path)
        except (OSError, ValueError) as error:
            raise InputError("cannot read templates", where=str(path), hint=str(error)) from error
        keep_spaces = bool(content.pop("keep_spaces", False))
        known = [task.value for task in Task]
        if unknown := sorted(set(content) - set(known)):
            what, hint = ", ".join(unknown), f"one of {', '.join(known)}"
            raise InputError(f"no such task: {what}", where=str(path), hint=hint)
        read = {task: _read_task(task, content, path, keep_spaces) for task in Task}
        return cls(read, str(path))

    def canonical(self, task: Task, said: Said | None = None) -> Template:
        """The wording used at inference: the first of its sub-task.

        Args:
            said: what question and answer are to say in text; None is what is usual.

        Raises:
            InputError: when there is no wording that says exactly this.
        """
        question, answers = next(iter(self._of(task, said).items()))
        return Template(task, question, answers[0])

    def draw(self, task: Task, rng: np.random.Generator, said: Said | None = None) -> Template:
        """A wording at random, every question of the sub-task being equally likely.

        Arguments and refusals are those of `canonical`.
        """
        wordings = list(self._of(task, said).items())
        question, answers = wordings[int(rng.integers(len(wordings)))]
        return Template(task, question, answers[int(rng.integers(len(answers)))])

    def subtasks(self, task: Task) -> list[Said]:
        """Everything that wordings of a task say, in the order of the file."""
        return list(self._wordings[task])

    def all(self, task: Task) -> list[Template]:
        """Every pair of question and answer of a task (a tokenizer learns its words from them)."""
        return [
            Template(task, question, answer)
            for wordings in self._wordings[task].values()
            for question, answers in wordings.items()
            for answer in answers
        ]

    def _of(self, task: Task, said: Said | None) -> dict[Segments, list[Segments]]:
        said = NEEDS[task].usual if said is None else said
        if said not in self._wordings[task]:
            where = f"{self.source}: [{task.value}]"
            raise InputError(f"no wording says {_names(said) or 'nothing'} in text", where=where)
        return self._wordings[task][said]


def parse(text: str, keep_spaces: bool = False) -> Segments:
    """Split a template into literal text and placeholders; InputError for an unknown one.

    A motion is a break between separately encoded texts, so the space beside it is dropped: it
    would only be a stray token. `keep_spaces` is for models that have learned that token.
    """
    segments: list[Segment] = []
    for piece in re.split(r"(\{[^{}]*\})", text):
        if re.fullmatch(r"\{.*\}", piece, re.DOTALL):
            try:
                segments.append(Field(piece[1:-1]))
            except ValueError as error:
                raise InputError(f"unknown placeholder {piece}", where=text) from error
        elif "{" in piece or "}" in piece:
            raise InputError("a brace without its partner", where=text)
        elif piece:
            segments.append(piece)
    for at, segment in enumerate(segments):
        if not isinstance(segment, str) or keep_spaces:
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


def in_quotes(segments: Segments) -> Segments:
    """The same wording with captions in double quotes, where none are around them already."""
    quoted: list[Segment] = []
    for segment in segments:
        before = quoted[-1] if quoted else ""
        bare = not (isinstance(before, str) and before.endswith(('"', "'")))
        quoted += ['"', segment, '"'] if segment is Field.CAPTION and bare else [segment]
    return tuple(quoted)


def format_seconds(seconds: float) -> str:
    """A length as every instruction prints it: seconds with one decimal, "4.2"."""
    return f"{seconds:.1f}"


def _read_task(
    task: Task, content: Mapping[str, object], path: Path, keep_spaces: bool
) -> _Wordings:
    where, needs = f"{path}: [{task.value}]", NEEDS[task]
    blocks = content.get(task.value, [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        hint = f"blocks begin with [[{task.value}]]"
        raise InputError("expected blocks of questions and answers", where=where, hint=hint)
    wordings: _Wordings = {}
    for block in blocks:
        answers = _parse_all(block.get("answer"), needs.answers, where, keep_spaces)
        for question in _parse_all(block.get("question"), needs.questions, where, keep_spaces):
            for answer in answers:
                said = Template(task, question, answer).said
                wordings.setdefault(said, {}).setdefault(question, []).append(answer)
    return wordings


def _parse_all(
    texts: object, allowed: Sequence[frozenset[Field]], where: str, keep_spaces: bool
) -> list[Segments]:
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise InputError("expected a list of wordings", where=where)
    parsed = []
    for text in texts:
        try:
            segments = parse(text, keep_spaces)
        except InputError as error:
            raise InputError(f"{error.message} in: {text}", where=where) from error
        if (held := _fields(segments)) not in allowed:
            raise InputError(f"{_complaint(held, allowed)}: {text}", where=where)
        parsed.append(segments)
    return parsed


def _complaint(held: frozenset[Field], allowed: Sequence[frozenset[Field]]) -> str:
    always, ever = frozenset.intersection(*allowed), frozenset.union(*allowed)
    if missing := always - held:
        return f"{_names(missing)} is missing from"
    if extra := held - ever:
        return f"{_names(extra)} cannot be in"
    return f"one length, {_names(ever & (SECONDS | FRAMES))}, belongs in"


def _fields(segments: Sequence[Segment]) -> frozenset[Field]:
    return frozenset(segment for segment in segments if isinstance(segment, Field))


def _names(fields: frozenset[Field]) -> str:
    return " ".join(sorted(f"{{{field.value}}}" for field in fields))
