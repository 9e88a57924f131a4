"""The page's sources with what they are built with, where node is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

STUDIO = Path(__file__).parents[1] / "studio"


def modules(config: pytest.Config) -> Path:
    """A copy of the sources beside their node_modules; installs them once where npm can."""
    if shutil.which("npm") is None or config.cache is None:
        pytest.skip("needs npm")
    folder = config.cache.mkdir("studio")
    wanted = (STUDIO / "package-lock.json").read_text()
    done = folder / "installed"
    if not done.is_file() or done.read_text() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(STUDIO / name, folder)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(folder)]
        try:
            failed = subprocess.run(command, capture_output=True, timeout=120).returncode
        except subprocess.TimeoutExpired:
            failed = 1
        if failed:
            pytest.skip("needs packages that npm could not fetch")
        done.write_text(wanted)
    for name in ("src", "page"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(STUDIO / name, folder / name)
    shutil.copy(STUDIO / "build.mjs", folder)
    return folder
