"""Approximate neighbours in an index too large to look at every row: a graph made by faiss.

Hierarchical navigable small worlds (Malkov and Yashunin 2018). Euclidean distance.

Shapes: N windows, D width of an embedding, K neighbours.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.formats.files import atomic_write

EXACT_UP_TO = 1_000_000
"""Rows that are all looked at."""
FILE = "neighbours.faiss"
_LINKS, _BUILD, _SEARCH = 32, 80, 256
"""Neighbours of each row in the graph; rows looked at to place one, and to find one."""


def installed() -> bool:
    """Whether there is faiss."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def write(folder: Path, embeddings: Float[np.ndarray, "N D"]) -> tuple[str, ...]:
    """Write the graph of a large index, where faiss is installed; the names of files written."""
    if len(embeddings) <= EXACT_UP_TO or not installed():
        return ()
    import faiss

    graph: Any = faiss.IndexHNSWFlat(embeddings.shape[1], _LINKS)
    graph.hnsw.efConstruction = _BUILD
    graph.add(np.ascontiguousarray(embeddings, np.float32))
    with atomic_write(folder / FILE) as path:
        faiss.write_index(graph, str(path))
    return (FILE,)


def read(folder: Path) -> Any:
    """The graph of an index; None without faiss."""
    if not installed():
        return None
    import faiss

    graph: Any = faiss.read_index(str(folder / FILE))
    graph.hnsw.efSearch = _SEARCH
    return graph


def nearest(graph: Any, text: Float[np.ndarray, " D"], count: int) -> Int[np.ndarray, " K"]:
    """The rows nearest to an embedding; nearly always those that looking at all would find."""
    rows: Int[np.ndarray, " K"] = graph.search(np.asarray(text, np.float32)[None], count)[1][0]
    return rows[rows >= 0]
