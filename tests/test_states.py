"""States and models on disk: whole or refused, newest whole one first, never half written.

The corruption matrix changes every file in every way it could go wrong: cut, one bit flipped,
empty, missing, exchanged, one file too many. All of it must be noticed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from clips import trained_once
from toys import SCHEDULE, SILENT, Toy

from motiongpt3.errors import CorruptError, InputError, ResourceError
from motiongpt3.formats.files import digest
from motiongpt3.model.checkpoint import load_bundle
from motiongpt3.training.loop import fit
from motiongpt3.training.stage import Stage, Upkeep
from motiongpt3.training.states import States, is_whole, verify

CUTS, FLIPS = 32, 64


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    run = tmp_path_factory.mktemp("states")
    stage = Stage("toy", SCHEDULE, run, 0, "fp32", Upkeep(save_every=3))
    fit(Toy(), stage, SILENT)
    return stage.states


def damages(content: bytes, seed: int) -> Iterator[tuple[str, bytes | None]]:
    """The ways in which one file goes bad; None is a file that is gone."""
    rng = np.random.default_rng(seed)
    for at in np.linspace(0, len(content) - 1, CUTS).astype(int):
        yield f"cut at {at}", content[:at]
    for at in rng.choice(len(content), min(FLIPS, len(content)), replace=False):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield f"bit flipped at {at}", bytes(flipped)
    yield "missing", None
    yield "one byte more", content + b"\n"


def damaged(folder: Path, check: Callable[[], object]) -> int:
    """Damage every file in every way; the number of cases, all of which were noticed."""
    cases = 0
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for number, path in enumerate(files):
        content = path.read_bytes()
        for what, bad in damages(content, number):
            if bad is None:
                path.unlink()
            else:
                path.write_bytes(bad)
            with pytest.raises((CorruptError, InputError)) as caught:
                check()
            assert path.name in str(caught.value) or folder.name in str(caught.value), what
            if bad is not None and path.name != "manifest.json":
                assert hashlib.sha256(bad).hexdigest() in str(caught.value), what
                assert hashlib.sha256(content).hexdigest() in str(caught.value), what
            cases += 1
        path.write_bytes(content)
    check()
    return cases


def test_every_damage_to_a_state_is_noticed(states: States, tmp_path: Path) -> None:
    state = tmp_path / "step-000006"
    shutil.copytree(states.at(6), state)
    assert damaged(state, lambda: verify(state)) >= 150
    (state / "left.tmp").write_bytes(b"")
    with pytest.raises(CorruptError, match=r"left.tmp.*None"):
        verify(state)


def test_every_damage_to_a_model_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, tmp_path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model", model)
    assert damaged(model, lambda: load_bundle(model)) >= 400


def test_exchanged_states_are_noticed(states: States, tmp_path: Path) -> None:
    for name, source in (("step-000006", 3), ("step-000003", 6)):
        shutil.copytree(states.at(source), tmp_path / name)
        with pytest.raises(CorruptError, match="exchanged"):
            verify(tmp_path / name)
    mixed = tmp_path / "mixed" / "step-000006"
    shutil.copytree(states.at(6), mixed)
    shutil.copy(states.at(3) / "state.safetensors", mixed)
    with pytest.raises(CorruptError, match="SHA-256"):
        verify(mixed)


def test_a_manifest_that_was_edited_is_noticed(states: States, tmp_path: Path) -> None:
    state = tmp_path / "step-000006"
    shutil.copytree(states.at(6), state)
    (state / "state.safetensors").write_bytes(b"other")
    path = state / "manifest.json"
    content = json.loads(path.read_text())
    content["sha256"]["state.safetensors"] = digest(state / "state.safetensors")
    path.write_text(json.dumps(content, indent=1))
    with pytest.raises(CorruptError, match="seal"):
        verify(state)


def write(states: States, step: int) -> None:
    (states.begin(step) / "state.safetensors").write_bytes(f"step {step}".encode())
    states.finish(step)


def test_the_newest_states_are_kept(tmp_path: Path) -> None:
    states = States(tmp_path, keep=2)
    for step in (1, 2, 3, 4):
        write(states, step)
    assert states.steps() == [3, 4]
    (states.at(4) / "state.safetensors").write_bytes(b"rot")
    write(states, 5)
    assert states.steps() == [3, 4, 5], "the newest whole one before is never removed"
    write(states, 6)
    assert states.steps() == [5, 6]
    said: list[str] = []
    (states.at(6) / "state.safetensors").unlink()
    assert states.newest(said.append) == (5, states.at(5)) and len(said) == 1
    with pytest.raises(InputError, match="2 or more"):
        States(tmp_path, keep=1)


def test_what_an_interrupted_run_left_is_removed(tmp_path: Path) -> None:
    states = States(tmp_path)
    (states.begin(3) / "state.safetensors").write_bytes(b"half")
    assert states.steps() == [] and states.newest(print) is None
    states.clear()
    assert list(tmp_path.iterdir()) == []
    write(states, 3)
    write(states, 3)  # a step that is done again
    assert states.steps() == [3] and is_whole(states.at(3))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("a file where a folder should be")
    with pytest.raises(ResourceError, match="cannot be written"):
        States(tmp_path / "states").begin(1)


def test_little_room_is_said_in_time(tmp_path: Path) -> None:
    said: list[str] = []
    States(tmp_path).check_space(10, said.append)
    assert said == []
    States(tmp_path).check_space(2**60, said.append)
    assert len(said) == 1 and "MiB free" in said[0]
