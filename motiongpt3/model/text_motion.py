"""The encoders of one space for texts and motions, at work and at rest: an `Evaluator`.

    model.safetensors   weights in single precision, and the mean and std they were trained with
    config.json         kind and sizes
    words.json          the vocabulary, and what tags parts of speech
    card.json           name, skeleton, command, recipe, data hash, and why these weights
    manifest.json       format version and the SHA-256 of each file above

Shapes: N texts or motions, T frames, F features, D embedding.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from motiongpt3.data.dataset import pad
from motiongpt3.errors import CorruptError, InputError, NonFiniteError
from motiongpt3.formats.files import atomic_write, digest, read_json
from motiongpt3.model.checkpoint import fill, seal, verify
from motiongpt3.model.guo import GuoConfig, GuoNetworks
from motiongpt3.model.tmr import TMRConfig, TMRNetworks
from motiongpt3.model.words import Vocabulary
from motiongpt3.motion.features import layout_of

FILES = ("model.safetensors", "config.json", "words.json", "card.json")
_BATCH = 64
_FAST = 10.0
"""Root mean square of joint velocities, in the evaluator's standard deviations, that no motion has:
at most 5 on single clips of motion5h, 16 at the least once they are normalised."""
_OFF_UNIT, _NEAR_UNIT = 0.2, 0.1
"""How far the columns of joint rotations, which have length 1, are off it. Each clip of motion5h is
off by less than 1e-7; normalised, each by 0.39 at the least."""

Networks = GuoNetworks | TMRNetworks


@dataclass(frozen=True, eq=False)
class TextMotion:
    """Both encoders, with all that goes with them."""

    networks: Networks
    vocabulary: Vocabulary
    mean: Float[np.ndarray, " F"]
    std: Float[np.ndarray, " F"]
    card: Mapping[str, Any]
    hash: str = ""
    """Of its manifest; none before it is saved."""

    @property
    def name(self) -> str:
        """What a table calls it."""
        return str(self.card["name"])

    @property
    def size(self) -> int:
        """Width of an embedding."""
        return self.networks.config.embedding

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Embeddings of captions, the same whatever the others are.

        Raises:
            InputError: when there are none, or the tagger it was made with is not installed.
        """
        device = self.networks.words.weight.device

        def embedded(part: Sequence[str]) -> torch.Tensor:
            words = self.vocabulary.encode(part)
            arrays = (words.ids, words.parts, words.length)
            return self.networks.embed_texts(*(torch.from_numpy(a).to(device) for a in arrays))

        return _in_batches(embedded, captions)

    @torch.no_grad()
    def motions(self, clips: Sequence[Float[np.ndarray, "_ F"]]) -> Float[np.ndarray, "N D"]:
        """Embeddings of clips, the same whatever the others are.

        Raises:
            InputError: for clips of another skeleton, too short, not finite, normalised already,
                or multiplied with a standard deviation that they never were divided by.
        """
        check_features(clips, self.mean, self.std)
        device = self.networks.words.weight.device

        def embedded(part: Sequence[np.ndarray]) -> torch.Tensor:
            x, length = pad([((clip - self.mean) / self.std).astype(np.float32) for clip in part])
            arrays = (torch.from_numpy(a).to(device) for a in (x, length))
            return self.networks.embed_motions(*arrays)

        return _in_batches(embedded, clips)


def _in_batches(
    embedded: Callable[[Sequence[Any]], torch.Tensor], items: Sequence[Any]
) -> Float[np.ndarray, "N D"]:
    if not len(items):
        raise InputError("nothing to embed", where="evaluator")
    parts = [embedded(items[at : at + _BATCH]) for at in range(0, len(items), _BATCH)]
    return torch.cat(parts).float().cpu().numpy()


def check_features(
    clips: Iterable[Float[np.ndarray, "_ _"]],
    mean: Float[np.ndarray, " F"],
    std: Float[np.ndarray, " F"],
) -> None:
    """Refuse clips that an evaluator with these statistics must not be given.

    Whoever normalises features with one set of statistics and takes them back with another gets
    numbers that look well and mean nothing (MoMask #37 and #93, MDM #197). Two mistakes show:
    features that are normalised already have joints that fly, and rotations off the unit sphere;
    features that were taken back twice are unit rotations once they are normalised.

    Raises:
        InputError: saying what is wrong with which clip.
    """
    layout = layout_of(len(mean))
    for number, clip in enumerate(clips):
        where = f"clip {number}"
        if clip.shape[1] != len(mean):
            raise InputError(
                f"{clip.shape[1]} numbers per frame, the evaluator reads {len(mean)}",
                where=where,
                hint="take an evaluator that was trained on this skeleton",
            )
        if not np.isfinite(clip).all():
            raise InputError("a value is not a finite number", where=where)
        normalised = (clip - mean) / std
        speed = float(np.sqrt(np.square(normalised[:, layout.velocities]).mean()))
        if speed > _FAST and _off_unit(clip[:, layout.rotations]) > _OFF_UNIT:
            raise InputError(
                "features are normalised already",
                where=where,
                hint="an evaluator normalises with its own statistics; give them as prepared",
            )
        if _off_unit(normalised[:, layout.rotations]) < _NEAR_UNIT:
            raise InputError(
                "features were multiplied with a standard deviation twice",
                where=where,
                hint="give them as prepared",
            )


def _off_unit(rotations: Float[np.ndarray, "T R"]) -> float:
    """How far the columns of rotations are off length 1, median over frames and joints."""
    columns = np.linalg.norm(rotations.reshape(len(rotations), -1, 3), axis=-1)
    return float(np.median(np.abs(columns - 1)))


def save_evaluator(evaluator: TextMotion, folder: Path) -> Path:
    """Write an evaluator's folder; the manifest comes last.

    Raises:
        NonFiniteError: when a weight is not a finite number.
        ResourceError: when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: t.detach().cpu().contiguous() for k, t in evaluator.networks.state_dict().items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise NonFiniteError("weights are not finite", where=name)
    tensors = {f"networks.{name}": tensor for name, tensor in tensors.items()}
    tensors |= {"mean": torch.tensor(evaluator.mean), "std": torch.tensor(evaluator.std)}
    kind = "guo" if isinstance(evaluator.networks, GuoNetworks) else "tmr"
    contents = {"config.json": {kind: asdict(evaluator.networks.config)}}
    contents["card.json"] = dict(evaluator.card)
    with atomic_write(folder / "model.safetensors") as path:
        path.write_bytes(to_bytes(tensors))
    for name, content in contents.items():
        with atomic_write(folder / name) as path:
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    evaluator.vocabulary.save(folder / "words.json")
    seal(folder, FILES)
    return folder


def load_evaluator(folder: Path) -> TextMotion:
    """Read and verify a folder that `save_evaluator` wrote.

    Raises:
        InputError: when there is no evaluator.
        CorruptError: when a file differs from the manifest, or the files do not go together.
    """
    verify(folder, FILES)
    config, card = read_json(folder / "config.json"), read_json(folder / "card.json")
    tensors = load_file(folder / "model.safetensors")
    vocabulary = Vocabulary.load(folder / "words.json")
    networks = _networks(config, folder / "config.json")
    fill(networks, "networks.", tensors)
    if networks.config.vocabulary != len(vocabulary):
        raise CorruptError(
            f"{len(vocabulary)} words for a table of {networks.config.vocabulary}",
            where=str(folder / "words.json"),
        )
    mean, std = (tensors[name].numpy() for name in ("mean", "std"))
    sealed = digest(folder / "manifest.json") or ""
    return TextMotion(networks.eval(), vocabulary, mean, std, card, sealed)


def _networks(config: Mapping[str, Any], where: Path) -> Networks:
    try:
        if "guo" in config:
            return GuoNetworks(GuoConfig(**config["guo"]))
        return TMRNetworks(TMRConfig(**config["tmr"]))
    except (KeyError, TypeError) as error:
        raise CorruptError("not a configuration", where=str(where), hint=str(error)) from error


def networks_of(config: GuoConfig | TMRConfig) -> Networks:
    """Encoders of these sizes with fresh weights."""
    return GuoNetworks(config) if isinstance(config, GuoConfig) else TMRNetworks(config)
