"""Training examples of each task: what is asked in words, which motions are seen and made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from motiongpt3.data.aside import with_aside
from motiongpt3.data.dataset import NO_STYLE, MotionText
from motiongpt3.data.prepare import LIMITS
from motiongpt3.data.scenes import scenes
from motiongpt3.data.tasks import (
    BARE_TEMPLATES,
    CAPTION,
    FRAMES,
    SECONDS,
    TEMPLATES,
    Field,
    Said,
    Task,
    Template,
    Templates,
    format_seconds,
    in_quotes,
    render,
)
from motiongpt3.data.variation import vary
from motiongpt3.errors import InputError
from motiongpt3.model.sequence import Turn
from motiongpt3.motion.mirror import mirror_words

_SHORTEST = 8
"""Frames of the shortest observed or missing part of a prediction; in-betweening: half of it."""


@dataclass(frozen=True, eq=False)
class Example:
    """A turn and the motions in it, as features that are not normalised."""

    turn: Turn
    motions: Mapping[Field, Float[np.ndarray, "_ F"]]
    in_words: str = ""
    """What happens, in one of the clip's own captions: what a motion answers, said in text."""
    clip: int = 0
    """Which clip it is of."""
    mirrored: bool = False
    task: Task = Task.PLAIN


@dataclass(frozen=True)
class Shares:
    """How often a task says what in text, in its question and answer together; ratios count."""

    nothing: float = 0.0
    caption: float = 0.0
    seconds: float = 0.0
    frames: float = 0.0
    caption_and_seconds: float = 0.0
    caption_and_frames: float = 0.0

    def __post_init__(self) -> None:
        shares = list(self.each.values())
        if not (min(shares) >= 0 and 0 < sum(shares) < np.inf):
            raise InputError(f"shares are {shares}", where="wording", hint="one above 0 is needed")

    @property
    def each(self) -> Mapping[Said, float]:
        """The share of everything that can be said."""
        return {
            frozenset(): self.nothing,
            CAPTION: self.caption,
            SECONDS: self.seconds,
            FRAMES: self.frames,
            CAPTION | SECONDS: self.caption_and_seconds,
            CAPTION | FRAMES: self.caption_and_frames,
        }

    def draw(self, rng: np.random.Generator) -> Said:
        """What one example says."""
        said, shares = list(self.each), np.array(list(self.each.values()))
        return said[int(rng.choice(len(said), p=shares / shares.sum()))]


SAID: Mapping[Task, Shares] = {
    Task.TEXT_TO_MOTION: Shares(caption_and_seconds=1),
    Task.MOTION_TO_TEXT: Shares(caption=15, caption_and_seconds=1),
    Task.PREDICTION: Shares(seconds=1, caption_and_seconds=1),
    Task.INBETWEEN: Shares(seconds=1, caption_and_seconds=1),
    Task.CAPTION_TO_SECONDS: Shares(caption_and_seconds=1),
    Task.SECONDS_TO_CAPTION: Shares(caption_and_seconds=1),
    Task.PLAIN: Shares(caption=1),
}
"""Motions that are made have the length they are told; lengths are in seconds."""


@dataclass(frozen=True)
class Wording:
    """How much the words of training examples vary, and what they say."""

    varied: float = 0.6
    """Share of questions whose caption is reworded."""
    canonical: float = 0.5
    """Share of questions put as they are at inference; the others are put in many ways. With 1
    there are no instructions to speak of: every sub-task has one wording."""
    asides: float = 0.0
    """Share of captions in questions with words around them that say nothing about the motion."""
    unstyled: float = 0.0
    """Share of questions about clips done in a style that do not say in which."""
    scenes: float = 0.0
    """Share of questions that say no style and that ask for the action as strangers would, in place
    of a caption (`data.scenes`); of the actions that it knows."""
    stretched: float = 0.0
    """Share of motions asked for that are told to take up to twice or half as long as they did: the
    latent of a clip hardly knows how fast it is played, and any length may be asked for."""
    quoted: float = 0.0
    """Share of examples whose caption is in double quotes wherever it stands, the answer included;
    a caption that holds such quotes is left as it is."""
    bare: bool = False
    """Captions and motions as they are, without instructions: the paper's pre-training prompts."""
    said: Mapping[Task, Shares] = field(default_factory=lambda: SAID)
    """What questions and answers say; a task that is not here says what is in `SAID`."""


@dataclass(frozen=True)
class Cuts:
    """Where clips are cut for prediction and in-betweening: shares, drawn evenly between two."""

    head: tuple[float, float] = (0.1, 0.6)
    """Prediction: how much of the clip is seen."""
    gap: tuple[float, float] = (0.2, 0.8)
    """In-betweening: how much of the clip is not seen."""
    before: tuple[float, float] = (0.2, 0.8)
    """In-betweening: how much of what is seen comes before the gap."""


class TurnMaker:
    """Draws examples of one split."""

    def __init__(self, data: MotionText, wording: Wording, cuts: Cuts = Cuts()):
        self.data, self.wording, self.cuts = data, wording, cuts
        self.said = {**SAID, **wording.said}
        self.plain = data.plain_captions() if wording.unstyled else []
        self.scenes = scenes() if wording.scenes else {}
        self.templates = Templates.load(BARE_TEMPLATES if wording.bare else TEMPLATES)

    def draw(self, task: Task, index: int, rng: np.random.Generator) -> Example:
        """An example of a task from one clip, mirrored half of the time where the set allows it.

        Raises:
            InputError: when there is no wording for what the task is to say.
        """
        mirrored = bool(rng.random() < 0.5) and self.data.mirrors
        features = self.data.features(index, mirrored)
        caption = self.caption(index, mirrored, rng)
        told, made, frames = self._parts(task, features, rng)
        if task is Task.TEXT_TO_MOTION:
            frames = self._told_frames(frames, rng)
        template = self._template(task, rng)
        if task is Task.MOTION_TO_TEXT or task is Task.SECONDS_TO_CAPTION:
            asked = caption  # answers are learned as written, only questions are reworded
        else:
            asked = self.reworded(self.plainly(caption, index, mirrored, rng), rng)
        values = {
            Field.CAPTION: asked,
            Field.SECONDS: format_seconds(frames / self.data.skeleton.fps),
            Field.FRAMES: str(frames),
        }
        question, answer = template.question, template.answer
        if self.wording.quoted and rng.random() < self.wording.quoted and '"' not in asked:
            question, answer = in_quotes(question), in_quotes(answer)
        motions = {**told, **made}
        lengths = {name: len(motion) for name, motion in motions.items()}
        turn = Turn(render(question, values), render(answer, values), lengths)
        in_words = self.caption(index, mirrored, rng)
        return Example(turn, motions, in_words, index, mirrored, task)

    def _told_frames(self, frames: int, rng: np.random.Generator) -> int:
        if not self.wording.stretched or rng.random() >= self.wording.stretched:
            return frames
        return _between(*LIMITS[self.data.skeleton.name], frames * 2 ** rng.uniform(-1, 1))

    def _template(self, task: Task, rng: np.random.Generator) -> Template:
        said = self.said[task].draw(rng)
        if rng.random() < self.wording.canonical:
            return self.templates.canonical(task, said)
        return self.templates.draw(task, rng, said)

    def caption(self, index: int, mirrored: bool, rng: np.random.Generator) -> str:
        """One of a clip's captions, with left and right exchanged for a mirrored clip."""
        return _one_of(self.data.records[index].captions, mirrored, rng)

    def plainly(self, caption: str, index: int, mirrored: bool, rng: np.random.Generator) -> str:
        """The caption; or the same action without its style, as a caption or as a scene."""
        record, plain = self.data.records[index], self.plain[index] if self.plain else ()
        if record.style not in NO_STYLE and (not plain or rng.random() >= self.wording.unstyled):
            return caption
        scene = self.scenes.get(f"{record.source}/{record.label}")
        if scene and rng.random() < self.wording.scenes:
            return _mirrored(scene.draw(rng), mirrored)
        return _one_of(plain, mirrored, rng) if plain else caption

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
        n, cuts = len(features), self.cuts
        if task is Task.PREDICTION:
            head = _between(_SHORTEST, n - _SHORTEST, n * rng.uniform(*cuts.head))
            return {Field.START: features[:head]}, {Field.MOTION: features[head:]}, n - head
        if task is Task.INBETWEEN:
            least, gap = _SHORTEST // 2, rng.uniform(*cuts.gap)
            opening = (1 - gap) * rng.uniform(*cuts.before)
            head = _between(least, n - 2 * least, n * opening)
            tail = _between(head + least, n - least, n * (opening + gap))
            seen = {Field.START: features[:head], Field.END: features[tail:]}
            return seen, {Field.MOTION: features}, tail - head
        if task is Task.MOTION_TO_TEXT:
            return {Field.MOTION: features}, {}, n
        return {}, {Field.MOTION: features} if task is Task.TEXT_TO_MOTION else {}, n


def _one_of(captions: Sequence[str], mirrored: bool, rng: np.random.Generator) -> str:
    return _mirrored(captions[int(rng.integers(len(captions)))], mirrored)


def _mirrored(text: str, mirrored: bool) -> str:
    return mirror_words(text) if mirrored else text


def _between(low: int, high: int, frames: float) -> int:
    return int(max(low, min(high, frames)))
