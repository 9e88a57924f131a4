"""Guo et al.'s text and motion encoders, which most published R-precision and FID rest on.

"Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022; T2M's `networks/modules.py`,
whose parameter names are kept so that the official weights load. Text and motion meet in one space
in which Euclidean distance says how well they match.

Shapes: B clips or captions, T frames, F features, M movements (a movement is 4 frames), L words,
D embedding.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from motiongpt3.errors import InputError
from motiongpt3.model.tagging import PARTS

FRAMES_PER_MOVEMENT = 4
_REACH = 8
"""Frames beyond a clip's end that its last movement can see, rounded up to whole movements."""
_SLOPE = 0.2


@dataclass(frozen=True)
class GuoConfig:
    """Sizes of the three encoders; the official ones unless told otherwise."""

    features: int = 263
    """Numbers per frame, of which the four foot contacts are not read. KIT-ML: 251."""
    vocabulary: int = 0
    """Words in the table of word vectors."""
    word: int = 300
    """Width of a word vector (GloVe's)."""
    text: int = 512
    movement: int = 512
    motion: int = 1024
    embedding: int = 512
    dropout: float = 0.2
    """In the movement encoder."""
    packing: bool = True
    """Whether the motion encoder stops at a clip's end. False is a legacy value: MotionGPT and
    MotionGPT3 run it over the padding too (`tm2t_evaluator.py:57`), so that the longest clip of a
    batch changes the embeddings of the others."""
    window: int = 196
    """Frames that the official code pads every clip to before it looks for movements. What lies
    beyond a shorter clip's end is zeros (the mean pose), seen by its last movement."""


class MovementEncoder(nn.Module):
    """Frames to movements: two strided convolutions."""

    def __init__(self, config: GuoConfig):
        super().__init__()
        width = config.movement
        # Not in place, unlike the official: hidden values are masked between the two halves.
        self.main = nn.Sequential(
            nn.Conv1d(config.features - 4, width, 4, 2, 1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(width, width, 4, 2, 1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(_SLOPE),
        )
        self.out_net = nn.Linear(width, width)
        self.window, self.packing = config.window, config.packing
        _xavier(self)

    def forward(
        self, x: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B M E"]:
        """Movements of normalised features, zeros after each clip's end, contacts left out.

        Every clip is read as if it were alone in a batch padded to `window` frames, or to its own
        length if that is more: what the official code gives, whatever else is in the batch.
        """
        movements = x.shape[1] // FRAMES_PER_MOVEMENT
        if not self.packing:
            return self.out_net(self.main(x.mT).mT)
        hidden = self.main[:3](F.pad(x, (0, 0, 0, _REACH)).mT)
        ends = length.clamp(min=self.window) // 2
        there = torch.arange(hidden.shape[2], device=x.device) < ends[:, None]
        seen = self.main[3:](hidden * there[:, None])
        return self.out_net(seen.mT[:, :movements])


class _Recurrent(nn.Module):
    """What the two encoders share: a GRU in both directions, from a learned start, to one vector.

    The vector is made of the last states of both directions.
    """

    def __init__(self, given: int, hidden: int, embedding: int):
        super().__init__()
        self.input_emb = nn.Linear(given, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden, embedding),
        )
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def summary(
        self, x: Float[Tensor, "B L I"], length: Int[Tensor, "B"] | None
    ) -> Float[Tensor, "B D"]:
        """The embedding of each sequence up to its length; of all of it where there is none."""
        inside = self.input_emb(x)
        start = self.hidden.expand(-1, len(x), -1).contiguous()
        if length is not None:
            inside = pack_padded_sequence(
                inside, length.cpu(), batch_first=True, enforce_sorted=False
            )
        _, last = self.gru(inside, start)
        return self.output_net(torch.cat([last[0], last[1]], dim=-1))


class MotionEncoder(_Recurrent):
    """Movements to an embedding."""

    def __init__(self, config: GuoConfig):
        super().__init__(config.movement, config.motion, config.embedding)
        self.packing = config.packing
        _xavier(self)

    def forward(
        self, movements: Float[Tensor, "B M E"], number: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings of clips with these numbers of movements."""
        return self.summary(movements, number if self.packing else None)


class TextEncoder(_Recurrent):
    """Word vectors and parts of speech to an embedding."""

    def __init__(self, config: GuoConfig):
        super().__init__(config.word, config.text, config.embedding)
        self.pos_emb = nn.Linear(len(PARTS), config.word)
        _xavier(self)

    def forward(
        self,
        vectors: Float[Tensor, "B L W"],
        parts: Int[Tensor, "B L"],
        length: Int[Tensor, "B"],
    ) -> Float[Tensor, "B D"]:
        """Embeddings of captions."""
        told = F.one_hot(parts, len(PARTS)).to(vectors.dtype)
        return self.summary(vectors + self.pos_emb(told), length)


class GuoNetworks(nn.Module):
    """The three encoders and the table of word vectors, learned or GloVe's."""

    def __init__(self, config: GuoConfig):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.word)
        self.text_encoder = TextEncoder(config)
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = MotionEncoder(config)

    def embed_texts(
        self, ids: Int[Tensor, "B L"], parts: Int[Tensor, "B L"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings of captions as `Vocabulary.encode` gives them."""
        return self.text_encoder(self.words(ids), parts, length)

    def embed_motions(
        self, x: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings of normalised clips, zeros after their ends.

        Raises:
            InputError: when a clip is shorter than one movement.
        """
        if int(length.min()) < FRAMES_PER_MOVEMENT:
            raise InputError(
                f"a clip of {int(length.min())} frames",
                where="evaluator",
                hint=f"it takes {FRAMES_PER_MOVEMENT}",
            )
        movements = self.movement_encoder(x[..., :-4], length)
        return self.motion_encoder(movements, length // FRAMES_PER_MOVEMENT)


def _xavier(module: nn.Module) -> None:
    """T2M's initial weights of linear maps and convolutions."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
