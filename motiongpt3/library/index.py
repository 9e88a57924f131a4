"""Embeddings of a library at rest, and the clips nearest to a text.

    embeddings.npy    (N, D) single precision, a row for each window of a clip
    clips.jsonl       path, start, seconds and text of each row
    skipped.jsonl     path and error of each clip that could not be read
    neighbours.faiss  a graph over the rows, in a large index where faiss is installed
    manifest.json     format version, evaluator, the clips' folder, SHA-256 of each file above

Shapes: N windows, D width of an embedding.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import atomic_write, digest, read_json
from motiongpt3.formats.lines import json_lines
from motiongpt3.library import neighbours

VERSION = 1
FILES = ("embeddings.npy", "clips.jsonl", "skipped.jsonl")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """A clip, or a part of one that the evaluator reads at once."""

    path: str
    start: float
    """Seconds from the clip's beginning."""
    seconds: float
    text: str = ""
    """What the clip's own file says of it: the prompt of a generated motion."""


@dataclass(frozen=True)
class Found:
    """An entry near a text."""

    entry: Entry
    distance: float
    """Between the two embeddings, Euclidean, as the evaluator was trained."""


@dataclass(frozen=True)
class Origin:
    """What embeddings were made of."""

    evaluator: str
    hash: str
    """Of the evaluator."""
    clips: str
    """The folder that paths are relative to, relative to the index."""


@dataclass(frozen=True, eq=False)
class Index:
    """A library, embedded."""

    origin: Origin
    lines: Sequence[str]
    """The entries as JSON: of a million only those that are found are read."""
    embeddings: Float[np.ndarray, "N D"]
    graph: Any = None
    """Of `neighbours`; None where every row is looked at."""

    @staticmethod
    def of(
        origin: Origin, entries: Iterable[Entry], embeddings: Float[np.ndarray, "N D"]
    ) -> "Index":
        """An index of these entries, a row of embeddings for each."""
        lines = [json.dumps(asdict(entry), ensure_ascii=False) for entry in entries]
        return Index(origin, lines, embeddings)

    @property
    def entries(self) -> list[Entry]:
        """All of them."""
        return [self.entry(row) for row in range(len(self.lines))]

    def entry(self, row: int) -> Entry:
        """What a row of embeddings is of."""
        return Entry(**json.loads(self.lines[row]))

    @cached_property
    def _squares(self) -> Float[np.ndarray, " N"]:
        return np.einsum("nd,nd->n", self.embeddings, self.embeddings)

    def nearest(self, text: Float[np.ndarray, " D"], count: int) -> list[Found]:
        """The entries nearest to a text's embedding, nearest first.

        Without a graph it is exact: one product of a matrix and a vector.
        """
        rows = self._rows(text, min(count, len(self.lines)))
        apart = np.linalg.norm(self.embeddings[rows].astype(np.float64) - text, axis=1)
        order = np.argsort(apart, kind="stable")
        return [Found(self.entry(int(rows[at])), float(apart[at])) for at in order]

    def _rows(self, text: Float[np.ndarray, " D"], count: int) -> Int[np.ndarray, " K"]:
        if self.graph is not None:
            return neighbours.nearest(self.graph, text, count)
        apart = self._squares - 2 * (self.embeddings @ text)
        return np.sort(np.argpartition(apart, count - 1)[:count])


def write_index(folder: Path, index: Index, skipped: Sequence[Mapping[str, str]]) -> None:
    """Write an index; the manifest comes last.

    Raises:
        ResourceError: when it cannot be written.
    """
    with atomic_write(folder / "embeddings.npy") as path, open(path, "wb") as file:
        np.save(file, np.asarray(index.embeddings, np.float32))
    clips = "".join(line + "\n" for line in index.lines)
    for name, text in (("clips.jsonl", clips), ("skipped.jsonl", json_lines(skipped))):
        with atomic_write(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    graphed = neighbours.write(folder, index.embeddings)
    sums = {name: digest(folder / name) for name in (*FILES, *graphed)}
    manifest = {"version": VERSION, **asdict(index.origin), "sha256": sums}
    with atomic_write(folder / MANIFEST) as path:
        path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_index(folder: Path) -> Index:
    """Read and verify an index.

    Raises:
        InputError: when there is none.
        CorruptError: when a file is damaged or does not go with the others.
    """
    manifest = _manifest(folder)
    for name, expected in manifest["sha256"].items():
        if digest(folder / Path(name).name) != expected:
            raise CorruptError(
                "is not what the manifest says",
                where=str(folder / name),
                hint="embed the library again",
            )
    embeddings = np.load(folder / "embeddings.npy")
    lines = (folder / "clips.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    if len(lines) != len(embeddings):
        raise CorruptError("files do not go together", where=str(folder))
    graph = neighbours.read(folder) if neighbours.FILE in manifest["sha256"] else None
    origin = Origin(*(str(manifest[name]) for name in ("evaluator", "hash", "clips")))
    return Index(origin, lines, embeddings, graph)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            "no index here", where=str(folder), hint="make one: motiongpt3 embed CLIPS -o INDEX"
        )
    manifest = read_json(path)
    if manifest.get("version") != VERSION or not isinstance(manifest.get("sha256"), dict):
        raise CorruptError(
            f"version {manifest.get('version')}, this package reads {VERSION}", where=str(path)
        )
    return manifest
