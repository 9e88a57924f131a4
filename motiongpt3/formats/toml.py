"""TOML on every Python we run on: word lists and tables of the package, and a user's map files."""

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError
    from tomllib import loads as parse_toml
else:
    from tomli import TOMLDecodeError
    from tomli import loads as parse_toml

__all__ = ["TOMLDecodeError", "parse_toml", "read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """What a file of the package's own says."""
    return parse_toml(path.read_text(encoding="utf-8"))
