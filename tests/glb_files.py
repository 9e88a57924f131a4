"""glTF files in the making, and a tool's skeleton as one."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import skeletons
from scipy.spatial.transform import Rotation

from motiongpt3.formats import bvh
from motiongpt3.motion.motion import Motion

KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


class Scene:
    """A glTF file in the making."""

    def __init__(self, nodes: list[dict[str, Any]]):
        self.blob = bytearray()
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"}, "nodes": nodes, "accessors": [], "bufferViews": [],
            "buffers": [{"byteLength": 0}],
            "animations": [{"channels": [], "samplers": []}],
        }  # fmt: skip

    def add(self, values: np.ndarray, component: int = 5126) -> int:
        dtype = {5126: np.float32, 5122: np.int16, 5121: np.uint8}[component]
        full = 1 if component == 5126 else np.iinfo(dtype).max
        array = np.asarray(values, float)
        array = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
        data = np.round(array * full).astype(dtype) if full > 1 else array.astype(dtype)
        self.blob += bytes(-len(self.blob) % 4)
        view = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": data.nbytes}
        self.blob += data.tobytes()
        self.json["bufferViews"].append(view)
        self.json["accessors"].append(
            {"bufferView": len(self.json["bufferViews"]) - 1, "componentType": component,
             "count": len(data), "type": KINDS[data.shape[1]], "normalized": full > 1}
        )  # fmt: skip
        self.json["buffers"][0]["byteLength"] = len(self.blob)
        return len(self.json["accessors"]) - 1

    def move(self, node: int, what: str, times: Any, values: Any, how: str, component=5126) -> None:
        animation = self.json["animations"][0]
        sampler = {"input": self.add(times), "output": self.add(values, component)}
        animation["samplers"].append({**sampler, "interpolation": how})
        target = {"node": node, "path": what}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})

    def glb(self, path: Path) -> Path:
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self.blob) + bytes(-len(self.blob) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return path

    def gltf(self, path: Path, uri: str | None = None) -> Path:
        embedded = base64.b64encode(self.blob).decode()
        uri = f"data:application/octet-stream;base64,{embedded}" if uri is None else uri
        buffers = [{"byteLength": len(self.blob), "uri": uri}]
        path.write_text(json.dumps({**self.json, "buffers": buffers}))
        return path


def scene(seed: int = 0) -> Scene:
    """Four nodes one below the other, moved in every way a file may say."""
    random = np.random.default_rng(seed)
    turn = Rotation.from_rotvec([0.3, 1.0, -0.4])
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix() * [0.5, 0.5, 0.5]
    matrix[:3, 3] = [1, 2, 3]
    nodes = [
        {"name": "stage", "matrix": matrix.T.reshape(-1).tolist(), "children": [2]},
        {"name": "end", "translation": [0, 1, 0]},
        {"name": "hip", "rotation": turn.as_quat().tolist(), "children": [3], "scale": [2, 2, 2]},
        {"name": "knee", "translation": [0, 0.5, 0.2], "children": [1]},
    ]
    made = Scene(nodes)
    times = np.arange(5) / 10
    made.move(2, "rotation", times, Rotation.random(5, seed).as_quat(), "LINEAR")
    made.move(2, "translation", times, random.normal(size=(5, 3, 3)), "CUBICSPLINE")
    made.move(3, "scale", times, random.uniform(0.5, 2, (5, 3)), "LINEAR")
    quaternions = Rotation.random(3, seed + 1).as_quat()
    made.move(3, "rotation", [0, 0.2, 0.4], quaternions, "STEP", component=5122)
    made.move(1, "translation", [0.1, 0.3], random.normal(size=(2, 3)), "LINEAR")
    return made


def of_a_tool(folder: Path, scale: float = 0.01) -> tuple[Path, Motion]:
    """A tool's skeleton as glTF with turned rest poses below a scaled root, and its motion."""
    skeletons.write(skeletons.TOOLS["mixamo"], folder / "a.bvh")
    file = bvh.read(folder / "a.bvh")
    spin = Rotation.random(len(file.names), 3)
    quarter = Rotation.from_euler("x", 90, degrees=True)
    spin = [Rotation.identity() if p < 0 else spin[i] for i, p in enumerate(file.parents)]
    nodes = []
    for i, name in enumerate(file.names):
        above = spin[file.parents[i]] if file.parents[i] >= 0 else Rotation.identity()
        nodes.append({
            "name": name,
            "translation": above.inv().apply(file.offsets[i]).tolist(),
            "rotation": (above.inv() * spin[i]).as_quat().tolist(),
            "children": list(file.children[i]),
        })  # fmt: skip
    stage = {"name": "Armature", "scale": [scale] * 3, "rotation": quarter.as_quat().tolist()}
    upright = {"name": "Up", "rotation": quarter.inv().as_quat().tolist(), "children": [0]}
    made = Scene([*nodes, {**stage, "children": [len(nodes) + 1]}, upright])
    made.json["skins"] = [{"joints": list(range(len(nodes)))}]
    times = np.arange(len(file.joints)) / file.fps
    for i, parent in enumerate(file.parents):
        above = spin[parent] if parent >= 0 else Rotation.identity()
        local = Rotation.from_quat(np.roll(file.rotations[:, i], -1, -1))
        made.move(i, "rotation", times, (above.inv() * local * spin[i]).as_quat(), "LINEAR")
    made.move(0, "translation", times, file.positions[:, 0], "LINEAR")
    return made.glb(folder / "a.glb"), Motion.read(folder / "a.bvh")
