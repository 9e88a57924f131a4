"""What a model can already do, put beside new clips: motions of its own making.

Whoever trains a shipped model on their own clips has not the clips it was made from, and a model
that sees new ones alone forgets the others. So it is asked, in the words of `data.scenes`, for the
actions it knows. What it makes is no data: guidance overstates, and errors would add up. It is
where the model that is trained is to say what the model said before (Li and Hoiem 2016, learning
without forgetting; `model.bimodal.Teacher`), told and untold alike, so that guidance goes on as it
did.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.data.dataset import MotionText, read_manifest
from motiongpt3.data.prepare import Record, content_hash
from motiongpt3.data.scenes import scenes
from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.lines import json_lines
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.motiongpt import MotionGPT

PREFIX = "replay/"
"""Ids of a model's own motions begin with it."""
_BATCH = 32
_LENGTHS = 4
"""Motions of an action that the model says a length for, which takes most of the time. Others last
as long as one of these: the texts of an action differ by a third of a second, actions by two."""

Progress = Callable[[int, int], None]


def with_replay(
    bundle: Bundle, data: Path, out: Path, asked: tuple[int, int], tell: Progress
) -> Path:
    """A processed set of the train and val clips of another one and of the model's own motions.

    Args:
        out: its folder; a set that is finished there is taken as it is.
        asked: how many motions the model is asked for, and the seed.
        tell: called with the motions made and those to make.

    Raises:
        InputError: when the set and the model do not go together.
        ResourceError: when it cannot be written.
    """
    manifest = read_manifest(data)
    _check(bundle, manifest)
    origin = {"data": manifest["sha256"], "motions": asked[0], "seed": asked[1]}
    if (out / "manifest.json").is_file() and read_manifest(out).get("replay") == origin:
        return out
    records, rows = _own(data)
    made = _made(bundle, asked, tell)
    first = sum(map(len, rows))
    for record, features in made:
        records.append(Record(**{**asdict(record), "first": first}))
        rows.append(features)
        first += len(features)
    counts = {s: sum(r.split == s for r in records) for s in ("train", "val", "test")}
    described = {**manifest, "clips": counts, "frames": first, "replay": origin}
    _write(out, data, (records, np.concatenate(rows)), described)
    return out


def is_own(record: Record) -> bool:
    """Whether the model made a clip itself."""
    return record.id.startswith(PREFIX)


def balanced(
    text: MotionText, weights: Float[np.ndarray, " N"], share: float
) -> Float[np.ndarray, " N"]:
    """Sampling probabilities in which the model's own motions have this share."""
    own = np.array([is_own(record) for record in text.records])
    if not own.any() or own.all():
        return weights
    total = np.where(own, weights[own].sum() / share, weights[~own].sum() / (1 - share))
    return weights / total


def _check(bundle: Bundle, manifest: dict[str, Any]) -> None:
    for what, mine, its in (
        ("skeleton", bundle.card.get("skeleton"), manifest["skeleton"]),
        ("hip sign", bundle.card.get("hip_sign"), manifest["config"]["hip_sign"]),
    ):
        if mine != its:
            raise InputError(
                f"the model's {what} is {mine}, the set's {its}",
                where="train",
                hint="prepare your clips as motion files, not as features of another convention",
            )


def _own(data: Path) -> tuple[list[Record], list[np.ndarray]]:
    """Clips of a set but its test split, which no training sees."""
    records: list[Record] = []
    rows: list[np.ndarray] = []
    first = 0
    for split, count in read_manifest(data)["clips"].items():
        if not count or split == "test":
            continue
        text = MotionText(data, split)
        for index, record in enumerate(text.records):
            records.append(Record(**{**asdict(record), "first": first}))
            rows.append(np.array(text.features(index)))
            first += record.frames
    return records, rows


def _made(
    bundle: Bundle, asked: tuple[int, int], tell: Progress
) -> list[tuple[Record, Float[np.ndarray, "_ F"]]]:
    """Motions that the model makes and describes, of every action it may be asked for."""
    count, seed = asked
    device = str(next(bundle.vae.parameters()).device)
    model, known = MotionGPT(bundle, device), scenes()
    names = sorted(known)
    lengths: dict[str, list[float]] = {name: [] for name in names}
    made = []
    for first in range(0, count, _BATCH):
        some = [names[n % len(names)] for n in range(first, min(first + _BATCH, count))]
        rngs = [np.random.default_rng([seed, first + n, 2]) for n in range(len(some))]
        texts = [known[name].draw(rng) for name, rng in zip(some, rngs, strict=True)]
        seeds = [int(rng.integers(2**31)) for rng in rngs]
        seconds = [
            float(rng.choice(lengths[name])) if len(lengths[name]) == _LENGTHS else None
            for name, rng in zip(some, rngs, strict=True)
        ]
        motions = model.generate(texts, seconds, seed=seeds)
        assert isinstance(motions, list)
        captions = model.caption(motions)
        for n, (name, motion, said) in enumerate(zip(some, motions, captions, strict=True)):
            assert motion.decoded is not None
            if len(lengths[name]) < _LENGTHS:
                lengths[name].append(motion.seconds)
            features, captions_of = motion.decoded.astype(np.float32), (texts[n], said)
            source, _, label = name.partition("/")
            identity = f"{PREFIX}{first + n}"
            record = Record(identity, source, "train", label, "", 0, len(features), captions_of)
            made.append((record, features))
        tell(min(first + _BATCH, count), count)
    return made


def _write(
    out: Path, data: Path, content: tuple[list[Record], np.ndarray], manifest: dict[str, Any]
) -> None:
    records, features = content
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "features.npy") as path, open(path, "wb") as file:
        np.save(file, features.astype(np.float32))
    with atomic_write(out / "clips.jsonl") as path:
        path.write_text(json_lines(asdict(record) for record in records), encoding="utf-8")
    for name in ("corpus.txt", "stats.npz"):
        with atomic_write(out / name) as path:
            path.write_bytes((data / name).read_bytes())
    with atomic_write(out / "manifest.json") as path:
        path.write_text(json.dumps({**manifest, "sha256": content_hash(out)}, indent=1))
