"""The same work in workers of Ray Data, on this machine or on many.

All machines see the inputs, and outputs that workers write, under the same paths.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.library.parts import Parts, Row
from motiongpt3.library.work import Job, OnRay

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Nothing is reported to anybody; the command shows progress, and errors that it is told."""


def check_ray() -> None:
    """Refuse where Ray is not installed.

    Raises:
        InputError: saying how to install it.
    """
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise InputError(
            "Ray is not installed", where="--engine ray", hint='pip install "motiongpt3[ray]"'
        ) from error


def work_on_ray(
    job: Job, kept: Parts, missing: Sequence[int], engine: OnRay, tell: Callable[[int], None]
) -> None:
    """Make the missing parts; each is kept as soon as a worker has it.

    Raises:
        ResourceError: when the cluster cannot be reached, or a worker fails.
    """
    check_ray()
    os.environ |= {name: value for name, value in _QUIET.items() if name not in os.environ}
    import ray

    with _running(engine):
        try:
            _through(job, kept, missing, engine, tell)
        except (ray.exceptions.RayError, ConnectionError) as error:
            said = str(error).strip().splitlines()[-1]
            raise ResourceError(f"Ray stopped: {said}", where="--engine ray") from error


@contextmanager
def _running(engine: OnRay) -> Iterator[None]:
    """Ray, and this process as it was afterwards; nothing where the caller has Ray running."""
    import ray

    if ray.is_initialized():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        _start(engine)
        yield
    finally:
        ray.shutdown()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray leaves one of its own


def _start(engine: OnRay) -> None:
    """Join the cluster at RAY_ADDRESS; without one, start Ray on this machine."""
    import ray

    here = "RAY_ADDRESS" not in os.environ
    given: dict[str, Any] = {"num_cpus": engine.workers, "include_dashboard": False} if here else {}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **given)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ResourceError(f"Ray does not start: {error}", where="--engine ray") from error


def _through(
    job: Job, kept: Parts, missing: Sequence[int], engine: OnRay, tell: Callable[[int], None]
) -> None:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    workers = engine.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    workers = min(workers, len(missing))
    # A block each, made here: parts go to whoever is free, and no other task waits for a processor.
    numbers = [{"part": number} for number in missing]
    done = ray.data.from_items(numbers, override_num_blocks=len(missing)).map_batches(
        RayWorker,
        batch_size=1,
        concurrency=workers,
        num_cpus=1,
        num_gpus=engine.gpus,
        fn_constructor_args=(job,),
    )
    for row in done.iter_rows():
        kept.keep(int(row["part"]), json.loads(row["rows"]))
        tell(int(row["part"]))


class RayWorker:
    """A worker: the model is loaded once, with one thread (Ray sets OMP_NUM_THREADS)."""

    def __init__(self, job: Job):
        self.worker = job.begin()

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """The rows of one part, as JSON: a column that is empty in one part has no type."""
        number = int(batch["part"][0])
        rows: list[Row] = self.worker.rows(number, self.worker.reading(number)())
        return {"part": [number], "rows": [json.dumps(rows)]}
