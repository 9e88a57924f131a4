"""`motiongpt3 report`: what there is to see of a training run or an evaluation, on one page."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from motiongpt3.app import arguments
from motiongpt3.app.evaluation_page import (
    evaluation_page,
    is_evaluation,
    read_evaluation,
)
from motiongpt3.app.evaluation_page import summary as evaluation_summary
from motiongpt3.app.show import say, say_json, working
from motiongpt3.errors import InputError


def report(options: Namespace) -> int:
    """One web page about a training run or an evaluation: curves, tables, samples."""
    from motiongpt3.formats.files import atomic_write

    folder, out = options.folder, options.out or options.folder / "report.html"
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    if out.is_dir():
        raise InputError("is a folder", where=str(out), hint="name a file in it")
    with working(f"reading {folder}"):
        html, state, told = _evaluation(folder) if is_evaluation(folder) else _run(folder)
    arguments.writable(out.resolve().parent)
    with atomic_write(out) as path:
        path.write_text(html, encoding="utf-8")
    if options.json:
        say_json({"page": str(out), **told})
    else:
        say(f"{out}  {state}")
    return 0


def _run(folder: Path) -> tuple[str, str, dict[str, Any]]:
    """The page of a run, how far it is, and both for a program."""
    from motiongpt3.app.run_page import run_page, summary
    from motiongpt3.app.runs import read_run

    run = read_run(folder)
    return run_page(run), run.state, summary(run)


def _evaluation(folder: Path) -> tuple[str, str, dict[str, Any]]:
    table, evidence = read_evaluation(folder)
    return evaluation_page(table, evidence), table.title, evaluation_summary(table)
