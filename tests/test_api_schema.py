"""The API keeps to its own description, whatever is sent: Schemathesis makes the requests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served import Served

pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are handed pipes")

EXAMPLES = 150 if os.environ.get("MOTIONGPT3_SOAK") else 4
"""Of each route and phase; 150 are well over 3,000 requests in all."""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method"
)


@pytest.mark.slow
def test_no_request_is_answered_in_a_way_that_is_not_described(tmp_path: Path) -> None:
    with Served(tmp_path / "store", {"queue": 32, "head_seconds": 5.0}) as server:
        done = subprocess.run(
            [Path(sys.executable).with_name("schemathesis"), "run"]
            + [f"{server.url}/v1/openapi.json", "--checks", CHECKS]
            + ["--phases", "examples,coverage,fuzzing,stateful", "--generation-deterministic"]
            + ["--max-examples", str(EXAMPLES), "--request-timeout", "20", "--no-color"]
            + ["--report", "har", "--report-har-path", tmp_path / "requests.har"],
            capture_output=True,
            text=True,
            timeout=1800,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
        counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
        assert counted is not None and int(counted[1]) == int(counted[2])
        assert int(counted[1]) > (3000 if EXAMPLES > 100 else 300), counted[0]
        print(counted[0])
        assert '"status": 500' not in server.log() and "Traceback" not in server.log()
    requests = json.loads((tmp_path / "requests.har").read_text())["log"]["entries"]
    assert len(requests) >= int(counted[1])
    for answer in (request["response"] for request in requests):
        assert answer["status"] < 500 or answer["status"] in (503, 504, 507)
        for secret in (str(tmp_path), "Traceback", "site-packages", ".py"):
            assert secret not in answer["content"].get("text", ""), answer
