"""A second opinion: text and motion encoders trained by contrast, as in TMR.

Petrovich et al., "TMR: Text-to-Motion Retrieval Using Contrastive 3D Human Motion Synthesis", ICCV
2023. Kept: transformer encoders whose first token becomes the embedding, and the InfoNCE loss
(`training/matching.py`). Left out: the decoder, the variational part, and DistilBERT, in whose
place word vectors are learned. Embeddings have length 1, so Euclidean distance ranks as their
cosine does.

Shapes: B clips or captions, T frames, F features, L tokens, D embedding.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class TMRConfig:
    """Sizes of both encoders; TMR's unless told otherwise."""

    features: int = 263
    vocabulary: int = 0
    """Words in the table of word vectors."""
    width: int = 256
    layers: int = 6
    heads: int = 4
    feedforward: int = 1024
    embedding: int = 256
    dropout: float = 0.1
    frames_per_token: int = 1


class TMRNetworks(nn.Module):
    """Both encoders and the table of word vectors."""

    def __init__(self, config: TMRConfig):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.frames = nn.Linear(config.features * config.frames_per_token, config.width)
        self.text_encoder, self.motion_encoder = _Encoder(config), _Encoder(config)

    def embed_texts(
        self, ids: Int[Tensor, "B L"], parts: Int[Tensor, "B L"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings of captions from `Vocabulary.encode`; parts of speech are not read."""
        return self.text_encoder(self.words(ids), length)

    def embed_motions(
        self, x: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings of normalised clips, zeros after their ends."""
        step = self.config.frames_per_token
        whole = F.pad(x, (0, 0, 0, -x.shape[1] % step))
        tokens = rearrange(whole, "B (L S) F -> B L (S F)", S=step)
        return self.motion_encoder(self.frames(tokens), (length + step - 1) // step)


class _Encoder(nn.Module):
    """A transformer in which a token of its own, put before the others, gathers the embedding."""

    def __init__(self, config: TMRConfig):
        super().__init__()
        self.gather = nn.Parameter(0.02 * torch.randn(config.width))
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            config.feedforward,
            config.dropout,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.embedding)

    def forward(self, x: Float[Tensor, "B L W"], length: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Embeddings of length 1."""
        x = x + _places(x.shape[1], x.shape[2], x.device)
        x = torch.cat([self.gather.expand(len(x), 1, -1), x], dim=1)
        beyond = torch.arange(x.shape[1], device=x.device) > length[:, None]
        return F.normalize(
            self.out(self.norm(self.blocks(x, src_key_padding_mask=beyond)[:, 0])), dim=-1
        )


def _places(length: int, width: int, device: torch.device) -> Float[Tensor, "L W"]:
    """Sines and cosines of a token's place ("Attention Is All You Need")."""
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    angle = torch.arange(length, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
