"""How fast is the API, and what do many clients gain from being served together?

python bench/serving.py [--model DIR] [--clients 1 4 16] [--requests 48]

Each number of clients asks for as many 4 s motions as all others do, each client its next one as
soon as it has an answer, at a real server of its own process. The baseline is one client at a time.
"""

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import common
import httpx
import numpy as np


def main() -> None:
    """Measure and print."""
    parser = common.arguments("the API under load")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = common.open_set(options)
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        given = ["--model", str(options.model)] if options.model else []
        command = [sys.executable, "-m", "motiongpt3", "serve", "--port", "0", "--store", temporary]
        log = Path(temporary, "log")
        begun = time.perf_counter()
        with open(log, "w") as told:
            server = subprocess.Popen([*command, *given], stderr=told)
        try:
            url = ready(log)
            figures["ready s"] = time.perf_counter() - begun
            speeds = {n: [load(url, n, options.requests) for _ in range(options.rounds)]
                      for n in options.clients}  # fmt: skip
        finally:
            server.terminate()
            server.wait()
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
    header = ["clients", "motions/s", "over the first", "p50 ms", "p99 ms"]
    common.report(options, folder, [common.table(header, rows)], targets, figures)


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
                body = {"text": "a person walks forward", "seconds": 4, "seed": seed}
                http.post("/v1/generate", json=body).raise_for_status()
                waits.append(time.perf_counter() - began)
        return waits

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        waits = [wait for some in pool.map(client, range(clients)) for wait in some]
    return requests / (time.perf_counter() - begun), waits


if __name__ == "__main__":
    common.run(main)
