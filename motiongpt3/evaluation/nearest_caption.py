"""Remembering instead of understanding: the nearest caption of the train split.

What a model must beat to have learned more than its training set. No network: captions are bags of
words, weighed by how rare each word is (TF-IDF), compared by the cosine.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np


def words(caption: str) -> list[str]:
    """A caption's words in lower case, without punctuation."""
    return re.findall(r"[a-z0-9']+", caption.lower())


class NearestCaption:
    """Finds, among captions of clips, those most like a given one.

    Args:
        captions: those of every clip.
    """

    def __init__(self, captions: Sequence[Sequence[str]]):
        self.clips: dict[str, list[int]] = defaultdict(list)
        for clip, said in enumerate(captions):
            for caption in said:
                self.clips[caption].append(clip)
        self.captions = list(self.clips)
        counts = [Counter(words(caption)) for caption in self.captions]
        held = Counter(word for count in counts for word in count)
        self.rarity = {word: math.log(len(counts) / n) + 1 for word, n in held.items()}
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, count in enumerate(counts):
            for word, weight in self._weights(count).items():
                postings[word].append((at, weight))
        self.postings = {
            word: (np.array([at for at, _ in held]), np.array([weight for _, weight in held]))
            for word, held in postings.items()
        }

    def find(self, caption: str) -> str:
        """The most alike caption; the first of several that are equally so."""
        scores = np.zeros(len(self.captions))
        for word, weight in sorted(self._weights(Counter(words(caption))).items()):
            if word in self.postings:
                at, held = self.postings[word]
                scores[at] += weight * held
        return self.captions[int(scores.argmax())]

    def clip(self, caption: str, rng: np.random.Generator) -> int:
        """A clip of the most alike caption, any of those that it is said of."""
        return int(rng.choice(self.clips[self.find(caption)]))

    def _weights(self, count: Counter[str]) -> dict[str, float]:
        known = {word: n * self.rarity.get(word, 0.0) for word, n in count.items()}
        norm = math.sqrt(sum(weight**2 for weight in known.values())) or 1.0
        return {word: weight / norm for word, weight in known.items()}
