"""Scalars of a training run for TensorBoard, where that is installed (`motiongpt3[train]`)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from motiongpt3.app.show import Report

FOLDER = "tensorboard"


@contextmanager
def tensorboard(run: Path) -> Iterator[Report]:
    """A report that writes every number of every step to RUN/tensorboard/STAGE.

    Stages are runs of their own to TensorBoard, so that their curves lie over each other. Without
    TensorBoard nothing is written; nothing is before the first step, when the run's folder exists.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda *_: None
        return
    writers: dict[str, SummaryWriter] = {}

    def report(stage: str, step: int, steps: int, record: Mapping[str, float]) -> None:
        if stage not in writers:
            folder = str(run / FOLDER / stage)
            # A run that goes on from a state repeats steps: what was written of them is dropped.
            writers[stage] = SummaryWriter(folder, purge_step=step)
        for name, value in record.items():
            if name != "step":
                writers[stage].add_scalar(name.replace(".", "/"), value, step)

    try:
        yield report
    finally:
        for writer in writers.values():
            writer.close()
