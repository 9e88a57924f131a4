"""A folder of clips, good and bad, and work over it."""

from pathlib import Path

import pytest
from clips import walk, wave
from people import person
from toys import quiet

from motiongpt3.library.parts import Parts, Row
from motiongpt3.library.work import Job, Local, OnRay, carry_out
from motiongpt3.motion.skeleton import KIT


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 14 good clips, in it and below, and of four bad ones."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "more").mkdir()
    for n in range(7):
        walk(30 + 9 * n, 1 + 0.1 * n, 0.2 * n).write(folder / f"walk{n}.npz")
        wave(40 + 5 * n, "left" if n % 2 else "right").write(folder / "more" / f"wave{n}.bvh")
    (folder / "empty.npz").touch()
    (folder / "text.bvh").write_text("a person waves")
    (folder / "readme.md").write_text("not a motion")
    (folder / ".hidden.npz").touch()
    person(skeleton=KIT).write(folder / "kit.npz")
    walk(4).write(folder / "short.npy")
    return folder


def done(job: Job, folder: Path, engine: Local | OnRay = Local(readers=0)) -> list[Row]:  # noqa: B008
    rows = carry_out(job, Parts(folder, job.identity, len(job.parts)), engine, quiet)
    assert rows is not None
    return sorted(rows, key=lambda row: str(row.get("path", row.get("number"))))
