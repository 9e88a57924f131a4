"""The folder of a run: who works in it, and what it was begun with.

RUN/run.json    recipe, command, data, environment; a resumed run must agree with it
RUN/run.lock    held by the process at work, and let go by the system if that dies
RUN/STAGE/      log.jsonl, checks.jsonl, pictures, states of each stage
RUN/model/      the finished model
"""

import fcntl
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import motiongpt3
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import atomic_write, read_json
from motiongpt3.training.engine import Engine
from motiongpt3.training.log import RUN

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_BINDING = ("recipe", "data", "begun_from", "codec_from", "precision")
"""What a run must have in common with the one it goes on from."""
_SHOWN = 12
"""Differences that are named in a refusal."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, for one run at a time.

    Raises:
        ResourceError: when another process works in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "run.lock", "a+")  # noqa: SIM115 - held for as long as the run lasts
    except OSError as error:
        raise ResourceError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise ResourceError(
                f"another run is at work here (process {lock.read().strip() or 'unknown'})",
                where=str(folder),
                hint="wait for it, or take another --out",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def begin(
    folder: Path,
    recipe: "DataclassInstance",
    description: Mapping[str, Any],
    resume: bool,
    allow: Sequence[str],
    warn: Callable[[str], None],
) -> None:
    """Write down what a run is, or compare it with what the folder's run was begun with.

    A run that was begun before its recipe had a field goes on where that has its default.

    Args:
        recipe: that of the description.
        allow: fields that may have changed since, as a refusal names them.
        warn: told where another machine or number of processes will round otherwise.

    Raises:
        InputError: when the folder holds a run and `resume` is not asked for, or when it was begun
            with other values.
        CorruptError: when its description cannot be read.
    """
    path, described = folder / RUN, json.loads(json.dumps(description))
    if path.is_file():
        if not resume:
            raise InputError(
                "holds a run already", where=str(folder), hint="--resume goes on with it"
            )
        before = read(folder)
        whole = _with_defaults(before.get("recipe"), recipe)
        before["recipe"] = json.loads(json.dumps(whole, default=asdict))
        _compare(path, before, described, allow)
        old, new = (whole.get("environment", {}) for whole in (before, described))
        moved = [f"{key}: {old.get(key)} -> {new[key]}" for key in new if new[key] != old.get(key)]
        if moved:
            warn(f"goes on to rounding, not to the last bit ({'; '.join(moved)})")
    elif any(entry.name != "run.lock" for entry in folder.iterdir()):
        raise InputError("is not the folder of a run", where=str(folder), hint="take a new one")
    with atomic_write(path) as part:
        part.write_text(json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The description of a folder's run.

    Raises:
        InputError: when there is none.
        CorruptError: when it cannot be read.
    """
    path = folder / RUN
    if not path.is_file():
        raise InputError("is not the folder of a run", where=str(folder), hint=f"it has no {RUN}")
    return read_json(path)


def describe(
    recipe: "DataclassInstance",
    stages: Sequence[str],
    manifest: Mapping[str, Any],
    engine: Engine,
) -> dict[str, Any]:
    """What a run is made of and where it runs."""
    values = asdict(recipe)
    return {
        "version": 1,
        "recipe": values,
        "stages": list(stages),
        "command": " ".join(["motiongpt3", *sys.argv[1:]]),
        "seed": values["seed"],
        "data": {key: manifest[key] for key in ("sha256", "clips", "frames")},
        "environment": {
            "motiongpt3": motiongpt3.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "platform": platform.platform(),
            "device": _name(engine.device),
            "threads": torch.get_num_threads(),
            "processes": engine.ranks,
        },
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _compare(
    path: Path, old: Mapping[str, Any], described: Mapping[str, Any], allow: Sequence[str]
) -> None:
    before = {key: value for name in _BINDING for key, value in _flat(name, old.get(name))}
    after = {key: value for name in _BINDING for key, value in _flat(name, described.get(name))}
    changed = [
        key
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not _allowed(key, allow)
    ]
    if changed:
        shown = [f"{key}: {before.get(key)} -> {after.get(key)}" for key in changed[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise InputError(
            f"the run was begun with other values: {'; '.join(shown)}{more}",
            where=str(path),
            hint="use those, take a new folder, or name them after --allow-config-change",
        )


def _with_defaults(values: Any, recipe: Any) -> Any:
    """What was written of a recipe, and the defaults of the fields that it did not have yet."""
    if isinstance(values, list) and isinstance(recipe, tuple) and len(values) == len(recipe):
        return [_with_defaults(*both) for both in zip(values, recipe, strict=True)]
    if not (isinstance(values, dict) and is_dataclass(recipe)):
        return values
    whole = dict(values)
    for field in fields(recipe):
        if field.name in values:
            whole[field.name] = _with_defaults(values[field.name], getattr(recipe, field.name))
        elif field.default is not MISSING:
            whole[field.name] = field.default
        elif field.default_factory is not MISSING:
            whole[field.name] = field.default_factory()
    return whole


def _allowed(key: str, allow: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in allow)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A tree of values as "a.b.0.c" and leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _flat(f"{name}.{at}", inner)
    else:
        yield name, value
