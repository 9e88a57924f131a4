"""What the page about a training run holds: how it stands; curves, checks, pictures by stage."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from motiongpt3.app.runs import RATES, SECONDS, Curve, RunLog, Seen, StageLog, is_loss
from motiongpt3.render import page
from motiongpt3.render.chart import Line, Scale, chart, short
from motiongpt3.render.page import Html

_TITLES = {
    "loss": "loss, as minimised",
    "text": "text, cross-entropy per token",
    "motion": "motion, loss of the head",
    "kind": "kind of clip, cross-entropy",
    "mpjpe_mm": "pose error in training, mm",
    "lr": "learning rate",
    "samples_per_s": "samples per second",
    "steps_per_s": "steps per second",
    "gradient": "norm of the gradient",
    "skipped": "steps left out, not finite",
    "reconstruction_mpjpe_mm": "reconstruction, MPJPE mm",
    "reconstruction_root_m": "reconstruction, root m",
    "caption_perplexity": "perplexity, held-out captions",
    "english_perplexity": "perplexity, plain English",
    "": "all",
    "t2m": "text to motion",
    "m2t": "motion to text",
    "predict": "prediction",
    "inbetween": "in-betweening",
    "length": "length of a caption",
    "suggest": "caption of a length",
    "caption": "captions alone",
}
"""Names of numbers and tasks in words; a name that is not here stands for itself."""
_LANGUAGE = ("caption_perplexity", "english_perplexity")
_ROWS, _PICTURES = 12, 4
"""Most checks in a table, and most pictures of a stage."""


def run_page(run: RunLog) -> str:
    """The page as HTML."""
    name = str(run.about["recipe"].get("name", "a recipe"))
    title = f"Training of {name}"
    parts = [
        page.header(title, run.state, run.finished),
        page.section("The run", "", [page.facts(_facts(run)), _overview(run), _config(run)]),
        *(_stage(stage) for stage in run.begun),
    ]
    return page.page(title, parts)


def summary(run: RunLog) -> dict[str, Any]:
    """The same for a program: state, and recent losses and figures of every stage."""
    latest = run.begun[-1]
    return {
        "run": str(run.folder),
        "recipe": run.about["recipe"].get("name"),
        "finished": run.finished,
        "stage": latest.name,
        "step": latest.done,
        "steps": latest.planned,
        "started": run.about.get("started"),
        "data": run.about.get("data"),
        "stages": [
            {
                "name": stage.name,
                "step": stage.done,
                "steps": stage.planned,
                "losses": stage.losses(),
                "figures": [{"step": seen.step, **seen.figures} for seen in stage.seen],
            }
            for stage in run.begun
        ],
    }


def _facts(run: RunLog) -> dict[str, str]:
    names = ("started", "command", "seed", "data", "environment")
    known = {name: _words(run.about[name]) for name in names if name in run.about}
    return {"folder": run.folder.resolve().name, **known}


def _words(value: Any) -> str:
    """Any value of a run's record on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def _overview(run: RunLog) -> Html:
    """A line per stage; language is compared with what it was before the stage."""
    figures = sorted({name for s in run.begun for seen in s.seen for name in seen.figures})
    language = [name for name in _LANGUAGE if name in figures]
    rows: list[list[str]] = []
    before: Mapping[str, float] = {}
    for stage in run.begun:
        row = [stage.name, f"{stage.done:,} / {stage.planned:,}", _from_to(stage.curves)]
        after = stage.seen[-1].figures if stage.seen else {}
        if stage.seen and stage.seen[0].step == 0:
            before = stage.seen[0].figures
        rows.append([*row, *(_passage(before.get(n), after.get(n)) for n in language)])
        before = {**before, **after}
    return page.table(["stage", "steps", "loss", *map(_title, language)], rows)


def _from_to(curves: Mapping[str, Curve]) -> str:
    if "loss" not in curves:
        return ""
    return f"{short(curves['loss'].values[0])} → {short(curves['loss'].recent())}"


def _passage(before: float | None, after: float | None) -> str:
    """What became of a figure in a stage."""
    if after is None:
        return ""
    if before is None:
        return _figure(after)
    said = _figure(after)
    return f"{said}, unchanged" if before == after else f"{_figure(before)} → {said}"


def _config(run: RunLog) -> Html:
    pairs = list(_flat(run.about["recipe"], ""))
    return page.folded(f"configuration, {len(pairs)} values", page.table(["field", "value"], pairs))


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every value of a tree with its dotted name."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(inner, (Mapping, list)) for inner in value):
        for at, inner in enumerate(value):
            label = inner.get("name", at) if isinstance(inner, Mapping) else at
            yield from _flat(inner, f"{name}.{label}")
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _stage(stage: StageLog) -> Html:
    note = f"{stage.done:,} of {stage.planned:,} steps"
    parts = [page.grid(_charts(stage)), _times(stage), *_checks(stage.seen)]
    return page.section(stage.name, note, parts)


def _charts(stage: StageLog) -> Iterator[Html]:
    """Losses, those of one name and several tasks together, then rates, then figures."""
    groups: dict[str, list[Line]] = {}
    for name, curve in stage.curves.items():
        if is_loss(name):
            group, _, task = name.partition(".")
            groups.setdefault(group, []).append(_line(_title(task), curve))
    for group in sorted(groups, key=lambda name: name != "loss"):  # the sum comes first
        first = stage.curves.get(group)
        yield chart(_title(group), groups[group], note=f"{short(first.recent())}" if first else "")
    for name in RATES:
        if name not in stage.curves or (name == "steps_per_s" and "samples_per_s" in stage.curves):
            continue
        scale: Scale = "auto" if name == "gradient" else "from zero"
        line = replace(_line("", stage.curves[name]), exact=name == "lr")
        yield chart(_title(name), [line], scale, short(stage.curves[name].recent()))
    for name in _figures(stage.seen) if len(stage.seen) > 1 else ():
        points = [(seen.step, seen.figures[name]) for seen in stage.seen if name in seen.figures]
        x, y = np.array(points, float).T
        if len(set(y)) > 1:  # what a stage leaves as it is stands in the table
            yield chart(_title(name), [Line("", x, y)], "linear", _figure(y[-1]))


def _line(name: str, curve: Curve) -> Line:
    return Line(name, np.array(curve.steps, float), np.array(curve.values, float))


def _times(stage: StageLog) -> Html:
    """Where the time of a step went, as far as it was logged."""
    spent = {
        name.removeprefix(SECONDS): float(np.mean(curve.values))
        for name, curve in stage.curves.items()
        if name.startswith(SECONDS)
    }
    if not spent:
        return Html("")
    total = sum(spent.values()) or 1.0
    rows = [[name, f"{1000 * t:.1f}", f"{t / total:.0%}"] for name, t in spent.items()]
    return page.table(["where time went", "ms per step", "share"], rows)


def _checks(seen: Sequence[Seen]) -> Iterator[Html]:
    """A table of figures, the newest picture, and some older ones folded away."""
    names = _figures(seen)
    if names:
        rows = [
            [f"{s.step:,}", *(_figure(s.figures.get(name)) for name in names)]
            for s in _thinned(seen, _ROWS)
        ]
        yield page.table(["checked after step", *map(_title, names)], rows)
    shown = [page.picture(p.read_bytes(), f"step {s.step:,}") for s in seen for p in s.pictures]
    if shown:
        yield shown[-1]
    if len(shown) > 1:
        older = _thinned(shown[:-1], _PICTURES - 1)
        yield page.folded(
            f"earlier pictures, {len(older)} of {len(shown) - 1}", Html("".join(older))
        )


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"


def _figures(seen: Sequence[Seen]) -> list[str]:
    """Names of all figures, in the order they were written."""
    return list(dict.fromkeys(name for one in seen for name in one.figures))


def _thinned(items: Sequence[Any], limit: int) -> list[Any]:
    """At most so many items at even distances, the first and the last among them."""
    at = np.linspace(0, len(items) - 1, min(limit, len(items))).round().astype(int)
    return [items[n] for n in at]


def _title(name: str) -> str:
    return _TITLES.get(name, name)
