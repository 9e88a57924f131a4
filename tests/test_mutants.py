"""Damaged files are read or refused, quickly and in bounded memory, whatever reader gets them.

MOTIONGPT3_SOAK=1 asks for ten thousand a reader, and for a minute of guided fuzzing.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import readers

SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))
COUNT, SECONDS, SEED = (10_000, 60, 0) if SOAK else (1_000, 20, 1)
"""Of fuzzing: without the soak it goes the same way each time, so that a change is to blame."""
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where files are in memory, if there is such a place."""


def run(script: str, *words: object, cwd: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """A script of ours that ended well, without the tests' checks of types: they are slow, and
    refuse before the code can."""
    path = str(Path(__file__).parent / script)
    done = subprocess.run(
        [sys.executable, path, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "JAXTYPING_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.parametrize("name", readers.READERS)
def test_mutants_never_surprise(name: str, tmp_path: Path) -> None:
    if name.startswith("usd"):
        pytest.importorskip("pxr", reason="needs usd-core")
    done = run("mutants.py", name, COUNT, tmp_path, cwd=tmp_path, seconds=60 + 0.5 * COUNT)
    print(name, done.stdout)
    if readers.READERS[name].read is readers.as_motion:
        assert json.loads(done.stdout)["accepted"] < 0.95 * COUNT, "much damage is noticed"


@pytest.mark.parametrize("name", [n for n, r in readers.READERS.items() if r.guided])
def test_guided_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("guided fuzzing needs atheris")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as folder:
        done = run("fuzz.py", name, SECONDS, SEED, folder, cwd=tmp_path, seconds=SECONDS + 120)
    assert "stat::number_of_executed_units" in done.stderr
