"""A language model small enough to compare number by number."""

from dataclasses import replace

import torch

from motiongpt3.model.gpt import GPT, GPTConfig

TINY = GPTConfig(vocab=63, context=48, width=32, layers=4, heads=4, dropout=0.0)
CLOSE = {"atol": 1e-5, "rtol": 1e-4}
CROSS_MODAL = [(), (2, 3), (0, 2), None]


def make(seed: int = 0, **changes) -> GPT:
    """A small model in which every weight counts: none is left at 0 or 1."""
    torch.manual_seed(seed)
    gpt = GPT(replace(TINY, **changes)).eval()
    for p in gpt.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return gpt
