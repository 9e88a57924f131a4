"""The server's two processes: one has the model, one reads and writes files.

Files of strangers are read, and pictures drawn, beside the model: a slow one keeps nobody waiting
for a motion, and one that is too much for a reader ends nothing else.
"""

import tempfile
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.library.chosen import Chosen
from motiongpt3.motion.motion import Motion
from motiongpt3.server import tasks

if TYPE_CHECKING:
    from motiongpt3.library.index import Found, Index
    from motiongpt3.model.motiongpt import MotionGPT
    from motiongpt3.model.text_motion import TextMotion

_WARM = tasks.Generate(text="a person walks", seconds=2.0)
"""The first motion takes longer; it is made before anybody waits for one."""


@dataclass(frozen=True)
class Model:
    """A model that a process loads."""

    chosen: Chosen = Chosen()

    def worker(self) -> "ModelWorker":
        """Load it."""
        worker = ModelWorker(self.chosen.load())
        worker.answers([_WARM], lambda done, steps: None)
        return worker


@dataclass(frozen=True, eq=False)
class ModelWorker:
    """The model at work."""

    model: "MotionGPT"

    def answers(self, asked: Sequence[tasks.Task], watch: tasks.Watch) -> list[Any]:
        """The answer to each task, or the error that refuses it."""
        return tasks.answers(self.model, asked, watch)


@dataclass(frozen=True)
class FileTask:
    """Something to do with files."""

    group: Hashable = None
    """Each is done by itself."""


@dataclass(frozen=True)
class ReadFile(FileTask):
    """The motion in a file's bytes, which are of the kind that its suffix says."""

    data: bytes = b""
    suffix: str = ""


@dataclass(frozen=True)
class WriteFile(FileTask):
    """The bytes of a motion's file."""

    motion: Motion | None = None
    suffix: str = ""


@dataclass(frozen=True)
class Search(FileTask):
    """The clips of the library that are nearest to a text."""

    text: str = ""
    count: int = 10


@dataclass(frozen=True)
class Files:
    """What reads, writes and searches."""

    index: str | None = None
    """Folder that `motiongpt3 embed` wrote."""

    def worker(self) -> "FilesWorker":
        """Read the index, and the evaluator that goes with it."""
        if self.index is None:
            return FilesWorker(None)
        from motiongpt3.library.embedding import evaluator_of
        from motiongpt3.library.index import read_index

        index = read_index(Path(self.index))
        return FilesWorker((index, evaluator_of(index)))


@dataclass(frozen=True, eq=False)
class FilesWorker:
    """Files at work."""

    library: "tuple[Index, TextMotion] | None"

    def answers(self, asked: Sequence[FileTask], watch: tasks.Watch) -> list[Any]:
        """The answer to each task, or the error that refuses it."""
        return [self._answer(task) for task in asked]

    def _answer(self, task: FileTask) -> Any:
        try:
            match task:
                case ReadFile():
                    return _read(task)
                case WriteFile():
                    return _written(task)
                case Search():
                    return self._found(task)
                case _:
                    raise InputError(f"cannot do {type(task).__name__}")
        except MotionGPTError as error:
            return error

    def _found(self, task: Search) -> "list[Found]":
        if self.library is None:
            raise InputError("there is no library to search", hint="serve it with --index")
        index, evaluator = self.library
        return list(index.nearest(evaluator.texts([task.text])[0], task.count))


def _read(task: ReadFile) -> Motion:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"motion{task.suffix}")
        path.write_bytes(task.data)
        try:
            return Motion.read(path)
        except MotionGPTError as error:
            # Where the file lies here is nobody's business.
            where = error.where.replace(str(path), "motion").replace(folder, "")
            raise type(error)(error.message, where=where, hint=error.hint) from error


def _written(task: WriteFile) -> bytes:
    assert task.motion is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"motion{task.suffix}")
        task.motion.write(path)
        return path.read_bytes()
