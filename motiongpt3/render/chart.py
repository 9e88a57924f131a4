"""Charts as SVG that goes into a page: lines over steps, readable small, coloured by the page.

Colours are CSS classes (`line0`, `line1`, ...) that `page.html` defines for light and dark. A chart
has no more points than can be seen, however many there are.

Shapes: N points of a line.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

import numpy as np
from jaxtyping import Float

from motiongpt3.render.page import Html

Scale = Literal["auto", "linear", "from zero"]
"""How values become heights; "auto" is logarithmic where values span more than a factor of 20."""

COLOURS = 8
"""Lines that can be told apart; more take the first colours again."""

_WIDTH, _HEIGHT = 380, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 8, 24
"""Pixels of a chart that is shown in its own size, and of its margins."""
_COLUMNS = 150
"""Places along a line: about every second pixel."""
_SPAN = 20.0
_SMOOTHED_FROM, _DOTS_UP_TO = 40, 30
"""Points from which on a line is drawn smoothed over faint raw values; most that become dots."""


@dataclass(frozen=True, eq=False)
class Line:
    """Values over steps."""

    name: str
    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    exact: bool = False
    """What is a plan rather than a measurement is not smoothed."""

    @property
    def finite(self) -> "Line":
        """Without values that are no numbers."""
        kept = np.isfinite(self.y)
        return replace(self, x=self.x[kept], y=self.y[kept])


@dataclass(frozen=True)
class _Frame:
    """What the chart shows: ranges of both axes, and whether heights are logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    def place(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (right, down) of points; what is above or below ends at the edge."""
        low, high = self.y
        if self.log:
            low, high, y = math.log(low), math.log(high), np.log(np.maximum(y, 1e-300))
        right = (x - self.x[0]) / (self.x[1] - self.x[0]) * (_WIDTH - _LEFT - _RIGHT) + _LEFT
        down = np.clip((high - y) / (high - low), 0, 1) * (_HEIGHT - _TOP - _BOTTOM) + _TOP
        return right, down


def chart(title: str, lines: Sequence[Line], scale: Scale = "auto", note: str = "") -> Html:
    """A figure: title, legend, and lines over steps; nothing where there is no number to show.

    Args:
        note: what is said behind the title, e.g. the last value.
    """
    drawn = [line for line in (given.finite for given in lines) if len(line.x)]
    if not drawn:
        return Html("")
    frame = _frame(drawn, scale)
    parts = [_axes(frame), *(_line(line, at, frame) for at, line in enumerate(drawn))]
    label = escape(f"{title}: {', '.join(line.name for line in drawn)} over steps")
    legend = "".join(
        f'<span class="key line{at % COLOURS}">{escape(line.name)}</span>'
        for at, line in enumerate(drawn)
        if len(drawn) > 1
    )
    return Html(
        f'<figure class="chart"><figcaption><b>{escape(title)}</b> '
        f'<span class="note">{escape(note)}</span><div>{legend}</div></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg></figure>"
    )


def smoothed(y: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """A centred mean over a fortieth of the values, taken twice; shorter towards both ends."""
    for _ in range(2):
        reach = min(len(y) // 80, len(y) - 1)
        total = np.concatenate([[0.0], np.cumsum(y)])
        at = np.arange(len(y))
        first, last = np.maximum(at - reach, 0), np.minimum(at + reach, len(y) - 1) + 1
        y = (total[last] - total[first]) / (last - first)
    return y


def short(value: float) -> str:
    """A number in as few letters as it needs: 0.25, 1.2k, 30M, 1.5e-4."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    if 0 < abs(value) < 1e-3:
        digits, exponent = f"{value:.3e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.4g}"


def _frame(lines: Sequence[Line], scale: Scale) -> _Frame:
    x = np.concatenate([line.x for line in lines])
    y = np.concatenate([line.y for line in lines])
    # A single bad step must not press the rest of the curve flat.
    low, high = (float(v) for v in np.percentile(y, (0.5, 99.5) if len(y) > 200 else (0, 100)))
    log = scale == "auto" and low > 0 and high / low > _SPAN
    if log:
        room = (high / low) ** 0.05
        low, high = low / room, high * room
    else:
        room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        low, high = (0.0 if scale == "from zero" else low - room), high + room
    first, last = float(x.min()), float(x.max())
    return _Frame((first, last if last > first else first + 1), (low, high), log)


def _line(line: Line, number: int, frame: _Frame) -> str:
    """A line, over its raw values where it is smoothed, or dots where points are few."""
    colour = f"line{number % COLOURS}"
    if len(line.x) < _SMOOTHED_FROM:
        x, y = frame.place(line.x, line.y)
        dots = "".join(
            f'<circle class="{colour}" cx="{right:.1f}" cy="{down:.1f}" r="2.2"/>'
            for right, down in zip(x, y, strict=True)
            if len(x) <= _DOTS_UP_TO
        )
        return _path(x, y, colour) + dots
    raw = _extremes(line)
    under = _path(*frame.place(line.x[raw], line.y[raw]), colour if line.exact else f"{colour} raw")
    if line.exact:
        return under
    at = np.linspace(0, len(line.x) - 1, min(_COLUMNS, len(line.x))).round().astype(int)
    smooth = smoothed(line.y)[at]
    return under + _path(*frame.place(line.x[at], smooth), colour)


def _extremes(line: Line) -> np.ndarray:
    """Indices of the lowest and the highest value of every column, in their order."""
    edges = np.linspace(0, len(line.y), min(_COLUMNS, len(line.y)) + 1).round().astype(int)
    kept = set()
    for first, stop in zip(edges[:-1], edges[1:], strict=True):
        part = line.y[first:stop]
        kept |= {first + int(part.argmin()), first + int(part.argmax())}
    return np.array(sorted(kept))


def _path(x: np.ndarray, y: np.ndarray, kind: str) -> str:
    points = " ".join(f"{right:.1f},{down:.1f}" for right, down in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _axes(frame: _Frame) -> str:
    """Grid lines and labels of both axes."""
    parts = []
    edge = _WIDTH - _RIGHT
    ticks = np.array(_log_ticks(*frame.y) if frame.log else _ticks(*frame.y, 6), float)
    for value, down in zip(ticks, frame.place(ticks * 0, ticks)[1], strict=True):
        parts.append(f'<path class="rule" d="M{_LEFT} {down:.1f}H{edge}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" class="end">{short(value)}</text>')
    steps = np.array([t for t in _ticks(*frame.x, 6) if t == round(t)], float)
    bottom = _HEIGHT - _BOTTOM
    for value, right in zip(steps, frame.place(steps, steps * 0 + 1)[0], strict=True):
        anchor = "end" if right > edge - 14 else "middle"
        parts.append(f'<path class="rule" d="M{right:.1f} {bottom}v4"/>')
        parts.append(
            f'<text x="{right:.1f}" y="{_HEIGHT - 6}" class="{anchor}">{short(value)}</text>'
        )
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{edge}"/>')
    return "".join(parts)


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values."""
    rough = (high - low) / about
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with their doubles and fives where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(powers) > 4 else (1, 2, 5) if len(powers) > 2 else (1, 2, 3, 5)
    skip = max(1, len(powers) // 6)
    ticks = [m * 10.0**power for power in powers[::skip] for m in factors]
    return [tick for tick in ticks if low <= tick <= high]
