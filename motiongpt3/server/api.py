"""The application: routes behind their guard, and the studio that lives as long as it does."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

import motiongpt3
from motiongpt3.server import problems, routes, studio_page
from motiongpt3.server.guard import Access, Guard
from motiongpt3.server.studio import Config, Studio

ABOUT = """Human motion as a second modality of a language model.

Motions are kept under random ids for a while; every making call answers with such ids, and
`GET /v1/motions/{id}/file?format=bvh` hands one out. Times are seconds. What takes long belongs
in a job. Every refusal has the same body: `{"error": {"message", "where", "hint"}}`.
"""


def build(config: Config, access: Access, fatal: Callable[[Exception], None]) -> FastAPI:
    """The whole API.

    Args:
        fatal: called when a process behind it cannot be kept alive.
    """
    studio = Studio(config, fatal)

    @asynccontextmanager
    async def alive(app: FastAPI) -> AsyncIterator[None]:
        async with studio:
            yield

    app = FastAPI(
        title="motiongpt3",
        version=motiongpt3.__version__,
        description=ABOUT,
        lifespan=alive,
        docs_url=None,  # its page fetches scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.studio = studio
    problems.install(app)
    app.include_router(routes.v1)
    app.include_router(routes.health)
    app.include_router(studio_page.routes())
    app.add_middleware(Guard, access=access, limits=config.limits, metrics=studio.metrics)
    return app
