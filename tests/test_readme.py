"""The README is true: every snippet runs, in order, and prints what is printed below it.

A ```python or ```sh block is run; a ```text block directly after it is its output, where `...`
stands for anything (times differ). All blocks share one folder and one Python session. Lines that
set a machine up (make, pip, git, cd) or serve until they are stopped are not run.
"""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(
    r"^```(python|sh)\n(.*?)^```\n(?:\s*^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)
SET_UP = ("make ", "pip ", "git ", "cd ", "#", "motiongpt3 serve")
LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Snippet:
    language: str
    code: str
    output: str | None
    line: int


def snippets(text: str) -> list[Snippet]:
    return [
        Snippet(m[1], m[2], m[3], text[: m.start()].count("\n") + 1) for m in BLOCK.finditer(text)
    ]


def to_run(code: str) -> list[str]:
    """The lines that do not set a machine up."""
    return [line for line in code.splitlines() if line and not line.startswith(SET_UP)]


def run_shell(lines: list[str], folder: Path) -> str:
    """Run the lines as a shell would, with `motiongpt3` meaning the package under test."""
    program = f"{shlex.quote(sys.executable)} -m motiongpt3"
    script = f'set -e\nmotiongpt3() {{ {program} "$@"; }}\n' + "\n".join(lines)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_python(code: str, session: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), session)  # noqa: S102 - our own README
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
def test_every_snippet_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = snippets(README.read_text())
    assert {snippet.language for snippet in found} == {"python", "sh"}
    session: dict[str, object] = {"__name__": "readme"}
    for snippet in found:
        if snippet.language == "python":
            printed = run_python(snippet.code, session)
        elif lines := to_run(snippet.code):
            printed = run_shell(lines, tmp_path)
        else:
            continue
        if snippet.output is not None:
            same = doctest.OutputChecker().check_output(snippet.output, printed, LIKE)
            assert same, f"README line {snippet.line} prints:\n{printed}\nnot:\n{snippet.output}"


def test_snippets_are_found_with_their_output(tmp_path: Path) -> None:
    text = "x\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```sh\necho 2\nmake demo\n```\n"
    first, second = snippets(text)
    assert (first.language, first.output, first.line) == ("python", "1\n", 2)
    assert (second.language, second.output) == ("sh", None)
    assert run_python(first.code, {}) == "1\n"
    assert run_shell(to_run(second.code), tmp_path) == "2\n"
