"""What is kept: bounded, found again, and gone without a word of where it lay."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from people import person

from motiongpt3.errors import CorruptError, ResourceError
from motiongpt3.server.jobs import Jobs
from motiongpt3.server.store import Store, Unknown


def size(tmp_path: Path) -> int:
    """Bytes of one kept motion."""
    store = Store(tmp_path / "one", 2**30, 60.0)
    store.add(person(1, 40))
    return store.bytes


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", 3 * size(tmp_path), 60.0)
    first, second, third = (store.add(person(n, 40)) for n in range(3))
    store.get(first)
    fourth = store.add(person(4, 40))
    assert [name in store for name in (first, second, third, fourth)] == [True, False, True, True]
    assert store.bytes == sum(path.stat().st_size for path in store.folder.glob("*.npz"))


def test_a_use_counts_for_a_server_that_starts_again(tmp_path: Path) -> None:
    now = [1000.0]
    store = Store(tmp_path, 2**30, 60.0, lambda: now[0])
    old, used = store.add(person(1, 40)), store.add(person(2, 40))
    for name in (old, used):
        os.utime(tmp_path / f"{name}.npz", (1000.0, 1000.0))
    now[0] = 1050.0
    store.get(used)
    now[0] = 1070.0
    again = Store(tmp_path, 2**30, 60.0, lambda: now[0])
    assert (old in again, used in again) == (False, True)
    with pytest.raises(Unknown):
        again.get(old)


def test_motions_that_are_pushed_out_while_they_are_read_are_unknown(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", 4 * size(tmp_path), 60.0)
    names, wrong = [store.add(person(0, 40))], list[BaseException]()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                store.get(names[-1])
                store.get(names[max(0, len(names) - 4)])
            except Unknown:
                pass
            except BaseException as error:  # noqa: BLE001 - what it is, the test says
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(60):
        names.append(store.add(person(number, 40)))
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert store.bytes == sum(path.stat().st_size for path in store.folder.glob("*.npz"))


def test_what_another_has_removed_or_damaged_is_told_without_its_place(tmp_path: Path) -> None:
    store = Store(tmp_path, 2**30, 60.0)
    gone, torn = store.add(person(1, 40)), store.add(person(2, 40))
    (tmp_path / f"{gone}.npz").unlink()
    (tmp_path / f"{torn}.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(Unknown):
        store.get(gone)
    with pytest.raises(CorruptError) as told:
        store.get(torn)
    assert str(tmp_path) not in f"{told.value}"


def test_jobs_that_cannot_be_written_are_not_begun(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs", 10)
    done = jobs.new()
    (tmp_path / "jobs").rename(tmp_path / "elsewhere")
    with pytest.raises(ResourceError):
        jobs.new()
    jobs.end(done, "done")  # whoever watches hears of it
    assert done.ended
    (tmp_path / "jobs").write_text("no folder")
    with pytest.raises(ResourceError, match="cannot keep jobs"):
        Jobs(tmp_path / "jobs", 10)


def test_a_job_that_has_ended_stays_so_and_its_watchers_hear_it(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs", 10)

    async def heard() -> list[str]:
        job, states = jobs.new(), []
        async for state in jobs.watch(job):
            assert state
            states.append(state.state)
            jobs.step(job, len(states), 3)
            if len(states) == 2:  # the watcher is still being told of its second step
                jobs.end(job, "cancelled")
                jobs.step(job, 3, 3)  # was on its way when it was cancelled
        return states

    assert asyncio.run(heard()) == ["waiting", "running", "cancelled"]
