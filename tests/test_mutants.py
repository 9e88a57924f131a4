"""Damaged files are read or refused, quickly and in bounded memory, whatever reader gets them.

MOTIONGPT3_SOAK=1 asks for ten thousand a reader, and a minute of guided fuzzing instead of seconds.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import mutants
import pytest
from clips import unchecked

SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))
COUNT, SECONDS = (10_000, 60) if SOAK else (1_000, 2)


@pytest.mark.parametrize("name", mutants.READERS)
def test_mutants_never_surprise(name: str, tmp_path: Path) -> None:
    reader = mutants.READERS[name]
    count = round(reader.share * COUNT)
    with unchecked():
        accepted = mutants.run(reader, tmp_path, count)
    assert accepted < 0.95 * count, "much damage is noticed"


@pytest.mark.parametrize("name", [n for n, r in mutants.READERS.items() if r.share == 1])
def test_guided_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("guided fuzzing needs atheris")
    script = Path(__file__).parent / "fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), name, str(SECONDS)],
        cwd=tmp_path,
        env={**os.environ, "MOTIONGPT3_TYPECHECK": "0"},
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr
