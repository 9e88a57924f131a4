"""Word lists and tables of the package: TOML, on every Python we run on."""

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """What a file of the package's own says."""
    return tomllib.loads(path.read_text(encoding="utf-8"))
