"""The routes of version 1, and those that watch over the server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from motiongpt3.errors import InputError
from motiongpt3.formats import READABLE, WRITABLE
from motiongpt3.motion.motion import PICTURES, Motion
from motiongpt3.motion.stitch import follow
from motiongpt3.server import asked, metrics
from motiongpt3.server.about import About, about
from motiongpt3.server.problems import RESPONSES, RETRY_SECONDS
from motiongpt3.server.store import facts
from motiongpt3.server.studio import Studio
from motiongpt3.server.workers import ReadFile, Search, WriteFile

_PROBE_SECONDS = 10.0


def _links(status: int, name: str) -> dict[int | str, dict[str, Any]]:
    """What the id of a motion that is answered, at `name`, is good for: for those who read, or
    test by, the API's description."""
    given = f"$response.body#/{name}"
    links: dict[str, Any] = {
        verb: {"operationId": verb, "parameters": {"name": given}}
        for verb in ("facts_of", "joints", "download", "forget")
    }
    for verb in ("caption", "cut", "predict"):
        links[verb] = {"operationId": verb, "requestBody": {"motion": given}}
    return {status: {"links": links}}


_MADE, _KEPT = _links(200, "motions/0/id"), _links(201, "id")
v1 = APIRouter(prefix="/v1", responses=RESPONSES)
health = APIRouter(tags=["health"])


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


Here = Annotated[Studio, Depends(_studio)]
Name = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@v1.post("/generate", tags=["make"], responses=_MADE)
async def generate(body: asked.Generate, studio: Here) -> asked.Made:
    """A sentence becomes motion."""
    return await studio.make(body)


@v1.post("/predict", tags=["make"], responses=_MADE)
async def predict(body: asked.Predict, studio: Here) -> asked.Made:
    """A motion, unchanged, and what may come next."""
    return await studio.make(body)


@v1.post("/inbetween", tags=["make"], responses=_MADE)
async def inbetween(body: asked.Inbetween, studio: Here) -> asked.Made:
    """Two motions, unchanged, and a way from one to the other."""
    return await studio.make(body)


@v1.post("/edit", tags=["make"], responses=_MADE)
async def edit(body: asked.Edit, studio: Here) -> asked.Made:
    """A motion with the part between two times made anew."""
    return await studio.make(body)


@v1.post("/caption", tags=["make"])
async def caption(body: asked.Caption, studio: Here) -> asked.Said:
    """What happens in a motion, in a sentence."""
    return asked.Said(caption=await studio.caption(body.motion))


@v1.post("/cut", tags=["change"])
async def cut(body: asked.Cut, studio: Here) -> asked.Kept:
    """The part of a motion between two times."""
    motion = await studio.get(body.motion)
    return await studio.keep(motion.cut(body.start, body.stop))


@v1.post("/join", tags=["change"])
async def join(body: asked.Join, studio: Here) -> asked.Kept:
    """Motions after one another, each going on where the one before has ended."""
    motions = [await studio.get(name) for name in body.motions]
    studio.check_together(motions)
    return await studio.keep(await asyncio.to_thread(joined, motions))


@v1.post("/motions", tags=["motions"], status_code=201, responses=_KEPT)
async def upload(
    request: Request,
    studio: Here,
    format: Annotated[str, Query(pattern="^[a-z0-9]{1,8}$", description="bvh, npz ...")],
) -> asked.Kept:
    """Keep a motion from a file: the body is the file, `format` its suffix."""
    if f".{format}" not in READABLE:
        raise InputError(f"{format} cannot be read", where="format", hint=" ".join(READABLE))
    data = await request.body()
    if not data:
        raise InputError("the body is empty", hint="send the file")
    task = ReadFile(data=data, suffix=f".{format}")
    motion = await studio.file(task, hash(task))
    studio.limits.check_frames(len(motion), studio.limits.frames, "send parts of it")
    return await studio.keep(motion)


@v1.get("/motions", tags=["motions"])
async def remaining(
    studio: Here,
    id: Annotated[list[asked.Name], Query(min_length=1, max_length=100)],
) -> asked.Remaining:
    """Which of these motions are still kept; asking keeps none of them longer."""
    return asked.Remaining(motions=[name for name in id if name in studio.store])


@v1.get("/motions/{name}", tags=["motions"])
async def facts_of(name: Name, studio: Here) -> asked.Kept:
    """What is known of a motion."""
    return asked.Kept(**facts(name, await studio.get(name)))


@v1.delete("/motions/{name}", tags=["motions"], status_code=204)
async def forget(name: Name, studio: Here) -> None:
    """Forget a motion before its time."""
    await asyncio.to_thread(studio.store.remove, name)


@v1.get("/motions/{name}/file", tags=["motions"], response_class=Response)
async def download(
    name: Name,
    studio: Here,
    format: Annotated[str, Query(pattern="^[a-z0-9.]{1,9}$", description="bvh, glb, mp4 ...")],
) -> Response:
    """A motion as a file."""
    suffix = f".{format}"
    if suffix not in WRITABLE + PICTURES:
        hint = " ".join(WRITABLE + PICTURES)
        raise InputError(f"{format} cannot be written", where="format", hint=hint)
    motion = await studio.get(name)
    if suffix in PICTURES:
        studio.limits.check_frames(len(motion), studio.limits.pictures, "cut it")
    data = await studio.file(WriteFile(motion=motion, suffix=suffix), (name, suffix))
    kept = {"Content-Disposition": f'attachment; filename="{name[:8]}{suffix}"'}
    return Response(data, media_type="application/octet-stream", headers=kept)


@v1.get("/motions/{name}/joints", tags=["motions"], response_class=Response)
async def joints(name: Name, studio: Here) -> Response:
    """Joint positions, single precision, little-endian: frames x joints x 3, metres, Y up."""
    motion = await studio.get(name)
    metres = (motion.joints * motion.skeleton.metres).astype("<f4")
    return Response(metres.tobytes(), media_type="application/octet-stream")


@v1.get("/about", tags=["about"])
async def tell_about(studio: Here) -> About:
    """What this server takes and gives, and the joints of its skeletons."""
    return about(studio.limits)


@v1.get("/search", tags=["search"])
async def search(
    studio: Here,
    text: Annotated[str, Query(min_length=1, max_length=2000)],
    count: Annotated[int, Query(ge=1, le=100)] = 10,
) -> asked.FoundClips:
    """The clips of the server's library that are nearest to a text."""
    task = Search(text=text, count=count)
    found = await studio.file(task, task)
    clips = [asked.FoundClip(**asdict(one.entry), distance=one.distance) for one in found]
    return asked.FoundClips(found=clips)


@v1.post("/jobs", tags=["jobs"], status_code=202)
async def start_job(body: asked.Job, studio: Here) -> asked.JobState:
    """Begin something long; ask after it by its id."""
    given = [one for one in (body.generate, body.predict, body.inbetween, body.edit) if one]
    if len(given) != 1:
        raise InputError(f"{len(given)} things are asked for", hint="give exactly one")
    return studio.start_job(given[0]).state


@v1.get("/jobs/{name}", tags=["jobs"])
async def job_state(name: Name, studio: Here) -> asked.JobState:
    """How a job stands."""
    return studio.jobs.get(name).state


@v1.delete("/jobs/{name}", tags=["jobs"])
async def cancel_job(name: Name, studio: Here) -> asked.JobState:
    """Stop a job at its next step."""
    job = studio.jobs.get(name)
    if job.task is not None and not job.ended:
        job.task.cancel()
        await asyncio.gather(job.task, return_exceptions=True)
    return job.state


@v1.get("/jobs/{name}/events", tags=["jobs"], response_class=StreamingResponse)
async def watch_job(name: Name, studio: Here) -> StreamingResponse:
    """How a job goes on, as server-sent events until it ends."""
    job = studio.jobs.get(name)

    async def events() -> AsyncIterator[str]:
        async for state in studio.jobs.watch(job):
            yield ": still here\n\n" if state is None else f"data: {state.model_dump_json()}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@health.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive: the server answers."""
    return {"status": "alive"}


@health.get("/readyz", responses=RESPONSES)
async def readyz(studio: Here) -> JSONResponse:
    """Ready: the model really makes a motion."""
    if studio.ready:
        try:
            await asyncio.wait_for(studio.probe(), _PROBE_SECONDS)
            return JSONResponse({"status": "ready"})
        except Exception:  # noqa: BLE001 - whatever the reason, it is not ready
            pass
    later = {"Retry-After": str(RETRY_SECONDS)}
    return JSONResponse({"status": "not ready"}, 503, headers=later)


@health.get("/metrics", response_class=Response)
async def read_metrics(studio: Here) -> Response:
    """Figures for a monitoring system."""
    return Response(studio.metrics.text(), media_type=metrics.CONTENT_TYPE)


def joined(motions: list[Motion]) -> Motion:
    """Motions after one another, each turned and moved to where the one before has ended.

    All take the frame rate of the first.

    Raises:
        InputError: for different skeletons.
    """
    whole = motions[0]
    for given in motions[1:]:
        motion = given.resample(whole.fps)
        Motion.concatenate([whole, motion])
        placed = follow(motion.joints, whole.joints, whole.skeleton)
        whole = Motion.concatenate([whole, Motion(placed, motion.fps, motion.skeleton)])
    return whole
