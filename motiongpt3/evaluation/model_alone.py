"""A model without its baselines, for tables of many models: one short row per task.

Rows:
    text to motion    as the row "model" of `text_to_motion`: told each clip's length
    motion to text    as the row "model" of `motion_to_text`
    codec             clips through the motion codec: what no model that uses it can be better than
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from motiongpt3.evaluation.evidence import Evidence
from motiongpt3.evaluation.figure import Figure
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.evaluation.judge import DIVERSITY, MATCHING, PAIRED, SPREAD, Judge
from motiongpt3.evaluation.motion_to_text import KEYWORDS, TEXT, MotionToText
from motiongpt3.evaluation.reconstruction import pose_error, round_trip
from motiongpt3.evaluation.table import Column, Rows
from motiongpt3.evaluation.text_to_motion import TextToMotion
from motiongpt3.model.motiongpt import MotionGPT

T2M, M2T, CODEC = "text to motion", "motion to text", "codec"
MPJPE = Column("MPJPE mm", "lower", "Codec")
_TOGETHER = 64
"""Clips that go through the codec in one pass."""


class ModelAlone:
    """Both tasks of a model as an `Experiment`."""

    title = "The model alone"
    columns: Sequence[Column] = (*MATCHING, *SPREAD, PAIRED, DIVERSITY, *TEXT, *KEYWORDS, MPJPE)

    def __init__(self, model: MotionGPT, held: HeldOut, judge: Judge):
        self.model, self.held, self.judge = model, held, judge
        self.making = TextToMotion(model, held, judge)
        self.reading = MotionToText(model, held, judge)

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication; nothing is kept to be shown."""
        rows = {T2M: self.making.told(seed), M2T: self.reading.own(seed), CODEC: self._codec}
        return rows, Evidence({}, {}, ())

    @cached_property
    def _codec(self) -> dict[str, Figure]:
        """The same in any replication."""
        clips, pairs = self.held.features, []
        for at in range(0, len(clips), _TOGETHER):
            pairs += round_trip(self.model.codec, clips[at : at + _TOGETHER])
        metres = self.model.codec.skeleton.metres
        made = self.judge.bodies([joints / metres for joints, _ in pairs])
        error = 1000 * float(np.mean([pose_error(made, real) for made, real in pairs]))
        return {MPJPE.name: error, **self.judge.spread(made, self.judge.real)}
