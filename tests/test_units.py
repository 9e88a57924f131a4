"""KIT-ML's unit and rate decide nothing: what holds in metres and seconds holds for its figures.

The same figure is given twice, in KIT-ML's unit and, with a skeleton that says so, in metres.
"""

from dataclasses import replace

import kit
import numpy as np
import pytest
import torch
from clips import walk

from motiongpt3.evaluation.completion import seam_peak, usual_peak
from motiongpt3.model.spline import SplinePath
from motiongpt3.motion.features import Layout, joints_to_features
from motiongpt3.motion.feet import plant_feet, set_down
from motiongpt3.motion.physics import peak_acceleration, seam_acceleration, skate
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton
from motiongpt3.motion.stitch import bridge, follow, lead
from motiongpt3.training.vae import reconstruction

METRIC = replace(KIT, metres=1.0)
LEG = ("knee", "ankle", "foot", "toe")


def figure(seed: int = 1, frames: int = 60) -> np.ndarray:
    return kit.anybody(seed, frames).joints.astype(np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_seams_are_the_same_in_either_unit(seed: int) -> None:
    made, before, after = figure(seed), figure(seed + 3, 20), figure(seed + 6, 20)
    made[:, :, 1] += 30 * np.sin(np.arange(60))[:, None]  # as sharp as what is allowed
    for function, parts in ((follow, (before,)), (lead, (after,)), (bridge, (before, after))):
        wanted = function(made, *parts, KIT) * KIT.metres
        metric = [part * KIT.metres for part in parts]
        found = function(made * KIT.metres, *metric, METRIC)
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_a_seam_may_be_as_sharp_as_the_motion_was() -> None:
    """48 m/s^2 are 197 units per frame and frame: a turn of 100 passes, one of 400 does not."""
    for sharp, passes in ((100, True), (400, False)):
        before = np.repeat(kit.walk(1).joints.astype(np.float64), 8, 0)
        before[-2, :, 1] += sharp / 2  # the second difference at the end is `sharp`
        made = np.repeat(before[-1:], 20, 0)
        made[:, :, 1] -= sharp / 2  # on the way the last step was going
        made[:, KIT.index("left_wrist"), 1] += 0.9 * sharp
        off = np.abs(follow(made, before, KIT) - made)[0, KIT.index("left_wrist"), 1]
        assert (off < 1) == passes, (sharp, off)


def test_seams_fade_in_the_same_time() -> None:
    before, made = kit.walk(20).joints.astype(np.float64), np.repeat(kit.wave(1).joints, 30, 0)
    added = follow(made, before, KIT)
    moving = np.linalg.norm(np.diff(added, axis=0), axis=-1).max(-1) > 1e-6
    assert np.flatnonzero(moving)[-1] + 1 == round(0.7 * 12.5)


@pytest.mark.parametrize(("skeleton", "walker"), [(HUMANML3D, walk), (KIT, kit.walk)])
def test_feet_that_slide_apart_are_planted_by_bending_the_legs(skeleton: Skeleton, walker) -> None:
    """Somebody in mid-stride whose feet slide to and fro by 1 cm, one against the other."""
    pose = walker(1, phase=np.pi / 2).joints.astype(np.float64)
    slide = 0.01 * np.sin(np.arange(60) / skeleton.fps)[:, None, None] / skeleton.metres
    joints = np.repeat(pose, 60, 0)
    for leg, way in zip(skeleton.legs, (1, -1), strict=True):
        joints[:, leg[1:]] += way * slide * [0, 0, 1]
    planted = plant_feet(joints, skeleton=skeleton)
    moved = np.abs(planted - joints).max((0, 2)) * skeleton.metres
    for joint, name in enumerate(skeleton.joints):
        assert (moved[joint] > 0.003) if name.endswith(LEG) else (moved[joint] < 1e-9), name
    for leg in skeleton.legs:
        for parent, child in zip(leg, leg[1:], strict=False):
            bones = [np.linalg.norm(j[:, child] - j[:, parent], axis=-1) for j in (joints, planted)]
            np.testing.assert_allclose(bones[1], bones[0], rtol=1e-6)
    assert skate(planted, skeleton=skeleton) < 0.01 * skate(joints, skeleton=skeleton)


@pytest.mark.parametrize(("skeleton", "walker"), [(HUMANML3D, walk), (KIT, kit.walk)])
def test_nobody_leans_away_from_where_they_stand(skeleton: Skeleton, walker) -> None:
    """A body that sways by 3 cm, feet and all, is put where it stood, its pose unchanged."""
    pose = walker(1, phase=np.pi / 2).joints.astype(np.float64)
    sway = 0.03 * np.sin(np.arange(60) / skeleton.fps)[:, None, None] / skeleton.metres
    planted = plant_feet(pose + sway * [0, 0, 1], skeleton=skeleton) * skeleton.metres
    assert np.ptp(planted, axis=0).max() < 1e-6


def test_feet_are_planted_the_same_in_either_unit() -> None:
    for seed in range(3):
        wanted = plant_feet(figure(seed), skeleton=KIT) * KIT.metres
        found = plant_feet(figure(seed) * KIT.metres, skeleton=METRIC)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_physics_is_in_metres_and_seconds() -> None:
    joints = np.zeros((40, 21, 3))
    joints[..., 2] = np.arange(40)[:, None] / KIT.metres / KIT.fps  # a metre per second
    assert skate(joints, skeleton=KIT) == pytest.approx(1)
    joints[20:, 3, 1] += 0.1 / KIT.metres
    jump = pytest.approx(0.1 * 12.5**2)
    assert seam_acceleration(joints, (20,), skeleton=KIT) == jump
    assert seam_peak(joints, 20, skeleton=KIT) == jump
    assert peak_acceleration(joints, skeleton=KIT).max() == jump
    assert usual_peak([joints], percent=100, skeleton=KIT) == jump
    assert seam_peak(joints, 20, fps=25.0, skeleton=KIT) == pytest.approx(0.1 * 25**2)


def test_the_linear_path_weighs_heading_against_metres() -> None:
    points = torch.randn(80, 6 * Layout(21).positions.stop, generator=torch.manual_seed(0))
    std = torch.rand(KIT.dim, generator=torch.manual_seed(1)) + 0.5
    metric = torch.cat([std[:1], std[1:] * KIT.metres])
    paths = [SplinePath(6, Layout(21), 8) for _ in range(2)]
    paths[0].fit(points, std, KIT.metres)
    paths[1].fit(points, metric)
    torch.testing.assert_close(paths[0].metres, paths[1].metres)
    torch.testing.assert_close(paths[0].decoder.abs(), paths[1].decoder.abs(), rtol=1e-3, atol=1e-4)


def test_the_loss_of_the_vae_is_in_metres() -> None:
    """Every joint but the root 2 cm too high, worked out by hand."""
    real = torch.from_numpy(joints_to_features(kit.walk(31).joints, KIT))[None].double()
    made = real.clone()
    where = Layout(21).positions
    made[0, :, where.start + 1 : where.stop : 3] += 0.02 / KIT.metres
    mean, std = torch.zeros(KIT.dim).double(), torch.ones(KIT.dim).double()
    terms = reconstruction(
        (made.float(), real.float()), torch.tensor([30]), (mean.float(), std.float()),
        torch.zeros(()),
    )  # fmt: skip
    assert float(terms["mpjpe_mm"]) == pytest.approx(20 * 20 / 21, rel=1e-3)
    assert float(terms["joints"]) == pytest.approx(0.5 * 0.02**2 * 20 / 63, rel=1e-3)
    assert float(terms["path"]) == 0
    made[..., 1] += 0.01 / KIT.metres  # the root drifts by a centimetre per frame
    terms = reconstruction(
        (made.float(), real.float()), torch.tensor([30]), (mean.float(), std.float()),
        torch.zeros(()),
    )  # fmt: skip
    drift = 0.01 * np.arange(30)
    assert float(terms["path"]) == pytest.approx((0.5 * drift**2).mean() / 3, rel=1e-2)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_body_that_drifts_off_the_floor_is_set_down(skeleton: Skeleton) -> None:
    """A tenth of a metre up and down over four seconds, and a jump that must stay."""
    time = np.arange(round(4 * skeleton.fps)) / skeleton.fps
    body = np.zeros((len(time), len(skeleton.joints), 3))
    body[:, :, 1] = np.linspace(0, 1.7, len(skeleton.joints)) / skeleton.metres
    jump = 0.3 * np.clip(1 - ((time - 2) / 0.25) ** 2, 0, None)  # half a second in the air
    level = body + np.array([0.0, 1, 0]) * (jump / skeleton.metres)[:, None, None]
    np.testing.assert_allclose(set_down(level, skeleton=skeleton), level, atol=1e-9)
    drift = 0.1 * np.sin(2 * np.pi * time / 8)
    lifted = level + np.array([0.0, 1, 0]) * (drift / skeleton.metres)[:, None, None]
    error = np.abs(set_down(lifted, skeleton=skeleton) - level).max() * skeleton.metres
    assert error < 0.045 < np.abs(drift).max()  # a slope of the drift within a second remains
    twice = set_down(set_down(lifted, skeleton=skeleton), skeleton=skeleton)
    assert np.abs(twice - level).max() <= np.abs(set_down(lifted, skeleton=skeleton) - level).max()
