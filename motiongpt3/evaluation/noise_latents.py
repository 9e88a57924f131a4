"""Motions decoded from noise: what the motion codec alone knows, without a language model.

Each number of a latent (each id of a VQ-VAE) is that of a training clip, drawn by itself: every
number is spread as it is in training, and no two go together.
"""

from collections.abc import Sequence

import numpy as np
import torch

from motiongpt3.data.dataset import spread
from motiongpt3.evaluation.held_out import Features
from motiongpt3.model.codec import Codec
from motiongpt3.model.vq import NO_CODE

_CLIPS = 512
"""Training clips whose codes are mixed."""
_BATCH = 64


class NoiseLatents:
    """Codes of training clips, to be mixed.

    Args:
        clips: features of the training clips, of which some are taken, the longest among them.
    """

    def __init__(self, codec: Codec, clips: Sequence[Features]):
        self.codec = codec
        order = sorted(range(len(clips)), key=lambda at: len(clips[at]))
        chosen = [clips[order[at]] for at in spread(len(order), _CLIPS)]
        self.codes = codec.codes(chosen)

    def make(self, frames: Sequence[int], rng: np.random.Generator) -> list[Features]:
        """A motion of so many frames each."""
        known, made = self.codes.cpu().numpy(), []
        columns = [column[column != NO_CODE] for column in known.T]  # an id that a clip has not
        for at in range(0, len(frames), _BATCH):
            count = list(frames[at : at + _BATCH])
            mixed = np.stack([rng.choice(column, len(count)) for column in columns], axis=1)
            made += self.codec.features(torch.from_numpy(mixed).to(self.codes), count)
        return made
