"""Writing GLB, the binary form of glTF 2.0: an animated skeleton with a mannequin around it.

Metres, Y up, seconds; as it opens, the mannequin stands on the floor with arms out. The animation
says in its extras in which frames each foot stands ({"contacts": {"left": [[first, last], ...]}}).
Opens in Blender, Windows and macOS viewers, game engines and browsers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.formats import body, stance
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion

_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_FLOAT, _UINT16, _UINT8 = 5126, 5123, 5121
_VERTICES, _INDICES = 34962, 34963
_TYPES = {_FLOAT: np.float32, _UINT16: np.uint16, _UINT8: np.uint8}
_WHOLE = 255
"""A weight of one, in a byte."""


@dataclass
class _Data:
    """The binary part of a file while it is put together."""

    blob: bytearray = field(default_factory=bytearray)
    views: list[Any] = field(default_factory=list)
    accessors: list[Any] = field(default_factory=list)

    def add(
        self,
        values: np.ndarray,
        component: int = _FLOAT,
        target: int | None = None,
        normalized: bool = False,
    ) -> int:
        """Store an array (n, width), 4-byte aligned, and return its accessor's index.

        `normalized`: whole numbers stand for 0 to 1.
        """
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
                normalized=normalized,
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
    stand = stance.of(fit, motion.fps)
    data = _Data()
    names = motion.skeleton.joints
    skin = gltf.Skin(
        name="skeleton",
        inverseBindMatrices=data.add(_inverse_binds(stand).reshape(-1, 16)),
        joints=list(range(len(names))),
        skeleton=0,
    )
    meshes = body.build(stand.joints, motion.skeleton, stand.height, stand.drop)
    scene = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator="motiongpt3"),
        scene=0,
        scenes=[gltf.Scene(name="motion", nodes=[0, len(names)])],
        nodes=[*_joint_nodes(fit, stand), gltf.Node(name="body", mesh=0, skin=0)],
        skins=[skin],
        meshes=[_mesh(meshes, data)],
        materials=[_material(colour) for colour in body.COLOURS],
        animations=[_animation(fit, motion, data)],
        bufferViews=data.views,
        accessors=data.accessors,
    )
    scene.buffers = [gltf.Buffer(byteLength=len(data.blob))]
    scene.set_binary_blob(bytes(data.blob))
    return scene


def _inverse_binds(stand: stance.Stance) -> Float[np.ndarray, "J 4 4"]:
    """From the world to each joint in the stance; glTF stores matrices column by column."""
    matrices = np.tile(np.eye(4), (len(stand.joints), 1, 1))
    back = rotation.conjugate(stand.rotations)
    matrices[:, :3, :3] = rotation.to_matrix(stand.rotations)  # the transpose of the inverse
    matrices[:, 3, :3] = -rotation.rotate(back, stand.joints)
    return matrices


def _joint_nodes(fit: kinematics.RigidFit, stand: stance.Stance) -> list[Any]:
    import pygltflib as gltf

    places = fit.offsets * fit.skeleton.metres
    places[0] = stand.joints[0]
    turns = np.roll(stand.local, -1, axis=-1)
    rows = zip(fit.skeleton.joints, places, turns, fit.skeleton.children, strict=True)
    return [
        gltf.Node(name=name, translation=place.tolist(), rotation=turn.tolist(), children=[*below])
        for name, place, turn, below in rows
    ]


def _mesh(parts: list[body.Mesh], data: _Data) -> Any:
    """One mesh, one primitive per colour."""
    import pygltflib as gltf

    primitives = []
    for material, part in enumerate(parts):
        spare = np.zeros_like(part.joints)
        first = np.round(part.weights[:, :1] * _WHOLE)
        weights = np.hstack([first, _WHOLE - first])
        joints = np.where(weights > 0, part.joints, 0)  # glTF wants unused joints to be 0
        attributes = gltf.Attributes(
            POSITION=data.add(part.positions, target=_VERTICES),
            NORMAL=data.add(part.normals, target=_VERTICES),
            JOINTS_0=data.add(np.hstack([joints, spare]), _UINT8, _VERTICES),
            WEIGHTS_0=data.add(np.hstack([weights, spare]), _UINT8, _VERTICES, normalized=True),
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


def _animation(fit: kinematics.RigidFit, motion: Motion, data: _Data) -> Any:
    """Rotations of every joint that carries a bone, the path of the root, and when feet stand."""
    import pygltflib as gltf

    times = data.add(np.arange(len(motion)) / motion.fps)
    samplers, channels = [], []

    def animate(joint: int, what: str, values: np.ndarray) -> None:
        output = data.add(values)
        samplers.append(gltf.AnimationSampler(input=times, output=output, interpolation="LINEAR"))
        target = gltf.AnimationChannelTarget(node=joint, path=what)
        channels.append(gltf.AnimationChannel(sampler=len(samplers) - 1, target=target))

    animate(0, "translation", fit.root * motion.skeleton.metres)
    for joint, children in enumerate(fit.skeleton.children):
        if children:
            animate(joint, "rotation", np.roll(fit.rotations[:, joint], -1, axis=-1))
    name = motion.caption[:100] or "motion"
    return gltf.Animation(
        name=name, samplers=samplers, channels=channels, extras={"contacts": _stands(fit, motion)}
    )


def _stands(fit: kinematics.RigidFit, motion: Motion) -> dict[str, list[list[int]]]:
    """First and last frame of every stand of each foot."""
    stands = {}
    feet = stance.contacts(fit.joints * motion.skeleton.metres, motion.skeleton, motion.fps)
    for side, standing in zip(("left", "right"), feet, strict=True):
        edges = np.flatnonzero(np.diff(np.r_[0, standing.astype(int), 0]))
        stands[side] = [[int(a), int(b) - 1] for a, b in edges.reshape(-1, 2)]
    return stands
