"""The client where things go wrong: no address, no server, another server, a full one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.model.sampling import Sampling
from motiongpt3.server.client import Client

FULL = {"error": {"message": "too many requests are waiting", "where": "", "hint": "later"}}
ANSWERS = {
    "page": (200, "<html>welcome</html>"),
    "other": (200, '{"choices": []}'),
    "list": (200, "[1, 2]"),
    "proxy": (502, "<html>bad gateway</html>"),
    "odd": (422, '{"error": "no"}'),
    "full": (429, json.dumps(FULL)),
}


class Stranger(BaseHTTPRequestHandler):
    """Another server: what it answers is named by the first part of the address."""

    asked: list[bytes] = []

    def do_POST(self) -> None:
        """Answer."""
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, text = ANSWERS[self.path.split("/")[1]]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_listens_there_is_told_as_one_error(answer: str, url: str) -> None:
    with Client(f"{url}/{answer}") as client:
        expected = InputError if answer == "odd" else ResourceError
        with pytest.raises(expected) as told:
            client.generate("a person walks")
        assert told.value.hint and (answer != "full" or "waiting" in told.value.message)


def test_what_can_be_no_address_or_key_is_told() -> None:
    for given in (
        {"url": "http://localhost:port"},
        {"url": "http://localhost", "key": "schlüssel ✓"},
    ):
        with pytest.raises(InputError, match="no address, or no key"):
            Client(**given)
    with Client("nowhere") as client, pytest.raises(ResourceError, match="is the server there"):
        client.generate("a person walks")


def test_all_of_a_sampling_is_sent_or_refused(url: str) -> None:
    with Client(f"{url}/full") as client:
        drawn = Sampling("ddim", 7, guidance=2.0, guided_from=300, temperature=0.5)
        with pytest.raises(ResourceError):
            client.generate("a person walks", samples=0, sampling=drawn)
        sent = json.loads(Stranger.asked[-1])
        assert sent["samples"] == 0  # for the server to refuse
        assert Sampling(**sent["sampling"]) == drawn
        with pytest.raises(InputError, match="cannot watch"):
            watched = Sampling(watch=lambda done, steps: None)
            client.generate("a person walks", sampling=watched)
