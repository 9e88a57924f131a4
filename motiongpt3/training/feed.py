"""Batches made ahead of time by other processes, in the same order and with the same content.

What a batch holds is a function of the step alone (`Job.draw`), so the number of workers changes
nothing but the speed.
"""

import pickle  # noqa: TID251 - between our own processes, as DataLoader does itself
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader, Dataset

from motiongpt3.errors import MotionGPTError, ResourceError
from motiongpt3.training.job import Job

_AHEAD = 4
"""Steps that every worker prepares in advance."""
_LOADER = "DataLoader"
"""How all begins that DataLoader says of a worker that is gone."""
_PATIENCE = 60.0
"""Seconds after which a worker that says nothing is taken for dead."""


@contextmanager
def batches(
    job: Job, steps: range, parts: list[range], workers: int
) -> Iterator[Iterator[list[Any]]]:
    """What each step computes, one batch per part of it, for as long as the block lasts.

    A worker that dies interrupts whatever its owner does then, which need not be waiting for it.

    Raises:
        ResourceError: when a worker dies or says nothing for a minute, naming the step's clips.
        MotionGPTError: whatever making a batch meets.
    """
    if workers == 0:
        yield (_checked(_Steps(job, parts)[step]) for step in steps)
        return
    loader = DataLoader(
        _Pickled(job, parts),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        collate_fn=_as_it_is,
        prefetch_factor=_AHEAD,
        timeout=_PATIENCE,
        multiprocessing_context="fork",  # drawing touches no device, so a GPU's owner may fork
    )
    given = 0

    def made() -> Iterator[list[Any]]:
        nonlocal given
        for content in loader:
            given += 1
            yield _checked(pickle.loads(content))  # noqa: S301 - what our own worker wrote

    try:
        yield made()
    except RuntimeError as error:
        if not str(error).startswith(_LOADER):
            raise
        ahead = steps[given:][: _AHEAD * workers] or steps[-1:]
        raise _gone(job, ahead, error) from error


class _Steps(Dataset[Any]):
    """Steps as the items of a data set. An error is an item too: it is raised where it is read."""

    def __init__(self, job: Job, parts: list[range]):
        self.job, self.parts = job, parts

    def __getitem__(self, step: int) -> list[Any] | MotionGPTError:
        try:
            return [self.job.draw(step, rows) for rows in self.parts]
        except MotionGPTError as error:
            return error


class _Pickled(_Steps):
    """The same as bytes, which travel through a pipe and need no shared memory."""

    def __getitem__(self, step: int) -> bytes:  # type: ignore[override]
        return pickle.dumps(super().__getitem__(step))


def _gone(job: Job, ahead: range, error: RuntimeError) -> ResourceError:
    """Whose batch it was is not known: it was one of those that were made ahead."""
    clips = [clip for step in ahead for clip in job.samples(step)]
    return ResourceError(
        f"a data worker is gone: {str(error).splitlines()[0]}",
        where=f"steps {ahead[0]} to {ahead[-1]}, clips {', '.join(clips)}",
        hint="go on with --resume, with fewer --workers if memory is short",
    )


def _checked(content: list[Any] | MotionGPTError) -> list[Any]:
    if isinstance(content, MotionGPTError):
        raise content
    return content


def _as_it_is(content: Any) -> Any:
    return content
