"""The model as people use it: sentences and motions in, motions and sentences out."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.data.tasks import TEMPLATES, Field, Task, Templates
from motiongpt3.errors import InputError
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.codec import Codec
from motiongpt3.model.conventions import Conventions
from motiongpt3.model.describer import Describer
from motiongpt3.model.length import LengthReader
from motiongpt3.model.maker import (
    MOST_SAMPLES,
    Maker,
    Request,
    check_length,
    checked_samples,
)
from motiongpt3.model.packing import Precision, pack
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Packer, Turn
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.stitch import bridge, ease, follow, lead

_CONTEXT_FRAMES = 80
"""How much of an observed motion is looked at on either side of what is made."""
_How = tuple[int, int, Sampling | None]
"""Seed, sample index and sampling."""


class MotionGPT:
    """Text to motion, motion to text, prediction and in-betweening in one model."""

    def __init__(self, bundle: Bundle, device: str = "cpu", precision: Precision | None = None):
        """With a precision the weights are packed for this CPU (`model.packing`), and the bundle
        cannot be trained or saved any more."""
        self.card: Mapping[str, Any] = bundle.card
        parts = (bundle.network, bundle.vae)
        # An exported model has its weights in its graphs, and says how many.
        own = sum(p.numel() for part in parts for p in part.parameters())
        self.parameters = int(self.card.get("weights", own))
        """Number of weights, those of the VAE included."""
        self.network = bundle.network.to(device).eval()
        self.tokenizer = bundle.tokenizer
        self.codec = Codec(bundle, device)
        if precision is not None:
            for part in parts:
                pack(part, precision)
        self.conventions = Conventions(**self.card.get("conventions", {}))
        self.templates = Templates.load(TEMPLATES.with_name(self.conventions.templates))
        self.packer = Packer(
            self.tokenizer, self.network.heads.slots, self.network.device, self.conventions
        )
        self.maker = Maker(self.network, self.codec, self.packer, self.templates, self.conventions)
        self.describer = Describer(self.maker, self.tokenizer)
        longest = self.codec.longest / self.codec.fps
        self.lengths = LengthReader(
            self.network, self.tokenizer, self.packer, self.templates, longest
        )

    def generate(
        self,
        text: str | Sequence[str],
        seconds: float | Sequence[float | None] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        samples: int | None = None,
        sampling: Sampling | None = None,
    ) -> Motion | list[Motion]:
        """Motions that show what a text says.

        Args:
            text: one description, or several.
            seconds: length, or one per text; None lets the model decide. Beyond the longest clip
                the model makes in one go, predictions are chained.
            seed: the same seed gives the same motion, alone or in a batch; one, or one per text.
            samples: how many motions per text, with sample indices 0, 1, ...; a list is returned,
                all motions of the first text first.
            sampling: how latents are drawn.

        Raises:
            InputError: for a text or a length that cannot be used.
        """
        texts = [self.maker.checked(t) for t in ([text] if isinstance(text, str) else text)]
        lengths = self._seconds(texts, seconds)
        seeds = list(seed) if isinstance(seed, Sequence) else [seed] * len(texts)
        if len(seeds) != len(texts):
            raise InputError(f"{len(seeds)} seeds for {len(texts)} texts", where="seed")
        each = range(checked_samples(samples))
        rows = zip(texts, lengths, seeds, strict=True)
        asked = [(text, length, own, index) for text, length, own in rows for index in each]
        requests = [self._request(caption, length, index) for caption, length, _, index in asked]
        made = self.maker.make(requests, [own for _, _, own, _ in asked], sampling)
        motions = [
            self._whole(features, caption, length, (own, index, sampling))
            for features, (caption, length, own, index) in zip(made, asked, strict=True)
        ]
        return motions[0] if isinstance(text, str) and samples is None else motions

    def caption(self, motion: Motion | Sequence[Motion]) -> str | list[str]:
        """What happens in a motion, in a sentence.

        A motion longer than the model reads at once is described part after part, joined by
        "then".

        Raises:
            InputError: for a motion of another skeleton or of a few frames only.
        """
        motions = [motion] if isinstance(motion, Motion) else list(motion)
        captions = self.describer.captions(self.codec.windows(motions))
        return captions[0] if isinstance(motion, Motion) else captions

    def predict(
        self,
        motion: Motion,
        seconds: float = 3.0,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """The motion, unchanged, and what may come next, joined without a jump.

        Args:
            seconds: how much to add.
            text: what is to happen, if it should be told.
        """
        check_length(seconds, 0.2)
        return self._extended(motion, motion.seconds + seconds, text, (seed, 0, sampling))

    def inbetween(
        self,
        start: Motion,
        end: Motion,
        seconds: float = 2.0,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """Both motions, unchanged and in their places, with `seconds` of motion between them."""
        if start.fps != end.fps or start.skeleton != end.skeleton:
            raise InputError("start and end differ in fps or skeleton", where="inbetween")
        longest = (self.codec.longest - 2 * self.codec.shortest) / self.codec.fps
        check_length(seconds, 0.2, longest)
        gap = round(seconds * self.codec.fps)
        spare = (self.codec.longest - gap) // 2
        here = self.codec.observed(start, min(spare, _CONTEXT_FRAMES), last=True)
        there = self.codec.observed(end, min(spare, _CONTEXT_FRAMES), last=False)
        turn = self.maker.turn(Task.INBETWEEN, seconds, text)
        frames = len(here.joints) + gap + len(there.joints)
        request = Request(turn, (here.features, there.features), frames, 0, covers_told=True)
        features = self.maker.make([request], seed, sampling)[0]
        made = self.codec.joints(features, on_floor=False)
        middle = bridge(made, here.joints, there.joints, self.codec.skeleton)
        middle = self.codec.at_rate(middle, start.fps, seconds)
        if start.fps != self.codec.fps:
            middle = ease(middle, np.asarray(start.joints, np.float64), start.fps)
            middle = ease(middle[::-1], np.asarray(end.joints[::-1], np.float64), start.fps)[::-1]
        return self._joined([start.joints, middle, end.joints], start, {"text": text, "seed": seed})

    def edit(
        self,
        motion: Motion,
        start: float,
        stop: float,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """The motion with the part between two times (seconds) made anew; the rest is unchanged."""
        self.codec.check(motion)
        first, last = round(start * motion.fps), round(stop * motion.fps)
        if not 0 <= first < last <= len(motion):
            raise InputError(
                f"cannot edit {start} s to {stop} s", hint=f"it lasts {motion.seconds:.2f} s"
            )
        seconds = (last - first) / motion.fps
        how: dict[str, Any] = {"seed": seed, "sampling": sampling}
        if last == len(motion) and first > 0:
            return self.predict(motion[:first], seconds, text, **how)
        if first > 0:
            return self.inbetween(motion[:first], motion[last:], seconds, text, **how)
        made = self.generate(text or self.caption(motion), seconds, **how)
        assert isinstance(made, Motion)
        if last == len(motion):
            joints = self.codec.at_rate(made.joints, motion.fps, seconds)
            return self._joined([joints], motion, {"text": text, "seed": seed})
        rest = self.codec.observed(motion[last:], _CONTEXT_FRAMES, last=False)
        opening = lead(made.joints, rest.joints, self.codec.skeleton)
        opening = self.codec.at_rate(opening, motion.fps, seconds)
        return self._joined([opening, motion.joints[last:]], motion, {"text": text, "seed": seed})

    def instruct(self, text: str, motion: Motion | None = None) -> Motion | str:
        """Whatever a free instruction asks for: the model answers with a motion or in words."""
        instruction = self.maker.checked(text)
        told = () if motion is None else (self.codec.observed(motion, self.codec.longest).features,)
        parts = (instruction,) if motion is None else (instruction, Field.MOTION)
        prompt = self.packer.pack([Turn(parts, "text").lasting([len(f) for f in told])])
        cache, scores = self.network.read(prompt, self.codec.codes(list(told)))
        if int(scores.argmax()) != self.tokenizer.som:
            until = self.tokenizer.eos, self.conventions.caption_tokens
            penalty = self.conventions.repetition_penalty
            ids = self.network.answer(cache, scores, until, penalty)[0]
            return self.tokenizer.decode(ids).strip()
        named = re.search(r"(\d+(?:\.\d+)?) ?s(?:ec(?:ond)?s?)?\b", instruction)
        seconds = float(named[1]) if named else self.lengths.read([instruction])[0]
        seconds = min(max(seconds, 1.0), self.codec.longest / self.codec.fps)
        frames = round(seconds * self.codec.fps)
        features = self.maker.make([Request(Turn(parts, "motion"), told, frames, 0)], 0, None)[0]
        return self._motion(features, {"text": instruction, "seed": 0})

    def passes(self, seconds: float) -> int:
        """How many clips are made, one after another, for a motion of a length."""
        longest, seen = self.codec.longest, min(_CONTEXT_FRAMES, self.codec.longest - 1)
        more = max(0.0, round(seconds * self.codec.fps) - longest)
        return 1 + math.ceil(more / (longest - seen))

    # -- how it is done ---------------------------------------------------------------------

    def _seconds(
        self, texts: list[str], seconds: float | Sequence[float | None] | None
    ) -> list[float]:
        given = [seconds] * len(texts) if isinstance(seconds, (int, float, type(None))) else seconds
        if len(given) != len(texts):
            raise InputError(f"{len(given)} lengths for {len(texts)} texts", where="seconds")
        for value in given:
            if value is not None:
                check_length(value, 1.0)
        unknown = [text for text, value in zip(texts, given, strict=True) if value is None]
        decided = iter(self.lengths.read(unknown) if unknown else [])
        return [next(decided) if value is None else float(value) for value in given]

    def _request(self, caption: str, seconds: float, index: int) -> Request:
        seconds = min(seconds, self.codec.longest / self.codec.fps)
        turn = self.maker.turn(Task.TEXT_TO_MOTION, seconds, caption)
        return Request(turn, (), round(seconds * self.codec.fps), index)

    def _whole(
        self, features: Float[np.ndarray, "T F"], text: str, seconds: float, how: _How
    ) -> Motion:
        """A made motion, and predictions after it where more was asked for than one clip holds."""
        motion = self._motion(features, {"text": text, "seed": how[0], "sample": how[1]})
        if seconds > self.codec.longest / self.codec.fps:
            return self._extended(motion, seconds, text, how)
        return motion

    def _extended(self, motion: Motion, seconds: float, text: str | None, how: _How) -> Motion:
        """The motion and predictions, one after the other, until it lasts `seconds`.

        Every part has noise of its own.
        """
        seed, sample, sampling = how
        parts = 0
        grown = motion
        while seconds - grown.seconds > 0.5 / motion.fps:
            seen = self.codec.observed(grown, _CONTEXT_FRAMES, last=True)
            longest = (self.codec.longest - len(seen.joints)) / self.codec.fps
            missing = min(seconds - grown.seconds, longest)
            frames = max(self.codec.shortest, round(missing * self.codec.fps))
            turn = self.maker.turn(Task.PREDICTION, frames / self.codec.fps, text)
            index = sample + MOST_SAMPLES * parts
            request = Request(turn, (seen.features,), frames, index)
            features = self.maker.make([request], seed, sampling)[0]
            made = self.codec.joints(features, on_floor=False)
            added = follow(made, seen.joints, self.codec.skeleton)
            added = self.codec.at_rate(added, motion.fps, missing)
            if motion.fps != self.codec.fps:
                added = ease(added, np.asarray(grown.joints, np.float64), motion.fps)
            grown = self._joined([grown.joints, added], motion, {})
            parts += 1
        origin = {"text": text, "seed": seed, "predictions": parts}
        return self._joined([grown.joints], motion, origin)

    def _motion(self, features: Float[np.ndarray, "T F"], origin: Mapping[str, Any]) -> Motion:
        provenance = {**origin, "model": self.card["name"]}
        joints = self.codec.joints(features)
        return Motion(joints, self.codec.fps, self.codec.skeleton, features, provenance)

    def _joined(
        self, parts: Sequence[np.ndarray], like: Motion, origin: Mapping[str, Any]
    ) -> Motion:
        joints = np.concatenate([np.asarray(p, np.float32) for p in parts])
        told = {k: v for k, v in origin.items() if v is not None}
        provenance = {**like.provenance, **told, "model": self.card["name"]}
        return Motion(joints, like.fps, like.skeleton, None, provenance)
