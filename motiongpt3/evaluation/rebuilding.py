"""The motion codec: clips after a round trip through their codes, beside two references.

Rows:
    real, half against half   two random halves: the distance that sampling alone makes
    model                     decoded from the means of the posteriors
    model, features as decoded  as the published protocol embeds them (see `judge`)
    nearest clip              the training clip whose poses are most alike, at the clip's length
    principal components      256 of training clips stretched to 40 frames; poses alone

Only the halves are drawn; all else is the same in every replication.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from motiongpt3.evaluation.body import BODY, body_figures
from motiongpt3.evaluation.evidence import Evidence, worst_and_best
from motiongpt3.evaluation.figure import Figure
from motiongpt3.evaluation.held_out import Features, HeldOut, Joints
from motiongpt3.evaluation.judge import DIVERSITY, SPREAD, Judge
from motiongpt3.evaluation.reconstruction import (
    NearestClip,
    PoseComponents,
    acceleration_error,
    aligned_error,
    path_error,
    pose_error,
    poses,
    retimed,
)
from motiongpt3.evaluation.table import Column, Rows
from motiongpt3.model.maker import BATCH
from motiongpt3.model.motiongpt import MotionGPT

POSES = (
    Column("MPJPE mm", "lower", "Distance from the clip"),
    Column("PA-MPJPE mm", "lower", "Distance from the clip"),
    Column("ACCEL mm/frame²", "lower", "Distance from the clip"),
)
ROOT = Column("last root m", "lower", "Distance from the clip")


class Rebuilding:
    """The evaluation of a model's motion codec as an `Experiment`."""

    title = "Reconstruction by the motion codec"
    columns: Sequence[Column] = (*POSES, ROOT, *SPREAD, DIVERSITY, *BODY)

    def __init__(self, model: MotionGPT, held: HeldOut, judge: Judge):
        self.model, self.held, self.judge = model, held, judge

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication."""
        rows: dict[str, dict[str, Figure]] = {
            "real, half against half": self.judge.halves(seed),
            **self._rows,
        }
        return rows, self._evidence()

    @cached_property
    def _decoded(self) -> list[Features]:
        """What the codec gives back; similar lengths go through it together."""
        codec, clips = self.model.codec, self.held.features
        order = sorted(range(len(clips)), key=lambda at: len(clips[at]))
        made: dict[int, Features] = {}
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            codes = codec.codes([clips[n] for n in batch])
            decoded = codec.features(codes, [len(clips[n]) for n in batch])
            made |= dict(zip(batch, decoded, strict=True))
        return [made[n] for n in range(len(clips))]

    @cached_property
    def _joints(self) -> list[Joints]:
        return [self.model.codec.joints(clip) for clip in self._decoded]

    @cached_property
    def _rows(self) -> dict[str, dict[str, Figure]]:
        held, skeleton = self.held, self.held.skeleton
        known, components = NearestClip(held.train_joints), PoseComponents.fit(held.train_joints)
        found = [known.find(joints)[0] for joints in held.joints]
        pairs = list(zip(found, held.joints, strict=True))
        nearest = [retimed(held.train_joints[clip], len(joints)) for clip, joints in pairs]
        linear = [components.rebuilt(joints) for joints in held.joints]
        embedded, decoded = self.judge.bodies(self._joints), self.judge.motions(self._decoded)
        return {
            "model": {
                **self._errors(self._joints),
                ROOT.name: self._root(self._joints),
                **self.judge.spread(embedded, self.judge.real),
                **self.judge.diversity(embedded, 0),
                **body_figures(self._joints, skeleton),
            },
            "model, features as decoded": self.judge.spread(decoded, self.judge.real),
            "nearest clip": {**self._errors(nearest), ROOT.name: self._root(nearest)},
            "principal components": self._errors(linear),
        }

    def _errors(self, made: Sequence[Joints]) -> dict[str, Figure]:
        """Errors of poses: joints relative to the pelvis, heading kept."""
        millimetres = 1000 * self.held.skeleton.metres
        pairs = [(poses(a), poses(b)) for a, b in zip(made, self.held.joints, strict=True)]
        return {
            column.name: millimetres * float(np.mean([error(a, b) for a, b in pairs]))
            for column, error in zip(
                POSES, (pose_error, aligned_error, acceleration_error), strict=True
            )
        }

    def _root(self, made: Sequence[Joints]) -> float:
        pairs = zip(made, self.held.joints, strict=True)
        return self.held.skeleton.metres * float(np.mean([path_error(a, b) for a, b in pairs]))

    def _evidence(self) -> Evidence:
        """The clips that the codec gives back worst and best."""
        millimetres = 1000 * self.held.skeleton.metres
        pairs = zip(self._joints, self.held.joints, strict=True)
        errors = [millimetres * pose_error(a, b) for a, b in pairs]
        said = [
            (r.captions[0], f"{error:.0f} mm off, {r.id}")
            for r, error in zip(self.held.records, errors, strict=True)
        ]
        return Evidence({}, {}, worst_and_best(errors, said, self._joints))
