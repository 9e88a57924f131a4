"""What an evaluator says of motions and captions: every figure that is taken in its space.

A motion is its joints. The features that an evaluator reads say each pose several times over
(positions, rotations, velocities), and what a codec decodes need not agree with itself: the shipped
model's decoded features have ten times the FID of the motions that people get from it. Motions are
therefore embedded from features of their joints, real ones alike, which changes those by nothing
(test_evaluate.py). The published protocol embeds decoded features; they have a row of their own.

Embeddings of real clips and of captions are made once; those of made motions are not kept.

Shapes: N clips, D width of an embedding.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float

from motiongpt3.evaluation.distribution import (
    PrincipalComponents,
    diversity,
    frechet_distance,
    kernel_distance,
)
from motiongpt3.evaluation.draws import Draw, draw
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.held_out import Features, HeldOut, Joints
from motiongpt3.evaluation.retrieval import (
    distinct_groups,
    matching_distance,
    r_precision,
    r_precision_within,
)
from motiongpt3.evaluation.table import Column
from motiongpt3.model.evaluator import Evaluator
from motiongpt3.motion.many import features_of_each

Embeddings = Float[np.ndarray, "N D"]

COMPONENTS = 32
"""Principal components of the train embeddings on which few samples are compared."""
MATCHING = (
    Column("R@1", "higher", "Caption and motion"),
    Column("R@2", "higher", "Caption and motion"),
    Column("R@3", "higher", "Caption and motion"),
    Column("R@1 distinct", "higher", "Caption and motion"),
    Column("R@2 distinct", "higher", "Caption and motion"),
    Column("R@3 distinct", "higher", "Caption and motion"),
    Column("MM-Dist", "lower", "Caption and motion"),
)
"""Groups of 32: of any clips, and of clips that differ in action or style."""
SPREAD = (
    Column("FID", "lower", "Distribution"),
    Column(f"FID-{COMPONENTS}", "lower", "Distribution"),
    Column("KID x1000", "lower", "Distribution"),
)
PAIRED = Column("paired KID", "lower", "Distribution")
"""The kernel distance between pairs of a caption and a motion: the two embeddings one after the
other, each number standardised, so that the kernel sees what goes with what. Good motions of the
wrong captions are far by it and by no distance between motions alone: the idea of the Frechet joint
distance (DeVries et al. 2019)."""
DIVERSITY = Column("Diversity", "real", "Distribution")

NO_JUDGE = Missing("no evaluator given")
_NOT_FINITE = Missing("motions are not finite")


class Judge:
    """An evaluator at work on a split; without one, every figure says that there is none."""

    def __init__(self, evaluator: Evaluator | None, held: HeldOut):
        self.evaluator, self.held = evaluator, held

    def motions(self, clips: Sequence[Features]) -> Embeddings | Missing:
        """Embeddings of motions, or why there are none."""
        if self.evaluator is None:
            return NO_JUDGE
        if not all(np.isfinite(clip).all() for clip in clips):
            return _NOT_FINITE
        return self.evaluator.motions(clips)

    def bodies(self, clips: Sequence[Joints]) -> Embeddings | Missing:
        """Embeddings of motions by their joints, or why there are none."""
        if self.evaluator is None:
            return NO_JUDGE
        if not all(np.isfinite(clip).all() for clip in clips):
            return _NOT_FINITE
        doubles = [np.asarray(clip, np.float64) for clip in clips]
        made = features_of_each(doubles, self.held.skeleton, self.held.hip_sign)
        return self.evaluator.motions(made)

    def texts(self, captions: Sequence[str]) -> Embeddings | Missing:
        """Embeddings of captions: those of the split are kept, others are read anew.

        What is read together is the same in any replication, whichever came before it.
        """
        if self.evaluator is None:
            return NO_JUDGE
        known = self._known
        if all(caption in known for caption in captions):
            return np.stack([known[caption] for caption in captions])
        return self.evaluator.texts(captions)

    @cached_property
    def _known(self) -> dict[str, Float[np.ndarray, " D"]]:
        """Embeddings of all captions of the split."""
        assert self.evaluator is not None
        said = list(dict.fromkeys(c for record in self.held.records for c in record.captions))
        return dict(zip(said, self.evaluator.texts(said), strict=True))

    @cached_property
    def real(self) -> Embeddings | Missing:
        """Embeddings of the clips as they are."""
        return self.bodies(self.held.joints)

    @cached_property
    def train(self) -> Embeddings | Missing:
        """Embeddings of the train split."""
        return self.motions(self.held.train_features)

    @cached_property
    def components(self) -> PrincipalComponents | Missing:
        """Those of the train split, or why there are none."""
        if isinstance(self.train, Missing):
            return self.train
        n, size = self.train.shape
        if n <= COMPONENTS or size < COMPONENTS:
            return Missing(f"n={n}, {size} numbers each")
        return PrincipalComponents.fit(self.train, COMPONENTS)

    def matching(
        self, captions: Sequence[str], made: Embeddings | Missing, seed: int
    ) -> dict[str, Figure]:
        """How well captions and motions find each other; the same groups for every row."""
        texts = self.texts(captions)
        if isinstance(texts, Missing) or isinstance(made, Missing):
            reason = made if isinstance(made, Missing) else texts
            return {column.name: reason for column in MATCHING if isinstance(reason, Missing)}
        plain = r_precision(texts, made, draw(seed, Draw.GROUPS))
        groups = distinct_groups(self.held.kinds, draw(seed, Draw.DISTINCT))
        distinct = r_precision_within(texts, made, groups)
        figures = (*plain, *distinct, matching_distance(texts, made))
        return dict(zip((column.name for column in MATCHING), figures, strict=True))

    def spread(self, made: Embeddings | Missing, real: Embeddings | Missing) -> dict[str, Figure]:
        """How far the distribution of motions is from that of others."""
        names = [column.name for column in SPREAD]
        for given in (made, real):
            if isinstance(given, Missing):
                return dict.fromkeys(names, given)
        assert not isinstance(made, Missing) and not isinstance(real, Missing)
        axes = self.components
        if isinstance(axes, Missing):
            few: Figure = axes
        else:
            few = frechet_distance(axes.apply(made), axes.apply(real))
        full, kernel = frechet_distance(made, real), _thousands(kernel_distance(made, real))
        return dict(zip(names, (full, few, kernel), strict=True))

    def paired(
        self, captions: Sequence[str], made: Embeddings | Missing, seed: int
    ) -> dict[str, Figure]:
        """How far pairs of a caption and a motion are from pairs of the split.

        The made pairs of one half of the clips are held against the real pairs of the other: pairs
        of the same captions would be closer than chance has it.
        """
        texts, real = self.texts(captions), self.real
        if isinstance(texts, Missing) or isinstance(made, Missing) or isinstance(real, Missing):
            reasons = (given for given in (texts, made, real) if isinstance(given, Missing))
            return {PAIRED.name: next(reasons)}
        order = draw(seed, Draw.HALVES).permutation(len(real))
        one, other = np.array_split(order, 2)
        read = _standardised(texts, texts)
        ours = np.concatenate([read, _standardised(made, real)], 1)[one]
        theirs = np.concatenate([read, _standardised(real, real)], 1)[other]
        return {PAIRED.name: kernel_distance(ours, theirs)}

    def halves(self, seed: int) -> dict[str, Figure]:
        """The same between two random halves of the real clips: what no model can be below."""
        if isinstance(self.real, Missing):
            return self.spread(self.real, self.real)
        order = draw(seed, Draw.HALVES).permutation(len(self.real))
        half = len(order) // 2
        return self.spread(self.real[order[:half]], self.real[order[half : 2 * half]])

    def diversity(self, made: Embeddings | Missing, seed: int) -> dict[str, Figure]:
        """The distance of random pairs."""
        apart = made if isinstance(made, Missing) else diversity(made, draw(seed, Draw.PAIRS))
        return {DIVERSITY.name: apart}

    def distances(
        self, captions: Sequence[str], made: Embeddings | Missing
    ) -> Float[np.ndarray, " N"] | None:
        """How far each motion is from its caption; None without embeddings."""
        texts = self.texts(captions)
        if isinstance(texts, Missing) or isinstance(made, Missing):
            return None
        return np.linalg.norm(texts.astype(np.float64) - made, axis=1)

    def confusion(self, made: Embeddings | Missing) -> dict[str, dict[str, int]]:
        """For the action of every clip, which action of the train split its motion is nearest to.

        An action is the mean of its training clips. Clips without a label are left out.
        """
        if isinstance(made, Missing) or isinstance(self.train, Missing):
            return {}
        members: dict[str, list[int]] = defaultdict(list)
        for at, record in enumerate(self.held.train.records):
            members[record.label].append(at)
        names = sorted(members)
        means = np.stack([self.train[members[name]].mean(0) for name in names])
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for record, embedding in zip(self.held.records, made, strict=True):
            if record.label:
                nearest = names[int(np.linalg.norm(means - embedding, axis=1).argmin())]
                found[record.label][nearest] += 1
        return {label: dict(row) for label, row in found.items()}


def _thousands(figure: Figure) -> Figure:
    return figure if isinstance(figure, Missing) else 1000 * figure


def _standardised(embeddings: Embeddings, like: Embeddings) -> Embeddings:
    """Every number on the scale that it has in other embeddings."""
    scale = np.maximum(like.std(0), 1e-6)
    return (embeddings - like.mean(0)) / scale
