"""The model's verbs, asked of a server: `motiongpt3.Client("http://host:8000").generate(...)`.

Motions go there and come back as .npz, so they are the same to the last bit.
"""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx

from motiongpt3.errors import InputError, MotionGPTError, ResourceError
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.motion import Motion

_AT_ONCE = 8
"""Requests that are sent side by side: the server does them together."""
_HOW = ("sampler", "steps", "guidance", "guided_from", "temperature")
T = TypeVar("T")
R = TypeVar("R")


class Client:
    """A server, asked as if it were the model."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 60.0):
        """Args:
        key: what the server asks for, if it does.
        timeout: seconds to wait for an answer.

        Raises:
            InputError: for what is no address, or can be no key.
        """
        headers = {} if key is None else {"X-API-Key": key}
        try:
            self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        except (httpx.InvalidURL, UnicodeError) as error:
            hint = "an address as `motiongpt3 serve` prints it, and one of its keys"
            raise InputError("no address, or no key", where=url, hint=hint) from error

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def generate(
        self,
        text: str | Sequence[str],
        seconds: float | Sequence[float | None] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        samples: int | None = None,
        sampling: Sampling | None = None,
    ) -> Motion | list[Motion]:
        """As `MotionGPT.generate`.

        Raises:
            InputError: what the server refuses.
            ResourceError: when it cannot be reached, is full, or does not answer in time.
        """
        texts = [text] if isinstance(text, str) else list(text)
        each = 1 if samples is None else samples
        lengths, seeds = _each(seconds, len(texts), "seconds"), _each(seed, len(texts), "seed")
        asked = [
            {"text": one, "seconds": length, "seed": own, "samples": each, **_how(sampling)}
            for one, length, own in zip(texts, lengths, seeds, strict=True)
        ]
        made = [m for some in _all(lambda body: self._made("generate", body), asked) for m in some]
        return made[0] if isinstance(text, str) and samples is None else made

    def caption(self, motion: Motion | Sequence[Motion]) -> str | list[str]:
        """As `MotionGPT.caption`; raises as `generate`."""
        motions = [motion] if isinstance(motion, Motion) else list(motion)
        said = _all(self._said, motions)
        return said[0] if isinstance(motion, Motion) else said

    def predict(
        self,
        motion: Motion,
        seconds: float = 3.0,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """As `MotionGPT.predict`; raises as `generate`."""
        body = {"motion": self._sent(motion), "seconds": seconds, "text": text, "seed": seed}
        return self._made("predict", {**body, **_how(sampling)})[0]

    def inbetween(
        self,
        start: Motion,
        end: Motion,
        seconds: float = 2.0,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """As `MotionGPT.inbetween`; raises as `generate`."""
        ends = {"start": self._sent(start), "end": self._sent(end)}
        body = {**ends, "seconds": seconds, "text": text, "seed": seed}
        return self._made("inbetween", {**body, **_how(sampling)})[0]

    def edit(
        self,
        motion: Motion,
        start: float,
        stop: float,
        text: str | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> Motion:
        """As `MotionGPT.edit`; raises as `generate`."""
        span = {"motion": self._sent(motion), "start": start, "stop": stop}
        return self._made("edit", {**span, "text": text, "seed": seed, **_how(sampling)})[0]

    def search(self, text: str, count: int = 10) -> list[dict[str, Any]]:
        """The clips of the server's library that are nearest to a text; raises as `generate`."""
        answer = self._ask("GET", "/v1/search", params={"text": text, "count": count})
        return list(self._told(answer, "found"))

    def _made(self, verb: str, body: dict[str, Any]) -> list[Motion]:
        kept = self._told(self._ask("POST", f"/v1/{verb}", json=body), "motions")
        return [self._fetched(one["id"]) for one in kept]

    def _said(self, motion: Motion) -> str:
        answer = self._ask("POST", "/v1/caption", json={"motion": self._sent(motion)})
        return str(self._told(answer, "caption"))

    def _sent(self, motion: Motion) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = motion.write(Path(folder, "motion.npz"))
            data = path.read_bytes()
        answer = self._ask("POST", "/v1/motions", params={"format": "npz"}, content=data)
        return str(self._told(answer, "id"))

    def _fetched(self, name: str) -> Motion:
        answer = self._ask("GET", f"/v1/motions/{name}/file", params={"format": "npz"})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "motion.npz")
            path.write_bytes(answer.content)
            return Motion.read(path)

    def _told(self, answer: httpx.Response, name: str) -> Any:
        try:
            return answer.json()[name]
        except (ValueError, KeyError, TypeError) as error:  # something else listens there
            where = str(self._http.base_url)
            hint = "is this the server?"
            raise ResourceError("the answer is none of ours", where=where, hint=hint) from error

    def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        where = str(self._http.base_url)
        try:
            answer = self._http.request(method, path, **what)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ResourceError(reason, where=where, hint="is the server there?") from error
        if answer.is_success:
            return answer
        raise _refusal(answer, where)


def _refusal(answer: httpx.Response, where: str) -> MotionGPTError:
    try:
        told = answer.json()["error"]
        message, at, hint = (str(told[name]) for name in ("message", "where", "hint"))
    except (ValueError, KeyError, TypeError):  # a proxy's page, or another server altogether
        message, at, hint = f"status {answer.status_code}", "", "is this the server?"
    kind = InputError if answer.status_code in (400, 401, 403, 404, 413, 422) else ResourceError
    return kind(message, where=at or where, hint=hint)


def _how(sampling: Sampling | None) -> dict[str, Any]:
    if sampling is None:
        return {}
    if sampling.watch is not None:
        hint = "a server tells how far a job is: POST /v1/jobs"
        raise InputError("a client cannot watch", where="sampling.watch", hint=hint)
    return {"sampling": {name: getattr(sampling, name) for name in _HOW}}


def _each(given: Any, count: int, where: str) -> list[Any]:
    """One value for all, or one of each."""
    values = list(given) if isinstance(given, Sequence) else [given] * count
    if len(values) != count:
        raise InputError(f"{len(values)} values for {count} texts", where=where)
    return values


def _all(ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, items))
