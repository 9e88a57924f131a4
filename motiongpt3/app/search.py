"""`motiongpt3 search`: the clips of a library that are nearest to a text."""

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.app import arguments
from motiongpt3.app.show import say, say_json, say_warning, working
from motiongpt3.errors import CorruptError, InputError

if TYPE_CHECKING:
    from motiongpt3.library.index import Found, Index


def search(options: Namespace) -> int:
    """The clips of a library that are nearest to a text, as lines or a page of pictures."""
    from motiongpt3.library.embedding import evaluator_of
    from motiongpt3.library.index import read_index

    text, out = arguments.prompt(options.text), options.out
    _check_page(out)
    with working("reading the index"):
        index = read_index(options.index)
        evaluator = evaluator_of(index, options.evaluator)
        captions = _captions(options.captions)
    _say_if_exact(index)
    evaluator.texts([text])  # the first takes longer, and is not what a query costs
    begun = time.perf_counter()
    found = index.nearest(evaluator.texts([text])[0], options.count)
    took = time.perf_counter() - begun
    if out is not None:
        _write_page(out, text, found, captions, options.index / index.origin.clips)
    if options.json:
        page = None if out is None else str(out)
        rows = [_row(one, captions) for one in found]
        say_json({"text": text, "found": rows, "page": page, "took_ms": round(1000 * took, 2)})
        return 0
    for one in found:
        say(line(one, captions))
    if out is not None:
        say(f"{out}  {len(found)} of {len(index.lines)} shown")
    return 0


def line(one: "Found", captions: dict[str, str]) -> str:
    """A clip that was found, on one line."""
    entry = one.entry
    until = entry.start + entry.seconds
    said = captions.get(entry.path, entry.text)
    return f"{one.distance:.3f}  {entry.path}  {entry.start:.1f} to {until:.1f} s  {said}".rstrip()


def _row(one: "Found", captions: dict[str, str]) -> dict[str, Any]:
    entry = one.entry
    return {
        "path": entry.path,
        "start": entry.start,
        "seconds": entry.seconds,
        "distance": round(one.distance, 6),
        "caption": captions.get(entry.path, entry.text) or None,
    }


def _write_page(
    out: Path, text: str, found: "Sequence[Found]", captions: dict[str, str], clips: Path
) -> None:
    from motiongpt3.app.search_page import search_page
    from motiongpt3.formats.files import atomic_write

    with working("drawing"):
        html = search_page(text, found, captions, clips)
    with atomic_write(out) as path:
        path.write_text(html, encoding="utf-8")


def _check_page(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError("is no page", where=str(out), hint="name an .html file")
    if out.is_dir():
        raise InputError("is a folder", where=str(out), hint="name a file in it")
    arguments.writable(out.resolve().parent)


def _captions(table: Path | None) -> dict[str, str]:
    """Captions of clips, by their paths."""
    if table is None:
        return {}
    from motiongpt3.library.tables import read_table

    try:
        rows = [(str(row["path"]), row["caption"]) for row in read_table(table)]
    except KeyError as error:
        raise CorruptError(
            f"has no column {error}", where=str(table), hint="what `motiongpt3 caption -o` wrote"
        ) from error
    return {path: str(caption) for path, caption in rows if caption is not None}


def _say_if_exact(index: "Index") -> None:
    """A large index without its graph is searched row by row."""
    from motiongpt3.library.neighbours import EXACT_UP_TO

    if index.graph is None and len(index.lines) > EXACT_UP_TO:
        say_warning(
            f"all {len(index.lines)} rows are looked at: faster with "
            'pip install "motiongpt3[library]" and embedding again'
        )
