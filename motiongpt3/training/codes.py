"""Codes of whole clips, made once per set and codec instead of at every step.

Shapes: N clips, Z size of a latent, C ids of the longest clip.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from motiongpt3.data.dataset import MotionText, pad
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.checkpoint import MotionCodec
from motiongpt3.model.heads import Codes

_BATCH = 64


class ClipCodes:
    """What a frozen codec makes of every clip of a set and of its mirror image."""

    def __init__(self, plain: Codes, mirrored: Codes):
        self.both = (plain, mirrored)

    def of(self, clip: int, mirrored: bool) -> Tensor:
        """One clip's code (Z,) or (C,)."""
        return self.both[mirrored][clip]


def clip_codes(
    codec: MotionCodec,
    data: MotionText,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, clips: None,
) -> ClipCodes:
    """The codes of a set, read from `folder` where a run has made them before.

    The file is named after the codec's weights and the set's content, so it is never another's.

    Args:
        progress: called with the clips done and those to do.

    Raises:
        ResourceError: when the file cannot be written.
    """
    path = folder / f"codes-{_fingerprint(codec, data)}.safetensors"
    if not path.is_file():
        codes = _encoded(codec, data, progress)
        with atomic_write(path) as temporary:
            temporary.write_bytes(to_bytes(codes))
    codes = load_file(path)
    device = next(codec.parameters()).device
    return ClipCodes(codes["plain"].to(device), codes["mirrored"].to(device))


@torch.no_grad()
def _encoded(
    codec: MotionCodec, data: MotionText, progress: Callable[[int, int], None]
) -> dict[str, Tensor]:
    codec.eval()
    device = next(codec.parameters()).device
    mean, std = (torch.tensor(s, device=device) for s in (data.mean, data.std))
    order = np.argsort(data.lengths(), kind="stable")[::-1]  # the longest decide how wide ids are
    codes: dict[str, Tensor] = {}
    for name, mirrored in (("plain", False), ("mirrored", True)):
        for at in range(0, len(order), _BATCH):
            rows = order[at : at + _BATCH]
            padded, length = pad([data.features(int(i), mirrored) for i in rows])
            features = (torch.from_numpy(padded).to(device) - mean) / std
            made = codec.to_codes(features, torch.from_numpy(length).to(device)).cpu()
            if name not in codes:
                codes[name] = made.new_full((len(order), made.shape[1]), -1)
            codes[name][torch.from_numpy(rows.copy()), : made.shape[1]] = made
            progress(len(order) * mirrored + at + len(rows), 2 * len(order))
    return codes


def _fingerprint(codec: MotionCodec, data: MotionText) -> str:
    digest = hashlib.sha256(str(data.manifest["sha256"]).encode())
    digest.update(",".join(record.id for record in data.records).encode())
    for name, tensor in sorted(codec.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
