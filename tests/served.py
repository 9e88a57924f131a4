"""A server with a model that is none: it does at once, or never, what a prompt says.

Run as a program it serves until a signal; `Served` runs it so.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from people import person

from motiongpt3.errors import InputError, MotionGPTError
from motiongpt3.server import tasks
from motiongpt3.server.guard import Access
from motiongpt3.server.limits import Limits
from motiongpt3.server.run import serve
from motiongpt3.server.studio import Config

STEP = 0.02
"""Seconds of each of the stub's steps."""


@dataclass(frozen=True)
class Stub:
    """What a process loads instead of a model."""

    seconds: float = STEP

    def worker(self) -> "StubWorker":
        """It is there at once."""
        return StubWorker(self.seconds)


@dataclass(frozen=True)
class StubWorker:
    """Motions by their seeds; a group takes one step, however many it has."""

    seconds: float

    def answers(self, asked: Sequence[tasks.Task], watch: tasks.Watch) -> list[Any]:
        """What the prompts say."""
        words = " ".join(getattr(task, "text", None) or "" for task in asked).split()
        if "die" in words:
            os._exit(1)
        if "fault" in words:
            raise RuntimeError("secret path /etc/shadow")
        steps = 200 if "slow" in words else 1
        for done in range(steps):
            time.sleep(self.seconds)
            watch(done + 1, steps)
        return [self._answer(task) for task in asked]

    def _answer(self, task: tasks.Task) -> Any:
        match task:
            case tasks.Generate(text=text) if "wrong" in text:
                return InputError("cannot do that", where="text", hint="say something else")
            case tasks.Generate(text=text):
                frames = round(20 * (task.seconds or 2))
                people = [person(task.seed + n, frames) for n in range(task.samples)]
                return [replace(motion, provenance={"text": text}) for motion in people]
            case tasks.Caption():
                return f"{len(task.motion)} frames"
            case tasks.Predict():
                return [task.motion]
            case _:
                return InputError("not here")


@dataclass
class Served:
    """The stub's server in a process of its own."""

    store: Path
    limits: dict[str, Any] = field(default_factory=dict)
    access: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    def __enter__(self) -> "Served":
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.said = Path(f"{self.store}.log")  # a pipe would fill up, and the server stand still
        with open(self.said, "w") as log:
            self.process = subprocess.Popen(self.command(), stderr=log, env=env)
        end = time.monotonic() + 60
        while not self.url:
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)
            self.url = next((w for w in self.log().split() if w.startswith("http://")), "")
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()

    def command(self) -> list[str]:
        """What is run."""
        told = json.dumps([str(self.store), self.limits, self.access])
        return [sys.executable, __file__, told]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def until_ready(self, seconds: float = 30) -> None:
        """Wait until it makes motions."""
        end = time.monotonic() + seconds
        while self.http.get("/readyz").status_code != 200:
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        """What it has said so far."""
        return self.said.read_text()

    def generate(self, text: str = "walks", **more: Any) -> httpx.Response:
        """Ask for a motion."""
        return self.http.post("/v1/generate", json={"text": text, "seconds": 2, **more})

    def children(self) -> list[int]:
        """Its processes: first the model's, then the files'."""
        task = Path(f"/proc/{self.process.pid}/task")
        return sorted(int(p) for t in task.iterdir() for p in (t / "children").read_text().split())

    def metric(self, name: str) -> float:
        """A figure of it."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.http.get("/metrics").text, re.M)
        assert found is not None, name
        return float(found[1])

    def peak(self) -> float:
        """Most memory that it ever had, MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def kept(self, **more: Any) -> str:
        """The name of a motion that was made."""
        return str(self.generate(**more).json()["motions"][0]["id"])


class Real(Served):
    """The server as anybody starts it, with the model that ships."""

    def command(self) -> list[str]:
        """The command line of it."""
        serve = [sys.executable, "-m", "motiongpt3", "serve", "--port", "0"]
        return [*serve, "--store", f"{self.store}"]


if __name__ == "__main__":
    from served import Stub as Begin  # by its own name, so that another process finds it

    store, limits, access = json.loads(sys.argv[1])
    access = {name: tuple(values) for name, values in access.items()}
    config = Config(Path(store), Begin(), limits=Limits(**limits))  # type: ignore[arg-type]
    try:
        serve(config, Access(**access), "127.0.0.1", 0)
    except MotionGPTError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
