"""Files that others made with PyTorch: their tensors are read, and nothing in them is run."""

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType

import numpy as np
import pytest
import torch

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.state_file import read_state

WEIGHTS = {"lm.weight": torch.arange(6.0).view(2, 3), "vae.bias": torch.ones(2)}
ELSEWHERE = ("motGPT.data.WordVectorizer", "omegaconf.dictconfig.DictConfig")
"""Classes of the official code and of its settings, as made-up ones."""


@pytest.fixture
def theirs() -> Iterator[list[object]]:
    """An object of each class that is importable while a file is written, and gone afterwards."""
    made: list[object] = []
    modules = []
    for path in ELSEWHERE:
        parts = path.split(".")
        modules += [".".join(parts[:n]) for n in range(1, len(parts))]
        kind = type(parts[-1], (), {"__module__": modules[-1]})
        for name in modules[-len(parts) + 1 :]:
            sys.modules[name] = ModuleType(name)
        setattr(sys.modules[modules[-1]], parts[-1], kind)
        made.append(kind())
        made[-1].__dict__ |= {"words": {"walk": np.ones(3, np.float32)}, "scale": np.float64(2)}
    yield made
    for name in modules:
        sys.modules.pop(name, None)


def test_what_lightning_notes_beside_the_weights_is_left_alone(theirs, tmp_path: Path) -> None:
    """As the official trainer saves: settings, statistics, a vectoriser, the optimiser's state."""
    content = {
        "state_dict": OrderedDict(WEIGHTS),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []}],
        "callbacks": {"ModelCheckpoint": {"dirpath": PurePosixPath("/x"), "best": torch.ones(())}},
        "hyper_parameters": {"cfg": theirs[1], "any": defaultdict(list, {"a": [1]})},
        "datamodule_hyper_parameters": {"w_vectorizer": theirs[0], "mean": np.zeros(263)},
    }
    torch.save(content, tmp_path / "a.ckpt")
    for name in list(sys.modules):
        if name.split(".")[0] in ("motGPT", "omegaconf"):
            del sys.modules[name]
    read = read_state(tmp_path / "a.ckpt")
    assert read.keys() == WEIGHTS.keys()
    assert all(torch.equal(read[name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before 1.6"])
def test_bare_weights_are_read_whatever_wrote_them(tmp_path: Path, archive: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "a.bin", _use_new_zipfile_serialization=archive)
    read = read_state(tmp_path / "a.bin")
    assert all(torch.equal(read[name], WEIGHTS[name]) for name in WEIGHTS)


class Trap:
    """What a pickle that runs code looks like."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


class Evaluated(Trap):
    def __reduce__(self):
        return (eval, (f"open({str(self.path)!r}, 'w')",))


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("trap", [Trap, Evaluated])
def test_code_is_refused_and_not_run(tmp_path: Path, trap: type[Trap], archive: bool) -> None:
    content = {"state_dict": WEIGHTS, "hyper_parameters": trap(tmp_path / "trapped")}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=archive)
    with pytest.raises(CorruptError, match="holds (eval|getattr).* is not a weight"):
        read_state(tmp_path / "a.ckpt")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("archive", [True, False])
def test_a_damaged_file_is_refused(tmp_path: Path, archive: bool) -> None:
    """Bytes changed at random, and files cut short: weights, or a word on what is wrong."""
    content = {"state_dict": WEIGHTS, "notes": {f"a{n}": [n] for n in range(50)}}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=archive)
    whole = (tmp_path / "a.ckpt").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for n in range(200):
        broken = bytearray(whole if n % 4 else whole[: int(rng.integers(len(whole)))])
        for at in rng.integers(min(len(broken), 1500), size=4) if broken else ():
            broken[at] = rng.integers(256)
        (tmp_path / "b.ckpt").write_bytes(broken)
        try:
            read_state(tmp_path / "b.ckpt")
        except CorruptError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": torch.ones(1)}}, {"state_dict": 3}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CorruptError, match="no state_dict"):
        read_state(tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="no such checkpoint"):
        read_state(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(CorruptError):
        read_state(tmp_path / "a.ckpt")
