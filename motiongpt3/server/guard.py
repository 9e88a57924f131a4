"""What stands before the routes: who may ask, from where, how much, and a line in the log of it.

Written against ASGI itself: a body is counted while it comes in, not once it is there.
"""

import asyncio
import hmac
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from motiongpt3.server.asked import Problem
from motiongpt3.server.limits import Limits
from motiongpt3.server.metrics import Metrics
from motiongpt3.server.problems import RETRY_SECONDS, answer

PROBES = ("/healthz", "/readyz")
"""Answered to anybody: what watches over a server has no key."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        b"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    ),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True)
class Access:
    """Who may ask."""

    keys: tuple[str, ...] = ()
    """Any of these in the header X-API-Key; none: everybody."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Names the server answers to: a page whose own name was bound to this address is refused."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may ask, besides the server's own."""


_LEFT = 499
"""In logs: nobody was there any more to hear the answer."""


class NotTaken(Exception):
    """A body is not taken in; the arguments are those of the answer."""


class Guard:
    """Refuses what may not come in, and tells what did."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits, metrics: Metrics):
        self.app, self.access, self.limits, self.metrics = app, access, limits, metrics
        self.bodies = 0
        """Bytes of all bodies of requests that are not answered yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, headers = time.perf_counter(), dict(scope["headers"])
        status, started = _LEFT, False

        async def told(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [*message["headers"], *_HEADERS, *self._cors(headers)]
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await answer(*refusal)(scope, receive, told)
            elif scope["method"] == "OPTIONS" and self._cors(headers):
                # A browser asks whether a page may, without the page's key.
                await Response(status_code=204)(scope, receive, told)
            elif not self._may_enter(scope, headers):
                problem = Problem(message="no valid key", hint="send it as X-API-Key")
                await answer(401, problem)(scope, receive, told)
            else:
                await self._answered(scope, receive, told)
        except NotTaken as refused:
            # Whoever is still sending hears the answer only once all has been taken from the line.
            while (await receive()).get("more_body"):
                pass
            if not started:
                await answer(*refused.args)(scope, receive, told)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            _log("error", type(error).__name__, error=f"{error}"[:300])
            if not started:
                problem = Problem(message="an error of the server", hint="it has been logged")
                await answer(500, problem)(scope, receive, told)
        finally:
            self._tell(scope, status, time.perf_counter() - begun)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, Problem] | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if _name(host) not in self.access.hosts and "*" not in self.access.hosts:
            return 400, Problem(message="not a name of this server", hint="serve --allow-host NAME")
        if scope["path"] in PROBES:
            return None
        origin = headers.get(b"origin", b"").decode("latin-1")
        own = origin in (f"http://{host}", f"https://{host}")
        # Pictures, scripts and links that a page asks for come without an origin.
        site = headers.get(b"sec-fetch-site", b"none") if _is_api(scope) and not origin else b"none"
        stranger = origin and not own and origin not in self.access.origins
        if stranger or site not in (b"none", b"same-origin"):
            return 403, Problem(message="asked by a page of another origin", hint="--allow-origin")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, Problem(message="no usable Content-Length")
        if int(length) > self.limits.body:
            return 413, self._too_long()
        return None

    def _may_enter(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        if not _is_api(scope):
            return True
        given = headers.get(b"x-api-key", b"")
        # All are compared, each in constant time: how long it takes says nothing.
        matches = [hmac.compare_digest(given, key.encode()) for key in self.access.keys]
        return any(matches) or not self.access.keys

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the routes answer, unless whoever asked leaves before they have."""
        whole = asyncio.Event()
        if scope["method"] in ("GET", "HEAD", "DELETE"):  # no route reads a body of these
            whole.set()
        taken = [0]
        counted = self._counted(receive, whole, taken)
        work = asyncio.ensure_future(self.app(scope, counted, send))
        left = asyncio.ensure_future(_left(receive, whole))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (work, left):
                one.cancel()
            await asyncio.wait({work, left})
            self.bodies -= taken[0]
        if not work.cancelled():
            work.result()  # raises what the routes raised

    def _counted(self, receive: Receive, whole: asyncio.Event, taken: list[int]) -> Receive:
        async def counted() -> Message:
            message = await receive()
            size = len(message.get("body", b""))
            taken[0] += size
            self.bodies += size
            if taken[0] > self.limits.body:
                raise NotTaken(413, self._too_long(), {"Connection": "close"})
            if self.bodies > self.limits.bodies:
                problem = Problem(message="too much is being sent", hint="try again later")
                raise NotTaken(429, problem, {"Retry-After": str(RETRY_SECONDS)})
            if not message.get("more_body"):
                whole.set()
            return message

        return counted

    def _too_long(self) -> Problem:
        most = f"at most {self.limits.body / 2**20:g} MiB"
        return Problem(message="the body is too long", hint=most)

    def _cors(self, headers: dict[bytes, bytes]) -> Sequence[tuple[bytes, bytes]]:
        origin = headers.get(b"origin", b"")
        if origin.decode("latin-1") not in self.access.origins:
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-headers", b"content-type, x-api-key"),
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"vary", b"Origin"),
        )

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unknown")  # the template: what was sent is not repeated
        method = scope["method"] if path != "unknown" else "any"
        self.metrics.requests.labels(method, path, str(status)).inc()
        self.metrics.seconds.labels(method, path).observe(seconds)
        if path not in PROBES:
            _log("request", path, method=method, status=status, ms=round(1000 * seconds, 1))


async def _left(receive: Receive, whole: asyncio.Event) -> None:
    """Wait until the other side has closed, once it has sent all of its request."""
    await whole.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_api(scope: Scope) -> bool:
    """Whether more than the page and the probes is asked for."""
    return scope["path"].startswith(("/v1", "/metrics"))


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _log(event: str, what: str, **more: object) -> None:
    """One line of JSON: nothing in it can begin another."""
    line = {"time": round(time.time(), 3), "event": event, "what": what, **more}
    print(json.dumps(line), file=sys.stderr, flush=True)
