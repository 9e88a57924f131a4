"""HTTP as uvicorn speaks it, but with ends: a head and a body have to be complete in time."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motiongpt3.server.limits import Limits

_LOOK_SECONDS = 5.0
"""How often somebody who takes an answer slowly is looked at."""


class Bounded(HttpToolsProtocol):
    """Closes connections that are too slow, and refuses heads that are too long.

    uvicorn itself waits for ever for the rest of a head or a body (its issue 157), and for
    answers to be taken.
    """

    limits: Limits
    _deadline: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    """Looks whether an answer that does not fit into the line is taken."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._until(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._until(None)
        self._unwatch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._unwatch()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._until(self.limits.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        size = len(self.url) + sum(len(n) + len(v) for n, v in self.headers)
        if len(self.headers) > self.limits.headers or size > self.limits.head:
            self._refuse()

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._until(self.limits.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._until(None)
        if not self.transport.is_closing():
            super().on_message_complete()

    def _until(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        later = self.loop.call_later
        self._deadline = None if seconds is None else later(seconds, self.transport.abort)

    def _watch(self, before: int) -> None:
        """Close the connection unless the other side takes enough of what is left."""
        self._reader = self.loop.call_later(_LOOK_SECONDS, self._look, before)

    def _look(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if before - left < _LOOK_SECONDS * self.limits.answer_rate:
            self.transport.abort()
        else:
            self._watch(left)

    def _unwatch(self) -> None:
        if self._reader is not None:
            self._reader.cancel()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


def protocol(limits: Limits) -> type[Bounded]:
    """The protocol of one connection, with these limits."""
    return type("Limited", (Bounded,), {"limits": limits})
