"""Writing USD: a UsdSkel skeleton with its animation, and the mannequin bound to it.

Metres, Y up, a time code for each frame. Opens in usdview, Omniverse, Blender, Houdini, Maya, and
as .usdz on phones. pxr (usd-core) does the writing.
"""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats import body, stance
from motiongpt3.formats.files import atomic_write
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion

SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")

_PERSON, _SKELETON, _LOOKS = "/person", "/person/skeleton", "/person/looks"
_ROUGHNESS = 0.8


def libraries() -> ModuleType:
    """The pxr package with the parts used here.

    Raises:
        InputError: when usd-core is not installed.
    """
    try:
        import pxr
        from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt  # noqa: F401
    except ImportError as error:
        raise InputError(
            "USD needs usd-core", where="formats", hint='pip install "motiongpt3[usd]"'
        ) from error
    module: ModuleType = pxr
    return module


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion as .usd, .usdc (binary), .usda (text) or .usdz (packed binary).

    Raises:
        InputError: when usd-core is not installed.
        ResourceError: when the place cannot be written.
    """
    pxr = libraries()
    stage = pxr.Usd.Stage.CreateInMemory()
    _fill(pxr, stage, motion)
    with atomic_write(path) as part, tempfile.TemporaryDirectory() as folder:
        packed = Path(path).suffix.lower() == ".usdz"
        plain = Path(folder) / "motion.usdc" if packed else part
        done = stage.GetRootLayer().Export(str(plain))
        if done and packed:
            done = pxr.UsdUtils.CreateNewUsdzPackage(str(plain), str(part))
        if not done:
            raise ResourceError("cannot be written", where=str(path), hint="is the disk full?")


def _fill(pxr: Any, stage: Any, motion: Motion) -> None:
    fit = kinematics.fit(motion.joints, motion.skeleton)
    stand = stance.of(fit, motion.fps)
    pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
    pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(motion.fps)
    stage.SetFramesPerSecond(motion.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(len(motion) - 1)
    layer = stage.GetRootLayer()
    layer.customLayerData = {"creator": "motiongpt3"}
    layer.comment = motion.caption[:200]
    person = pxr.UsdSkel.Root.Define(stage, _PERSON)
    stage.SetDefaultPrim(person.GetPrim())
    joints = _paths(motion)
    skeleton = pxr.UsdSkel.Skeleton.Define(stage, _SKELETON)
    skeleton.CreateJointsAttr(joints)
    local, world = _matrices(stand, fit)
    skeleton.CreateRestTransformsAttr(pxr.Vt.Matrix4dArray.FromNumpy(local))
    skeleton.CreateBindTransformsAttr(pxr.Vt.Matrix4dArray.FromNumpy(world))
    binding = pxr.UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    animation = _animate(pxr, stage, fit, joints)
    binding.CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    pxr.UsdGeom.Scope.Define(stage, _LOOKS)
    for mesh in body.build(stand.joints, motion.skeleton, stand.height, stand.drop):
        _mesh(pxr, stage, mesh, skeleton)
    moving = fit.joints * motion.skeleton.metres
    reach = 0.3 * stand.height  # skin around the joints
    extent = np.stack([moving.min((0, 1)) - reach, moving.max((0, 1)) + reach])
    person.CreateExtentAttr(pxr.Vt.Vec3fArray.FromNumpy(extent.astype(np.float32)))


def _paths(motion: Motion) -> list[str]:
    """Names of the joints as UsdSkel wants them: with all those above."""
    paths: list[str] = []
    for joint, parent in zip(motion.skeleton.joints, motion.skeleton.parents, strict=True):
        paths.append(joint if parent < 0 else f"{paths[parent]}/{joint}")
    return paths


def _matrices(
    stand: stance.Stance, fit: kinematics.RigidFit
) -> tuple[Float[np.ndarray, "J 4 4"], Float[np.ndarray, "J 4 4"]]:
    """Transforms of the stance, from the parent and in the world; USD multiplies rows."""
    places = fit.offsets * fit.skeleton.metres
    places[0] = stand.joints[0]
    pairs = ((stand.local, places), (stand.rotations, stand.joints))
    found = []
    for turns, origins in pairs:
        matrices = np.tile(np.eye(4), (len(turns), 1, 1))
        matrices[:, :3, :3] = rotation.to_matrix(turns).transpose(0, 2, 1)
        matrices[:, 3, :3] = origins
        found.append(matrices)
    return found[0], found[1]


def _animate(pxr: Any, stage: Any, fit: kinematics.RigidFit, joints: list[str]) -> Any:
    """The animation: rotations of all joints and the path of the root, frame by frame."""
    animation = pxr.UsdSkel.Animation.Define(stage, f"{_SKELETON}/motion")
    animation.CreateJointsAttr(joints)
    places = np.tile(fit.offsets, (len(fit.root), 1, 1))
    places[:, 0] = fit.root
    places = (places * fit.skeleton.metres).astype(np.float32)
    turns = np.roll(fit.rotations, -1, axis=-1).astype(np.float32)  # x, y, z, w in memory
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for frame, (place, turn) in enumerate(zip(places, turns, strict=True)):
        translations.Set(pxr.Vt.Vec3fArray.FromNumpy(place), frame)
        rotations.Set(pxr.Vt.QuatfArray.FromNumpy(turn), frame)
    scales = np.ones((len(joints), 3), np.float16)
    animation.CreateScalesAttr(pxr.Vt.Vec3hArray.FromNumpy(scales))
    return animation


def _mesh(pxr: Any, stage: Any, part: body.Mesh, skeleton: Any) -> None:
    """A mesh of one colour, bound to the skeleton."""
    vt = pxr.Vt
    mesh = pxr.UsdGeom.Mesh.Define(stage, f"{_PERSON}/{part.colour}")
    points = part.positions.astype(np.float32)
    mesh.CreatePointsAttr(vt.Vec3fArray.FromNumpy(points))
    mesh.CreateNormalsAttr(vt.Vec3fArray.FromNumpy(part.normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(vt.Vec3fArray.FromNumpy(np.stack([points.min(0), points.max(0)])))
    mesh.CreateFaceVertexCountsAttr(vt.IntArray.FromNumpy(np.full(len(part.triangles), 3, "i4")))
    corners = np.ascontiguousarray(part.triangles.reshape(-1), np.int32)
    mesh.CreateFaceVertexIndicesAttr(vt.IntArray.FromNumpy(corners))
    colour = body.COLOURS[part.colour]
    mesh.CreateDisplayColorAttr([colour])
    binding = pxr.UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    order = np.argsort(-part.weights, axis=1)  # the heaviest first, as readers like it
    joints = np.take_along_axis(part.joints, order, 1).reshape(-1).astype(np.int32)
    weights = np.take_along_axis(part.weights, order, 1).reshape(-1).astype(np.float32)
    binding.CreateJointIndicesPrimvar(False, 2).Set(vt.IntArray.FromNumpy(joints))
    binding.CreateJointWeightsPrimvar(False, 2).Set(vt.FloatArray.FromNumpy(weights))
    binding.CreateGeomBindTransformAttr(pxr.Gf.Matrix4d(1))
    _paint(pxr, stage, mesh, part.colour)


def _paint(pxr: Any, stage: Any, mesh: Any, colour: str) -> None:
    """A material of its own for each colour."""
    material = pxr.UsdShade.Material.Define(stage, f"{_LOOKS}/{colour}")
    shader = pxr.UsdShade.Shader.Define(stage, f"{_LOOKS}/{colour}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    types = pxr.Sdf.ValueTypeNames
    shader.CreateInput("diffuseColor", types.Color3f).Set(body.COLOURS[colour])
    shader.CreateInput("roughness", types.Float).Set(_ROUGHNESS)
    shader.CreateInput("metallic", types.Float).Set(0.0)
    surface = shader.CreateOutput("surface", types.Token)
    material.CreateSurfaceOutput().ConnectToSource(surface)
    pxr.UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)
