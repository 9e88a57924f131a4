"""Serving until asked to stop, and then until what is under way has been answered."""

import logging
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from motiongpt3.errors import ResourceError
from motiongpt3.server.api import build
from motiongpt3.server.guard import Access
from motiongpt3.server.protocol import protocol
from motiongpt3.server.studio import Config

_BACKLOG = 512


class Server(uvicorn.Server):
    """uvicorn's server, which says at once that it is leaving."""

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None]):
        """Args:
        leaving: called at the first signal.
        """
        super().__init__(config)
        self.leaving = leaving
        self.failed: Exception | None = None
        """Why it had to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take nothing more; a second signal ends what is under way too."""
        self.leaving()
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    def fail(self, error: Exception) -> None:
        """End because there is nothing left to serve with."""
        self.failed = error
        self.should_exit = True


def serve(config: Config, access: Access, host: str, port: int) -> None:
    """Serve until a signal.

    Raises:
        ResourceError: when the address cannot be had, or a process cannot be kept alive.
        InputError, CorruptError: when the model or the index cannot be read.
    """
    server: Server
    app = build(config, access, lambda error: server.fail(error))
    listening = _listen(host, port)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    settings = uvicorn.Config(
        app,
        http=protocol(config.limits),
        ws="none",
        proxy_headers=False,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=round(config.limits.drain),
        backlog=_BACKLOG,
        log_config=None,
    )
    server = Server(settings, app.state.studio.leave)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    with listening:
        server.run(sockets=[listening])
    if server.failed:
        raise server.failed


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # whoever comes before all is ready waits for it
    except OSError as error:
        raise ResourceError(
            f"cannot listen: {error.strerror}", where=f"{host}:{port}", hint="choose another --port"
        ) from error
    return listening
