"""Reading USD: the first skeleton of a scene that is animated, as a rig.

pxr (usd-core) parses, in native code that damaged files can crash or make allocate gigabytes. So it
runs in a process of its own, with bounded memory and time: what ends there is refused here. Files
are small and complete in themselves: nothing they refer to is opened.
"""

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import usd
from motiongpt3.formats.beside import environment
from motiongpt3.formats.bvh import MAX_JOINTS, MAX_PLACES
from motiongpt3.formats.files import check_input
from motiongpt3.formats.lines import MAX_VALUE
from motiongpt3.formats.rig import Rig
from motiongpt3.motion import rotation

MAX_BYTES = 64 * 2**20
MAX_MEMORY, MAX_SECONDS = 4 * 2**30, 60.0
"""Of the process that parses."""
_RATES = (0.1, 1000.0)
_PROGRAM = "import sys; from motiongpt3.formats.usd_read import answer; answer(sys.argv[1])"
_PARTS = ("parents", "offsets", "rotations", "positions")


def read(path: str | Path) -> Rig:
    """The first animated skeleton of a USD file, in metres and the file's axes.

    Raises:
        InputError: when usd-core is not installed, the file is damaged, too large, refers to other
            files, or has no animated skeleton.
    """
    check_input(path, MAX_BYTES)
    if importlib.util.find_spec("pxr") is None:
        usd.libraries()
    command = [sys.executable, "-c", _PROGRAM, os.path.abspath(path)]
    try:
        done = subprocess.run(command, capture_output=True, env=environment(), timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise InputError("takes too long to read", where=str(path), hint="cut it") from error
    if done.returncode == InputError.exit_code:
        raise InputError(**{**json.loads(done.stdout), "where": str(path)})
    if done.returncode:
        hint = "export it again"
        raise InputError("the USD library cannot cope with it", where=str(path), hint=hint)
    with np.load(io.BytesIO(done.stdout)) as found:
        parents, *arrays = (found[name] for name in _PARTS)
        names = json.loads(found["names"].tobytes())
        return Rig(
            tuple(names), tuple(parents.tolist()), arrays[0], float(found["fps"]), *arrays[1:]
        )


def answer(path: str) -> None:
    """In the other process: the rig on standard output, or what refuses it, and exit code 2."""
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    try:
        rig = parse(path)
    except InputError as error:
        json.dump({"message": error.message, "hint": error.hint}, sys.stdout)
        sys.exit(error.exit_code)
    names = np.frombuffer(json.dumps(rig.names).encode(), np.uint8)
    arrays: dict[str, Any] = {name: np.asarray(getattr(rig, name)) for name in _PARTS}
    np.savez(sys.stdout.buffer, names=names, fps=np.float64(rig.fps), **arrays)


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
    except MemoryError as error:
        raise InputError("asks for too much memory", where=path, hint="export it again") from error
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
        raise InputError("a transform is not a usable number", where=path)
    rotations, positions = _local(frames, parents)
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
