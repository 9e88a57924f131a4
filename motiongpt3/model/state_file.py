"""What others saved with PyTorch or as a pickle: tensors, words. Nothing in such a file is run."""

import io
import pickle  # noqa: TID251 - refused but for lists, mappings, texts and numbers
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import read_bytes

_INERT = re.compile(
    r"(omegaconf|motGPT|mGPT|mld|pytorch_lightning|lightning|lightning_fabric)\.[\w.]+|typing\.Any"
    r"|builtins\.(dict|list|tuple|set|str|int|float|bool)|collections\.defaultdict"
    r"|pathlib\.\w*Path|numpy\.(ndarray|dtype|_?core\.multiarray\.(_reconstruct|scalar))"
)
"""What Lightning notes beside the weights: settings, statistics, the vectoriser of captions. None
of it is made or run: stand-ins take the places."""


class _StandIn(dict[Any, Any]):
    """Takes whatever a noted setting consists of, and does nothing with it."""

    def __init__(self, *_: object):
        super().__init__()

    def __setstate__(self, state: object) -> None: ...


def _mapping(*_: object) -> dict[Any, Any]:
    """Takes the items of a defaultdict, which only a plain dict may be given."""
    return {}


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file; nothing in the file is run.

    Raises:
        InputError: when there is no such file.
        CorruptError: when it is not a checkpoint, or holds objects that are not weights.
    """
    content = _content(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    return _tensors(state, "state_dict", path)


def read_parts(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of the named networks in a file that holds several, as "network.tensor".

    Raises:
        InputError, CorruptError: as `read_state`.
    """
    content = _content(path)
    parts = content if isinstance(content, dict) else {}
    return {
        f"{name}.{key}": tensor
        for name in names
        for key, tensor in _tensors(parts.get(name), name, path).items()
    }


def _tensors(state: Any, name: str, path: Path) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise CorruptError(f"no {name} of tensors in it", where=str(path))
    return state


def _content(path: Path) -> Any:
    """What a PyTorch file holds, weights and plain values alone."""
    if not path.is_file():
        raise InputError("no such checkpoint", where=str(path))
    try:
        with torch.serialization.safe_globals(_stand_ins(path)):
            return torch.load(  # noqa: TID251 - weights only: no code in it is run
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds {found[1]}, which is not a weight" if found else "cannot be read as weights"
        raise CorruptError(what, where=str(path), hint="nothing in it was run") from error
    except Exception as error:  # where a file is damaged, the reader fails in any way there is
        raise CorruptError("not a PyTorch checkpoint", where=str(path), hint=str(error)) from error


class _Plain(pickle.Unpickler):
    """Reads lists, mappings, texts and numbers. Whatever else a pickle can make has a name, by
    which it would be looked up here."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise CorruptError(f"holds {module}.{name}, which is no plain value")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise CorruptError("refers to something outside it")


def read_plain(path: Path) -> Any:
    """The lists, mappings, texts and numbers in a pickle; one that names anything else is refused,
    and nothing in it is run.

    Raises:
        InputError: when there is no such file, or it is too large.
        CorruptError: when it is damaged, or holds anything else.
    """
    data = read_bytes(path)
    try:
        return _Plain(io.BytesIO(data)).load()
    except CorruptError as error:
        hint = "nothing in it was run"
        raise CorruptError(error.message, where=str(path), hint=hint) from error
    except Exception as error:  # where a pickle is damaged, the reader fails in any way there is
        raise CorruptError("not a pickle", where=str(path), hint=str(error)) from error


def _stand_ins(path: Path) -> list[Any]:
    """What is read in place of what a checkpoint holds beside weights, each with its name.

    Files from before PyTorch 1.6 are no archives and hold weights alone.
    """
    if not zipfile.is_zipfile(path):
        return []
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    inert = [name for name in unknown if _INERT.fullmatch(name)]
    return [(_mapping if name.endswith(".defaultdict") else _StandIn, name) for name in inert]
