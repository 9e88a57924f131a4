"""Writing GLB, the binary form of glTF 2.0: an animated skeleton with a simple visible body.

Metres, Y up, seconds. Opens in Blender, Windows and macOS viewers, game engines and browsers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from motiongpt3.formats import body
from motiongpt3.formats.files import atomic_write
from motiongpt3.formats.units import stature
from motiongpt3.motion import kinematics
from motiongpt3.motion.motion import Motion

_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_FLOAT, _UINT16, _UINT8 = 5126, 5123, 5121
_VERTICES, _INDICES = 34962, 34963
_TYPES = {_FLOAT: np.float32, _UINT16: np.uint16, _UINT8: np.uint8}


@dataclass
class _Data:
    """The binary part of a file while it is put together."""

    blob: bytearray = field(default_factory=bytearray)
    views: list[Any] = field(default_factory=list)
    accessors: list[Any] = field(default_factory=list)

    def add(self, values: np.ndarray, component: int = _FLOAT, target: int | None = None) -> int:
        """Store an array (n, width), 4-byte aligned, and return its accessor's index."""
        import pygltflib as gltf

        array = np.ascontiguousarray(values, _TYPES[component])
        array = array.reshape(len(array), -1)
        self.views.append(
            gltf.BufferView(
                buffer=0, byteOffset=len(self.blob), byteLength=array.nbytes, target=target
            )
        )
        self.accessors.append(
            gltf.Accessor(
                bufferView=len(self.views) - 1,
                componentType=component,
                count=len(array),
                type=_KINDS[array.shape[1]],
                min=array.min(axis=0).tolist(),
                max=array.max(axis=0).tolist(),
            )
        )
        self.blob += array.tobytes()
        self.blob += bytes(-len(self.blob) % 4)
        return len(self.accessors) - 1


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion as GLB: the rigid bones that follow it, and a body around them.

    Raises:
        ResourceError: when the place cannot be written.
    """
    content = b"".join(_build(motion).save_to_bytes())
    with atomic_write(path) as part:
        part.write_bytes(content)


def _build(motion: Motion) -> Any:
    """The whole scene: joints are nodes 0 to J-1, then the body."""
    import pygltflib as gltf

    fit = kinematics.fit(motion.joints, motion.skeleton)
    scale = motion.skeleton.metres
    rest = _rest(fit) * scale
    data = _Data()
    names = motion.skeleton.joints
    inverse = np.tile(np.eye(4), (len(names), 1, 1))
    inverse[:, 3, :3] = -rest  # glTF stores matrices column by column
    skin = gltf.Skin(
        name="skeleton",
        inverseBindMatrices=data.add(inverse.reshape(-1, 16)),
        joints=list(range(len(names))),
        skeleton=0,
    )
    height = stature(motion.joints, motion.skeleton) * scale
    mesh = _mesh(body.build(rest, motion.skeleton, height), data)
    scene = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator="motiongpt3"),
        scene=0,
        scenes=[gltf.Scene(name="motion", nodes=[0, len(names)])],
        nodes=[*_joint_nodes(fit, rest, scale), gltf.Node(name="body", mesh=0, skin=0)],
        skins=[skin],
        meshes=[mesh],
        materials=[_material(colour) for colour in body.COLOURS],
        animations=[_animation(fit, motion, scale, data)],
        bufferViews=data.views,
        accessors=data.accessors,
    )
    scene.buffers = [gltf.Buffer(byteLength=len(data.blob))]
    scene.set_binary_blob(bytes(data.blob))
    return scene


def _rest(fit: kinematics.RigidFit) -> np.ndarray:
    """Joint positions of the rest pose (J, 3), standing on the ground at the origin."""
    still = np.zeros((1, len(fit.offsets), 4))
    still[..., 0] = 1
    rest = kinematics.forward(still, np.zeros((1, 3)), fit.offsets, fit.skeleton)[0]
    return rest - [0, rest[:, 1].min(), 0]


def _joint_nodes(fit: kinematics.RigidFit, rest: np.ndarray, scale: float) -> list[Any]:
    import pygltflib as gltf

    places = fit.offsets * scale
    places[0] = rest[0]
    return [
        gltf.Node(name=name, translation=place.tolist(), children=list(children))
        for name, place, children in zip(
            fit.skeleton.joints, places, fit.skeleton.children, strict=True
        )
    ]


def _mesh(parts: list[body.Mesh], data: _Data) -> Any:
    """One mesh, one primitive per colour."""
    import pygltflib as gltf

    primitives = []
    for material, part in enumerate(parts):
        spare = np.zeros_like(part.joints)
        attributes = gltf.Attributes(
            POSITION=data.add(part.positions, target=_VERTICES),
            NORMAL=data.add(part.normals, target=_VERTICES),
            JOINTS_0=data.add(np.hstack([part.joints, spare]), _UINT8, _VERTICES),
            WEIGHTS_0=data.add(np.hstack([part.weights, spare]), target=_VERTICES),
        )
        indices = data.add(part.triangles.reshape(-1), _UINT16, _INDICES)
        primitives.append(gltf.Primitive(attributes=attributes, indices=indices, material=material))
    return gltf.Mesh(name="body", primitives=primitives)


def _material(colour: str) -> Any:
    import pygltflib as gltf

    return gltf.Material(
        name=colour,
        pbrMetallicRoughness=gltf.PbrMetallicRoughness(
            baseColorFactor=[*body.COLOURS[colour], 1.0], metallicFactor=0.0, roughnessFactor=0.8
        ),
        alphaCutoff=None,
    )


def _animation(fit: kinematics.RigidFit, motion: Motion, scale: float, data: _Data) -> Any:
    """Rotations of every joint that carries a bone, and the path of the root."""
    import pygltflib as gltf

    times = data.add(np.arange(len(motion)) / motion.fps)
    samplers, channels = [], []

    def animate(joint: int, what: str, values: np.ndarray) -> None:
        output = data.add(values)
        samplers.append(gltf.AnimationSampler(input=times, output=output, interpolation="LINEAR"))
        target = gltf.AnimationChannelTarget(node=joint, path=what)
        channels.append(gltf.AnimationChannel(sampler=len(samplers) - 1, target=target))

    animate(0, "translation", fit.root * scale)
    for joint, children in enumerate(fit.skeleton.children):
        if children:
            animate(joint, "rotation", np.roll(fit.rotations[:, joint], -1, axis=-1))
    name = motion.caption[:100] or "motion"
    return gltf.Animation(name=name, samplers=samplers, channels=channels)
