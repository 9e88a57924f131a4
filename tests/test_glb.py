"""GLB: the Khronos validator, and a reader of its own that plays the file and compares joints."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import kit
import numpy as np
import pytest
from capture import captured
from clips import walk
from people import offsets, person
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from motiongpt3.motion import rotation
from motiongpt3.motion.kinematics import fit, forward
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton

WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TYPE = {5126: "<f4", 5123: "<u2", 5121: "u1"}
VALIDATOR = "gltf-validator@2.0.0-dev.3.10"


class Glb:
    """A glTF reader that knows just what these tests need."""

    def __init__(self, path: Path):
        data = path.read_bytes()
        magic, version, length, size, kind = struct.unpack("<4sII I4s", data[:20])
        assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        self.binary = data[28 + size :]

    def array(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        view = self.json["bufferViews"][accessor["bufferView"]]
        width = WIDTH[accessor["type"]]
        flat = np.frombuffer(
            self.binary,
            TYPE[accessor["componentType"]],
            accessor["count"] * width,
            view.get("byteOffset", 0),
        )
        array = flat.reshape(-1, width)
        np.testing.assert_array_equal(array.min(0), np.array(accessor["min"], flat.dtype))
        np.testing.assert_array_equal(array.max(0), np.array(accessor["max"], flat.dtype))
        return array

    def world(self, frame: int | None) -> np.ndarray:
        """4x4 matrices of the joints in a frame of the animation, or as the file opens."""
        nodes = self.json["nodes"]
        places = [np.array(n.get("translation", [0.0, 0, 0])) for n in nodes]
        turns = [np.array(n.get("rotation", [0, 0, 0, 1.0])) for n in nodes]
        animation = self.json["animations"][0]
        for channel in animation["channels"] if frame is not None else []:
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            target = channel["target"]
            where = {"translation": places, "rotation": turns}[target["path"]]
            where[target["node"]] = self.array(sampler["output"])[frame]
        found: dict[int, np.ndarray] = {}

        def place(node: int, above: np.ndarray) -> None:
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(turns[node]).as_matrix()
            local[:3, 3] = places[node]
            found[node] = above @ local
            for child in nodes[node].get("children", []):
                place(child, found[node])

        for node in self.json["scenes"][0]["nodes"]:
            place(node, np.eye(4))
        return np.stack([found[node] for node in self.json["skins"][0]["joints"]])

    def vertices(self, frame: int | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Skinned vertices, and their triangles, by material name."""
        skin = self.json["skins"][0]
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = self.world(frame) @ inverse
        parts = {}
        for primitive in self.json["meshes"][0]["primitives"]:
            a = {k: self.array(v) for k, v in primitive["attributes"].items()}
            assert self.json["accessors"][primitive["attributes"]["WEIGHTS_0"]]["normalized"]
            a["WEIGHTS_0"] = a["WEIGHTS_0"] / 255
            np.testing.assert_allclose(a["WEIGHTS_0"].sum(1), 1, atol=1e-6)
            matrices = np.einsum("vk,vkij->vij", a["WEIGHTS_0"], joints[a["JOINTS_0"]])
            moved = np.einsum("vij,vj->vi", matrices[:, :3, :3], a["POSITION"])
            name = self.json["materials"][primitive["material"]]["name"]
            triangles = self.array(primitive["indices"]).reshape(-1, 3)
            parts[name] = (moved + matrices[:, :3, 3], triangles)
        return parts


@pytest.fixture(scope="session")
def validator(pytestconfig: pytest.Config) -> Path:
    """A node_modules folder with the Khronos validator; installs it once where npm can."""
    if shutil.which("node") is None:
        pytest.skip("the glTF validator needs node")
    cache = pytestconfig.cache
    folders = [Path(p) for p in os.environ.get("NODE_PATH", "").split(os.pathsep) if p]
    folders.append(Path(__file__).parents[1] / "node_modules")
    installed = cache.mkdir("gltf-validator") if cache is not None else None
    if installed is not None:
        folders.append(installed / "node_modules")
    for folder in folders:
        if (folder / "gltf-validator").is_dir():
            return folder.resolve()
    if installed is None or shutil.which("npm") is None:
        pytest.skip("the glTF validator needs npm to be installed")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(installed), VALIDATOR]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("the glTF validator could not be downloaded in a minute")
    if done.returncode:
        pytest.skip("the glTF validator could not be downloaded")
    return (installed / "node_modules").resolve()


def validate(path: Path, folder: Path) -> dict[str, Any]:
    script = Path(__file__).parent / "gltf_validate.mjs"
    done = subprocess.run(
        ["node", str(script), str(path)],
        env={**os.environ, "NODE_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=["humanml3d", "kit"])
@pytest.mark.parametrize("frames", [1, 40])
def test_the_khronos_validator_finds_nothing(
    skeleton: Skeleton, frames: int, tmp_path: Path, validator: Path
) -> None:
    person(0, 40, skeleton)[:frames].write(tmp_path / "a.glb")
    report = validate(tmp_path / "a.glb", validator)
    assert report["issues"]["messages"] == []
    assert report["info"]["animationCount"] == 1 and report["info"]["hasSkins"]


def test_captured_motion_is_valid(data: Path, tmp_path: Path, validator: Path) -> None:
    motion = Motion(np.load(data / "reference" / "012314_joints.npy"), 20.0)
    motion.write(tmp_path / "a.glb")
    assert validate(tmp_path / "a.glb", validator)["issues"]["numErrors"] == 0


@pytest.mark.parametrize(("skeleton", "metres"), [(HUMANML3D, 1.0), (KIT, 0.75 / 480)])
def test_the_skeleton_moves_as_the_motion(
    skeleton: Skeleton, metres: float, tmp_path: Path
) -> None:
    motion = person(1, 30, skeleton, swing=1.0)
    motion.write(tmp_path / "a.glb")
    glb = Glb(tmp_path / "a.glb")
    expected = fit(motion.joints, skeleton).joints * metres
    assert tuple(n["name"] for n in glb.json["nodes"][:-1]) == skeleton.joints
    for frame in (0, 13, 29):
        np.testing.assert_allclose(glb.world(frame)[:, :3, 3], expected[frame], atol=1e-5)


@pytest.mark.parametrize("fps", [12.5, 20.0, 29.97])
def test_the_duration_is_right(fps: float, tmp_path: Path) -> None:
    motion = Motion(person(2, 50).joints, fps, provenance={"text": "a person sways"})
    motion.write(tmp_path / "a.glb")
    glb = Glb(tmp_path / "a.glb")
    animation = glb.json["animations"][0]
    times = glb.array(animation["samplers"][0]["input"])[:, 0]
    assert len(times) == 50 and times[0] == 0
    assert times[-1] == pytest.approx(49 / fps, abs=1e-5)
    assert animation["name"] == "a person sways"


@pytest.mark.parametrize("motion", [person(3), kit.wave()], ids=["humanml3d", "kit"])
def test_the_body_stands_in_a_t_pose_with_two_coloured_sides(
    motion: Motion, tmp_path: Path
) -> None:
    motion.write(tmp_path / "a.glb")
    parts = Glb(tmp_path / "a.glb").vertices(None)
    assert set(parts) == {"cloth", "left", "right", "skin"}
    everything = np.concatenate([v for v, _ in parts.values()])
    low, high = everything.min(0), everything.max(0)
    assert -0.08 < low[1] < 0.02 and 1.3 < high[1] < 2.0
    assert high[0] - low[0] > 1.2 > high[2] - low[2]
    assert parts["left"][0][:, 0].min() > -0.05 and parts["right"][0][:, 0].max() < 0.05
    head = parts["skin"][0][parts["skin"][0][:, 1] > high[1] - 0.2]
    assert head[:, 2].max() > -head[:, 2].min() + 0.01, "the nose points ahead"
    feet = parts["left"][0][parts["left"][0][:, 1] < low[1] + 0.05]
    assert feet[:, 2].max() > -feet[:, 2].min() + 0.02, "as do the toes"


def test_the_body_follows_and_its_faces_point_outwards(tmp_path: Path) -> None:
    motion = person(4, swing=0.8)
    motion.write(tmp_path / "a.glb")
    glb = Glb(tmp_path / "a.glb")
    for vertices, triangles in glb.vertices(20).values():
        distance = np.linalg.norm(vertices[:, None] - motion.joints[20], axis=-1)
        assert distance.min(1).max() < 0.25
        a, b, c = (vertices[triangles[:, i]] for i in range(3))
        volume = np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6
        assert volume > 0.0005  # cubic metres: positive only for outward faces


def spots(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places all over a surface, one for each quarter of a square centimetre, and its normals."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    random = np.random.default_rng(0)
    which = random.choice(len(area), int(area.sum() / 2 / 0.005**2), p=area / area.sum())
    u = random.random((2, len(which), 1))
    u = np.where(u.sum(0) > 1, 1 - u, u)
    places = a[which] + u[0] * (b - a)[which] + u[1] * (c - a)[which]
    return places, normal[which] / area[which, None]


@pytest.mark.parametrize("frame", [None, 20])
def test_colours_meet_at_an_angle(frame: int | None, tmp_path: Path) -> None:
    """Surfaces that lie along each other show now one colour and now the other."""
    walk().write(tmp_path / "a.glb")
    parts = {k: spots(*v) for k, v in Glb(tmp_path / "a.glb").vertices(frame).items()}
    cloth, normals = parts.pop("cloth")
    for colour, (places, own) in parts.items():
        far, at = cKDTree(cloth).query(places, distance_upper_bound=0.006)
        near = np.isfinite(far)
        along = (own[near] * normals[at[near]]).sum(1) > np.cos(np.radians(25))
        assert near.sum() > 100 and along.mean() < 0.25, colour


def test_four_seconds_are_small(tmp_path: Path) -> None:
    assert person(5, 80).write(tmp_path / "a.glb").stat().st_size <= 150_000


@pytest.mark.parametrize("motion", [walk(), kit.walk()], ids=["humanml3d", "kit"])
def test_soles_are_on_the_floor(motion: Motion, tmp_path: Path) -> None:
    motion.write(tmp_path / "a.glb")
    glb = Glb(tmp_path / "a.glb")
    resting = np.concatenate([v for v, _ in glb.vertices(None).values()])
    assert abs(resting[:, 1].min()) < 1e-4


def test_standing_feet_of_real_people_are_on_the_floor(data: Path, tmp_path: Path) -> None:
    heights = []
    for motion in captured(data, 5):
        motion[:40].write(tmp_path / "a.glb")
        glb = Glb(tmp_path / "a.glb")
        contacts = glb.json["animations"][0]["extras"]["contacts"]
        assert set(contacts) <= {"left", "right"}, "a foot that never stands is not listed"
        for side, stands in contacts.items():
            for first, last in stands[:1]:
                vertices, _ = glb.vertices((first + last) // 2)[side]
                heights.append(vertices[:, 1].min())
    assert len(heights) > 5 and abs(np.median(heights)) < 0.02 and np.abs(heights).max() < 0.08


def test_a_bent_knee_keeps_its_thickness(tmp_path: Path) -> None:
    rest = offsets(HUMANML3D)
    turns = np.zeros((1, len(HUMANML3D.joints), 3))
    turns[:, HUMANML3D.index("left_knee"), 0] = 2.2
    place = np.array([[0, 1.0, 0]])
    joints = forward(rotation.from_axis_angle(turns), place, rest, HUMANML3D)
    Motion(joints).write(tmp_path / "a.glb")
    vertices, _ = Glb(tmp_path / "a.glb").vertices(0)["left"]
    hip, knee, ankle = (
        joints[0, HUMANML3D.index(f"left_{name}")] for name in ("hip", "knee", "ankle")
    )
    out = 2 * knee - hip - ankle
    out /= np.linalg.norm(out)
    near = vertices[np.linalg.norm(vertices - knee, axis=1) < 0.12]
    assert ((near - knee) @ out).max() > 0.04, "the knee cap stands out as when straight"
