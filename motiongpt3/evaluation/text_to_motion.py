"""Text to motion: the model beside real clips, beside what remembers and what does not listen.

Rows:
    real                      the clips of the split
    real, half against half   two random halves: the distance that sampling alone makes
    model                     told the clip's own length, as the published protocol has it
    model, features as decoded  the same motions as that protocol embeds them (see `judge`)
    model, its own length     left to decide
    nearest caption           the training clip whose caption is most alike, no network
    mean motion               the mean of all training frames, held
    noise latent              decoded from a latent of which each number is another clip's
    shuffled captions         the model, asked what another clip's caption says

The noise of a motion follows from the replication's seed and the clip, so that no two motions of a
replication share it; a row's neighbours have the same, so that rows compare. Made motions are held
against real clips of the same captions and lengths, which halves of the real ones do not share: a
good model may be nearer than the halves are, and its KID below zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from motiongpt3.data.tasks import Task
from motiongpt3.evaluation.body import BODY, body_figures
from motiongpt3.evaluation.distribution import multimodality
from motiongpt3.evaluation.draws import Draw, draw, seed_of
from motiongpt3.evaluation.evidence import Evidence, worst_and_best
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.following import FOLLOWED, follow_figures, followed
from motiongpt3.evaluation.held_out import Features, HeldOut, Joints
from motiongpt3.evaluation.judge import (
    DIVERSITY,
    MATCHING,
    NO_JUDGE,
    PAIRED,
    SPREAD,
    Embeddings,
    Judge,
)
from motiongpt3.evaluation.nearest_caption import NearestCaption
from motiongpt3.evaluation.noise_latents import NoiseLatents
from motiongpt3.evaluation.table import Column, Rows
from motiongpt3.model.maker import Request
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.physics import skate

MODALITY = Column("MModality", "real", "Distribution")
MODEL, DECODED = "model", "model, features as decoded"


@dataclass(frozen=True)
class ModalitySizes:
    """How many motions tell how much those of one caption differ.

    The published protocol has 100 captions with 30 motions each; these keep 20 replications short.
    """

    prompts: int = 32
    samples: int = 20


class TextToMotion:
    """The evaluation of a model as an `Experiment`."""

    title = "Text to motion"
    columns: Sequence[Column] = (
        *MATCHING, *SPREAD, PAIRED, DIVERSITY, MODALITY, *BODY, *FOLLOWED,
    )  # fmt: skip

    def __init__(
        self,
        model: MotionGPT,
        held: HeldOut,
        judge: Judge,
        sizes: ModalitySizes | None = None,
        sampling: Sampling | None = None,
    ):
        self.model, self.held, self.judge = model, held, judge
        self.sizes, self.sampling = sizes or ModalitySizes(), sampling
        self._seconds: dict[str, float] = {}

    @cached_property
    def nearest(self) -> NearestCaption:
        """Captions of the train split."""
        return NearestCaption([record.captions for record in self.held.train.records])

    @cached_property
    def noise(self) -> NoiseLatents:
        """Codes of the train split, to be mixed."""
        return NoiseLatents(self.model.codec, self.held.train_features)

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication."""
        held, captions = self.held, self.held.captions(seed)
        own = self.make(captions, held.frames, seed)
        free = self.make(captions, self._decided(captions), seed)
        shuffled = self.make(self._shuffled(captions, seed), held.frames, seed)
        noise = self.noise.make(held.frames, draw(seed, Draw.NOISE))
        motions = {
            MODEL: self._joints(own),
            "model, its own length": self._joints(free),
            "nearest caption": self._remembered(captions, seed),
            "mean motion": [_joints_of(clip) for clip in held.mean_motion(held.frames)],
            "noise latent": self._joints(noise),
            "shuffled captions": self._joints(shuffled),
        }
        rows: dict[str, dict[str, Figure]] = {
            "real": {
                **self.judge.matching(captions, self.judge.real, seed),
                **self.judge.diversity(self.judge.real, seed),
                **self._bodily(captions, held.joints),
            },
            "real, half against half": {
                **self.judge.halves(seed),
                **self.judge.paired(captions, self.judge.real, seed),
            },
        }
        for name, joints in motions.items():
            judged = self._judged(captions, self.judge.bodies(joints), seed)
            rows[name] = judged | self._bodily(captions, joints)
            if name == MODEL:
                rows[name][MODALITY.name] = self._modality(captions, seed)
                rows[DECODED] = self._judged(captions, self.judge.motions(own), seed)
        return rows, self._evidence(captions, motions[MODEL])

    def make(self, captions: Sequence[str], frames: Sequence[int], seed: int) -> list[Features]:
        """A motion of each caption, of so many frames, with noise of its own."""
        maker, fps = self.model.maker, self.model.codec.fps
        requests = [
            Request(maker.turn(Task.TEXT_TO_MOTION, count / fps, caption), (), count, at)
            for at, (caption, count) in enumerate(zip(captions, frames, strict=True))
        ]
        return maker.make(requests, seed, self.sampling)

    def told(self, seed: int) -> dict[str, Figure]:
        """What an evaluator gives of the row that is told each clip's length, and nothing else."""
        captions = self.held.captions(seed)
        joints = self._joints(self.make(captions, self.held.frames, seed))
        return self._judged(captions, self.judge.bodies(joints), seed)

    def matched(self, seed: int) -> dict[str, Figure]:
        """How well those motions are found by their captions."""
        captions = self.held.captions(seed)
        joints = self._joints(self.make(captions, self.held.frames, seed))
        return self.judge.matching(captions, self.judge.bodies(joints), seed)

    def _decided(self, captions: Sequence[str]) -> list[int]:
        """Frames that the model would give a motion; a caption is asked about once."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self._seconds]
        self._seconds |= dict(zip(new, self.model.lengths.read(new), strict=True))
        return [round(self._seconds[caption] * self.model.codec.fps) for caption in captions]

    def _shuffled(self, captions: Sequence[str], seed: int) -> list[str]:
        """Every clip is given the caption of another."""
        order = draw(seed, Draw.SHUFFLE).permutation(len(captions))
        given = [""] * len(captions)
        for at, other in zip(order, np.roll(order, 1), strict=True):
            given[int(at)] = captions[int(other)]
        return given

    def _remembered(self, captions: Sequence[str], seed: int) -> list[Joints]:
        rng = draw(seed, Draw.RETRIEVAL)
        found = [self.nearest.clip(caption, rng) for caption in captions]
        return [self.held.train.joints(clip) for clip in found]

    def _joints(self, made: Sequence[Features]) -> list[Joints]:
        return [self.model.codec.joints(clip) for clip in made]

    def _judged(
        self, captions: Sequence[str], motions: Embeddings | Missing, seed: int
    ) -> dict[str, Figure]:
        """The figures that an evaluator gives of made motions."""
        return {
            **self.judge.matching(captions, motions, seed),
            **self.judge.spread(motions, self.judge.real),
            **self.judge.paired(captions, motions, seed),
            **self.judge.diversity(motions, seed),
        }

    def _bodily(self, captions: Sequence[str], joints: Sequence[Joints]) -> dict[str, Figure]:
        """The figures that need no evaluator."""
        return {**body_figures(joints, self.held.skeleton), **follow_figures(captions, joints)}

    def _modality(self, captions: Sequence[str], seed: int) -> Figure:
        """How much motions of one caption differ, over some captions."""
        if self.judge.evaluator is None:
            return NO_JUDGE
        count = min(self.sizes.prompts, len(captions))
        chosen = draw(seed, Draw.PROMPTS).choice(len(captions), count, replace=False)
        each = [int(at) for at in np.repeat(chosen, self.sizes.samples)]
        frames = [self.held.frames[at] for at in each]
        made = self.make([captions[at] for at in each], frames, seed_of(seed, 1))
        embeddings = self.judge.bodies(self._joints(made))
        if isinstance(embeddings, Missing):
            return embeddings
        by_prompt = embeddings.reshape(count, self.sizes.samples, -1)
        return multimodality(by_prompt, draw(seed, Draw.PAIRS))

    def _evidence(self, captions: Sequence[str], joints: Sequence[Joints]) -> Evidence:
        """Confusions, sides, and the worst and best clips by their distance from the caption.

        Without an evaluator the distance is how fast feet slide.
        """
        embeddings = self.judge.bodies(joints)
        errors, unit = self.judge.distances(captions, embeddings), "from its caption"
        if errors is None:
            slides = [skate(clip, skeleton=self.held.skeleton) for clip in joints]
            errors, unit = np.array(slides), "m/s of sliding feet"
        pairs = zip(errors, self.held.records, strict=True)
        notes = [f"{error:.2f} {unit}, {record.id}" for error, record in pairs]
        sides: dict[str, tuple[int, int]] = {}
        for judged in followed(captions, joints):
            if judged is not None:
                right, count = sides.get(judged[0].name, (0, 0))
                sides[judged[0].name] = (right + judged[1], count + 1)
        said = list(zip(captions, notes, strict=True))
        shown = worst_and_best(errors.tolist(), said, joints)
        return Evidence(self.judge.confusion(embeddings), sides, shown)


def _joints_of(clip: Features) -> Joints:
    return np.asarray(features_to_joints(clip.astype(np.float64)))
