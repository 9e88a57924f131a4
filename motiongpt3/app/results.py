"""docs/results.md: what the paper's experiments give at the scale of motion5h, and its claims.

Everything in it is computed from the folders of runs; nothing is typed. Tables that were not run
say so, with the command that runs them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import motiongpt3
from motiongpt3.app.evaluate import TABLE
from motiongpt3.app.reproduce import MAIN_TASKS, MOST_SEEDS, main_folder
from motiongpt3.app.reproducing import SPLIT, Bench, cost
from motiongpt3.evaluation.claims import Finding, Measured, judged, over_seeds
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.model_alone import CODEC, M2T, T2M
from motiongpt3.evaluation.paper_claims import MAIN
from motiongpt3.evaluation.table import Table, aligned
from motiongpt3.formats.files import atomic_write

if TYPE_CHECKING:
    from motiongpt3.app.experiments import Experiment

_RULE = (
    "**The rule.** A claim is an inequality between figures. Each seed gives one value of it: the "
    "difference of two cells that began alike, counted so that the claim makes it positive, or the "
    "figure itself. Over seeds that is a mean with its 95 % interval by Student's t. *Reproduced*: "
    "the whole interval is above what the claim asks for; *not reproduced*: all of it is below; "
    "*inconclusive*: it lies on both sides, or there is one seed; *not measured*: the reason is "
    "given. Of `main` there is one model, and replications take the place of seeds."
)
_FIGURES = {
    "Text to motion": (
        T2M,
        ("R@1", "R@2", "R@3", "R@3 distinct", "MM-Dist", "FID-32", "KID x1000"),
    ),
    "Motion to text": (
        M2T,
        ("R@1", "R@3", "MM-Dist", "Bleu@1 raw", "Bleu@4 raw", "ROUGE-L raw", "CIDEr-D raw",
         "BERTScore raw", "action named"),
    ),
    "Codec": (CODEC, ("MPJPE mm", "FID-32", "KID x1000")),
}  # fmt: skip
_MAIN = {
    "t2m": ("R@1", "R@2", "R@3", "R@3 distinct", "MM-Dist", "FID-32", "KID x1000", "paired KID"),
    "m2t": ("R@1", "R@3", "Bleu@1 raw", "Bleu@4 raw", "ROUGE-L raw", "CIDEr-D raw",
            "action named", "side named"),
}  # fmt: skip


def write_results(bench: Bench, path: Path) -> None:
    """Write the document, and its pictures beside it.

    Raises:
        InputError: when a run is of another set or evaluator.
        ResourceError: when it cannot be written.
    """
    from motiongpt3.app.experiments import EXPERIMENTS
    from motiongpt3.app.plots import draw

    parts = ["# The paper's experiments at the scale of motion5h", *_about(bench), _RULE]
    findings: dict[str, list[Finding]] = {}
    sections: list[str] = []
    for name, experiment in EXPERIMENTS.items():
        measured = of_cells(bench, experiment)
        pictures = draw(bench, experiment, measured, path.parent)
        findings[name] = [judged(claim, measured) for claim in experiment.claims]
        sections += [
            *_table(bench, experiment, measured),
            *(f"![{name}]({picture})" for picture in pictures),
            *_claims(findings[name]),
        ]
    findings["main"] = [judged(claim, _main_measured(bench)) for claim in MAIN]
    sections += [*_main(bench), *_claims(findings["main"])]
    text = "\n\n".join([*parts, _summary(findings), *sections]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def of_cells(bench: Bench, experiment: "Experiment") -> Measured:
    """Figures of every cell and seed that was run to its end."""
    from motiongpt3.app.convergence import convergence

    measured: dict[str, dict[int, dict[str, Figure]]] = {}
    for seed in seeds_of(bench, experiment):
        for recipe in experiment.cells:
            if figures := bench.figures(recipe, seed):
                measured.setdefault(recipe.name, {})[seed] = figures
        if experiment.name == "convergence":
            for row, found in convergence(bench, seed).items():
                measured.setdefault(row, {})[seed] = found
    return measured


def seeds_of(bench: Bench, experiment: "Experiment") -> list[int]:
    """Seeds of which some cell has a run."""
    return [
        seed
        for seed in range(MOST_SEEDS)
        if any(bench.folder(recipe, seed).is_dir() for recipe in experiment.cells)
    ]


def _about(bench: Bench) -> tuple[str, str]:
    """At which scale, and from what."""
    from motiongpt3.data.dataset import read_manifest
    from motiongpt3.training.cells import BASE

    manifest, judge = read_manifest(bench.data), bench.evaluator
    stages = ", ".join(
        f"{stage.schedule.steps} steps of {stage.schedule.batch} ({stage.name})"
        for stage in BASE.stages
    )
    scale = (
        f"These are the paper's experiments with models far smaller than its own, trained for "
        f"{stages} on {manifest['clips']['train']} clips. What holds at this size need not hold at "
        "the paper's, nor the other way round, and no figure is to be read beside the paper's: set "
        "and evaluator are others, and FID is that of the first 32 principal components.\n\n"
        "± is half of a 95 % interval over seeds; of one seed there is none. Seconds are those of "
        "the machine and of what else it did: they say what a cell takes, not what is faster."
    )
    source = (
        f"motiongpt3 {motiongpt3.__version__}, data {manifest['sha256'][:16]}, "
        f"evaluator {judge.name} {judge.hash[:16]}; {SPLIT} split, {bench.replications} "
        "replications of each model. This page is written by `motiongpt3 reproduce TABLE --write "
        "docs/results.md`."
    )
    return scale, source


def _summary(findings: dict[str, list[Finding]]) -> str:
    rows = [
        [name, *(str(sum(f.verdict == verdict for f in found)) for verdict in _VERDICTS)]
        for name, found in findings.items()
    ]
    return aligned(["claims", *_VERDICTS], rows)


_VERDICTS = ("reproduced", "not reproduced", "inconclusive", "not measured")


def _table(bench: Bench, experiment: "Experiment", measured: Measured) -> Iterator[str]:
    """Title, cells with what they took, and their figures."""
    yield f"## {experiment.title} (`{experiment.name}`)"
    yield experiment.about
    command = f"motiongpt3 reproduce {experiment.name}"
    done = {recipe.name: measured.get(recipe.name, {}) for recipe in experiment.cells}
    missing = sum(max(0, experiment.seeds - len(seeds)) for seeds in done.values())
    total = experiment.seeds * len(done)
    if missing == total:
        yield f"**Not run.** `{command}` runs it."
        return
    if missing:
        yield f"**{missing} of {total} runs are missing.** `{command}` goes on with them."
    else:
        yield f"`{command}`"
    yield aligned(["cell", "seeds", "weights", "steps", "seconds"], _costs(bench, experiment, done))
    for title, (row, names) in _FIGURES.items():
        lines = [
            [
                cell,
                *(
                    _cell([figures[f"{row}: {name}"] for figures in seeds.values()])
                    for name in names
                ),
            ]
            for cell, seeds in done.items()
            if seeds
        ]
        yield f"**{title}**"
        yield aligned(["cell", *names], lines)


def _costs(bench: Bench, experiment: "Experiment", done: Measured) -> list[list[str]]:
    rows = []
    for recipe in experiment.cells:
        costs = [cost(bench.folder(recipe, seed)) for seed in done[recipe.name]]
        if costs:
            seconds = _cell([each.seconds for each in costs])
            weights = f"{costs[0].weights / 1e6:.2f} M"
            numbers = [str(len(costs)), weights, str(costs[0].steps), seconds]
            rows.append([recipe.name, *numbers])
        else:
            rows.append([recipe.name, "0", "", "", ""])
    return rows


def _cell(figures: Sequence[Figure]) -> str:
    lacking = [figure for figure in figures if isinstance(figure, Missing)]
    known = [figure for figure in figures if not isinstance(figure, Missing)]
    return str(lacking[0]) if lacking else str(over_seeds(known))


def _claims(findings: Sequence[Finding]) -> Iterator[str]:
    """What was found of every claim of a table."""
    yield "### What the paper claims"
    rows = [[f.claim.said, f.claim.paper, _found(f), f"**{f.verdict}**", _why(f)] for f in findings]
    head = ["claim", "paper", "found here", "verdict", "most likely reason"]
    yield "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _found(finding: Finding) -> str:
    asked = finding.claim
    bound = f" (asked: > {asked.above:g})" if asked.above or not asked.than else ""
    return f"{finding.value}{bound}"


def _why(finding: Finding) -> str:
    return finding.claim.differs if finding.verdict in ("not reproduced", "inconclusive") else ""


def _main(bench: Bench) -> Iterator[str]:
    """The evaluation of the model that ships."""
    yield "## The model that ships, beside baselines (`main`)"
    command = "motiongpt3 reproduce main"
    for task in MAIN_TASKS:
        path = main_folder(bench.out, task) / TABLE
        if not path.is_file():
            yield f"**{task}: not run.** `{command}` runs it."
            continue
        table = Table.from_json(path.read_bytes(), str(path))
        count = table.provenance.get("replications")
        yield f"**{table.title}**, {count} replications, ± over them; `{command}`"
        heads = {column.name: column.head for column in table.columns}
        lines = [
            [row, *(str(cells.get(name, "")) for name in _MAIN[task])]
            for row, cells in table.cells.items()
        ]
        yield aligned(["", *(heads.get(name, name) for name in _MAIN[task])], lines)


def _main_measured(bench: Bench) -> Measured:
    """Rows of the shipped model's evaluation; replications stand for seeds."""
    from motiongpt3.evaluation.replications import read_rows

    measured: dict[str, dict[int, dict[str, Figure]]] = {}
    for task, row in zip(MAIN_TASKS, (T2M, M2T), strict=True):
        for number, rows in read_rows(main_folder(bench.out, task)).items():
            for cell, figures in rows.items():
                known = measured.setdefault(cell, {}).setdefault(number, {})
                known |= {f"{row}: {name}": figure for name, figure in figures.items()}
    return measured
