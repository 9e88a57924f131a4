"""What the page is built and checked with, where node is there."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

STUDIO = Path(__file__).parents[1] / "studio"


def modules(config: pytest.Config) -> Path:
    """A node_modules folder with what the lock file names; installed once where npm can."""
    if shutil.which("npm") is None or config.cache is None:
        pytest.skip("needs npm")
    folder = config.cache.mkdir("studio")
    wanted = (STUDIO / "package-lock.json").read_text()
    done = folder / "installed"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several processes want it at once
        if not done.is_file() or done.read_text() != wanted:
            _install(folder)
            done.write_text(wanted)
    return folder / "node_modules"


def build(config: pytest.Config, folder: Path) -> Path:
    """The page made anew from its sources below a folder of its own."""
    sources = folder / "studio"
    sources.mkdir()
    (sources / "node_modules").symlink_to(modules(config), target_is_directory=True)
    for name in ("src", "page"):
        shutil.copytree(STUDIO / name, sources / name)
    shutil.copy(STUDIO / "build.mjs", sources)
    subprocess.run(["node", sources / "build.mjs", folder / "page"], check=True, timeout=60)
    return folder / "page"


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(STUDIO / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(folder)]
    try:
        failed = subprocess.run(command, capture_output=True, timeout=120).returncode
    except subprocess.TimeoutExpired:
        failed = 1
    if failed:
        pytest.skip("needs packages that npm could not fetch")
