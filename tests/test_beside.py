"""Processes beside this one: the answer is that of the question, whatever became of others."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motiongpt3.formats.beside import Helper

PROGRAM = """
import os, signal, sys, time
from multiprocessing.connection import Connection

pipe, asked = Connection(int(sys.argv[1])), 0
while True:
    question = pipe.recv_bytes()
    word, asked = question.split()[0], asked + 1
    if word == b"die" or (word == b"first" and asked > 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if word == b"sleep":
        time.sleep(60)
    print("what a library says")
    pipe.send_bytes(b"%d %s" % (os.getpid(), question))
"""


def asked(helper: Helper, question: str) -> tuple[int, str]:
    """Number of the process that answers, and what it was asked."""
    process, _, heard = helper.ask(question.encode()).decode().partition(" ")
    return int(process), heard


def gone(process: int) -> bool:
    """Whether a process ends within seconds."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_process_stays_and_is_replaced_when_it_dies() -> None:
    helper = Helper(PROGRAM, seconds=60)
    first, _ = asked(helper, "a")
    assert asked(helper, "b") == (first, "b")
    os.kill(first, signal.SIGKILL)  # while it waits
    second, heard = asked(helper, "c")
    assert heard == "c" and second != first
    with pytest.raises(EOFError):
        helper.ask(b"die")
    assert gone(second)
    third, heard = asked(helper, "d")
    assert heard == "d" and third != second


def test_what_a_used_process_dies_of_is_asked_of_a_new_one() -> None:
    helper = Helper(PROGRAM, seconds=60)
    used, _ = asked(helper, "a")
    new, heard = asked(helper, "first or not at all")
    assert heard == "first or not at all" and new != used


def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    helper = Helper(PROGRAM, seconds=20)
    slow, _ = asked(helper, "a")
    helper.seconds = 0.5
    with pytest.raises(TimeoutError):
        helper.ask(b"sleep")
    helper.seconds = 20
    other, heard = asked(helper, "b")
    assert heard == "b" and other != slow and gone(slow)


def test_nothing_is_left_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Helper(PROGRAM, seconds=60)
    first, _ = asked(helper, "a")
    pipe = helper._waiting[0][1]
    monkeypatch.setattr(pipe, "poll", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        helper.ask(b"old")
    assert asked(helper, "new")[1] == "new" and gone(first)


def test_threads_get_their_own_answers() -> None:
    helper = Helper(PROGRAM, seconds=60)
    questions = [f"{number} of many" for number in range(60)]
    with ThreadPoolExecutor(3) as threads:
        assert [
            heard for _, heard in threads.map(lambda q: asked(helper, q), questions)
        ] == questions
    assert len(helper._waiting) == 1


def test_forks_do_not_share_a_process() -> None:
    helper = Helper(PROGRAM, seconds=60)
    ours, _ = asked(helper, "a")
    child = os.fork()
    if not child:
        right = all(asked(helper, f"child {n}")[1] == f"child {n}" for n in range(30))
        os._exit(0 if right and asked(helper, "b")[0] != ours else 1)
    assert all(asked(helper, f"parent {n}") == (ours, f"parent {n}") for n in range(30))
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("end", ["pass", "os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_who_asks(end: str) -> None:
    program = "import os\nfrom motiongpt3.formats.beside import Helper\n"
    program += f"print(Helper({PROGRAM!r}, 60).ask(b'a').decode(), flush=True)\n{end}"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert gone(int(done.stdout.split()[0]))
