"""A server under attack, overload and loss: bounded, and there again afterwards."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from served import Served

from motiongpt3.app import cli
from motiongpt3.server.asked import JobState

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")


def children(server: Served) -> list[int]:
    """Processes of the server: first the model's, then the files'."""
    task = Path(f"/proc/{server.process.pid}/task")
    return sorted(int(p) for t in task.iterdir() for p in (t / "children").read_text().split())


def metric(server: Served, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", server.http.get("/metrics").text, re.M)
    assert found is not None, name
    return float(found[1])


# Load


def test_a_crowd_is_answered_or_sent_away(tmp_path: Path) -> None:
    longest, statuses, waits = 32, Counter[int](), list[float]()
    with Served(tmp_path, {"queue": longest}) as server:
        highest, watching = [0.0], True

        def watch() -> None:
            while watching:
                highest[0] = max(highest[0], metric(server, "motiongpt3_model_queue"))
                time.sleep(0.02)

        def client(number: int) -> None:
            with httpx.Client(base_url=server.url, timeout=60) as http:
                for again in range(20):
                    begun = time.monotonic()
                    # Every sampling is a group of its own: nothing can be done together.
                    how = {"steps": 1 + number % 100, "guidance": 1.0 + again}
                    body = {"text": "walks", "seconds": 1, "sampling": how}
                    answer = http.post("/v1/generate", json=body)
                    statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        waits.append(time.monotonic() - begun)
                    elif answer.status_code == 429:
                        assert int(answer.headers["retry-after"]) >= 1
                        time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(64) as pool:
            list(pool.map(client, range(64)))
        watching = False
        watcher.join()
        assert sum(statuses.values()) == 1280 and set(statuses) <= {200, 429, 503}
        assert statuses[200] > 100 and statuses[429] > 0
        assert highest[0] <= longest
        assert metric(server, "motiongpt3_model_queue") == 0
        counted = server.http.get("/metrics").text
        for status, count in statuses.items():
            label = f'{{method="POST",route="/v1/generate",status="{status}"}}'
            assert f"motiongpt3_requests_total{label} {float(count)}" in counted


def test_four_at_once_are_twice_as_fast_as_one_after_another(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        begun = time.monotonic()
        for seed in range(24):
            assert server.generate("walks walks", seed=seed, sampling={"steps": 5}).is_success
        alone = time.monotonic() - begun
        begun = time.monotonic()

        def client(first: int) -> None:
            with httpx.Client(base_url=server.url, timeout=60) as http:
                for seed in range(6):
                    body = {"text": "walks walks", "seed": first + seed, "seconds": 2}
                    assert http.post("/v1/generate", json=body).is_success

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(client, range(4)))
        together = time.monotonic() - begun
        assert metric(server, 'motiongpt3_batch_requests_bucket{le="2.0"}') < 48
        assert together < alone  # how much faster is for bench/serving.py to say


# Loss


def test_a_killed_process_costs_one_request(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(server.generate, "slow")
            time.sleep(0.3)
            os.kill(children(server)[0], signal.SIGKILL)
            assert lost.result().status_code == 503
            assert int(lost.result().headers["retry-after"]) > 0
        assert [server.generate(seed=n).status_code for n in range(50)] == [200] * 50
        assert metric(server, 'motiongpt3_process_deaths_total{process="model"}') == 1
        os.kill(children(server)[-1], signal.SIGKILL)  # while nobody waits for it
        time.sleep(0.2)
        assert server.generate().status_code == 200


def test_a_request_that_kills_is_not_tried_for_ever_and_its_neighbours_are(tmp_path: Path) -> None:
    with Served(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        busy = pool.submit(server.generate, "slow")
        time.sleep(0.3)
        deadly = pool.submit(server.generate, "die")
        others = [pool.submit(server.generate, "walks", seed=n) for n in range(4)]
        assert busy.result().status_code == 200
        assert deadly.result().status_code == 503
        assert [other.result().status_code for other in others] == [200] * 4
        assert server.generate("die").status_code in (422, 503)
        assert server.generate("die").status_code == 422
        assert server.generate().status_code == 200


def test_a_server_whose_process_dies_again_and_again_ends(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        for number in range(6):
            try:
                server.generate(f"die {number}")
            except httpx.HTTPError:
                break
        assert server.process.wait(timeout=20) == 4
        assert "ended 5 times" in server.log()


def test_sigterm_answers_what_is_under_way(tmp_path: Path) -> None:
    with Served(tmp_path) as server, ThreadPoolExecutor(16) as pool:
        texts = [f"slow {n}" if n % 8 == 0 else "walks" for n in range(16)]
        answers = [pool.submit(server.generate, text) for text in texts]
        time.sleep(0.8)
        processes = children(server)
        server.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * 16
        assert server.process.wait(timeout=10) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
        with pytest.raises(httpx.HTTPError):
            httpx.get(server.url + "/healthz")


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Served(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.generate, "slow")
        time.sleep(0.3)
        begun = time.monotonic()
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        server.process.wait(timeout=10)
        assert time.monotonic() - begun < 3
        with contextlib.suppress(httpx.HTTPError):  # no answer at all is as good
            assert answer.result().status_code >= 500


def test_jobs_that_a_restart_has_cut_off_are_interrupted(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        kept = server.kept()
        name = server.http.post("/v1/jobs", json={"generate": {"text": "slow"}}).json()["id"]
    (tmp_path / "jobs" / "torn.json").write_text('{"id": "')
    with Served(tmp_path) as server:
        assert server.http.get(f"/v1/jobs/{name}").json()["state"] == "interrupted"
        assert server.http.get(f"/v1/motions/{kept}").status_code == 200


def test_a_full_disk_is_told_and_others_are_served(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        name = server.kept()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2048, 2048))
        assert server.generate(seed=1).status_code == 507
        assert server.http.post("/v1/caption", json={"motion": name}).status_code == 200
        assert len(list(tmp_path.glob("*.npz"))) == 1  # and nothing half written


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    with Served(tmp_path, {"store": 60_000, "jobs": 3}) as server:
        names = [server.kept(seed=n) for n in range(8)]
        kept = [server.http.get(f"/v1/motions/{name}").status_code for name in names]
        assert kept[0] == 404 and kept[-1] == 200
        assert sum(path.stat().st_size for path in tmp_path.glob("*.npz")) <= 60_000
        for _ in range(5):
            made = server.http.post("/v1/jobs", json={"generate": {"text": "a"}}).json()["id"]
            with server.http.stream("GET", f"/v1/jobs/{made}/events") as events:
                events.read()
        assert len(list((tmp_path / "jobs").glob("*.json"))) <= 3
        for path in (tmp_path / "jobs").glob("*.json"):
            assert JobState(**json.loads(path.read_text())).state == "done"


# Attack


def raw(server: Served, request: bytes, wait: float = 5) -> bytes:
    """What is answered to these bytes, until the connection closes or time is up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as line:
        answer = b""
        try:
            line.sendall(request)
            while piece := line.recv(65536):
                answer += piece
        except OSError:
            pass
        return answer


def test_slow_connections_are_closed(tmp_path: Path) -> None:
    limits = {"head_seconds": 1.0, "body_seconds": 1.0}
    head = b"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with Served(tmp_path, limits) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
        for number, line in enumerate(lines):
            line.sendall((b"", head[:40], head + b"\r\n{")[number % 3])
        end = time.monotonic() + 4
        open_lines = set(lines)
        while open_lines and time.monotonic() < end:
            assert server.generate().status_code == 200  # others do not notice
            for line in list(open_lines):
                try:
                    line.setblocking(False)
                    line.send(b"x")  # a byte now and then does not help
                    if line.recv(1) == b"":
                        open_lines.discard(line)
                except BlockingIOError:
                    pass
                except OSError:
                    open_lines.discard(line)
        for line in lines:
            line.close()
        assert not open_lines


def test_heads_that_are_too_much_are_refused(tmp_path: Path) -> None:
    with Served(tmp_path, {"head_seconds": 2.0}) as server:
        start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        many = start + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)) + b"\r\n"
        long = start + b"X: " + b"a" * 2**20 + b"\r\n\r\n"
        address = b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for request in (many, long, address):
            assert b" 200 " not in raw(server, request)
        two = b"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        smuggled = two + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"
        assert b"motiongpt3_" not in raw(server, smuggled)
        for length in (b"-1", b"1e3", b"99999999999999999999"):
            request = two.replace(b": 2", b": " + length) + b"\r\n{}"
            assert re.match(rb"HTTP/1.1 4\d\d|$", raw(server, request))
        assert server.generate().status_code == 200


TRAVERSAL = [
    f"{prefix}{step * depth}{target}"
    for prefix in ("", "/", "%00", "motions/")
    for step in ("../", "%2e%2e%2f", "..%5c", "%252e%252e/", "....//")
    for depth in (1, 6)
    for target in ("etc/passwd", "canary.npz")
]


def test_no_name_is_a_path(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "canary.npz").write_text("canary")
    (store / f"{'a' * 32}.npz").symlink_to(tmp_path / "canary.npz")
    with Served(store) as server:
        paths = ("/v1/motions/{}", "/v1/motions/{}/joints", "/v1/motions/{}/file?format=npz")
        for payload in TRAVERSAL:
            for path in (*paths, "/v1/jobs/{}", "/{}"):
                head = f"GET {path.format(payload)} HTTP/1.1\r\nHost: localhost\r\n"
                answer = raw(server, f"{head}Connection: close\r\n\r\n".encode())
                assert re.match(rb"HTTP/1.1 4\d\d", answer) and b"canary" not in answer
                assert b"root:" not in answer
        for name in ("a" * 32, "../canary"):
            answer = server.http.post("/v1/caption", json={"motion": name})
            assert answer.status_code in (404, 422, 507) and "canary" not in answer.text


def test_who_may_ask(tmp_path: Path) -> None:
    key = "k" * 32
    access = {"keys": [key, "another key of enough length"], "origins": ["https://ours.example"]}
    with Served(tmp_path, {}, access) as server:
        routes = json.loads(
            server.http.get("/v1/openapi.json", headers={"x-api-key": key}).content
        )["paths"]
        for path, methods in routes.items():
            if path in ("/healthz", "/readyz"):
                continue
            for method in methods:
                where = path.replace("{name}", "0" * 32)
                for given in ({}, {"x-api-key": "wrong"}, {"x-api-key": key[:-1]}):
                    assert server.http.request(method, where, headers=given).status_code == 401
        http, body = server.http, {"text": "walks", "seconds": 2}
        http.headers["x-api-key"] = key
        assert http.post("/v1/generate", json=body).status_code == 200
        for headers, status in (
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"host": "evil.example"}, 400),
            ({"host": f"evil.example:{server.port}"}, 400),
            ({"origin": server.url}, 200),
            ({"origin": "https://ours.example"}, 200),
        ):
            answer = http.post("/v1/generate", json=body, headers=headers)
            assert answer.status_code == status
            assert answer.headers.get("access-control-allow-origin") != "*"
        asks = {"origin": "https://ours.example", "access-control-request-method": "POST"}
        allowed = http.options("/v1/generate", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://ours.example"


def test_other_machines_need_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--host", "0.0.0.0"]) == 2
    assert "--keys" in capsys.readouterr().err
    (tmp_path / "keys").write_text("short\n")
    assert cli.main(["serve", "--keys", str(tmp_path / "keys")]) == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert cli.main(["serve", "--port", port, "--store", str(tmp_path)]) == 4
    assert "cannot listen" in capsys.readouterr().err
