"""One HTML page that holds everything it shows: no file beside it, no request, no script.

Every function takes plain text and returns `Html`, so whatever a run or a user wrote is escaped in
one place: here.
"""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NewType

Html = NewType("Html", str)
"""Markup that is safe to put on a page."""

TEMPLATE = Path(__file__).with_name("page.html")


def page(title: str, parts: Iterable[Html]) -> str:
    """The whole document."""
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body="\n".join(parts))


def header(title: str, said: str, good: bool) -> Html:
    """The top of a page: what it is about, and how things stand."""
    kind = "good" if good else "open"
    return Html(
        f'<header><h1>{escape(title)}</h1><span class="state {kind}">{escape(said)}</span></header>'
    )


def section(title: str, note: str, parts: Iterable[Html]) -> Html:
    """A titled part of the page."""
    inside = "\n".join(parts)
    head = f'<h2>{escape(title)} <span class="note">{escape(note)}</span></h2>'
    return Html(f"<section>{head}\n{inside}</section>")


def facts(pairs: Mapping[str, str]) -> Html:
    """Names and what they stand for, below each other."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return Html(f"<dl>{rows}</dl>")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[int] = (0,)
) -> Html:
    """A table; all columns hold numbers but those that hold words."""

    def line(kind: str, row: Sequence[str]) -> str:
        told = (' class="words"' if at in words else "" for at in range(len(row)))
        return "".join(f"<{kind}{t}>{escape(c)}</{kind}>" for t, c in zip(told, row, strict=True))

    cells, lines = line("th", head), "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    inside = f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody>"
    return Html(f'<div class="wide"><table>{inside}</table></div>')


def folded(title: str, inside: Html) -> Html:
    """A part that is shown when its title is clicked."""
    return Html(f"<details><summary>{escape(title)}</summary>{inside}</details>")


def grid(figures: Iterable[Html]) -> Html:
    """Charts side by side, as many as the screen takes."""
    inside = "\n".join(figures)
    return Html(f'<div class="grid">{inside}</div>' if inside.strip() else "")


def pictures(figures: Iterable[Html]) -> Html:
    """Pictures side by side, as many as the screen takes."""
    return Html(f'<div class="pictures">{"".join(figures)}</div>')


def picture(png: bytes, caption: str) -> Html:
    """A PNG picture inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return Html(
        f'<figure class="picture"><figcaption>{escape(caption)}</figcaption><div class="wide">'
        f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}"></div></figure>'
    )
