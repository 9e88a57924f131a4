"""Damaged files: a mutator, and what must hold when one is read.

Alone, without the tests' checks of types, which take most of the time:
python tests/mutants.py READER COUNT FOLDER.
"""

import json
import os
import random
import resource
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF

from readers import READERS, Reader

from motiongpt3.formats import usd_read

MAX_SECONDS, MAX_GROWTH = 1.0, 256 * 2**20
"""Of one file, and in bytes of memory over all of them."""

_WORDS = (
    b"nan", b"-1", b"0", b"1e999", b"-1e9", b"{", b"}", b"[", b"]", b"", b"9" * 30, b"ROOT",
    b"null",
    b"true", b"\xff\xfe", b"0,5", b"1000000000", b'""', b"[[[[", b"2147483648", b"0.0",
)  # fmt: skip
_NUMBERS = (b"\0" * 4, b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\0\0\x80\x7f", b"\0\0\xc0\x7f")


def mutant(reader: Reader, seeds: list[bytes], dice: random.Random) -> bytes:
    """A seed with some of it changed, lost, repeated or taken from another."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        in_text = dice.random() < 0.7 and (reader.text or data[:4] == b"glTF")
        (_edit_text if in_text else _edit_bytes)(data, dice)
    if dice.random() < 0.1:
        del data[dice.randrange(len(data) + 1) :]
    if dice.random() < 0.05:
        other = dice.choice(seeds)
        data += other[dice.randrange(len(other)) :]
    return bytes(data)


def _edit_bytes(data: bytearray, dice: random.Random) -> None:
    """Bytes near either end, where headers are, or anywhere."""
    if not data:
        return
    at = dice.choice([dice.randrange(min(1500, len(data))), -dice.randint(1, min(400, len(data)))])
    at = dice.choice([at % len(data), dice.randrange(len(data))])
    match dice.randrange(5):
        case 0 | 1:
            data[at] = dice.randrange(256)
        case 2:
            data[at : at + 4] = dice.choice(_NUMBERS)
        case 3:
            data[at] ^= 1 << dice.randrange(8)
        case _:
            size = dice.randint(1, 64)
            data[at : at + size] = data[at : at + size] * dice.choice([0, 2])


def _edit_text(data: bytearray, dice: random.Random) -> None:
    """Words, lines and pieces between commas."""
    mark = dice.choice((b"\n", b" ", b",", b":", b"\n"))
    pieces = bytes(data).split(mark)
    at, other = dice.randrange(len(pieces)), dice.randrange(len(pieces))
    match dice.randrange(6):
        case 0:
            del pieces[at]
        case 1:
            pieces.insert(at, pieces[other])
        case 2 | 3:
            words = pieces[at].split() or [b""]
            words[dice.randrange(len(words))] = dice.choice(_WORDS)
            pieces[at] = b" ".join(words)
        case 4:
            pieces[at], pieces[other] = pieces[other], pieces[at]
        case _:
            place = dice.randrange(len(pieces[at]) + 1)
            piece = pieces[at]
            pieces[at] = piece[:place] + bytes([dice.randrange(256)]) + piece[place + 1 :]
    data[:] = mark.join(pieces)


def run(reader: Reader, folder: Path, count: int, seed: int = 0) -> dict[str, float]:
    """Read damaged files one after another: how many were read all the same, the slowest one's
    seconds, and by how many MiB the largest process grew.

    Time is that of the processor, here and in processes beside this one: the clock's is also that
    of whatever else the machine does.

    A file that surprises is left in the folder.
    """
    seeds = reader.seeds(folder)
    path, accepted, slowest = reader.place(folder), 0, 0.0
    whole = 0
    for content in seeds:
        path.write_bytes(content)
        whole += reader.survives(folder)
    assert whole, "a file that is not damaged is read"
    before = _peak()
    reader.survives(folder)  # what waits for files is there again
    for number in range(count):
        path.write_bytes(mutant(reader, seeds, random.Random(1_000_003 * seed + number)))
        begun = _spent()
        survived = reader.survives(folder)
        took = _spent() - begun
        assert took < MAX_SECONDS, f"mutant {number} took {took:.2f} s"
        accepted, slowest = accepted + survived, max(slowest, took)
    grown = _peak(reset=False) - before
    assert grown <= MAX_GROWTH, f"memory grew by {grown / 2**20:.0f} MiB"
    return {"accepted": accepted, "slowest": slowest, "MiB": grown / 2**20}


def _peak(reset: bool = True) -> int:
    """Largest memory of this process and of those it started, the largest of all, bytes: since it
    was last reset where that can be done. What those forked counts when they have ended."""
    while usd_read._HELPER._waiting:
        process, pipe = usd_read._HELPER._waiting.pop()
        pipe.close()
        process.wait()
    if reset:
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    ended = [resource.getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    with suppress(OSError):
        files = [Path(f"/proc/{process}/status").read_text() for process in ("self", *_children())]
        ended[0] = max(int(file.partition("VmHWM:")[2].split()[0]) for file in files)
    return max(ended) * 1024


def _spent() -> float:
    """Seconds of processor that this process, those it started and their forks have taken."""
    ended, ticks = resource.getrusage(RUSAGE_CHILDREN), 0
    for process in _children():
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    alive = ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time() + ended.ru_utime + ended.ru_stime + alive


def _children() -> list[str]:
    """Numbers of the processes that this one started and that have not ended."""
    with suppress(OSError):
        task = Path(f"/proc/self/task/{threading.get_native_id()}")
        return (task / "children").read_text().split()
    return []


if __name__ == "__main__":
    name, number, place = sys.argv[1:]
    print(json.dumps(run(READERS[name], Path(place), int(number))))
