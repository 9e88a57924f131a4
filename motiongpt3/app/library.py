"""The commands that work on many motions: caption and generate in bulk, embed."""

import os
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.app import arguments
from motiongpt3.app.show import progress, say, say_json, say_warning, working
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.library.chosen import Chosen
    from motiongpt3.library.parts import Parts, Row
    from motiongpt3.library.work import Engine, Job

CLIPS = "clips"
"""What is read from files."""
INDEX = "index.jsonl"
"""Which motion was made of which prompt."""
_MOST_MODELS = 8
"""Processes with a model each that are taken unasked: each takes its own memory."""
_NAMED = 3
"""Skipped inputs that are named; the result lists all."""


def caption(options: Namespace) -> int:
    """Describe every clip of folders, lists and files in a table."""
    from motiongpt3.library.captioning import COLUMNS, Captioning
    from motiongpt3.library.inputs import find_clips
    from motiongpt3.library.parts import Parts
    from motiongpt3.library.tables import check_table, write_table

    out: Path = options.out
    check_table(out)
    _check_place(out)
    with working("looking for clips"):
        clips = tuple(find_clips(options.clips))
        job = Captioning(clips, _chosen(options))
        kept = Parts(out.with_name(f"{out.name}.parts"), job.identity, len(job.parts))
    begun = time.perf_counter()
    rows = _carried_out(job, kept, options, CLIPS)
    if rows is None:
        return 0
    rows.sort(key=lambda row: str(row["path"]))
    write_table(out, rows, COLUMNS, job.identity)
    kept.remove()
    return _told(options, out, rows, begun)


def generate(options: Namespace) -> int:
    """Act out every prompt of a file in a folder of motions."""
    from motiongpt3.library.generating import COLUMNS, Generating
    from motiongpt3.library.parts import Parts
    from motiongpt3.library.prompts import read_prompts
    from motiongpt3.library.tables import write_table

    out = _folder(options)
    kept_in = out / "parts"
    if out.is_dir() and any(out.iterdir()) and not kept_in.is_dir():
        done = (out / INDEX).is_file()
        hint = f"it is done, see {INDEX}; name another -o" if done else "name a new one"
        raise InputError("is not an empty folder", where=str(out), hint=hint)
    with working("reading prompts"):
        prompts = tuple(read_prompts(options.prompts, options.seconds, options.seed))
        how = arguments.sampling(options)
        suffix = f".{options.format}"
        job = Generating(prompts, os.path.abspath(out), suffix, _chosen(options), how)
        kept = Parts(kept_in, job.identity, len(job.parts))
    begun = time.perf_counter()
    rows = _carried_out(job, kept, options, "prompts")
    if rows is None:
        return 0
    rows.sort(key=lambda row: int(row["number"]))
    write_table(out / INDEX, rows, COLUMNS, job.identity)
    kept.remove()
    return _told(options, out / INDEX, rows, begun, "number")


def embed(options: Namespace) -> int:
    """Embed every clip of folders, lists and files, so that words find them."""
    from motiongpt3.library.embedding import Embedding, index_of
    from motiongpt3.library.index import write_index
    from motiongpt3.library.inputs import find_clips
    from motiongpt3.library.parts import Parts
    from motiongpt3.model.evaluator import shipped_evaluators

    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise InputError("is not a folder", where=str(out), hint="name a folder")
    arguments.writable(out if out.is_dir() else out.resolve().parent)
    with working("looking for clips"):
        clips = tuple(find_clips(options.clips))
        place = options.evaluator or shipped_evaluators()[0]
        job = Embedding(clips, os.path.abspath(place))
        kept = Parts(out / "parts", job.identity, len(job.parts))
    begun = time.perf_counter()
    rows = _carried_out(job, kept, options, CLIPS)
    if rows is None:
        return 0
    alone = len(options.clips) == 1 and options.clips[0].is_dir()
    index, skipped = index_of(
        rows, job.identity, os.path.relpath(options.clips[0] if alone else ".", out)
    )
    with working(f"writing {out}"):
        write_index(out, index, skipped)
    kept.remove()
    by_clip = {row["path"]: row for row in rows}
    return _told(options, out, list(by_clip.values()), begun)


def _folder(options: Namespace) -> Path:
    """The one folder that motions go to.

    Raises:
        InputError: for what goes with one motion only.
    """
    for given, flag in (
        (options.text, "TEXT"),
        (options.caption_back, "--caption-back"),
        (options.clean, "--clean"),
    ):
        if given:
            raise InputError("is for one motion", where=flag, hint="leave it, or leave --prompts")
    if options.samples != 1:
        hint = "repeat prompts, with seeds of their own"
        raise InputError("is for one text", where="--samples", hint=hint)
    if len(options.out) != 1:
        raise InputError("motions go to one folder", where="-o", hint="name it once")
    out: Path = options.out[0]
    if out.exists() and not out.is_dir():
        raise InputError("is not a folder", where=str(out), hint="name a folder")
    arguments.writable(out if out.is_dir() else out.resolve().parent)
    return out


def _carried_out(job: "Job", kept: "Parts", options: Namespace, what: str) -> "list[Row] | None":
    """All rows of a job on `what`, with progress; None but in the first process of several."""
    from motiongpt3.evaluation.protocol import Share
    from motiongpt3.library.work import carry_out

    share = Share.here()
    with progress() as shown:

        def report(done: int, of: int) -> None:
            if share.rank == 0:
                shown(what, done, of, {})

        return carry_out(job, kept, _engine(options, what), report)


def _engine(options: Namespace, what: str) -> "Engine":
    """Where the user wants it done.

    Raises:
        InputError: for Ray under torchrun, or where it is not installed.
    """
    from motiongpt3.evaluation.protocol import Share
    from motiongpt3.library.work import Local, OnRay

    share = Share.here()
    if options.engine == "local":
        if options.device == "cpu" and share.world == 1:
            return Local(share, 0, options.workers or min(os.cpu_count() or 1, _MOST_MODELS))
        return Local(share, (options.workers or 1) if what == CLIPS else 0)
    if share.world > 1:
        raise InputError("torchrun and Ray are two ways", where="--engine ray", hint="take one")
    from motiongpt3.library.on_ray import check_ray

    check_ray()
    return OnRay(options.workers, gpus=int(options.device == "cuda"))


def _told(
    options: Namespace, out: Path, rows: "Sequence[Row]", begun: float, name: str = "path"
) -> int:
    """Say what was done and what was skipped.

    Raises:
        InputError: when nothing could be used.
    """
    skipped = [row for row in rows if row["error"] is not None]
    for row in skipped[:_NAMED]:
        say_warning(f"skipped {row[name]}: {row['error']}")
    if len(skipped) > _NAMED:
        say_warning(f"{len(skipped)} skipped in all: the result says why")
    if len(skipped) == len(rows):
        raise InputError("nothing could be used", where=str(out), hint="it says why, for each")
    took = time.perf_counter() - begun
    told: dict[str, Any] = {"inputs": len(rows), "skipped": len(skipped)}
    if options.json:
        say_json({"result": str(out), **told, "took_seconds": round(took, 3)})
    else:
        done = len(rows) - len(skipped)
        say(f"{out}  {done} done, {len(skipped)} skipped, {took:.1f} s ({done / took:.0f}/s)")
    return 0


def _check_place(out: Path) -> None:
    """Refuse a result that cannot be written where it is named."""
    if out.is_dir():
        raise InputError("is a folder", where=str(out), hint="name a file in it")
    arguments.writable(out.resolve().parent)


def _chosen(options: Namespace) -> "Chosen":
    """The model as every process finds it; what is no path is a name on the hub."""
    from motiongpt3.library.chosen import Chosen

    place = options.model
    if place is not None and os.path.exists(place):
        place = os.path.abspath(place)
    return Chosen(place, options.device, options.backend, options.precision)
