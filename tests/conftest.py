"""What all tests share: checked shapes, one thread each, the data folder, and a word on skips."""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs that tests start in other folders find this checkout too.
_PATHS = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

if os.environ.get("MOTIONGPT3_TYPECHECK", "1") != "0":
    # An int is a float wherever a number is asked for (PEP 484).
    checker = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
    install_import_hook("motiongpt3", checker)

from motiongpt3.data.folder import data_folder
from motiongpt3.errors import InputError

torch.set_num_threads(1)
settings.register_profile("patient", deadline=None)  # a busy machine is not a fault
settings.load_profile("patient")

NO_DATA = "needs real capture"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with motion5h, motion_extra and the reference clip; skips where it is absent."""
    try:
        return data_folder()
    except InputError as error:
        pytest.skip(f"{NO_DATA}: {error}")


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release, as the authors' code would have written it."""
    import released

    return released.write(tmp_path_factory.mktemp("released")).parent


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of the tiny recipe."""
    from clips import trained_once  # after the checking hook

    return trained_once(tmp_path_factory.getbasetemp() / "tiny") / "model"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how much was not tested because the capture is not on this machine."""
    skipped = terminalreporter.stats.get("skipped", [])
    without = sum(NO_DATA in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"{without} tests skipped for missing data")
