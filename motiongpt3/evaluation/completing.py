"""Prediction and in-betweening: the model beside guesses that know no model.

Prediction: the first 20 % of a clip is observed. In-betweening: the first and last 25 %. (Both as
the official evaluation has it.) Nothing is said of what happens. A part is never shorter than the
model needs, and clips that leave a gap of less than 0.2 s are left out.

Rows:
    real                      the clips themselves: what seams and bodies look like
    real, half against half   two random halves: the distance that sampling alone makes
    model
    hold last pose            the last observed pose, kept still
    constant velocity         the last pose, gliding on at the root's last horizontal velocity
    mean motion               the mean of all training frames, joined on as the model's motion is
    interpolation             in-betweening: straight lines from joint to joint

Errors are those of the made part alone, each the mean over clips; of several samples the mean is
judged, "best" is the sample with the least error. "66-d" is the form of MotionGPT's tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.evaluation.body import BODY, body_figures
from motiongpt3.evaluation.completion import (
    average_error,
    average_pair_distance,
    final_error,
    hold_pose,
    interpolated,
    seam_peak,
    usual_peak,
)
from motiongpt3.evaluation.draws import seed_of
from motiongpt3.evaluation.evidence import Evidence, worst_and_best
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.held_out import HeldOut, Joints
from motiongpt3.evaluation.judge import DIVERSITY, SPREAD, Embeddings, Judge
from motiongpt3.evaluation.table import Column, Rows
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.stitch import bridge, follow

Kind = Literal["predict", "inbetween"]
Made = Float[np.ndarray, "_ J 3"]
Measured = tuple[dict[str, Figure], Embeddings | Missing]

ERRORS = tuple(
    Column(name, "lower", "Distance from what was there")
    for name in ("ADE m", "FDE m", "ADE best m", "ADE 66-d", "FDE 66-d")
)
APD = Column("APD m", "real", "Distance from what was there")
SEAMS = Column("smooth seams", "higher", "Body")

_SEEN, _SEEN_EACH_END, _SHORTEST_GAP_SECONDS = 0.2, 0.25, 0.2


@dataclass(frozen=True, eq=False)
class Gap:
    """A clip of which the frames from `start` to `stop` are to be made."""

    joints: Joints
    start: int
    stop: int

    @property
    def before(self) -> Joints:
        """What is observed first."""
        return self.joints[: self.start]

    @property
    def after(self) -> Joints:
        """What is observed last; no frames in prediction."""
        return self.joints[self.stop :]

    @property
    def real(self) -> Made:
        """What was there."""
        return self.joints[self.start : self.stop]

    def filled(self, made: Made) -> Joints:
        """The whole clip with a made part."""
        return np.concatenate([self.before, made.astype(np.float32), self.after])


def gap_of(joints: Joints, kind: Kind, shortest: int, fps: float) -> Gap | None:
    """What is to be made of a clip; None where it is too short for a gap.

    Args:
        shortest: frames that an observed part has at least.
    """
    frames = len(joints)
    seen = max(shortest, round((_SEEN if kind == "predict" else _SEEN_EACH_END) * frames))
    gap = Gap(joints, seen, frames if kind == "predict" else frames - seen)
    return gap if gap.stop - gap.start >= round(_SHORTEST_GAP_SECONDS * fps) else None


class Completing:
    """The evaluation of a model as an `Experiment`.

    Args:
        samples: predictions of each clip; a gap is filled once.

    Raises:
        InputError: when no clip is long enough.
    """

    def __init__(self, model: MotionGPT, held: HeldOut, judge: Judge, kind: Kind, samples: int = 3):
        self.model, self.held, self.judge, self.kind = model, held, judge, kind
        self.samples = samples if kind == "predict" else 1
        self.title = "Motion prediction" if kind == "predict" else "Motion in-betweening"
        several = (APD,) if kind == "predict" else ()
        self.columns: Sequence[Column] = (*ERRORS, *several, *SPREAD, DIVERSITY, SEAMS, *BODY)
        shortest, fps = model.codec.shortest + 1, held.skeleton.fps
        gaps = [gap_of(joints, kind, shortest, fps) for joints in held.joints]
        self.gaps = [gap for gap in gaps if gap is not None]
        self.records = [r for r, gap in zip(held.records, gaps, strict=True) if gap is not None]
        if not self.gaps:
            raise InputError("no clip is long enough to leave a gap", where="set")
        self.limit = usual_peak(held.joints, skeleton=held.skeleton)

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication."""
        made = [self._made(gap, seed_of(seed, at)) for at, gap in enumerate(self.gaps)]
        rows: dict[str, dict[str, Figure]] = {
            "real": self._real(seed),
            "real, half against half": self.judge.halves(seed),
        }
        for name, (figures, embedded) in {"model": self._row(made), **self._guessed}.items():
            rows[name] = figures | self.judge.diversity(embedded, seed)
        return rows, self._evidence(made)

    def _made(self, gap: Gap, seed: int) -> list[Made]:
        """Samples of the missing part of one clip."""
        fps, skeleton = self.held.skeleton.fps, self.held.skeleton
        seconds = (gap.stop - gap.start) / fps
        before = Motion(gap.before, fps, skeleton)
        made = []
        for number in range(self.samples):
            noise = seed_of(seed, number)
            if self.kind == "predict":
                whole = self.model.predict(before, seconds, seed=noise)
            else:
                after = Motion(gap.after, fps, skeleton)
                whole = self.model.inbetween(before, after, seconds, seed=noise)
            made.append(whole.joints[gap.start : gap.stop])
        return made

    @cached_property
    def _guessed(self) -> Mapping[str, Measured]:
        """The rows that need no model, the same in every replication."""
        guesses = self._guesses().items()
        return {name: self._row([[part] for part in parts]) for name, parts in guesses}

    def _guesses(self) -> Mapping[str, list[Made]]:
        """What is made without a model."""
        counts = [gap.stop - gap.start for gap in self.gaps]
        pairs = list(zip(self.gaps, counts, strict=True))
        guesses = {
            "hold last pose": [np.repeat(gap.before[-1:], n, axis=0) for gap, n in pairs],
            "constant velocity": [hold_pose(gap.before, n) for gap, n in pairs],
            "mean motion": [self._mean(gap) for gap in self.gaps],
        }
        if self.kind == "inbetween":
            guesses["interpolation"] = [interpolated(g.before, g.after, n) for g, n in pairs]
        return guesses

    def _mean(self, gap: Gap) -> Made:
        skeleton, before = self.held.skeleton, gap.before.astype(np.float64)
        frames = gap.stop - gap.start if self.kind == "predict" else len(gap.joints)
        features = self.held.mean_motion([frames])[0].astype(np.float64)
        made = np.asarray(features_to_joints(features))
        if self.kind == "predict":
            return follow(made, before, skeleton)
        return bridge(made, before, gap.after.astype(np.float64), skeleton)

    def _real(self, seed: int) -> dict[str, Figure]:
        peaks = [self._seam(gap, gap.joints) for gap in self.gaps]
        return {
            **self.judge.diversity(self._embedded_real, seed),
            SEAMS.name: float(np.mean(peaks)),
            **body_figures([gap.joints for gap in self.gaps], self.held.skeleton),
        }

    def _row(self, made: Sequence[Sequence[Made]]) -> Measured:
        """Figures of the made parts, samples of every clip; their embeddings, for the others."""
        whole = [
            [gap.filled(part) for part in parts] for gap, parts in zip(self.gaps, made, strict=True)
        ]
        first = [clips[0] for clips in whole]
        smooth = [
            self._seam(gap, clip)
            for gap, clips in zip(self.gaps, whole, strict=True)
            for clip in clips
        ]
        embedded = self.judge.bodies(first)
        figures = {
            **self._errors(made),
            **self.judge.spread(embedded, self._embedded_real),
            SEAMS.name: float(np.mean(smooth)),
            **body_figures(first, self.held.skeleton),
        }
        return figures, embedded

    def _errors(self, made: Sequence[Sequence[Made]]) -> dict[str, Figure]:
        skeleton = self.held.skeleton
        pairs = [(gap.real, parts) for gap, parts in zip(self.gaps, made, strict=True)]

        def over_samples(error: object, together: bool) -> list[list[float]]:
            assert callable(error)
            return [[error(p, real, skeleton, together) for p in parts] for real, parts in pairs]

        joints, flat = (over_samples(average_error, together) for together in (False, True))
        final, final_flat = (over_samples(final_error, together) for together in (False, True))
        means = [float(np.mean([np.mean(e) for e in errors])) for errors in (joints, final)]
        best = float(np.mean([min(errors) for errors in joints]))
        flats = [float(np.mean([np.mean(e) for e in errors])) for errors in (flat, final_flat)]
        figures: dict[str, Figure] = dict(
            zip((column.name for column in ERRORS), (*means, best, *flats), strict=True)
        )
        if self.samples > 1 and len(made[0]) > 1:
            apart = [average_pair_distance(np.stack(parts), skeleton) for _, parts in pairs]
            figures[APD.name] = float(np.mean([a for a in apart if not isinstance(a, Missing)]))
        return figures

    def _seam(self, gap: Gap, clip: Joints) -> bool:
        """Whether no joint jumps where a made part meets what was observed."""
        stop = gap.stop if len(gap.after) else None
        return seam_peak(clip, gap.start, stop, skeleton=self.held.skeleton) <= self.limit

    @cached_property
    def _embedded_real(self) -> Embeddings | Missing:
        return self.judge.bodies([gap.joints for gap in self.gaps])

    def _evidence(self, made: Sequence[Sequence[Made]]) -> Evidence:
        """The worst and best of the first samples, by their mean error."""
        skeleton = self.held.skeleton
        pairs = list(zip(self.gaps, (parts[0] for parts in made), strict=True))
        errors = [average_error(part, gap.real, skeleton) for gap, part in pairs]
        said = [
            (r.captions[0], f"{error:.2f} m off, {r.id}")
            for r, error in zip(self.records, errors, strict=True)
        ]
        return Evidence({}, {}, worst_and_best(errors, said, [g.filled(p) for g, p in pairs]))
