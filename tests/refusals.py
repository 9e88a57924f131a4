"""What a reader must do with a file that is no use."""

import time
from pathlib import Path

import pytest

from motiongpt3 import formats
from motiongpt3.errors import InputError


def refused(path: Path, says: str = "") -> InputError:
    """Reading must be refused, by name, in well under a second."""
    begun = time.process_time()
    with pytest.raises(InputError) as error:
        formats.read(path)
    assert time.process_time() - begun < 1
    assert str(path) in error.value.where and says in str(error.value)
    return error.value
