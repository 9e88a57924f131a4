"""Training examples of each task: what is asked in words, which motions are seen and made."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.data.aside import with_aside
from motiongpt3.data.dataset import MotionText
from motiongpt3.data.tasks import Field, Task, Templates, format_seconds, render
from motiongpt3.data.variation import vary
from motiongpt3.model.sequence import Turn
from motiongpt3.motion.mirror import mirror_words

_SHORTEST = 8
"""Frames of the shortest observed or missing part."""


@dataclass(frozen=True, eq=False)
class Example:
    """A turn and the motions in it, as features that are not normalised."""

    turn: Turn
    motions: Mapping[Field, Float[np.ndarray, "_ F"]]
    in_words: str = ""
    """What happens, in one of the clip's own captions: what a motion answers, said in text."""


@dataclass(frozen=True)
class Wording:
    """How much the words of training examples vary."""

    varied: float = 0.6
    """Share of questions whose caption is reworded."""
    canonical: float = 0.5
    """Share of questions put as they are at inference; the others are put in many ways."""
    asides: float = 0.0
    """Share of captions in questions with words around them that say nothing about the motion."""
    with_caption: float = 0.5
    """Share of predictions and in-betweenings that are told what happens."""


class TurnMaker:
    """Draws examples of one split."""

    def __init__(self, data: MotionText, wording: Wording):
        self.data, self.wording, self.fps = data, wording, data.skeleton.fps
        self.templates = Templates.load()

    def draw(self, task: Task, index: int, rng: np.random.Generator) -> Example:
        """An example of a task from one clip, mirrored half of the time."""
        mirrored = bool(rng.random() < 0.5)
        features = self.data.features(index, mirrored)
        caption = self.caption(index, mirrored, rng)
        told, made, frames = self._parts(task, features, rng)
        with_caption = bool(rng.random() < self.wording.with_caption)
        if rng.random() < self.wording.canonical:
            template = self.templates.canonical(task, with_caption)
        else:
            template = self.templates.draw(task, rng, with_caption)
        if task is Task.MOTION_TO_TEXT or task is Task.SECONDS_TO_CAPTION:
            asked = caption  # answers are learned as written, only questions are reworded
        else:
            asked = self.reworded(caption, rng)
        values = {Field.CAPTION: asked, Field.SECONDS: format_seconds(frames / self.fps)}
        turn = Turn(render(template.question, values), render(template.answer, values))
        return Example(turn, {**told, **made}, self.caption(index, mirrored, rng))

    def caption(self, index: int, mirrored: bool, rng: np.random.Generator) -> str:
        """One of a clip's captions, with left and right exchanged for a mirrored clip."""
        captions = self.data.records[index].captions
        caption = captions[int(rng.integers(len(captions)))]
        return mirror_words(caption) if mirrored else caption

    def reworded(self, caption: str, rng: np.random.Generator) -> str:
        """The caption, or the same in other words and with words around it."""
        if rng.random() < self.wording.varied:
            caption = vary(caption, rng)
        if self.wording.asides and rng.random() < self.wording.asides:
            caption = with_aside(caption, rng)
        return caption

    def sentence(self, rng: np.random.Generator) -> Turn:
        """A sentence of the text-only corpus, to be learned word by word."""
        return Turn((), (self.data.corpus[int(rng.integers(len(self.data.corpus)))],))

    def _parts(
        self, task: Task, features: Float[np.ndarray, "T F"], rng: np.random.Generator
    ) -> tuple[dict[Field, np.ndarray], dict[Field, np.ndarray], int]:
        """Motions that are seen, motions that are made, and the frames the text speaks of."""
        n = len(features)
        if task is Task.PREDICTION:
            head = _between(_SHORTEST, n - _SHORTEST, n * rng.uniform(0.1, 0.6))
            return {Field.START: features[:head]}, {Field.MOTION: features[head:]}, n - head
        if task is Task.INBETWEEN:
            gap = _between(4, n - 2 * _SHORTEST + 4, n * rng.uniform(0.2, 0.8))
            head = _between(4, n - gap - 4, (n - gap) * rng.uniform(0.2, 0.8))
            seen = {Field.START: features[:head], Field.END: features[head + gap :]}
            return seen, {Field.MOTION: features}, gap
        if task is Task.MOTION_TO_TEXT:
            return {Field.MOTION: features}, {}, n
        return {}, {Field.MOTION: features} if task is Task.TEXT_TO_MOTION else {}, n


def _between(low: int, high: int, value: float) -> int:
    return int(max(low, min(high, round(value))))
