"""A model whose computing is done by exported graphs: what stands where the modules stood.

Shapes: B sequences or clips, T tokens or frames, D width, V vocabulary, N motions or latents per
clip, R slots of all motions, or places read off, Z size of a latent, F features.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Generator, Tensor, nn

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import read_json
from motiongpt3.model.bimodal import Bimodal, BimodalConfig
from motiongpt3.model.cache import KVCache
from motiongpt3.model.checkpoint import Bundle, fill, read_sizes, verify
from motiongpt3.model.codec import Codec
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.heads import Advance, LatentHeads
from motiongpt3.model.noise import noise_rows
from motiongpt3.model.onnx_backend import Backend, Runs, opened
from motiongpt3.model.onnx_export import EXPORTED, GRAPHS
from motiongpt3.model.past import PADDING, Past, runs
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.schedule import drawn
from motiongpt3.model.sequence import Tokens
from motiongpt3.model.spline import SplinePath
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.model.vae import Gaussian, MotionVAE, VAEConfig
from motiongpt3.motion.features import layout_of

Graphs = Mapping[str, Runs]
Constants = Mapping[str, Tensor]


def is_exported(folder: Path) -> bool:
    """Whether a folder holds graphs rather than weights."""
    manifest = folder / "manifest.json"  # which names the graphs, even where one is missing
    return manifest.is_file() and b'"text.onnx"' in manifest.read_bytes()


def load_exported(folder: Path, backend: Backend) -> Bundle:
    """Read and verify an exported folder.

    Raises:
        InputError: when there is none, or the backend is not installed.
        CorruptError: when a file differs from the manifest, or is of another version.
    """
    open_graph = opened(backend)
    verify(folder, EXPORTED)
    codec, sizes = read_sizes(folder)
    constants = load_file(folder / "constants.safetensors")
    if not isinstance(codec, VAEConfig):
        raise CorruptError("is of a model that writes ids", where=str(folder / "config.json"))
    graphs = {name: open_graph(folder / f"{name}.onnx") for name in GRAPHS}
    return Bundle(
        ExportedVAE(codec, graphs, constants),
        ExportedNetwork(sizes, graphs, constants),
        Tokenizer.load(folder / "tokenizer.json"),
        constants["mean"].numpy(),
        constants["std"].numpy(),
        read_json(folder / "card.json"),
    )


class ExportedHeads(LatentHeads):
    """Motion in and out of the language model by graphs."""

    def __init__(self, config: BimodalConfig, graphs: Graphs, constants: Constants):
        nn.Module.__init__(self)
        self.config, self.graphs, self.constants = config.diffusion, graphs, constants
        self.asked_slots = config.diffusion.slots
        self.told_slots = config.told_slots or self.asked_slots
        masked = constants.get("masked")
        self.masked = None if masked is None else nn.Parameter(masked, requires_grad=False)
        self.levels: list[float] = constants["signal"].tolist()
        self.untold = graphs["condition"](hidden=constants["nothing"][None])[0]

    def embed(self, codes: Float[Tensor, "N Z"]) -> Float[Tensor, "R D"]:
        return self.graphs["tell"](codes=codes)[0].flatten(0, 1)

    def make(
        self,
        advance: Advance,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "N Z"]:
        slots = self.constants["motion_out"].expand(len(frames), self.asked_slots, -1)
        told = self.graphs["condition"](hidden=advance(slots))[0]
        both = torch.cat([told, self.untold.expand_as(told)])

        def says(x: Float[Tensor, "n Z"], t: int) -> Float[Tensor, "n Z"]:
            condition = told if len(x) == len(told) else both
            return self.graphs["step"](noisy=x, level=torch.tensor([t]), condition=condition)[0]

        noise = partial(noise_rows, generators, (self.config.latent,), told)
        latents = drawn(says, self.config.prediction, self.levels, sampling, noise)
        return latents / self.constants["latent_scale"]


class ExportedNetwork(Bimodal):
    """The bimodal language model by graphs: it reads, answers and makes motions."""

    heads: ExportedHeads

    def __init__(self, config: BimodalConfig, graphs: Graphs, constants: Constants):
        nn.Module.__init__(self)
        self.config, self.graphs = config, graphs
        self.heads = ExportedHeads(config, graphs, constants)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @torch.no_grad()
    def make(
        self,
        prompt: Tokens,
        told: Float[Tensor, "_ _"],
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "N Z"]:
        past, _ = self.read(prompt, told)
        return self.heads.make(partial(self.advance, past), frames, generators, sampling)

    def advance(self, cache: KVCache, x: Float[Tensor, "B t D"]) -> Float[Tensor, "B t D"]:
        assert isinstance(cache, Past)
        return self._append_slots(cache, x, torch.full(x.shape[:2], MOTION))

    def read(self, prompt: Tokens, told: Float[Tensor, "_ _"]) -> tuple[Past, Float[Tensor, "B V"]]:
        past = self._nothing_read(len(prompt.ids))
        nothing = torch.zeros(*prompt.ids.shape, self.config.gpt.width)
        slots = self.with_slots(nothing, prompt, told)
        last: Tensor | None = None
        for modality, places, here in runs(prompt):
            kinds = torch.where(here, modality, PADDING)
            if modality == MOTION:
                rows = torch.arange(len(places))[:, None]
                self._append_slots(past, slots[rows, places], kinds)
                continue
            ends = (here.sum(1, keepdim=True) - 1).clamp(min=0)
            scores = self._append_text(past, prompt.ids.gather(1, places), ends, kinds)[:, 0]
            last = scores if last is None else torch.where(here.any(1)[:, None], scores, last)
        if last is None:
            raise ValueError("a prompt without text")
        return past, last

    def next_logits(self, ids: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
        assert isinstance(cache, Past)
        at = torch.full((len(ids), 1), ids.shape[1] - 1)
        return self._append_text(cache, ids, at, torch.full_like(ids, TEXT))[:, 0]

    def _nothing_read(self, rows: int) -> Past:
        c = self.config.gpt
        none = torch.zeros(c.layers, rows, c.heads, 0, c.width // c.heads)
        return Past(none, none, torch.zeros(rows, 0, dtype=torch.long))

    def _append_text(
        self, past: Past, ids: Int[Tensor, "B T"], at: Int[Tensor, "B R"], kinds: Tensor
    ) -> Float[Tensor, "B R V"]:
        self._check_room(past, kinds)
        logits, keys, values = self.graphs["text"](ids=ids, at=at, **past.inputs())
        past.add(keys, values, kinds)
        return logits

    def _append_slots(
        self, past: Past, embeddings: Float[Tensor, "B T D"], kinds: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        self._check_room(past, kinds)
        graph = self.graphs["motion"]
        hidden, keys, values = graph(embeddings=embeddings.contiguous(), **past.inputs())
        past.add(keys, values, kinds)
        return hidden

    def _check_room(self, past: Past, kinds: Int[Tensor, "B T"]) -> None:
        read = (past.kinds != PADDING).sum(1) + (kinds != PADDING).sum(1)
        self.config.gpt.check_length(int(read.max()))


class ExportedVAE(MotionVAE):
    """The motion VAE by graphs; the spline path is there to bring latents in line with frames."""

    def __init__(self, config: VAEConfig, graphs: Graphs, constants: Constants):
        nn.Module.__init__(self)
        self.config, self.graphs, self.spline = config, graphs, None
        if config.spline_points:
            latent = config.latents * config.width
            self.spline = SplinePath(config.spline_points, layout_of(config.features), latent)
            fill(self.spline, "spline.", dict(constants))

    def encode(self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]) -> Gaussian:
        frames, most = features.shape[1], Codec.longest
        if frames > most:
            raise InputError(f"{frames} frames; graphs read at most {most}", where="features")
        return Gaussian(*self.graphs["encode"](features=features, inside=_inside(length, frames)))

    def decode(
        self, latent: Float[Tensor, "B N Z"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T F"]:
        inside = _inside(length, int(length.max()))
        return self.graphs["decode"](latents=latent, inside=inside)[0]


def _inside(length: Int[Tensor, "B"], frames: int) -> Bool[Tensor, "B T"]:
    return torch.arange(frames) < length[:, None]
