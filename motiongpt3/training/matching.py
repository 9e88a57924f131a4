"""Training an evaluator: a caption and its motion come close, other pairs stay apart.

Two losses are there. Guo et al.'s contrastive margin (T2M, `networks/trainers.py`: squared distance
of what belongs together, squared shortfall from a margin of 10 of what does not) is taken over all
pairs of a batch where T2M draws one stranger for each; TMR's is InfoNCE in both directions, without
strangers whose captions say nearly the same (TMR, section 3.3).

A batch often holds one action twice, or two clips of which the same sentence is true. Such pairs
are neither: no loss looks at them.

Shapes: B clips with a caption each, T frames, F features, L words, D embedding.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.data.dataset import MotionText, Order, pad
from motiongpt3.data.variation import vary
from motiongpt3.model.tagging import tag
from motiongpt3.model.text_motion import Networks
from motiongpt3.model.words import UNKNOWN, Vocabulary, Words
from motiongpt3.motion.mirror import mirror_words


@dataclass(frozen=True)
class Margin:
    """Guo et al.'s loss."""

    margin: float = 10.0
    """Distance from which on what does not belong together is far enough apart."""

    def __call__(
        self, squared: Float[Tensor, "B B"], strangers: Bool[Tensor, "B B"]
    ) -> Float[Tensor, ""]:
        """Mean over what belongs together, plus mean over strangers."""
        short = F.relu(self.margin - (squared + 1e-6).sqrt()).square()
        apart = (short * strangers).sum() / strangers.sum().clamp(min=1)
        return squared.diagonal().mean() + apart


@dataclass(frozen=True)
class Contrast:
    """InfoNCE: which motion belongs to a text, and which text to a motion, among strangers."""

    temperature: float = 0.1
    """What scores are divided by: minus half the squared distance, which on embeddings of length 1
    is TMR's cosine, less one."""

    def __call__(
        self, squared: Float[Tensor, "B B"], strangers: Bool[Tensor, "B B"]
    ) -> Float[Tensor, ""]:
        """Mean of both directions."""
        own = torch.eye(len(squared), dtype=torch.bool, device=squared.device)
        scores = (-squared / (2 * self.temperature)).masked_fill(~(strangers | own), -math.inf)
        target = torch.arange(len(squared), device=squared.device)
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.mT, target)) / 2


@dataclass(frozen=True)
class Augmentation:
    """How captions and clips are changed while an evaluator learns."""

    varied: float = 0.5
    """Share of captions that are reworded (`data.variation`)."""
    unknown: float = 0.1
    """Share of words that are taken for unknown ones."""
    cropped: float = 0.5
    """Share of clips that lose frames at both ends ..."""
    most: float = 0.1
    """... up to this part of them."""
    alike: float = 0.8
    """Captions whose words are as alike as this (a cosine, rare words counting more) are not taken
    for different ones."""


@dataclass(frozen=True, eq=False)
class MatchBatch:
    """Pairs of a step."""

    words: Words
    features: Float[np.ndarray, "B T F"]
    """Normalised, zeros after each clip's end."""
    length: Int[np.ndarray, "B"]
    strangers: Bool[np.ndarray, "B B"]
    """Which motion (column) is certainly not what a caption (row) speaks of."""

    @property
    def counts(self) -> dict[str, float]:
        """Pairs that a loss is the mean over."""
        return dict.fromkeys(("matching", "found"), float(len(self.length)))


class MatchJob:
    """The one stage of an evaluator: all weights but those of given word vectors."""

    shardable: Sequence[nn.Module] = ()
    terms = {"matching": 1.0, "found": 0.0}
    """`found`: how often a caption's own motion is nearer than every stranger of the batch."""

    def __init__(
        self,
        networks: Networks,
        vocabulary: Vocabulary,
        data: MotionText,
        order: Order,
        loss: Margin | Contrast,
        augmentation: Augmentation,
    ):
        self.module, self.vocabulary, self.data, self.order = networks, vocabulary, data, order
        self.loss, self.augmentation = loss, augmentation
        self.meanings = Meanings(data, augmentation.alike)
        self.unknown = vocabulary.words.index(UNKNOWN)

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        """All weights that are not frozen, at the stage's own rate."""
        return [([p for p in self.module.parameters() if p.requires_grad], 1.0)]

    def samples(self, step: int) -> list[str]:
        """Names of the clips in a step's batch."""
        return [self.data.records[i].id for i in self.order.clips(step)]

    def losses(self, batch: MatchBatch) -> dict[str, Tensor]:
        """The loss over all pairs of a batch, and how often the right one is nearest."""
        device = self.module.words.weight.device
        words = (batch.words.ids, batch.words.parts, batch.words.length)
        texts = self.module.embed_texts(*(torch.from_numpy(a).to(device) for a in words))
        clips = (torch.from_numpy(a).to(device) for a in (batch.features, batch.length))
        motions = self.module.embed_motions(*clips)
        strangers = torch.from_numpy(batch.strangers).to(device)
        squared = squared_distances(texts, motions)
        loss = self.loss(squared, strangers)
        nearest = squared.masked_fill(~strangers, math.inf).min(1).values
        found = (squared.diagonal() < nearest).float().mean()
        return {"matching": loss, "found": found}

    def draw(self, step: int, rows: range) -> MatchBatch:
        """These rows of a step's pairs."""
        indices, captions, said, clips, mirrored = self.order.clips(step), [], [], [], []
        for row in rows:
            rng, index = self.order.rng(step, row), int(indices[row])
            mirrored.append(bool(rng.random() < 0.5))
            clip = self.data.features(index, mirrored[-1])
            clips.append(self._cropped((clip - self.data.mean) / self.data.std, rng))
            of_clip = self.meanings.captions(index, mirrored[-1])
            captions.append(of_clip[int(rng.integers(len(of_clip)))])
            varied = rng.random() < self.augmentation.varied
            said.append(vary(captions[-1], rng) if varied else captions[-1])
        words = self.vocabulary.encode(said)
        for at, row in enumerate(rows):
            self._forget(
                words.ids[at], int(words.length[at]), self.order.rng(step, row).spawn(1)[0]
            )
        drawn = [(int(indices[row]), mirrored[at]) for at, row in enumerate(rows)]
        return MatchBatch(words, *pad(clips), self.meanings.strangers(captions, drawn))

    def _cropped(self, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        spare = int(len(clip) * self.augmentation.most)
        if rng.random() >= self.augmentation.cropped or spare == 0:
            return clip
        lost = int(rng.integers(spare + 1))
        start = int(rng.integers(lost + 1))
        return clip[start : start + len(clip) - lost]

    def _forget(self, ids: Int[np.ndarray, "L"], length: int, rng: np.random.Generator) -> None:
        """Take some words between the ends of a caption for unknown ones."""
        gone = rng.random(length - 2) < self.augmentation.unknown
        ids[1 : length - 1][gone] = self.unknown


def squared_distances(
    texts: Float[Tensor, "B D"], motions: Float[Tensor, "B D"]
) -> Float[Tensor, "B B"]:
    """Squared Euclidean distance of every text (row) to every motion (column)."""
    return (texts[:, None] - motions[None]).square().sum(-1)


class Meanings:
    """What is said of each clip of a set, as it is and mirrored, and who may not be told apart."""

    def __init__(self, data: MotionText, alike: float):
        self.alike, self._captions, self._kinds = alike, [], []
        count: Counter[str] = Counter()
        for record in data.records:
            image = tuple(mirror_words(text) for text in record.captions)
            self._captions.append((record.captions, image))
            # Mirrored, "raise-left" is "raise-right"; what has no side in its name may still have
            # one in its captions, and is then something else mirrored.
            label = mirror_words(record.label)
            other = label == record.label and set(image) != set(record.captions)
            named = (record.source, record.style or "")
            self._kinds.append(((record.label, *named, False), (label, *named, other)))
            count.update({word for text in record.captions for word, _ in tag(text)})
        total = len(data.records)
        self._weight = {word: math.log(1 + total / n) for word, n in count.items()}

    def captions(self, clip: int, mirrored: bool) -> Sequence[str]:
        """What is said of a clip."""
        return self._captions[clip][mirrored]

    def strangers(
        self, captions: Sequence[str], clips: Sequence[tuple[int, bool]]
    ) -> Bool[np.ndarray, "B B"]:
        """Which clip (column) is certainly not what a caption (row) speaks of.

        Args:
            captions: one of each clip's own, as the set has it.
            clips: index in the set, and whether mirrored.
        """
        kinds = [self._kinds[clip][mirrored] for clip, mirrored in clips]
        sets = [set(self._captions[clip][mirrored]) for clip, mirrored in clips]
        same = np.array([[a == b for b in kinds] for a in kinds])
        said = np.array([[caption in said for said in sets] for caption in captions])
        return ~(same | said | (self._likeness(captions) >= self.alike))

    def _likeness(self, captions: Sequence[str]) -> Float[np.ndarray, "B B"]:
        """Cosines of captions as bags of words, each word weighted by how rare it is."""
        bags = [{word for word, _ in tag(caption)} for caption in captions]
        column = {word: at for at, word in enumerate(sorted(set().union(*bags)))}
        table = np.zeros((len(bags), len(column)))
        for row, bag in zip(table, bags, strict=True):
            for word in bag:
                row[column[word]] = self._weight.get(word, 1.0)
        table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
        return table @ table.T
