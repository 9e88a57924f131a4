"""The page that ships is what its sources make, and asks nobody for anything."""

import gzip
import json
import re
import shutil
import subprocess
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


QUALITY = """
const { Quality } = await import(process.argv[1]);
const seen = (spare, cost, pictures) => {
    const quality = new Quality(spare);
    const levels = [];
    for (let i = 0; i < pictures; i += 1) {
        quality.took(cost(quality, i));
        levels.push(quality.level);
    }
    return levels;
};
const steady = (fine) => ({ share, shadows }) => fine * share * share * (shadows ? 1 : 0.8);
const told = {
    card: seen(false, steady(17), 600),
    processor: seen(true, steady(400), 600),
    laptop: seen(false, steady(70), 6000), // 39 ms at three quarters: neither slow nor quick
    edge: seen(false, ({ level }) => (level < 2 ? 55 : 20), 20000), // quick only while it is coarse
    busy: seen(false, (_, i) => (i < 100 ? 80 : 17), 1500),
    away: seen(false, (_, i) => (i % 3 ? 17 : 60000), 600),
};
console.log(JSON.stringify(told));
"""


def test_quality_goes_down_soon_and_up_again_where_it_can() -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    module = (node.STUDIO / "src/stage/quality.js").as_uri()
    command = ["node", "--input-type=module", "-e", QUALITY, module]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(done.stdout)
    assert set(told["card"]) == set(told["away"]) == {0}
    assert told["processor"][0] == 2 and told["processor"][10] == 4 == told["processor"][-1]
    assert told["laptop"][10] == 1 == told["laptop"][-1]
    assert max(told["busy"]) == 4 and told["busy"][-1] == 0
    edge = told["edge"]
    turns = sum(a != b for a, b in zip(edge[:-1], edge[1:], strict=True))
    assert turns < 30, "it does not flicker between two levels"


def test_sources_stay_small() -> None:
    for path in sorted((node.STUDIO / "src").rglob("*.js")):
        assert len(path.read_text().splitlines()) <= 300, path
