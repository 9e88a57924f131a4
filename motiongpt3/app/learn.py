"""The commands that make a model: prepare data, train."""

import contextlib
import io
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from motiongpt3.app.boards import tensorboard
from motiongpt3.app.planning import say_plan
from motiongpt3.app.show import progress, say, say_json, say_warning, working
from motiongpt3.errors import InputError, ResourceError

if TYPE_CHECKING:
    from motiongpt3.data.own import OwnFolder
    from motiongpt3.data.prepare import PrepareConfig
    from motiongpt3.training.recipe import Recipe
    from motiongpt3.training.stage import Report, Upkeep
    from motiongpt3.training.start import Start

Config = TypeVar("Config")

PREPARED = Path("prepared")
"""Where `train` looks for a processed set; if there is none, it is made of the development data."""


def prepare(options: Namespace) -> int:
    """Turn folders of motion files, or of published data sets, into one processed set."""
    from motiongpt3.data.prepare import PrepareConfig

    config = PrepareConfig(mirror=options.mirror == "half", max_reject=options.max_reject)
    sources = _sources(options.sources, options.captions, options.split)
    manifest = _prepare(sources, options.out, config)
    if options.json:
        say_json(manifest)
        return 0
    for own in manifest.get("own", ()):
        _say_own(own)
    clips = ", ".join(f"{split} {count}" for split, count in manifest["clips"].items())
    say(f"{options.out}  clips: {clips}; {manifest['frames']} frames")
    for reason, count in manifest["rejected"].items():
        say(f"left out: {count} ({reason})")
    if (options.out / "left_out.jsonl").is_file():
        say(f"{options.out / 'left_out.jsonl'} names what was left out")
    if not manifest["clips"]["val"]:
        say_warning("nothing is held out: there is one subject or file only, or no share for it")
    say(f"statistics {manifest['statistics']}, content {manifest['sha256'][:16]}")
    return 0


def _say_own(own: dict[str, Any]) -> None:
    """What was read of a user's folder."""
    seen = [
        f"{what} {', '.join(f'{value} ({count})' for value, count in own[what].items())}"
        for what in ("fps", "unit", "up")
        if what in own
    ]
    say(f"read {own['files']} files, kept {own['kept']}; {'; '.join(seen)}")
    if own["cut"]:
        say(f"cut {own['cut']} long files where the body is calm")
    if own["parts_left_out"]:
        say(f"left out: {own['parts_left_out']} captions of parts or files that are not there")


def _sources(
    folders: Sequence[Path], captions: Path | None, split: str
) -> "list[Path | OwnFolder]":
    """The folders given, each as what it holds; without any, the development data."""
    from motiongpt3.data.folder import data_folder
    from motiongpt3.data.own import OwnFolder
    from motiongpt3.data.sources import is_published
    from motiongpt3.data.splits import parse_shares

    shares = parse_shares(split)
    for folder in folders:
        if not folder.is_dir():
            raise InputError("no such folder", where=str(folder))
    if not folders:
        return [data_folder() / name for name in ("motion5h", "motion_extra")]
    own = [folder for folder in folders if not is_published(folder)]
    if captions and len(own) != 1:
        raise InputError("goes with one folder of motion files", where="--captions")
    return [OwnFolder(f, captions, shares) if f in own else f for f in folders]


def _prepare(
    sources: "Sequence[Path | OwnFolder]", out: Path, config: "PrepareConfig | None" = None
) -> dict[str, Any]:
    """A processed set of the sources."""
    from motiongpt3.data.prepare import prepare as prepare_data

    if out.exists() and not out.is_dir():
        raise InputError("is not a folder", where=str(out))
    if all(isinstance(source, Path) for source in sources):
        with working(f"preparing {' and '.join(s.name for s in sources)}"):
            return prepare_data(sources, out, config)
    with progress() as shown:

        def report(name: str, done: int, of: int) -> None:
            if of:
                shown(f"reading {name}", done, of, {})

        return prepare_data(sources, out, config, report)


def train(options: Namespace) -> int:
    """Train by a recipe; --field value changes it."""
    from motiongpt3.data.dataset import read_manifest

    out = options.out or Path("runs") / options.recipe
    if out.exists() and not out.is_dir():
        raise ResourceError("is not a folder", where=str(out))
    data = options.data or PREPARED
    if options.data is None and not (data / "manifest.json").is_file() and not options.fields:
        _prepare(_sources((), None, "80/10/10"), data)
    if not options.fields:
        read_manifest(data)
    recipe = _recipe(options.recipe, ["--help"] if options.fields else options.rest)
    recipe = _with_stages(recipe, options.only)
    if options.dry_run:
        say_plan(recipe, data, _start(options), options.json)
        return 0
    if options.json:
        raise InputError("a run has no result to print", where="--json", hint="with --dry-run")
    return _run(recipe, data, out, options)


def _start(options: Namespace) -> "Start | None":
    """The model that a run begins with."""
    from motiongpt3.model.checkpoint import SHIPPED
    from motiongpt3.model.loading import read_bundle
    from motiongpt3.training.start import Start

    name = options.start or options.codec
    if name is None:
        return None
    return Start(read_bundle(SHIPPED if name == "shipped" else name), options.codec is not None)


def _run(recipe: "Recipe", data: Path, out: Path, options: Namespace) -> int:
    from motiongpt3.app.checking import watch
    from motiongpt3.training.stage import Watch
    from motiongpt3.training.train import train as run

    with told(out) as report:
        watched = Watch(report, say_warning, watch(recipe, data))
        folder = run(recipe, data, out, watched, upkeep_of(options), _start(options))
    if int(os.environ.get("RANK", "0")) == 0:
        say(f"{folder}  try it: motiongpt3 generate TEXT -o FILE --model {folder}")
    return 0


@contextmanager
def told(out: Path) -> Iterator["Report"]:
    """Who hears how a training fares: the terminal, and TensorBoard where it is installed."""
    with progress() as shown, tensorboard(out) as written:

        def report(*what: Any) -> None:
            shown(*what)
            written(*what)

        yield report


def upkeep_of(options: Namespace) -> "Upkeep":
    """How the user wants a run looked after."""
    from motiongpt3.training.stage import Upkeep

    upkeep = Upkeep(**{field.name: getattr(options, field.name) for field in fields(Upkeep)})
    return replace(upkeep, allow=tuple(options.allow))


def _with_stages(recipe: "Recipe", names: Sequence[str] | None) -> "Recipe":
    """The recipe with the named stages alone."""
    known = {stage.name: stage for stage in recipe.stages}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise InputError(f"no stage '{unknown[0]}'", where="--only", hint=f"of {', '.join(known)}")
    return recipe if names is None else replace(recipe, stages=tuple(known[n] for n in names))


def _recipe(name: str, changes: Sequence[str]) -> "Recipe":
    """A named recipe with some fields replaced."""
    from motiongpt3.training.recipes import RECIPES

    if name not in RECIPES:
        known = ", ".join(sorted(RECIPES))
        raise InputError(f"no recipe '{name}'", where="train", hint=f"one of {known}")
    if not changes:
        return RECIPES[name]
    return replaced(RECIPES[name], changes, f"motiongpt3 train {name}")


def replaced(config: Config, changes: Sequence[str], program: str) -> Config:
    """A config with fields replaced by `--field value`, or `--a.b.c value` further down.

    Raises:
        InputError: for a field that there is not, or a value of another kind.
        SystemExit: after printing all fields, for `--help`.
    """
    import tyro

    if "--help" in changes:
        return tyro.cli(type(config), default=config, args=["--help"], prog=program)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return tyro.cli(type(config), default=config, args=changes, prog=program)
    except SystemExit as stop:  # tyro prints a box: a title, a line, and what is wrong
        lines = [line.strip(" │╭╮╰╯─-") for line in said.getvalue().splitlines()]
        what = [line for line in lines if line][1:2] or ["cannot be used"]
        hint = f"{program} --fields lists what there is"
        command = program.removeprefix("motiongpt3 ").split()[0]
        raise InputError(what[0], where=command, hint=hint) from stop
