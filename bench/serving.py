"""How fast is the API, what do many clients gain from being served together, and what do too many
get?

python bench/serving.py [--model DIR] [--clients 1 4 16] [--requests 48] [--crowd 64] [--each 20]

Each number of clients asks for as many 4 s motions as all others do, each client its next one as
soon as it has an answer, at a real server of its own process. The baseline is one client at a time.
Then a crowd asks a server in whose line fewer may wait: all are answered or sent away, the line is
never longer than it may be, and whoever is let in is answered within the budget of docs/api.md.
"""

import math
import re
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import common
import httpx
import numpy as np

from motiongpt3.errors import ResourceError

QUEUE = 16
"""Requests that may wait while the crowd comes."""
BUDGET = 2.0
"""Seconds in which docs/api.md promises answers to 99 % of those that are let in."""


def main() -> None:
    """Measure and print."""
    parser = common.arguments("the API under load")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=64, help="clients that are too many")
    parser.add_argument("--each", type=int, default=20, help="requests of each of them")
    options = parser.parse_args()
    folder = common.open_set(options)
    rows, figures = [], {}
    with serving(options, "--queue", f"{QUEUE}") as (log, begun):
        url = ready(log)
        figures["ready s"] = time.perf_counter() - begun
        speeds = {n: [load(url, n, options.requests) for _ in range(options.rounds)]
                  for n in options.clients}  # fmt: skip
        figures["crowd"] = crowd(url, options.crowd, options.each)
    one = median(rate for rate, _ in speeds[options.clients[0]])
    for clients, rounds in speeds.items():
        rate = median(rate for rate, _ in rounds)
        waits = np.concatenate([waits for _, waits in rounds])
        figures[str(clients)] = {"motions/s": rate, "p50 ms": 1000 * float(np.median(waits))}
        rows.append([
            str(clients), f"{rate:.1f}", f"{rate / one:.2f}",
            f"{1000 * np.median(waits):.0f}", f"{1000 * np.quantile(waits, 0.99):.0f}",
        ])  # fmt: skip
    targets = [common.Target("ready within s", figures["ready s"], 6.0)]
    if 4 in speeds:
        gain = figures["4"]["motions/s"] / one
        targets.append(common.Target("4 clients over 1", gain, 2.0, True, 2))
    targets += judged(figures["crowd"], options.crowd * options.each)
    header = ["clients", "motions/s", "over the first", "p50 ms", "p99 ms"]
    common.report(options, folder, [common.table(header, rows)], targets, figures)


def judged(seen: dict[str, Any], asked: int) -> list[common.Target]:
    """What a crowd has to find."""
    answered = sum(seen[status] for status in ("200", "429", "503"))
    return [
        common.Target("requests that are not answered 200, 429 or 503", asked - answered, 0),
        common.Target("motions of the crowd", seen["200"], 1, True, 0),
        common.Target("longest line", seen["longest line"], QUEUE, digits=0),
        common.Target("p99 s of those let in", seen["p99 s"], BUDGET),
    ]


@contextmanager
def serving(options: Namespace, *more: str) -> Iterator[tuple[Path, float]]:
    """A server that starts now: its log, and when it was started."""
    with tempfile.TemporaryDirectory() as temporary:
        given = ["--model", str(options.model)] if options.model else []
        command = [sys.executable, "-m", "motiongpt3", "serve", "--port", "0", "--store", temporary]
        log = Path(temporary, "log")
        begun = time.perf_counter()
        with open(log, "w") as told:
            server = subprocess.Popen([*command, *given, *more], stderr=told)
        try:
            yield log, begun
        finally:
            server.terminate()
            server.wait()


def ready(log: Path) -> str:
    """The server's address, once it makes motions."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        url = next((word for word in log.read_text().split() if word.startswith("http://")), "")
        if url and httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
            return url
        time.sleep(0.05)
    raise TimeoutError(log.read_text()[-500:])


def load(url: str, clients: int, requests: int) -> tuple[float, list[float]]:
    """Motions a second, and how long each was waited for, in seconds."""

    def client(number: int) -> list[float]:
        waits = []
        with httpx.Client(base_url=url, timeout=60) as http:
            for seed in range(number, requests, clients):
                began = time.perf_counter()
                answer = asked(http, seed)
                if not answer.is_success:
                    hint = "is the machine busy with something else?"
                    raise ResourceError(f"status {answer.status_code}", where=url, hint=hint)
                waits.append(time.perf_counter() - began)
        return waits

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        waits = [wait for some in pool.map(client, range(clients)) for wait in some]
    return requests / (time.perf_counter() - begun), waits


def crowd(url: str, clients: int, each: int) -> dict[str, Any]:
    """How many were answered how, how long those waited that were let in, and the longest line."""
    statuses, waits, lines = Counter[int](), list[float](), [0.0]
    over = threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            while not over.wait(0.02):
                told = re.search(r"^motiongpt3_model_queue (\S+)", http.get("/metrics").text, re.M)
                lines.append(float(told[1]) if told else math.inf)

    def client(number: int) -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            for seed in range(number, clients * each, clients):
                began = time.perf_counter()
                status = asked(http, seed).status_code
                statuses[status] += 1
                if status == 200:
                    waits.append(time.perf_counter() - began)
                else:
                    time.sleep(0.05)  # far less than it was told

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    over.set()
    watcher.join()
    counted = {f"{status}": statuses[status] for status in (200, 429, 503)}
    late = float(np.quantile(waits, 0.99)) if waits else math.inf
    return {**counted, "p99 s": late, "longest line": max(lines)}


def asked(http: httpx.Client, seed: int) -> httpx.Response:
    """The answer to a request for a motion."""
    body = {"text": "a person walks forward", "seconds": 4, "seed": seed}
    return http.post("/v1/generate", json=body)


if __name__ == "__main__":
    common.run(main)
