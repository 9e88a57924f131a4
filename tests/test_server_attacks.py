"""A server under attack: bounded, silent about itself, and there for others meanwhile."""

import json
import os
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from people import person
from served import Served

from motiongpt3.app import cli
from motiongpt3.motion.motion import Motion

ESTABLISHED = "01"
SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")


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
    # The long way has the deadlines that ship: 10 s for a head, 30 s for a body.
    limits = {} if SOAK else {"head_seconds": 1.0, "body_seconds": 1.0}
    longest = 42 if SOAK else 4
    head = b"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with Served(tmp_path, limits) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        for number, line in enumerate(lines):
            line.sendall((b"", head[:40], head + b"\r\n{")[number % 3])
        end = time.monotonic() + longest
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


def test_answers_that_nobody_takes_are_dropped(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        motion = person(1, 60_000)
        path = motion.write(tmp_path / "long.npz")
        sent = server.http.post("/v1/motions?format=npz", content=path.read_bytes())
        head = f"GET /v1/motions/{sent.json()['id']}/joints HTTP/1.1\r\nHost: localhost\r\n\r\n"
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
        for line in lines:
            line.sendall(head.encode())
        end = time.monotonic() + 20
        while open_lines(server) > 1:  # the honest client's
            assert server.generate().status_code == 200
            assert time.monotonic() < end
            time.sleep(0.2)
        for line in lines:
            line.close()


def open_lines(server: Served) -> int:
    """Connections to the server that it has not closed."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = f"0100007F:{server.port:04X}"
    return sum(row[1] == mine and row[3] == ESTABLISHED for row in rows)


def test_300_megabytes_are_neither_read_nor_kept(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        before = server.peak()
        pieces = (b"x" * 2**20 for _ in range(300))
        answer = server.http.post("/v1/motions?format=bvh", content=pieces)
        assert answer.status_code == 413 and "32 MiB" in answer.json()["error"]["hint"]
        assert server.peak() - before < 64  # MiB: twice what a body may have
        assert server.generate().status_code == 200


def test_bodies_are_bounded_together_too(tmp_path: Path) -> None:
    head = (
        b"POST /v1/motions?format=bvh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
    )
    with Served(tmp_path, {"bodies": 3 * 2**20}) as server, ExitStack() as lines:

        def until(status: int, meanwhile: Callable[[], object]) -> None:
            end = time.monotonic() + 20
            while True:
                answer = server.http.post("/v1/motions?format=bvh", content=b"x" * 2**20)
                if answer.status_code == status:
                    return
                assert time.monotonic() < end
                meanwhile()
                time.sleep(0.1)

        def hold() -> None:
            """A body that is never whole; it may be refused itself, where another came first."""
            line = lines.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            with suppress(OSError):
                line.sendall(head + b"x" * 899_999)

        until(429, hold)
        assert server.generate().status_code == 200
        lines.close()
        until(422, lambda: None)  # what has left is no longer counted


def test_motions_do_not_grow_without_end(tmp_path: Path) -> None:
    limits = {"frames": 1000, "pictures": 100}
    with Served(tmp_path, limits) as server:
        name = server.kept()  # 40 frames
        for _ in range(2):
            answer = server.http.post("/v1/join", json={"motions": [name] * 16})
            name = answer.json().get("id", name)
        assert answer.status_code == 422 and answer.json()["error"]["where"] == "frames"
        film = server.http.get(f"/v1/motions/{name}/file?format=mp4")
        assert film.status_code == 422 and "at most 100" in film.json()["error"]["hint"]
        path = person(1, 1001).write(tmp_path / "long.npz")
        sent = server.http.post("/v1/motions?format=npz", content=path.read_bytes())
        assert sent.status_code == 422 and sent.json()["error"]["where"] == "frames"
        # Few frames, but many at the other's rate.
        slow = Motion(person(1, 100).joints, 0.1).write(tmp_path / "slow.npz")
        sent = server.http.post("/v1/motions?format=npz", content=slow.read_bytes()).json()
        for verb, body in (
            ("join", {"motions": [name, sent["id"]]}),
            ("inbetween", {"start": name, "end": sent["id"]}),
        ):
            assert server.http.post(f"/v1/{verb}", json=body).status_code == 422


def test_probes_cannot_crowd_out_those_who_ask_for_motion(tmp_path: Path) -> None:
    with Served(tmp_path, {"queue": 4}) as server, ThreadPoolExecutor(32) as pool:
        before = server.metric("motiongpt3_batch_requests_sum")
        probes = [pool.submit(server.http.get, "/readyz") for _ in range(200)]
        assert server.generate().status_code == 200
        assert {probe.result().status_code for probe in probes} == {200}
        assert server.metric("motiongpt3_batch_requests_sum") - before < 100


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
        assert len(TRAVERSAL) == 80
        for payload in TRAVERSAL:
            for path in (*paths, "/v1/jobs/{}", "/{}"):
                head = f"GET {path.format(payload)} HTTP/1.1\r\nHost: localhost\r\n"
                answer = raw(server, f"{head}Connection: close\r\n\r\n".encode())
                assert re.match(rb"HTTP/1.1 4\d\d", answer) and b"canary" not in answer
                assert b"root:" not in answer
        for name in ("a" * 32, "../canary"):
            answer = server.http.post("/v1/caption", json={"motion": name})
            assert answer.status_code in (404, 422, 507)
            assert "canary" not in answer.text and str(tmp_path) not in answer.text


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
            ({"origin": "http://[evil"}, 403),
            ({"origin": f"http://localhost:{server.port + 1}"}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"sec-fetch-site": "same-origin"}, 200),
            ({"host": "evil.example"}, 400),
            ({"host": f"evil.example:{server.port}"}, 400),
            ({"origin": server.url}, 200),
            ({"origin": "https://ours.example"}, 200),
        ):
            answer = http.post("/v1/generate", json=body, headers=headers)
            assert answer.status_code == status
            assert answer.headers.get("access-control-allow-origin") != "*"
        asks = {"origin": "https://ours.example", "access-control-request-method": "POST"}
        del http.headers["x-api-key"]  # a browser asks without it
        assert http.options("/v1/generate", headers={**asks, "origin": "null"}).status_code == 403
        allowed = http.options("/v1/generate", headers=asks)
        assert allowed.status_code == 204
        assert "DELETE" in allowed.headers["access-control-allow-methods"]
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
