"""Evaluators small enough to know what they must say."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np


class Oracle:
    """Knows which caption goes with which clip: their embeddings are the same unit vector.

    A clip it has not seen gets the vector of its mean pose, as far from any caption as chance has
    it.
    """

    name, hash = "oracle", "0" * 64

    def __init__(self, pairs: Sequence[tuple[Sequence[str], np.ndarray]] = (), size: int = 40):
        self.seen, self.size = 0, size
        self.caption: Mapping[str, str] = {said: _key(clip) for s, clip in pairs for said in s}

    def texts(self, captions: Sequence[str]) -> np.ndarray:
        return np.stack([_vector(self.caption.get(text, text), self.size) for text in captions])

    def motions(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        self.seen += len(clips)
        return np.stack([_vector(_key(clip), self.size) for clip in clips])


class Leaky(Oracle):
    """An evaluator of which an embedding depends on how many are made with it."""

    def texts(self, captions: Sequence[str]) -> np.ndarray:
        return super().texts(captions) + 1e-3 * len(captions)

    def motions(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        return super().motions(clips) + 1e-3 * len(clips)


def _key(clip: np.ndarray) -> str:
    return str(zlib.crc32(np.round(clip, 3).astype(np.float32).tobytes()))


def _vector(key: str, size: int) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    return rng.normal(size=size).astype(np.float32)
