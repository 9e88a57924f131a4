"""`motiongpt3 evaluate`: one table of one task, with intervals and where every figure comes from.

OUT/replications/   a file per replication, taken up again when the command is repeated
OUT/evidence.npz    what the report shows of the first replication
OUT/table.json      the table; table.md and table.csv hold the same
"""

import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from typing_extensions import assert_never

import motiongpt3
from motiongpt3.app.show import progress, say, working
from motiongpt3.errors import InputError
from motiongpt3.formats.files import atomic_write

if TYPE_CHECKING:
    from motiongpt3.evaluation.protocol import Experiment, Share
    from motiongpt3.evaluation.replications import Identity
    from motiongpt3.evaluation.table import Table
    from motiongpt3.model.evaluator import Evaluator
    from motiongpt3.model.motiongpt import MotionGPT

Task = Literal["t2m", "m2t", "predict", "inbetween", "vae"]
TASKS: tuple[Task, ...] = get_args(Task)
TABLE = "table.json"
SHIPPED = "shipped"
"""How the command line names the model in the package."""


def evaluate(options: Namespace) -> int:
    """Measure a model on a processed set: a table with intervals and baselines."""
    from motiongpt3.evaluation.protocol import Share

    out: Path = options.out or Path("evaluations") / options.task
    if out.exists() and not out.is_dir():
        raise InputError("is not a folder", where=str(out), hint="name another --out")
    share = Share.here()
    table = _measured(options, out, share)
    if table is None:
        return 0
    for name, text in (("md", table.markdown()), ("csv", table.csv()), ("json", table.json())):
        with atomic_write((out / TABLE).with_suffix(f".{name}")) as path:
            path.write_text(text, encoding="utf-8")
    for line in (table.json() if options.json else table.markdown()).splitlines():
        say(line)
    if not options.json:
        say(f"{out}  look at it: motiongpt3 report {out}")
    return 0


def _measured(options: Namespace, out: Path, share: "Share") -> "Table | None":
    """The table, made of replications that are there and new ones; None but in the first process.

    Raises:
        InputError: when `out` holds replications of another evaluation.
    """
    from motiongpt3.data.dataset import read_manifest
    from motiongpt3.evaluation.protocol import replicate
    from motiongpt3.evaluation.replications import Replications
    from motiongpt3.evaluation.table import Table

    read_manifest(options.data)
    with working("loading the model"):
        model = motiongpt3.load(_place(options), device=options.device)
        evaluator = _evaluator(options.evaluator)
    identity = _identity(options, evaluator)
    kept = Replications(out, identity, options.replications)
    kept.done()  # what is of another evaluation is refused before any work
    with working("reading the data"):
        experiment = _experiment(options, model, evaluator)
    with progress() as shown:

        def report(done: int, of: int) -> None:
            if share.rank == 0:
                shown(f"{options.task}, replications", done, of, {})

        rows = replicate(experiment, kept, options.seed, share, report)
    if rows is None:
        return None
    command = shlex.join(["motiongpt3", *sys.argv[1:]])
    provenance = {**identity, "replications": len(rows), "command": command}
    title = f"{experiment.title}, {options.split} split"
    return Table.of(title, experiment.columns, rows, provenance)


def _place(options: Namespace) -> str | None:
    return None if options.model == SHIPPED else str(options.model)


def _evaluator(folder: Path | None) -> "Evaluator | None":
    if folder is None:
        return None
    from motiongpt3.model.evaluator import read_evaluator

    return read_evaluator(folder)


def _identity(options: Namespace, evaluator: "Evaluator | None") -> "Identity":
    """Everything that decides the figures."""
    from motiongpt3.data.dataset import read_manifest
    from motiongpt3.model.loading import fingerprint

    judge = {"evaluator": "none"}
    if evaluator is not None:
        judge = {"evaluator": evaluator.name, "evaluator hash": evaluator.hash}
    return {
        "task": options.task,
        "model": fingerprint(_place(options)),
        "data": read_manifest(options.data)["sha256"],
        "split": options.split,
        "clips": "all" if options.limit is None else f"at most {options.limit}",
        **judge,
        "seed": options.seed,
        "version": motiongpt3.__version__,
    }


def _experiment(
    options: Namespace, model: "MotionGPT", evaluator: "Evaluator | None"
) -> "Experiment":
    from motiongpt3.evaluation.completing import Completing
    from motiongpt3.evaluation.held_out import HeldOut
    from motiongpt3.evaluation.judge import Judge
    from motiongpt3.evaluation.motion_to_text import MotionToText
    from motiongpt3.evaluation.rebuilding import Rebuilding
    from motiongpt3.evaluation.text_to_motion import TextToMotion

    held = HeldOut(options.data, options.split, options.limit)
    model.codec.check_skeleton(held.skeleton, "set")
    longest = max(held.frames)
    if longest > model.codec.longest:
        raise InputError(
            f"has clips of {longest} frames, the model reads {model.codec.longest}",
            where=str(options.data),
            hint="prepare the set with clips of that length",
        )
    judge, task = Judge(evaluator, held), options.task
    match task:
        case "t2m":
            return TextToMotion(model, held, judge)
        case "m2t":
            return MotionToText(model, held, judge)
        case "predict" | "inbetween":
            return Completing(model, held, judge, task)
        case "vae":
            return Rebuilding(model, held, judge)
        case _:
            assert_never(task)
