"""Where the real capture lies on this machine."""

import os
from pathlib import Path

from motiongpt3.errors import InputError

VARIABLE = "MOTIONGPT3_DATA"


def data_folder() -> Path:
    """The folder that holds motion5h, motion_extra and the reference clip.

    It is the environment variable MOTIONGPT3_DATA, or else `../shared/data` beside the checkout or
    the current directory.

    Raises:
        InputError: when there is no such folder.
    """
    hint = f"set {VARIABLE} to the folder that holds motion5h"
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise InputError(f"no folder '{named}'", where=VARIABLE, hint=hint)
        return Path(named).resolve()
    checkout = Path(__file__).resolve().parents[2]
    for start in (checkout, Path.cwd()):
        folder = start.parent / "shared" / "data"
        if folder.is_dir():
            return folder
    raise InputError("no motion data on this machine", where="../shared/data", hint=hint)
