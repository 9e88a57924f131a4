"""The page that ships is what its sources make, and asks nobody for anything."""

import gzip
import re
from importlib.resources import files
from pathlib import Path

import node
import pytest

PAGE = Path(str(files("motiongpt3.server") / "page"))


def test_the_page_is_what_its_sources_make(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    built = node.build(pytestconfig, tmp_path)
    assert {p.name for p in built.iterdir()} == {p.name for p in PAGE.iterdir()}
    for path in PAGE.iterdir():
        fresh = (built / path.name).read_bytes()
        assert path.read_bytes() == fresh, f"{path.name}: run `make studio`"


def test_the_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    packed = sum(len(gzip.compress(path.read_bytes())) for path in PAGE.iterdir())
    assert packed <= 2**20
    html = (PAGE / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!/assets/)', html)
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", html)
    css = (PAGE / "studio.css").read_text()
    assert "url(" not in css and "@import" not in css
    assert "sourceMappingURL" not in (PAGE / "studio.js").read_text()


def test_sources_stay_small() -> None:
    for path in sorted((node.STUDIO / "src").rglob("*.js")):
        assert len(path.read_text().splitlines()) <= 300, path
