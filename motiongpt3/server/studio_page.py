"""The studio's page: a few files that come with the package, read once."""

from importlib.resources import files

from fastapi import APIRouter, HTTPException, Response

_KINDS = {
    "index.html": "text/html",
    "early.js": "text/javascript",
    "studio.js": "text/javascript",
    "studio.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""The files there are; what is not named here is not served, whatever is asked for."""


def routes() -> APIRouter:
    """The page at `/`, and what it loads below `/assets`."""
    router, folder = APIRouter(include_in_schema=False), files("motiongpt3.server") / "page"
    contents = {name: (folder / name).read_bytes() for name in _KINDS}

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page() -> Response:
        return Response(contents["index.html"], media_type=_KINDS["index.html"])

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    async def asset(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404, "there is no such file")
        return Response(contents[name], media_type=_KINDS[name])

    return router
