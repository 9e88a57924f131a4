"""What a frozen codec knows of clips: of whole ones made once per set and codec, not at every step.

A *posterior* is a VAE's mean and log-variance side by side, or the ids of a VQ-VAE; it becomes a
code when it is used.

Shapes: N clips, P numbers of a posterior: 2 Z for a code of size Z, or C ids of the longest clip.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Generator, Tensor

from motiongpt3.data.dataset import MotionText, pad
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.checkpoint import MotionCodec
from motiongpt3.model.heads import Codes
from motiongpt3.model.vae import Gaussian, MotionVAE
from motiongpt3.model.vq import NO_CODE

BATCH = 64
"""Clips of a set that are encoded together."""
_LAYOUT = b"posteriors 1"
"""Changes when files of posteriors do, so that no other layout is taken for this one."""


class Encoder:
    """A codec that is not trained, for clips as a set stores them."""

    def __init__(self, codec: MotionCodec, data: MotionText):
        self.codec = codec.eval()
        self.device = next(codec.parameters()).device
        self.mean = torch.tensor(data.mean, device=self.device)
        self.std = torch.tensor(data.std, device=self.device)

    @torch.no_grad()
    def posteriors(self, clips: Sequence[Float[np.ndarray, "_ F"]]) -> Shaped[Tensor, "N P"]:
        """One row per clip, all made together, in full precision whatever the step computes in."""
        padded, frames = pad(list(clips))
        features = (torch.from_numpy(padded).to(self.device) - self.mean) / self.std
        length = torch.from_numpy(frames).to(self.device)
        if not isinstance(self.codec, MotionVAE):
            return self.codec.to_codes(features, length)
        with torch.autocast(self.device.type, enabled=False):
            posterior = self.codec.encode(features, length)
        return torch.cat([posterior.mean, posterior.log_variance], 1).flatten(1).float()

    def codes(
        self,
        posteriors: Shaped[Tensor, "N P"],
        generators: Sequence[Generator] | None = None,
    ) -> Codes:
        """Codes of posteriors: means, or draws where there are generators; ids stay ids."""
        if not isinstance(self.codec, MotionVAE):
            return posteriors
        mean, log_variance = posteriors.unflatten(1, (2, 1, -1)).unbind(1)
        if generators is not None:
            mean = Gaussian(mean, log_variance).sample(generators)
        return mean.flatten(1)


class ClipCodes:
    """The posteriors of every clip of a set and of its mirror image."""

    def __init__(self, plain: Shaped[Tensor, "N P"], mirrored: Shaped[Tensor, "N P"]):
        self.both = torch.stack([plain, mirrored])

    def of(self, clips: Sequence[tuple[int, bool]]) -> Shaped[Tensor, "n P"]:
        """Those of some clips, each with whether its mirror image is meant."""
        if not clips:
            return self.both[0, :0]
        number, mirrored = torch.tensor(clips, device=self.both.device).unbind(1)
        return self.both[mirrored, number]


def interleaved(
    first: Shaped[Tensor, "n P"], second: Shaped[Tensor, "m Q"], of_second: Sequence[bool]
) -> Shaped[Tensor, "N R"]:
    """Rows of two tables in turn, as `of_second` says for each; ids are filled up with NO_CODE."""
    width = max(first.shape[1], second.shape[1])
    rows = [F.pad(table, (0, width - table.shape[1]), value=NO_CODE) for table in (first, second)]
    place = np.argsort(np.argsort(of_second, kind="stable"))
    return torch.cat(rows)[torch.from_numpy(place).to(first.device)]


def clip_codes(
    codec: MotionCodec,
    data: MotionText,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, clips: None,
) -> ClipCodes:
    """The posteriors of a set, read from `folder` where a run has made them before.

    The file is named after the codec's weights and the set's content, so it is never another's.

    Args:
        progress: called with the clips done and those to do.

    Raises:
        ResourceError: when the file cannot be written.
    """
    path = folder / f"codes-{_fingerprint(codec, data)}.safetensors"
    if not path.is_file():
        made = _made(Encoder(codec, data), data, progress)
        with atomic_write(path) as temporary:
            temporary.write_bytes(to_bytes(made))
    known = load_file(path)
    device = next(codec.parameters()).device
    return ClipCodes(known["plain"].to(device), known["mirrored"].to(device))


def _made(
    encoder: Encoder, data: MotionText, progress: Callable[[int, int], None]
) -> dict[str, Tensor]:
    order = np.argsort(data.lengths(), kind="stable")[::-1]  # the longest decide how wide ids are
    every: dict[str, Tensor] = {}
    for name, mirrored in (("plain", False), ("mirrored", True)):
        for at in range(0, len(order), BATCH):
            rows = order[at : at + BATCH]
            made = encoder.posteriors([data.features(int(i), mirrored) for i in rows]).cpu()
            if name not in every:
                every[name] = made.new_full((len(order), made.shape[1]), NO_CODE)
            every[name][torch.from_numpy(rows.copy()), : made.shape[1]] = made
            progress(len(order) * mirrored + at + len(rows), 2 * len(order))
    return every


def _fingerprint(codec: MotionCodec, data: MotionText) -> str:
    digest = hashlib.sha256(_LAYOUT + str(data.manifest["sha256"]).encode())
    digest.update(",".join(record.id for record in data.records).encode())
    for name, tensor in sorted(codec.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
