"""The shape of the package: imports go one way, torch comes late, files stay small."""

import ast
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import motiongpt3

PACKAGE = Path(motiongpt3.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOT = Path(__file__).parents[1]
BESIDE = sorted(p for room in ("tests", "bench", "scripts") for p in (ROOT / room).rglob("*.py"))

MAY_IMPORT = {
    "motion": set(),
    "formats": {"motion"},
    "data": {"motion", "formats"},
    "render": {"motion", "formats"},
    "model": {"motion", "formats", "data"},
    "training": {"motion", "formats", "data", "model"},
    "evaluation": {"motion", "formats", "data", "model"},
    "library": {"motion", "formats", "data", "model", "evaluation"},
    "server": {"motion", "formats", "render", "model", "library"},
    "app": {
        "motion",
        "formats",
        "data",
        "render",
        "model",
        "training",
        "evaluation",
        "library",
        "server",
    },
}
"""Which rooms each room may import; `motiongpt3.errors` is everybody's."""

EXCEPTION = ("motion/motion.py", {"formats", "render"})
"""`Motion.read` and `Motion.write` import these inside the function."""

WITHOUT_TORCH = (
    "motion/",
    "formats/",
    "render/",
    "library/",
    "server/",
    "app/",
    "errors.py",
    "__init__.py",
)

MAX_LINES, MAX_FUNCTION_LINES = 300, 40


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def modules(node: ast.AST, path: Path) -> list[str]:
    """Full names of what an import statement imports; [] for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = ("motiongpt3", *path.relative_to(PACKAGE).parts)[: -node.level]
        base = ".".join([*parts, *filter(None, [node.module])])
    return [f"{base}.{alias.name}" for alias in node.names]


def rooms(names: list[str]) -> set[str]:
    parts = [name.split(".") for name in names]
    return {p[1] for p in parts if p[0] == "motiongpt3" and len(p) > 1 and p[1] in MAY_IMPORT}


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or typing_only:
            continue
        yield node
        yield from at_import(node)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    name = name_of(path)
    room = name.split("/")[0]
    tree = ast.parse(path.read_text())
    imported = {r for node in ast.walk(tree) for r in rooms(modules(node, path))} - {room}
    if name == EXCEPTION[0]:
        early = {r for node in at_import(tree) for r in rooms(modules(node, path))} - {room}
        assert not early & EXCEPTION[1], "only inside a function"
        imported -= EXCEPTION[1]
    if room in MAY_IMPORT:
        assert imported <= MAY_IMPORT[room]
    elif name == "__main__.py":
        assert imported <= {"app"}
    elif name == "errors.py":
        assert not imported


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_light_rooms_do_not_import_torch_at_import(path: Path) -> None:
    if name_of(path).startswith(WITHOUT_TORCH):
        names = [n for node in at_import(ast.parse(path.read_text())) for n in modules(node, path)]
        assert not [n for n in names if n.split(".")[0] == "torch"]


def test_importing_the_package_and_the_command_line_does_not_import_torch() -> None:
    program = (
        "import sys, motiongpt3\n"
        "import motiongpt3.app.cli, motiongpt3.formats, motiongpt3.model.tokenizer\n"
        "motiongpt3.Motion, motiongpt3.Sampling\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                warnings.warn(
                    f"{name_of(path)}: {node.name} has {lines} lines (aim: {MAX_FUNCTION_LINES})",
                    stacklevel=1,
                )


@pytest.mark.parametrize("path", BESIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_beside_the_package_are_small_too(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_public_names_are_those_documented() -> None:
    assert set(dir(motiongpt3)) == set(motiongpt3.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = motiongpt3.lod
