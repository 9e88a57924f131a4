"""Text in pictures: any Unicode, on a machine without fonts too."""

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

_ELLIPSIS = "\u2026"


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans as matplotlib ships it, so no system font is needed; else Pillow's own."""
    package = importlib.util.find_spec("matplotlib")
    for folder in (package.submodule_search_locations or ()) if package else ():
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(folder, "mpl-data", "fonts", "ttf", name)
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def plain(text: str) -> str:
    """One line of printable text: control characters and broken surrogates are dropped."""
    text = text.encode("utf-8", "ignore").decode("utf-8")
    kept = (" " if c.isspace() else c for c in text if c.isspace() or not _hidden(c))
    return " ".join("".join(kept).split())


def _hidden(character: str) -> bool:
    # Cc: control, Cs: surrogate, Cn: unassigned. Format characters (Cf) steer right-to-left text.
    return unicodedata.category(character) in ("Cc", "Cs", "Cn")


def wrap(text: str, size: int, width: int, lines: int) -> list[str]:
    """Break text into at most `lines` lines of about equal length that fit `width` pixels.

    What does not fit becomes an ellipsis.
    """
    wrapped = _break(text, size, width, lines)
    if len(wrapped) < 2 or wrapped[-1].endswith(_ELLIPSIS):
        return wrapped
    narrower = (_break(text, size, round(share * width), lines) for share in (0.55, 0.7, 0.85))
    fitting = (n for n in narrower if len(n) == len(wrapped) and not n[-1].endswith(_ELLIPSIS))
    return next(fitting, wrapped)


def _break(text: str, size: int, width: int, lines: int) -> list[str]:
    font = _font(size, False)

    def fits(line: str) -> bool:
        return font.getlength(line) <= width

    wrapped: list[str] = []
    line = ""
    # A caption longer than this cannot fit, and measuring it would be slow.
    words = plain(text)[: 200 * lines].split(" ")
    while words and len(wrapped) < lines:
        word = words.pop(0)
        joined = f"{line} {word}" if line else word
        if fits(joined):
            line = joined
        elif line:
            wrapped.append(line)
            line = ""
            words.insert(0, word)
        else:  # one word wider than the line
            cut = next((n for n in range(len(word) - 1, 1, -1) if fits(word[:n])), 1)
            wrapped.append(word[:cut])
            words.insert(0, word[cut:])
    if line and len(wrapped) < lines:
        wrapped.append(line)
    elif line or any(words):
        last = wrapped[-1]
        while last and not fits(last + _ELLIPSIS):
            last = last[:-1]
        wrapped[-1] = last.rstrip() + _ELLIPSIS
    return [line for line in wrapped if line]


def line_height(size: int) -> int:
    """Pixels from one baseline to the next."""
    return round(1.32 * size)


@lru_cache(maxsize=4096)
def letters(text: str, size: int, bold: bool = False) -> Float[np.ndarray, "h w"]:
    """How much ink (0..1) is in each pixel of one line of text."""
    font = _font(size, bold)
    width = max(1, int(np.ceil(font.getlength(text))))
    image = Image.new("L", (width + 4, round(1.5 * size)))
    ImageDraw.Draw(image).text((2, round(0.1 * size)), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255
