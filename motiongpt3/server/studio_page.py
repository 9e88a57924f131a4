"""The studio's page: a few files that come with the package, each under its own path."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Response

_KINDS = {
    "index.html": "text/html",
    "studio.js": "text/javascript",
    "studio.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""The files there are; what is not named here is not served, whatever is asked for."""


def routes() -> APIRouter:
    """The page at `/`, and what it loads below `/assets`."""
    router, folder = APIRouter(include_in_schema=False), files("motiongpt3.server") / "page"
    for name, kind in _KINDS.items():
        path = "/" if name == "index.html" else f"/assets/{name}"
        send = _sender((folder / name).read_bytes(), kind)
        router.add_api_route(path, send, methods=["GET", "HEAD"])
    return router


def _sender(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=kind)

    return send
