"""Reading glTF: ours exactly, others as scipy plays them, and files that lie or point away."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
from glb_files import Scene, of_a_tool, scene
from people import person
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from motiongpt3.errors import InputError
from motiongpt3.formats import glb_read
from motiongpt3.motion.kinematics import fit
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import KIT


@pytest.mark.parametrize(
    "motion", [person(1, swing=1.2), person(1, 40, KIT)], ids=["humanml3d", "kit"]
)
@pytest.mark.parametrize("fps", [12.5, 20.0, 29.97, 120.0])
def test_ours_reads_back_as_its_rigid_fit(motion: Motion, fps: float, tmp_path: Path) -> None:
    Motion(motion.joints, fps, motion.skeleton).write(tmp_path / "a.glb")
    back = Motion.read(tmp_path / "a.glb")
    expected = fit(motion.joints, motion.skeleton).joints
    assert back.skeleton is motion.skeleton and back.fps == fps
    np.testing.assert_allclose(back.joints, expected, atol=1e-4 / motion.skeleton.metres)


def test_captured_motion_reads_back(data: Path, tmp_path: Path) -> None:
    motion = Motion(np.load(data / "reference" / "012314_joints.npy"), 20.0)
    motion.write(tmp_path / "a.glb")
    np.testing.assert_allclose(Motion.read(tmp_path / "a.glb").joints, motion.joints, atol=1e-4)


def played(made: Scene, times: np.ndarray) -> dict[str, np.ndarray]:
    """World positions of the nodes by 4x4 matrices and scipy's interpolation."""

    def values(index: int) -> np.ndarray:
        accessor = made.json["accessors"][index]
        view = made.json["bufferViews"][accessor["bufferView"]]
        data = bytes(made.blob)[view["byteOffset"] :][: view["byteLength"]]
        kind = {5126: "<f4", 5122: "<i2"}[accessor["componentType"]]
        array = np.frombuffer(data, kind).reshape(accessor["count"], -1).astype(float)
        return array / 32767 if kind == "<i2" else array

    state: list[dict[str, Any]] = [dict(node) for node in made.json["nodes"]]
    animation = made.json["animations"][0]
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        keys, points = values(sampler["input"])[:, 0], values(sampler["output"])
        now = np.clip(times, keys[0], keys[-1])
        what = channel["target"]["path"]
        if sampler["interpolation"] == "STEP":
            found = points[np.searchsorted(keys, now + 1e-6, side="right") - 1]
        elif sampler["interpolation"] == "CUBICSPLINE":
            into, at, out = points.reshape(len(keys), 3, -1).swapaxes(0, 1)
            found = np.empty((len(now), points.shape[1]))
            for i, t in enumerate(now):
                k = min(np.searchsorted(keys, t, side="right") - 1, len(keys) - 2)
                ends = [out[k], into[k + 1]]
                found[i] = CubicHermiteSpline(keys[k : k + 2], at[k : k + 2], ends)(t)
        elif what == "rotation":
            found = Slerp(keys, Rotation.from_quat(points))(now).as_quat()
        else:
            found = np.stack([np.interp(now, keys, column) for column in points.T], -1)
        state[channel["target"]["node"]][what] = found
    return {
        node["name"]: np.stack([world(state, i, frame)[:3, 3] for frame in range(len(times))])
        for i, node in enumerate(state)
    }


def world(state: list[dict[str, Any]], index: int, frame: int) -> np.ndarray:
    node = state[index]

    def value(what: str, default: list[float]) -> np.ndarray:
        found = np.array(node.get(what, default), float)
        return found[frame] if found.ndim == 2 else found

    local = np.eye(4)
    turn = Rotation.from_quat(value("rotation", [0, 0, 0, 1])).as_matrix()
    local[:3, :3] = turn * value("scale", [1, 1, 1])
    local[:3, 3] = value("translation", [0, 0, 0])
    if "matrix" in node:
        local = np.array(node["matrix"]).reshape(4, 4).T
    above = [i for i, other in enumerate(state) if index in other.get("children", [])]
    return world(state, above[0], frame) @ local if above else local


@pytest.mark.parametrize("kind", ["glb", "gltf", "beside"])
@pytest.mark.parametrize("seed", range(3))
def test_every_way_of_moving(kind: str, seed: int, tmp_path: Path) -> None:
    made = scene(seed)
    path = tmp_path / "a.gltf"
    if kind == "glb":
        path = made.glb(tmp_path / "a.glb")
    elif kind == "gltf":
        made.gltf(path)
    else:
        (tmp_path / "a b.bin").write_bytes(made.blob)
        made.gltf(path, "a b.bin")
    rig = glb_read.read(path)
    assert rig.fps == 10 and rig.joints.shape == (5, 4, 3)
    for name, place in played(made, np.arange(5) / 10).items():
        at = rig.joints[:, rig.names.index(name)]
        np.testing.assert_allclose(at, place, atol=1e-5, err_msg=name)


def test_keys_that_were_thinned_out_are_played_at_their_rate(tmp_path: Path) -> None:
    made = scene()
    made.move(0, "translation", [0, 3 / 30, 10 / 30], np.eye(3), "LINEAR")
    del made.json["nodes"][0]["matrix"]
    rig = glb_read.read(made.glb(tmp_path / "a.glb"))
    assert rig.fps == 30 and len(rig.joints) == 13
    for name, place in played(made, np.arange(13) / 30).items():
        at = rig.joints[:, rig.names.index(name)]
        np.testing.assert_allclose(at, place, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("scale", "unit"), [(0.01, "metre"), (1.0, "centimetre")])
def test_a_tools_skin_reads_as_its_bvh(scale: float, unit: str, tmp_path: Path) -> None:
    path, expected = of_a_tool(tmp_path, scale)
    found = Motion.read(path)
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-4)
    assert found.fps == 30 and found.provenance["unit"] == unit
    assert found.provenance["joints"]["left_hip"] == {"node": "mixamorig:LeftUpLeg", "by": "name"}


def test_what_pygltflib_writes_is_read(tmp_path: Path) -> None:
    path, _ = of_a_tool(tmp_path)
    expected = glb_read.read(path).joints
    again = pygltflib.GLTF2().load(str(path))
    again.save_binary(str(tmp_path / "b.glb"))
    again.convert_buffers(pygltflib.BufferFormat.DATAURI)
    again.save_json(str(tmp_path / "b.gltf"))
    for name in ("b.glb", "b.gltf"):
        np.testing.assert_array_equal(glb_read.read(tmp_path / name).joints, expected)


# Files that lie


def changed(place: str, value: Any) -> dict[str, Any]:
    """The JSON of a good file with one value set; a missing value is taken out."""
    made = scene()
    at: Any = made.json
    *way, last = [int(p) if p.isdigit() else p for p in place.split(".")]
    for step in way:
        at = at[step]
    at[last] = value
    return made.json


LIES: dict[str, tuple[str, Any]] = {
    "a million values": ("accessors.0.count", 10**6),
    "a value less than none": ("accessors.0.count", -1),
    "a count of 2.5": ("accessors.0.count", 2.5),
    "a count that is true": ("accessors.0.count", True),
    "an unknown type": ("accessors.1.componentType", 5130),
    "a type of text": ("accessors.1.componentType", "5126"),
    "beyond the view": ("accessors.0.byteOffset", 4),
    "beyond the buffer": ("bufferViews.0.byteLength", 10**9),
    "a stride of nothing": ("bufferViews.1.byteStride", 0),
    "sparse": ("accessors.0.sparse", {"count": 10**9}),
    "no view": ("accessors.0.bufferView", None),
    "a buffer of a terabyte": ("buffers.0.byteLength", 10**12),
    "a circle": ("nodes.1.children", [0]),
    "its own child": ("nodes.1.children", [1]),
    "two parents": ("nodes.1.children", [3]),
    "a child that is not there": ("nodes.1.children", [99]),
    "children that are true": ("nodes.1.children", [True]),
    "a short rotation": ("nodes.2.rotation", [0, 0, 1]),
    "a name for a number": ("nodes.1.translation", ["a", 0, 0]),
    "too far": ("nodes.1.translation", [1e300, 0, 0]),
    "flat": ("nodes.0.matrix", [0] * 16),
    "no animation": ("animations", []),
    "no channels": ("animations.0.channels", None),
    "no such sampler": ("animations.0.channels.0.sampler", 77),
    "no such node": ("animations.0.channels.0.target.node", 77),
    "an unknown way": ("animations.0.samplers.0.interpolation", "SPLINE"),
    "too few values": ("animations.0.samplers.0.interpolation", "CUBICSPLINE"),
    "no nodes": ("nodes", []),
    "nodes that are numbers": ("nodes", [1, 2]),
    "version 1": ("asset", {"version": "1.0"}),
    "no asset": ("asset", 3),
    "a skin of nothing": ("skins", [{"joints": [99]}]),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(lie: str, tmp_path: Path) -> None:
    made = scene()
    made.json = changed(*LIES[lie])
    with pytest.raises(InputError) as error:
        glb_read.read(made.glb(tmp_path / "a.glb"))
    assert str(tmp_path) in error.value.where and len(str(error.value)) < 400


def test_keys_out_of_order_or_forever_are_refused(tmp_path: Path) -> None:
    for times in ([0, 0.2, 0.1], [0, np.nan, 1], [0, 0.01, 1e8], [-1, 0, 1]):
        made = scene()
        made.move(1, "translation", times, np.eye(3), "LINEAR")
        with pytest.raises(InputError):
            glb_read.read(made.glb(tmp_path / "a.glb"))


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd", "../a.bin", "file:///etc/passwd", "http://localhost/a.bin", "..", ".hidden",
        "sub/a.bin", "sub\\a.bin", "%2e%2e%2fa.bin", "a\nb.bin", "link.bin", "missing.bin",
        "data:application/octet-stream;base64,&&&", "data:text/html,abc", "", 3,
    ],
)  # fmt: skip
def test_nothing_elsewhere_is_opened(uri: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    made = scene()
    for place in (tmp_path / "a.bin", folder / "sub" / "a.bin", folder / ".hidden"):
        place.write_bytes(made.blob)
    (folder / "link.bin").symlink_to(tmp_path / "a.bin")
    with pytest.raises(InputError):
        glb_read.read(made.gltf(folder / "a.gltf", uri))


BOMBS = {
    "nested": b"[" * 10**6,
    "wide": b'{"asset":' + b"[]," * 10**6 + b"0}",
    "not JSON": b"{" * 40,
    "a list": b"[]",
    "not text": b"\xff" * 64,
    "a web page": b"<!DOCTYPE html>",
    "a head alone": b"glTF",
    "version 9": struct.pack("<4sII", b"glTF", 9, 12),
    "longer than it is": struct.pack("<4sII", b"glTF", 2, 10**9),
    "a part too long": struct.pack("<4sIII4s", b"glTF", 2, 20, 10**9, b"JSON"),
    "no JSON": struct.pack("<4sIII4s", b"glTF", 2, 20, 0, b"BIN\0"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(BOMBS[bomb])
    with pytest.raises(InputError):
        glb_read.read(tmp_path / "a.glb")
