"""Guo et al.'s released evaluator: weights, word vectors and statistics in a user's folder.

    text_mot_match/model/finest.tar     weights of the three encoders
    Comp_v6_KLD01/meta/mean.npy         statistics they were trained with (KIT-ML: Comp_v6_KLD005)
    Comp_v6_KLD01/meta/std.npy
    glove/our_vab_data.npy              word vectors, in the folder or beside it
    glove/our_vab_words.pkl, our_vab_idx.pkl

That is how T2M, MotionGPT and MotionGPT3 lay them out (`deps/t2m/t2m`, `deps/glove`). All of them
may also lie in one folder under these names.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from motiongpt3.data.sources import read_statistics
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats import npy
from motiongpt3.formats.files import digest, read_bytes
from motiongpt3.model.checkpoint import fill
from motiongpt3.model.guo import GuoConfig, GuoNetworks
from motiongpt3.model.state_file import read_parts, read_plain
from motiongpt3.model.tagging import Tagger
from motiongpt3.model.text_motion import TextMotion
from motiongpt3.model.words import Vocabulary

WEIGHTS = "finest.tar"
ENCODERS = ("text_encoder", "movement_encoder", "motion_encoder")
GLOVE = ("our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl")


def read_release(folder: Path, packing: bool = True, tagger: Tagger = "rules") -> TextMotion:
    """The released evaluator.

    Args:
        packing: False reproduces MotionGPT's and MotionGPT3's own use of it (`GuoConfig.packing`).
        tagger: what tags captions. The release was trained on spaCy's tags.

    Raises:
        InputError: when a file is missing.
        CorruptError: when a file is not what it should be; a tensor that is missing, not expected
            or of another shape is named.
    """
    path = _find(WEIGHTS, _of_weights(folder))
    stats = [_find(name, _of_statistics(folder)) for name in ("mean.npy", "std.npy")]
    mean, std = read_statistics(*stats)
    vectors, vocabulary = read_glove(folder, tagger)
    config = GuoConfig(features=len(mean), vocabulary=len(vocabulary), packing=packing)
    with torch.device("meta"):
        networks = GuoNetworks(config)
    tensors = read_parts(path, ENCODERS)
    fill(networks, "", {**tensors, "words.weight": torch.from_numpy(vectors)})
    card = {
        "name": "guo (official release)" + ("" if packing else ", padding read"),
        "kind": "guo",
        "weights_sha256": digest(path),
        "tagger": tagger,
    }
    identity = f"{digest(path)}{'' if packing else '-padded'}"
    return TextMotion(networks.eval(), vocabulary, mean, std, card, identity)


def read_glove(
    folder: Path, tagger: Tagger = "rules"
) -> tuple[Float[np.ndarray, "V W"], Vocabulary]:
    """T2M's choice of GloVe vectors (300 wide), and their words in the order of the rows.

    Raises:
        InputError: when a file is missing.
        CorruptError: when the pickles hold anything but words and numbers, or do not fit.
    """
    table, listed, numbered = (_find(name, _of_vectors(folder)) for name in GLOVE)
    vectors = npy.parse(read_bytes(table), str(table)).astype(np.float32)
    words, index = read_plain(listed), read_plain(numbered)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise CorruptError("is not a list of words", where=str(listed))
    if not isinstance(index, dict) or not all(type(at) is int for at in index.values()):
        raise CorruptError("does not number words", where=str(numbered))
    rows = [index.get(word, -1) for word in words]
    if vectors.ndim != 2 or not all(0 <= row < len(vectors) for row in rows):
        raise CorruptError("words have no vector", where=str(table), hint="files of two releases?")
    return vectors[rows], Vocabulary(words, tagger)


def is_release(folder: Path) -> bool:
    """Whether the weights of the release lie here."""
    return any((place / WEIGHTS).is_file() for place in _of_weights(folder))


def _of_weights(folder: Path) -> list[Path]:
    return [folder, folder / "text_mot_match" / "model"]


def _of_statistics(folder: Path) -> list[Path]:
    return [folder, *sorted(folder.glob("Comp_v6_KLD0*/meta"))]


def _of_vectors(folder: Path) -> list[Path]:
    above = (folder, *folder.resolve().parents[:2])
    return [folder, *(place / "glove" for place in above)]


def _find(name: str, places: Sequence[Path]) -> Path:
    """The file of this name in the first place that has it.

    Raises:
        InputError: when none has.
    """
    for place in places:
        if (place / name).is_file():
            return place / name
    raise InputError(
        f"no {name} here", where=str(places[0]), hint=f"looked in {', '.join(map(str, places))}"
    )
