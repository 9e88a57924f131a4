"""How well the text branch still speaks: perplexity of texts that it has not been trained on.

Motion training that spoils language shows here first. Only text passes through the model, and a
token is scored among the text tokens alone: what a stage learns with the text branch frozen (the
motion branch, the embeddings of `<som>` and `<eom>`) does not move these figures by a single bit.

Shapes: B texts, T tokens.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.gpt import CONTROL_IDS, TEXT
from motiongpt3.model.sequence import IGNORE, Packer, Turn
from motiongpt3.model.tokenizer import Tokenizer

PLAIN_ENGLISH = Path(__file__).with_name("plain_english.txt")
"""Everyday English that is about no motion in particular, written for this purpose; a sentence a
line."""

_BATCH = 32


def plain_english() -> list[str]:
    """The sentences of the plain-English sample."""
    return PLAIN_ENGLISH.read_text(encoding="utf-8").splitlines()


@torch.no_grad()
def perplexity(network: Bimodal, tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Exponential of the mean cross-entropy (nats) per token, the end of each text included.

    Each text is read by itself, as `Task.PLAIN` has it: its first token is given, and what lies
    beyond the model's context is left out. Figures compare only between models of one vocabulary.

    Raises:
        InputError: when there is nothing to predict.
    """
    packer = Packer(tokenizer, network.heads.slots, network.device)
    total, count = 0.0, 0
    for at in range(0, len(texts), _BATCH):
        tokens = packer.pack([Turn((), (text,)) for text in texts[at : at + _BATCH]])
        window = slice(network.config.gpt.context)
        ids, targets = tokens.ids[:, window], tokens.targets[:, window]
        losses = _losses(network, ids, targets, tokens.valid[:, window])
        total, count = total + float(losses.sum()), count + len(losses)
    if not count:
        raise InputError("no text to read", where="perplexity")
    return float(np.exp(total / count))  # a model gone astray is infinitely surprised, no error


def _losses(
    network: Bimodal, ids: Int[Tensor, "B T"], targets: Int[Tensor, "B T"], valid: Tensor
) -> Float[Tensor, " N"]:
    """Cross-entropy of every token that is to be predicted."""
    gpt = network.gpt
    hidden = gpt(gpt.embed(ids), torch.full_like(ids, TEXT), valid=valid)
    learned = targets != IGNORE
    words = gpt.logits(hidden[learned])[:, :-CONTROL_IDS]
    return F.cross_entropy(words.double(), targets[learned], reduction="none")
