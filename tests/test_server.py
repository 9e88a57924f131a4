"""The HTTP API: every verb, every refusal, and what it keeps."""

import io
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from people import person
from served import Served

import motiongpt3
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.motion.motion import Motion

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are handed pipes")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("store"), {"body": 2**20}) as served:
        yield served


def test_a_sentence_becomes_motions_that_are_kept(server: Served) -> None:
    answer = server.generate("walks", samples=2, seed=5)
    motions = answer.json()["motions"]
    assert answer.status_code == 200 and len(motions) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one["id"]) for one in motions)
    data = server.http.get(f"/v1/motions/{motions[1]['id']}/joints").content
    joints = np.frombuffer(data, "<f4").reshape(-1, 22, 3)
    np.testing.assert_array_equal(joints, person(6, 40).joints)
    assert server.http.get(f"/v1/motions/{motions[0]['id']}").json() == motions[0]


@pytest.mark.parametrize("suffix", ["bvh", "npz", "npy"])
def test_a_motion_goes_out_and_comes_in_as_a_file(
    suffix: str, server: Served, tmp_path: Path
) -> None:
    name = server.kept(seed=1)
    answer = server.http.get(f"/v1/motions/{name}/file", params={"format": suffix})
    assert answer.headers["content-disposition"] == f'attachment; filename="{name[:8]}.{suffix}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(answer.content)
    np.testing.assert_allclose(Motion.read(path).joints, person(1, 40).joints, atol=1e-4)
    back = server.http.post("/v1/motions", params={"format": suffix}, content=answer.content)
    assert back.status_code == 201 and back.json()["frames"] == 40


def test_parts_are_cut_and_joined(server: Served) -> None:
    name = server.kept()
    cut = server.http.post("/v1/cut", json={"motion": name, "start": 0.5, "stop": 1.5}).json()
    assert cut["frames"] == 20
    joined = server.http.post("/v1/join", json={"motions": [cut["id"], name]}).json()
    assert joined["frames"] == 60


def test_motions_of_different_rates_are_joined_at_the_first_ones(server: Served) -> None:
    data = io.BytesIO()
    np.savez(data, joints=person(2, 60).joints, fps=np.array(30.0))
    answer = server.http.post("/v1/motions", params={"format": "npz"}, content=data.getvalue())
    quick = answer.json()
    assert quick["fps"] == 30
    joined = server.http.post("/v1/join", json={"motions": [server.kept(), quick["id"]]}).json()
    assert joined["fps"] == 20 and joined["frames"] == 80


def test_what_is_still_kept_is_told(server: Served) -> None:
    names = [server.kept(), "0" * 32, server.kept()]
    told = server.http.get("/v1/motions", params={"id": names}).json()
    assert told == {"motions": [names[0], names[2]]}
    assert server.http.get("/v1/motions").status_code == 422
    assert server.http.get("/v1/motions", params={"id": names * 40}).status_code == 422
    assert server.http.get("/v1/motions", params={"id": "../etc/passwd"}).status_code == 422


def test_the_server_says_what_it_takes_and_gives(server: Served) -> None:
    about = server.http.get("/v1/about").json()
    assert about["version"] == motiongpt3.__version__
    for skeleton in about["skeletons"]:
        assert len(skeleton["joints"]) == len(skeleton["parents"]) in (21, 22)
    assert "bvh" in about["reads"] and {"glb", "mp4"} <= set(about["writes"])


def test_the_page_comes_with_strict_rules(server: Served) -> None:
    kinds = {"/": "text/html", "/assets/studio.js": "text/javascript"}
    kinds |= {"/assets/early.js": "text/javascript"}
    kinds |= {"/assets/studio.css": "text/css", "/assets/icon.svg": "image/svg+xml"}
    for path, kind in kinds.items():
        answer = server.http.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert server.http.head(path).status_code == 200
    for path in ("/assets/", "/assets/../api.py", "/assets/%2e%2e%2fapi.py", "/assets/studio.py"):
        assert server.http.get(path).status_code == 404


def test_a_motion_can_be_forgotten(server: Served) -> None:
    name = server.kept()
    assert server.http.delete(f"/v1/motions/{name}").status_code == 204
    for answer in (
        server.http.get(f"/v1/motions/{name}"),
        server.http.delete(f"/v1/motions/{name}"),
        server.http.post("/v1/caption", json={"motion": name}),
    ):
        assert answer.status_code == 404 and "no such motion" in answer.json()["error"]["message"]


BAD = {
    "no text": ({"seconds": 2}, "text"),
    "empty text": ({"text": ""}, "text"),
    "unknown field": ({"text": "a", "secons": 2}, "secons"),
    "seed too large": ({"text": "a", "seed": 2**70}, "seed"),
    "seed below": ({"text": "a", "seed": -1}, "seed"),
    "seed no number": ({"text": "a", "seed": "1"}, "seed"),
    "too long": ({"text": "a", "seconds": 1e9}, "seconds"),
    "too many": ({"text": "a", "samples": 10_000}, "samples"),
    "too many steps": ({"text": "a", "sampling": {"steps": 1000}}, "sampling.steps"),
    "all together": (
        {"text": "a", "seconds": 60, "samples": 8, "sampling": {"steps": 200}},
        "seconds, samples, steps",
    ),
    "long prompt": ({"text": "a" * 3000}, "text"),
    "the model's own refusal": ({"text": "wrong"}, "text"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told(case: str, server: Served) -> None:
    body, where = BAD[case]
    answer = server.http.post("/v1/generate", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["where"] == where


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"text": "a", "seconds": NaN}', 422),
        (b'{"text": "a", "seconds": 1e999}', 422),
        (b"[" * 10_000, 400),
        (b"text=a", 400),
        (b"\xff\xfe", 400),
        (b"", 422),
    ],
)
def test_bodies_that_are_no_request(content: bytes, status: int, server: Served) -> None:
    headers = {"content-type": "application/json"}
    answer = server.http.post("/v1/generate", content=content, headers=headers)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_what_is_no_motion_is_refused_without_telling_where_it_lay(server: Served) -> None:
    answer = server.http.post("/v1/motions", params={"format": "bvh"}, content=b"root:x:0:0")
    assert answer.status_code == 422
    assert "HIERARCHY" in answer.text and "/tmp" not in answer.text
    answer = server.http.post("/v1/motions", params={"format": "exe"}, content=b"MZ")
    assert answer.status_code == 422 and ".bvh" in answer.json()["error"]["hint"]


def test_a_fault_is_told_as_one_and_tells_nothing_else(server: Served) -> None:
    answer = server.generate("fault")
    assert answer.status_code == 500
    assert "shadow" not in answer.text and "Traceback" not in answer.text
    assert "/etc/shadow" in server.log()  # but whoever runs it can read it
    assert server.generate().status_code == 200


def test_a_long_body_is_refused_and_not_kept(server: Served) -> None:
    pieces = (b"x" * 65536 for _ in range(1000))
    answer = server.http.post("/v1/motions?format=bvh", content=pieces)
    assert answer.status_code == 413 and "1 MiB" in answer.json()["error"]["hint"]
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = "POST /v1/motions?format=bvh HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        line.sendall(f"{head}{2**30}\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")  # nothing of it was waited for
    assert server.generate().status_code == 200


def test_a_job_tells_how_far_it_is(server: Served) -> None:
    job = server.http.post("/v1/jobs", json={"generate": {"text": "slow"}})
    assert job.status_code == 202
    states = []
    with server.http.stream("GET", f"/v1/jobs/{job.json()['id']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                states.append(json.loads(line[6:]))
    assert [s["done"] for s in states] == sorted(s["done"] for s in states)
    assert len(states) > 2 and states[-1]["state"] == "done" and states[-1]["motions"]
    assert server.http.get(f"/v1/jobs/{job.json()['id']}").json() == states[-1]


def test_a_job_is_cancelled_at_its_next_step(server: Served) -> None:
    name = server.http.post("/v1/jobs", json={"generate": {"text": "slow"}}).json()["id"]
    time.sleep(0.2)
    begun = time.monotonic()
    assert server.http.delete(f"/v1/jobs/{name}").json()["state"] == "cancelled"
    assert server.generate().status_code == 200  # the model is free again
    assert time.monotonic() - begun < 2
    assert server.http.get(f"/v1/jobs/{name}").json()["state"] == "cancelled"
    assert server.http.get("/v1/jobs/" + "0" * 32).status_code == 404
    assert server.http.post("/v1/jobs", json={}).status_code == 422


def test_a_client_that_leaves_frees_the_model(server: Served) -> None:
    with pytest.raises(Exception, match="timed out"):
        server.http.post("/v1/generate", json={"text": "slow"}, timeout=0.3)
    begun = time.monotonic()
    assert server.generate().status_code == 200
    assert time.monotonic() - begun < 2


def test_requests_that_wait_are_done_together(server: Served) -> None:
    slow = threading.Thread(target=server.generate, args=("slow",))
    slow.start()
    time.sleep(0.3)
    answers: list[int] = []

    def ask(seed: int) -> None:
        answers.append(server.generate(seed=seed).status_code)

    others = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in [*others, slow]:
        thread.start() if thread is not slow else None
    for thread in [*others, slow]:
        thread.join()
    assert answers == [200] * 8
    metrics = server.http.get("/metrics").text
    assert re.search(r'motiongpt3_batch_requests_bucket\{le="4.0"\} (\d+)', metrics)
    below, every = (
        float(re.search(rf'motiongpt3_batch_requests_bucket{{le="{le}"}} (\S+)', metrics)[1])
        for le in ("4.0", "8.0")
    )
    assert every > below  # one group had all eight


def test_the_client_has_the_models_verbs(server: Served) -> None:
    with motiongpt3.Client(server.url) as client:
        one = client.generate("walks", 2.0, seed=3)
        assert isinstance(one, Motion)
        np.testing.assert_array_equal(one.joints, person(3, 40).joints)
        several = client.generate(["a", "b"], [1, 2], seed=[0, 7], samples=2)
        assert isinstance(several, list) and [len(m) for m in several] == [20, 20, 40, 40]
        assert client.caption(one) == "40 frames"
        assert client.caption([one, several[0]]) == ["40 frames", "20 frames"]
        np.testing.assert_array_equal(client.predict(one).joints, one.joints)
        with pytest.raises(InputError, match="cannot do that"):
            client.generate("wrong")
        with pytest.raises(InputError, match="no library"):
            client.search("walks")
    nobody = motiongpt3.Client("http://127.0.0.1:9", timeout=2)
    with nobody, pytest.raises(ResourceError, match="is the server there"):
        nobody.generate("walks")


def test_logs_hold_a_line_for_each_request_and_no_prompt(server: Served) -> None:
    server.generate('secret words\n{"event": "forged"}')
    time.sleep(0.1)
    lines = [line for line in server.log().splitlines() if line.startswith("{")]
    assert lines and all(json.loads(line)["event"] in ("request", "error") for line in lines)
    assert "secret words" not in server.log() and "forged" not in server.log()
    server.http.get("/v1/unknown")
    before = len(server.http.get("/metrics").text.splitlines())
    for number in range(50):
        server.http.get(f"/v1/{number}")
        server.http.get(f"/assets/{number}")
    assert len(server.http.get("/metrics").text.splitlines()) < before + 60
