"""Make the pictures of docs/gallery.md again: run the commands that stand there.

    python scripts/gallery.py

Motions are made in a temporary folder, pictures under docs/gallery/; a picture that no command
makes is an error, and so are pictures that together are larger than a page should be.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gallery.md"
MOST_BYTES = 1_500_000
"""All pictures together."""


def commands(text: str) -> list[list[str]]:
    """The lines of all shell blocks, as words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


def pictures(text: str) -> set[str]:
    """Pictures the page shows."""
    return set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text))


def main() -> None:
    """Run every command, then put the pictures in place of the old ones."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gallery").mkdir()
        for program, *words in commands(text):
            print(shlex.join([program, *words]), flush=True)
            subprocess.run([sys.executable, "-m", program, *words], cwd=folder, check=True)
        made = {f"gallery/{path.name}" for path in (folder / "gallery").iterdir()}
        if made != pictures(text):
            sys.exit(f"shown or made, but not both: {sorted(made ^ pictures(text))}")
        sizes = {path.name: path.stat().st_size for path in (folder / "gallery").iterdir()}
        if sum(sizes.values()) > MOST_BYTES:
            sys.exit(f"the pictures have more than {MOST_BYTES} bytes: {sizes}")
        shutil.rmtree(PAGE.parent / "gallery", ignore_errors=True)
        shutil.copytree(folder / "gallery", PAGE.parent / "gallery")
    print(f"{len(made)} pictures, {sum(sizes.values()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
