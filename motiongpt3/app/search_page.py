"""A page of clips that a search found: pictures, what is said of them, and how near they are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.errors import InputError
from motiongpt3.motion.motion import Motion
from motiongpt3.render import page
from motiongpt3.render.page import Html

if TYPE_CHECKING:
    from motiongpt3.library.index import Found


def search_page(
    text: str, found: "Sequence[Found]", captions: Mapping[str, str], clips: Path
) -> str:
    """The page as HTML; nothing in it is loaded from elsewhere.

    Args:
        captions: of clips, by their paths.
        clips: the folder that paths are relative to.
    """
    pictures = list(_pictures(found, captions, clips))
    note = "the nearest first; distance between the embeddings of the text and of the motion"
    parts = [
        page.header(text, f"{len(found)} clips", True),
        page.section("Found", note, [page.pictures(pictures)]),
    ]
    return page.page(f"{text}: {len(found)} clips", parts)


def _pictures(found: "Sequence[Found]", captions: Mapping[str, str], clips: Path) -> Iterator[Html]:
    from motiongpt3.render.contact import contact_sheet, png

    for rank, one in enumerate(found, 1):
        entry, said = one.entry, captions.get(one.entry.path, one.entry.text)
        until = entry.start + entry.seconds
        label = f"{rank}. {entry.path}, {entry.start:.1f} to {until:.1f} s, {one.distance:.3f}"
        try:
            motion = Motion.read(clips / entry.path)
            shown = motion.cut(entry.start, min(until, motion.seconds))
        except InputError as error:  # moved or removed since
            yield page.facts({label: f"{said} (cannot be drawn: {error.message})"})
            continue
        yield page.picture(png(contact_sheet([(said, shown)], columns=1)), label)
