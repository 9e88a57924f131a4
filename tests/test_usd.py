"""USD: pxr's own validators and skinning as the independent reader, and damaged files."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import person

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats import usd_read
from motiongpt3.formats.beside import Helper
from motiongpt3.motion.kinematics import fit
from motiongpt3.motion.motion import Motion

pxr = pytest.importorskip("pxr", reason="needs usd-core")
from pxr import Gf, Usd, UsdGeom, UsdShade, UsdSkel  # noqa: E402

KINDS = (".usd", ".usda", ".usdc", ".usdz")


def opened(motion: Motion, path: Path) -> Any:
    motion.write(path)
    return Usd.Stage.Open(str(path))


@pytest.mark.parametrize("suffix", KINDS)
def test_the_validators_find_nothing(suffix: str, tmp_path: Path) -> None:
    validation = pytest.importorskip("pxr.UsdValidation")
    stage = opened(person(0), tmp_path / f"a{suffix}")
    validators = validation.ValidationRegistry().GetOrLoadAllValidators()
    errors = validation.ValidationContext(validators).Validate(stage)
    assert [(e.GetName(), e.GetMessage()) for e in errors] == []


def test_the_stage_says_what_it_is(tmp_path: Path) -> None:
    motion = Motion(person(0, 31).joints, 25.0)
    stage = opened(motion, tmp_path / "a.usda")
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1 and UsdGeom.GetStageUpAxis(stage) == "Y"
    assert stage.GetTimeCodesPerSecond() == stage.GetFramesPerSecond() == 25
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, 30)
    assert stage.GetDefaultPrim().IsA(UsdSkel.Root)
    for name in ("cloth", "left", "right", "skin"):
        prim = stage.GetPrimAtPath(f"/person/{name}")
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
        shader = material.ComputeSurfaceSource()[0]
        assert shader.GetIdAttr().Get() == "UsdPreviewSurface"


def test_skeleton_and_skin_move_as_the_motion(tmp_path: Path) -> None:
    motion = person(1, 30, swing=1.0)
    stage = opened(motion, tmp_path / "a.usdc")
    cache, root = UsdSkel.Cache(), UsdSkel.Root(stage.GetDefaultPrim())
    cache.Populate(root, Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/person/skeleton")))
    expected = fit(motion.joints, motion.skeleton).joints
    for frame in (0, 13, 29):
        places = np.array(query.ComputeJointSkelTransforms(frame))[:, 3, :3]
        np.testing.assert_allclose(places, expected[frame], atol=1e-4)
    for binding in cache.ComputeSkelBindings(root, Usd.PrimDefaultPredicate):
        for skinned in binding.GetSkinningTargets():
            points = UsdGeom.Mesh(skinned.GetPrim()).GetPointsAttr().Get()
            assert skinned.ComputeSkinnedPoints(query.ComputeSkinningTransforms(13), points, 13)
            away = np.linalg.norm(np.array(points)[:, None] - expected[13], axis=-1)
            assert away.min(1).max() < 0.3


def test_a_skeleton_of_others_is_read(tmp_path: Path) -> None:
    motion = person(5, 20)
    rig = usd_read.read(motion.write(tmp_path / "ours.usdc"))
    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageUpAxis(stage, "Z")
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetTimeCodesPerSecond(24)
    root = UsdSkel.Root.Define(stage, "/World")
    root.AddRotateXOp().Set(90)  # a Y-up figure in a Z-up scene
    skeleton = UsdSkel.Skeleton.Define(stage, "/World/Skel")
    renamed = {"pelvis": "Hips", "left_hip": "LeftUpLeg", "right_hip": "RightUpLeg"}
    names: list[str] = []
    for name, parent in zip(rig.names, rig.parents, strict=True):
        word = renamed.get(name, name)
        names.append(word if parent < 0 else f"{names[parent]}/{word}")
    rest = [Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*map(float, 100 * o))) for o in rig.offsets]
    skeleton.CreateJointsAttr(names)
    skeleton.CreateRestTransformsAttr(rest)
    skeleton.CreateBindTransformsAttr(rest)
    animation = UsdSkel.Animation.Define(stage, "/World/Anim")
    animation.CreateJointsAttr(names)
    animation.CreateScalesAttr([Gf.Vec3h(1)] * len(names))
    for frame in range(20):
        moves = [Gf.Vec3f(*map(float, 100 * p)) for p in rig.positions[frame]]
        turns = [Gf.Quatf(*map(float, q)) for q in rig.rotations[frame]]
        animation.CreateTranslationsAttr().Set(moves, 2 * frame)  # every second time code
        animation.CreateRotationsAttr().Set(turns, 2 * frame)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets(["/World/Anim"])
    stage.Save()
    back = Motion.read(tmp_path / "a.usda")
    assert back.fps == 12 and back.provenance["up"] == "Z"
    limbs = [
        j for j, n in enumerate(motion.skeleton.joints) if n.split("_")[0] in ("left", "right")
    ]
    limbs = [j for j in limbs if "collar" not in motion.skeleton.joints[j]]
    np.testing.assert_allclose(back.joints[:, limbs], motion.joints[:, limbs], atol=1e-4)


def test_what_is_no_motion_is_refused(tmp_path: Path) -> None:
    stage = Usd.Stage.CreateNew(str(tmp_path / "still.usda"))
    UsdGeom.Sphere.Define(stage, "/ball")
    stage.Save()
    with pytest.raises(InputError, match="no skeleton in it is animated"):
        Motion.read(tmp_path / "still.usda")
    stage.GetPrimAtPath("/ball").GetReferences().AddReference("./other.usda")
    stage.Save()
    with pytest.raises(InputError, match="refers to other files"):
        Motion.read(tmp_path / "still.usda")
    (tmp_path / "a.usdc").write_bytes(b"not a scene")
    with pytest.raises(InputError):
        Motion.read(tmp_path / "a.usdc")


def test_one_process_reads_many_files_and_never_an_old_one(tmp_path: Path) -> None:
    readers = set()
    for suffix in KINDS:
        path = tmp_path / f"a{suffix}"
        for seed in (1, 2, 1):
            motion = person(seed, 12)
            motion.write(path)
            expected = fit(motion.joints, motion.skeleton).joints
            np.testing.assert_allclose(Motion.read(path).joints, expected, atol=1e-4)
            readers.add(usd_read._HELPER._waiting[0][0].pid)
        path.write_bytes(b"damaged")
        with pytest.raises(InputError):
            Motion.read(path)
    assert len(readers) == 1


def test_a_reader_that_died_or_gave_up_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    motion = person(3, 12)
    motion.write(tmp_path / "a.usdc")
    Motion.read(tmp_path / "a.usdc")
    os.kill(usd_read._HELPER._waiting[0][0].pid, signal.SIGKILL)
    assert len(Motion.read(tmp_path / "a.usdc")) == 12
    os.kill(usd_read._HELPER._waiting[0][0].pid, signal.SIGSTOP)
    monkeypatch.setattr(usd_read._HELPER, "seconds", 0.2)
    with pytest.raises(ResourceError, match="no answer in"):
        Motion.read(tmp_path / "a.usdc")
    monkeypatch.undo()
    assert len(Motion.read(tmp_path / "a.usdc")) == 12


@pytest.mark.parametrize(
    "end, told",
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "cannot cope"),
        ("bytearray(2**40)", "cannot cope"),
        ("while True: pass", "too long"),
        ("signal.alarm(1), time.sleep(60)", "too long"),
    ],
)
def test_what_ends_a_fork_is_a_refusal_and_costs_no_new_process(
    end: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path stands for a file that pxr does so with."""
    program = f"""
import os, signal, sys, time
from motiongpt3.formats import usd_read
sound = usd_read.parse
def parse(path):
    if path.endswith("bad.usda"):
        {end}
    return sound(path)
usd_read.parse = parse
usd_read.serve(int(sys.argv[1]))
"""
    monkeypatch.setattr(usd_read, "_HELPER", Helper(program, 60))
    person(3, 12).write(tmp_path / "a.usda")
    (tmp_path / "bad.usda").write_bytes((tmp_path / "a.usda").read_bytes())
    readers = set()
    for _ in range(2):
        assert len(Motion.read(tmp_path / "a.usda")) == 12
        with pytest.raises(InputError, match=told):
            Motion.read(tmp_path / "bad.usda")
        readers.add(usd_read._HELPER._waiting[0][0].pid)
    assert len(readers) == 1


def test_the_first_scene_is_a_sound_one(tmp_path: Path) -> None:
    (tmp_path / "a.usda").write_text(usd_read._FIRST)
    rig = usd_read.parse(str(tmp_path / "a.usda"))
    assert rig.names == ("d",) and rig.positions[:, 0, 1].tolist() == [0, 0.01]
