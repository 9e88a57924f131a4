"""`motiongpt3 report`: what there is to see of a training run, on one page."""

from argparse import Namespace

from motiongpt3.app import arguments
from motiongpt3.app.show import say, say_json, working
from motiongpt3.errors import InputError


def report(options: Namespace) -> int:
    """One web page about a training run: curves, samples, configuration, data."""
    from motiongpt3.app.run_page import run_page, summary
    from motiongpt3.app.runs import read_run
    from motiongpt3.formats.files import atomic_write

    folder, out = options.folder, options.out or options.folder / "report.html"
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    if out.is_dir():
        raise InputError("is a folder", where=str(out), hint="name a file in it")
    with working(f"reading {folder}"):
        run = read_run(folder)
        html = run_page(run)
    arguments.writable(out.resolve().parent)
    with atomic_write(out) as path:
        path.write_text(html, encoding="utf-8")
    if options.json:
        say_json({"page": str(out), **summary(run)})
    else:
        say(f"{out}  {run.state}")
    return 0
