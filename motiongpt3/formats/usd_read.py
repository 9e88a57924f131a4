"""Reading USD: the first skeleton of a scene that is animated, as a rig.

pxr (usd-core) parses, in native code that damaged files can crash or make allocate gigabytes. So a
process beside this one forks for each file, with bounded memory and time: what ends there is
refused here, and what it damaged is gone. That process waits for further files for a while. Files
are small and complete in themselves: nothing they refer to is opened.
"""

import contextlib
import importlib.util
import io
import json
import os
import signal
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats import usd
from motiongpt3.formats.beside import Helper
from motiongpt3.formats.bvh import MAX_JOINTS, MAX_PLACES
from motiongpt3.formats.files import check_input
from motiongpt3.formats.lines import MAX_VALUE
from motiongpt3.formats.rig import Rig
from motiongpt3.motion import rotation

MAX_BYTES = 64 * 2**20
MAX_MEMORY, MAX_SECONDS = 4 * 2**30, 60
"""Of a fork that parses, and by the clock for its file."""
MORE_MEMORY, MORE_EACH = 128 * 2**20, 1000
"""Bytes that it may take for one file, and for each byte of that: a damaged file may state any
size, which pxr takes before it looks. Frames that are all alike take the most for their bytes."""
MORE_SECONDS, SECONDS_EACH = 0.3, 5e-7
"""Of processor time for one file, and for each byte of that: six times what sound ones take, or
more. Some damaged ones take seconds."""
_AT_ONCE = 20_000
"""Places that turns are found for at once."""
_RATES = (0.1, 1000.0)
_HELPER = Helper(
    "import sys; from motiongpt3.formats.usd_read import serve; serve(int(sys.argv[1]))",
    MAX_SECONDS + 5,
)
_FIRST = """#usda 1.0
def SkelRoot "a" {
    def Skeleton "b" (prepend apiSchemas = ["SkelBindingAPI"]) {
        rel skel:animationSource = </a/c>
        uniform token[] joints = ["d"]
        uniform matrix4d[] bindTransforms = [
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
        ]
        uniform matrix4d[] restTransforms = [
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
        ]
    }
    def SkelAnimation "c" {
        uniform token[] joints = ["d"]
        float3[] translations.timeSamples = { 0: [(0, 0, 0)], 1: [(0, 1, 0)] }
        quatf[] rotations = [(1, 0, 0, 0)]
        half3[] scales = [(1, 1, 1)]
    }
}
"""
"""A scene as small as they come. What pxr sets up for its first one is there before there are forks
of the process, which then answer in half the time."""
_PARTS = ("parents", "offsets", "rotations", "positions")


def read(path: str | Path) -> Rig:
    """The first animated skeleton of a USD file, in metres and the file's axes.

    Raises:
        InputError: when usd-core is not installed, the file is damaged, too large, refers to other
            files, or has no animated skeleton.
        ResourceError: when no process can be started.
    """
    check_input(path, MAX_BYTES)
    if importlib.util.find_spec("pxr") is None:
        usd.libraries()
    if os.name != "posix":  # elsewhere pipes are not handed down
        return parse(os.path.abspath(path))
    try:
        answer = _HELPER.ask(os.fsencode(os.path.abspath(path)))
    except (EOFError, OSError) as error:  # TimeoutError is one
        hint = "end other programs"
        raise ResourceError(f"cannot be read: {error}", where=str(path), hint=hint) from error
    with np.load(io.BytesIO(answer)) as found:
        told = json.loads(found["told"].tobytes())
        if "message" in told:
            raise InputError(**told, where=str(path))
        parents, *arrays = (found[name] for name in _PARTS)
        return Rig(
            tuple(told["names"]), tuple(parents.tolist()), arrays[0], told["fps"], *arrays[1:]
        )


def serve(handle: int) -> None:
    """In the other process: answer paths from a pipe with what is there, until nobody asks
    any more, or has for long."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["PXR_WORK_THREAD_LIMIT"] = "1"  # each thread has memory of its own, and none forks
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(InputError):  # each file says so
        pxr = usd.libraries()
        layer = pxr.Sdf.Layer.CreateAnonymous(".usda")
        layer.ImportFromString(_FIRST)
        _encoded(_skeleton(pxr, pxr.Usd.Stage.Open(layer), "the first"))
    with Connection(handle) as pipe, contextlib.suppress(EOFError, OSError):
        while pipe.poll(MAX_SECONDS):
            path = os.fsdecode(pipe.recv_bytes())
            pipe.send_bytes(_forked(path, pipe))


def _forked(path: str, pipe: Connection) -> bytes:
    """The answer of a fork of this process, or what became of that."""
    ours, theirs = Pipe(duplex=False)
    answer = b""
    with ours:
        with theirs:
            fork = os.fork()
            if not fork:
                try:
                    pipe.close()
                    signal.alarm(MAX_SECONDS)
                    theirs.send_bytes(_answer(path))
                finally:
                    os._exit(0)
        with contextlib.suppress(EOFError, OSError):  # it ended before it had answered
            answer = ours.recv_bytes()
    ended = -os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    if answer:
        return answer
    if ended in (signal.SIGALRM, signal.SIGPROF):
        return _encoded(InputError("takes too long to read", where=path, hint="cut it"))
    refused = "the USD library cannot cope with it"
    return _encoded(InputError(refused, where=path, hint="export it again"))


def _answer(path: str) -> bytes:
    """The rig, or what refuses it, as numpy's archive of data alone."""
    try:
        _bound(path)
        return _encoded(parse(path))
    except InputError as error:
        return _encoded(error)


def _encoded(found: Rig | InputError) -> bytes:
    """As numpy's archive of data alone."""
    arrays: dict[str, Any] = {}
    if isinstance(found, Rig):
        arrays = {name: np.asarray(getattr(found, name)) for name in _PARTS}
        told: dict[str, Any] = {"names": found.names, "fps": found.fps}
    else:
        told = {"message": found.message, "hint": found.hint, "fault": found.fault}
    file = io.BytesIO()
    np.savez(file, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)
    return file.getvalue()


def _bound(path: str) -> None:
    """Let this process take as much more memory and time as a file of that size can need."""
    import resource

    size = os.path.getsize(path)
    signal.setitimer(signal.ITIMER_PROF, MORE_SECONDS + SECONDS_EACH * size)
    with contextlib.suppress(OSError):  # there is no such file but on Linux
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        most = min(MAX_MEMORY, pages * resource.getpagesize() + MORE_MEMORY + MORE_EACH * size)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))


def parse(path: str) -> Rig:
    """What `read` gives, in this process.

    Raises:
        InputError: as `read`.
    """
    pxr = usd.libraries()
    quiet = pxr.UsdUtils.CoalescingDiagnosticDelegate()  # keeps pxr from writing to the terminal
    try:
        layer = pxr.Sdf.Layer.OpenAsAnonymous(path)
        if layer is None:
            raise InputError("is no USD scene", where=path, hint="the file may be damaged")
        others = layer.GetCompositionAssetDependencies()
        if others:
            raise InputError(
                f"refers to other files: {', '.join(map(str, others))[:120]}",
                where=path,
                hint="flatten it first: usdcat --flatten",
            )
        return _skeleton(pxr, pxr.Usd.Stage.Open(layer), path)
    except np.linalg.LinAlgError as error:
        raise InputError("a transform is no turn", where=path) from error
    except (RuntimeError, UnicodeDecodeError) as error:  # RuntimeError: pxr.Tf.ErrorException
        raise InputError(f"cannot be read: {_reason(error)}", where=path) from error
    finally:
        with contextlib.suppress(UnicodeDecodeError):
            quiet.TakeUncoalescedDiagnostics()


def _reason(error: Exception) -> str:
    """The end of what pxr says, if that is text at all."""
    try:
        return ascii(str(error).strip()[-120:])
    except UnicodeDecodeError:
        return "it holds text that is not UTF-8"


def _skeleton(pxr: Any, stage: Any, path: str) -> Rig:
    """The first skeleton that an animation moves."""
    cache = pxr.UsdSkel.Cache()
    scene = pxr.Usd.TraverseInstanceProxies(pxr.Usd.PrimIsActive & pxr.Usd.PrimIsDefined)
    for prim in pxr.Usd.PrimRange.Stage(stage, scene):
        if not prim.IsA(pxr.UsdSkel.Root):
            continue
        root = pxr.UsdSkel.Root(prim)
        cache.Populate(root, scene)
        for below in pxr.Usd.PrimRange(prim, scene):
            if not below.IsA(pxr.UsdSkel.Skeleton):
                continue
            query = cache.GetSkelQuery(pxr.UsdSkel.Skeleton(below))
            if query and query.GetAnimQuery():
                return _rig(pxr, stage, below, query, path)
    raise InputError("no skeleton in it is animated", where=path, hint="UsdSkel is read")


def _rig(pxr: Any, stage: Any, prim: Any, query: Any, path: str) -> Rig:
    topology, order = query.GetTopology(), query.GetJointOrder()
    parents = tuple(int(topology.GetParent(joint)) for joint in range(len(order)))
    if not 0 < len(parents) <= MAX_JOINTS or any(p >= j for j, p in enumerate(parents)):
        raise InputError(f"has {len(parents)} joints", where=path, hint=f"1 to {MAX_JOINTS}")
    times, fps = _times(stage, query, path)
    if len(times) * len(parents) > MAX_PLACES:
        raise InputError(f"{len(times)} frames are too many", where=path, hint="cut the file")
    metres = float(pxr.UsdGeom.GetStageMetersPerUnit(stage))
    frames = np.empty((len(times), len(parents), 4, 4))
    places = pxr.UsdGeom.XformCache()
    for frame, time in enumerate(times):
        places.SetTime(time)
        matrices = np.array(query.ComputeJointSkelTransforms(time), np.float64)
        if matrices.shape != frames.shape[1:]:
            raise InputError("the animation does not fit the skeleton", where=path)
        with np.errstate(invalid="ignore", over="ignore"):  # refused below
            frames[frame] = matrices @ np.array(places.GetLocalToWorldTransform(prim), np.float64)
    rest = np.array(query.ComputeJointSkelTransforms(times[0], True), np.float64)[None]
    largest = max(float(abs(frames).max()), float(abs(rest).max()))
    if not (largest <= MAX_VALUE and 0 < metres < 1e6):
        raise InputError("a transform is not a usable number", where=path, fault="not-finite")
    step = max(1, _AT_ONCE // len(parents))
    parts = [_local(frames[at : at + step], parents) for at in range(0, len(frames), step)]
    rotations, positions = (np.concatenate(part) for part in zip(*parts, strict=True))
    _, offsets = _local(rest, parents)
    names = tuple(str(joint).rpartition("/")[2] for joint in order)
    return Rig(names, parents, offsets[0] * metres, fps, rotations, positions * metres)


def _times(stage: Any, query: Any, path: str) -> tuple[Float[np.ndarray, " T"], float]:
    """Time codes of the frames, evenly spaced, and frames per second."""
    given = np.array(query.GetAnimQuery().GetJointTransformTimeSamples(), np.float64)
    codes = float(stage.GetTimeCodesPerSecond())
    given = given if len(given) else np.array([float(stage.GetStartTimeCode())])
    step = float(np.median(np.diff(given))) if len(given) > 1 else 1.0
    fps = codes / step if step > 0 else 0.0
    if not (np.isfinite(given).all() and _RATES[0] <= fps <= _RATES[1]):
        raise InputError(f"{fps:.3g} frames per second", where=path, hint="e.g. 24")
    count = (given[-1] - given[0]) / step
    if count > MAX_PLACES:
        raise InputError("the frames are too far apart", where=path, hint="cut the file")
    return given[0] + step * np.arange(round(count) + 1), round(fps, 6)


def _local(
    matrices: Float[np.ndarray, "T N 4 4"], parents: tuple[int, ...]
) -> tuple[Float[np.ndarray, "T N 4"], Float[np.ndarray, "T N 3"]]:
    """Turns and positions from the parent, of transforms in the world; scale goes to positions."""
    u, _, v = np.linalg.svd(matrices[..., :3, :3].swapaxes(-1, -2))
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[..., None]
    world, places = rotation.from_matrix(u @ v), matrices[..., 3, :3]
    turns, moves = world.copy(), places.copy()
    for node, parent in enumerate(parents):
        if parent >= 0:
            back = rotation.conjugate(world[:, parent])
            turns[:, node] = rotation.multiply(back, world[:, node])
            moves[:, node] = rotation.rotate(back, places[:, node] - places[:, parent])
    return turns, moves
