"""Pictures: colours on the right side, depth, cameras, what stands stays where it is, refusals."""

from dataclasses import replace

import kit
import numpy as np
import pytest
from drawing import SMALL, is_blue, is_orange, standing, walking
from jaxtyping import TypeCheckError

from motiongpt3.errors import InputError
from motiongpt3.motion.skeleton import HUMANML3D, KIT
from motiongpt3.render import figure, lettering
from motiongpt3.render.camera import Camera
from motiongpt3.render.ground import TILE, Ground
from motiongpt3.render.limbs import HEAD, LEFT_ARM, RIGHT_ARM, Limbs
from motiongpt3.render.marks import Prints, Trail
from motiongpt3.render.painter import Canvas, as_bytes, project
from motiongpt3.render.scene import Scene, Take, View

FRONT = replace(SMALL, azimuth=0.0)
CAMERAS = ("follow", "fixed", "orbit")


def drawn(joints: np.ndarray, view: View = SMALL, **about) -> np.ndarray:
    return np.stack(list(figure.frames(Take(joints, **about), view)))


@pytest.mark.parametrize("style", ["mannequin", "skeleton"])
@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_picture_for_every_frame(skeleton, style):
    view = replace(SMALL, style=style)
    pictures = drawn(standing(3, skeleton), view, skeleton=skeleton, caption="a person")
    assert pictures.shape == (3, 160, 160, 3)
    assert pictures.dtype == np.uint8
    assert is_blue(pictures).any()
    assert is_orange(pictures).any()


@pytest.mark.parametrize("style", ["mannequin", "skeleton"])
def test_left_is_blue_and_right_is_orange_where_the_wrists_are(style):
    scene = Scene.of(standing(), HUMANML3D)
    camera = Camera.film(scene, View(), 20.0, 40, 40)
    canvas = Canvas.blank(640, 640)
    canvas.rgb.fill(255)
    limbs = Limbs.of(scene, style)
    canvas.body(project(limbs, camera)[0], limbs.part)
    pixels = camera.project(scene.joints)[0]
    for joint, painted in (("left_wrist", is_blue), ("right_wrist", is_orange)):
        u, v, _ = pixels[HUMANML3D.index(joint)].round().astype(int)
        assert painted(as_bytes(canvas.rgb)[v, u]), joint


def test_seen_from_the_front_the_left_hand_is_on_the_right_and_up():
    picture = drawn(standing(1), FRONT)[0, :140]  # above the legend
    blue, orange = np.argwhere(is_blue(picture)), np.argwhere(is_orange(picture))
    assert blue[:, 1].mean() > orange[:, 1].mean() + 5
    assert blue[:, 0].min() < orange[:, 0].min()
    turned = standing(1) * [-1, 1, -1]  # seen from the front wherever the person looks
    assert np.abs(drawn(turned, FRONT)[0, :140].astype(int) - picture).max() <= 2
    behind = drawn(standing(1), replace(SMALL, azimuth=180.0))[0, :140]
    assert np.argwhere(is_blue(behind))[:, 1].mean() < np.argwhere(is_orange(behind))[:, 1].mean()


def test_a_near_limb_hides_a_far_one_whatever_their_order():
    axes = np.diag([1.0, 1, -1])[None]
    camera = Camera(np.array([[0.0, 1, 5]]), axes, 300.0, (50.0, 50.0))
    near, far = [[-0.1, 1, 1], [0.1, 1, 1]], [[0, 0.9, -1], [0, 1.1, -1]]
    for limbs, parts in (
        ((near, far), (LEFT_ARM, RIGHT_ARM)),
        ((far, near), (RIGHT_ARM, LEFT_ARM)),
    ):
        start, end = (np.array([[limb[k] for limb in limbs]], float) for k in (0, 1))
        both = Limbs(start, end, np.full((2, 2), 0.1), np.array(parts))
        canvas = Canvas.blank(100, 100)
        canvas.rgb.fill(255)
        canvas.body(project(both, camera)[0], both.part)
        assert is_blue(as_bytes(canvas.rgb)[50, 50])


def test_the_depth_of_a_leaning_tapered_limb_is_that_of_its_surface():
    """Against rays that are followed through the limb's signed distance."""
    start, end, radii = np.array([-0.1, 1, -0.2]), np.array([0.12, 1.05, 0.16]), (0.086, 0.054)
    camera = Camera(np.array([[0.0, 1, 9]]), np.diag([1.0, 1, -1])[None], 900.0, (50.0, 50.0))
    limb = Limbs(start[None, None], end[None, None], np.array([radii]), np.array([LEFT_ARM]))
    canvas = Canvas.blank(100, 100)
    canvas.body(project(limb, camera)[0], limb.part)
    share = np.linspace(0, 1, 400)[:, None]
    centres, sizes = start + share * (end - start), radii[0] + share[:, 0] * (radii[1] - radii[0])
    inside = np.argwhere(np.isfinite(canvas.depth))[::17]
    wrong = []
    for v, u in inside:
        ray = np.array([(u + 0.5 - 50) / 900, -(v + 0.5 - 50) / 900, -1.0])
        away = camera.position[0] - centres
        half, square = away @ ray, (away * away).sum(1) - sizes**2
        root = half**2 - (ray @ ray) * square
        hits = (-half - np.sqrt(np.where(root > 0, root, np.nan))) / (ray @ ray)
        if np.isfinite(hits).any():
            wrong.append(abs(np.nanmin(hits) - canvas.depth[v, u]))
    assert len(wrong) > 20
    assert np.median(wrong) < 0.005 and np.quantile(wrong, 0.95) < 0.02


def test_a_kit_figure_has_its_head_on_its_neck_and_its_sides_in_their_colours():
    """KIT-ML has no joint in the head: the one of that name is the top of the neck."""
    scene = Scene.of(kit.wave(20).joints, KIT)
    neck, head = scene.at("neck"), scene.at("head")
    limbs = Limbs.of(scene)
    mine = np.flatnonzero(limbs.part == HEAD)
    face = mine[1:]  # the neck comes first
    chin = (limbs.end[:, face, 1] - limbs.radius[face, 1]).min(axis=1)
    assert (chin > neck[:, 1]).all() and (chin < head[:, 1] + 0.05).all()
    assert ((limbs.end[:, mine[-1]] - head) @ [0, 0, 1] > 0.05).all()  # the nose
    picture = drawn(kit.wave(20).joints, FRONT, fps=12.5, skeleton=KIT)[-1, :140]
    blue, orange = np.argwhere(is_blue(picture)), np.argwhere(is_orange(picture))
    assert blue[:, 1].mean() > orange[:, 1].mean() + 5
    assert blue[:, 0].min() < orange[:, 0].min() - 10


def test_the_unit_of_kit_does_not_matter():
    joints = kit.wave(2).joints / 700
    one, other = (drawn(joints * unit, skeleton=KIT) for unit in (50.0, 900.0))
    assert np.abs(one.astype(int) - other).max() <= 2


@pytest.mark.parametrize("way", CAMERAS)
def test_every_camera_keeps_the_walker_in_the_picture(way):
    scene = Scene.of(walking(), HUMANML3D)
    camera = Camera.film(scene, replace(SMALL, camera=way), 20.0, 20, 20)
    u, v, _ = np.moveaxis(camera.project(scene.joints), -1, 0)
    assert u.min() > 0 and u.max() < 160 and v.min() > 0 and v.max() < 160
    moves = np.ptp(camera.position, axis=0).max()
    assert (moves > 0.5) == (way != "fixed")
    assert camera.turns == (way == "orbit")


def test_a_runner_stays_in_the_picture_and_the_ground_moves():
    joints = standing(30) + np.linspace(0, 6, 30)[:, None, None] * np.array([0, 0, 1], np.float32)
    pictures = drawn(joints, replace(SMALL, trail=False))
    middle = [np.argwhere(is_orange(f[:140]))[:, 1].mean() for f in pictures]
    assert np.ptp(middle) < 6
    assert (pictures[10, 60:140, :40] != pictures[11, 60:140, :40]).any()
    fixed = drawn(joints, replace(SMALL, trail=False, camera="fixed"))
    assert (fixed[0, 20:60] == fixed[-1, 20:60]).mean() > 0.9


@pytest.mark.parametrize("way", CAMERAS)
def test_grid_and_footprints_stay_where_they_are_in_the_world(way):
    scene = Scene.of(walking(), HUMANML3D)
    view = View(width=512, height=512, camera=way)
    camera = Camera.film(scene, view, 20.0, 20, 20)
    ground = Ground.of(camera, scene, (512, 512), reach=20.0)
    # The grid lies along the first facing, +Z, through the world's origin.
    lines = np.array([[i * TILE, 0, j * TILE] for i in range(-2, 3) for j in range(-1, 4)])
    image = np.empty((3, 512, 512), np.float32)
    left, right = Prints.of(scene, 20.0)
    assert len(left.first) == 2 and len(right.first) == 2
    for frame in range(12, 40, 9):
        ground.paint(image, frame)
        at = [camera.project(np.repeat(lines[None] + shift, 40, 0))[frame, :, :2].astype(int)
              for shift in (0, [0.45 * TILE, 0, 0.45 * TILE])]  # fmt: skip
        seen = [((p >= 0) & (p < 512)).all(1) for p in at]
        crossing, between = (image[0][tuple(p[s, ::-1].T)] for p, s in zip(at, seen, strict=True))
        assert crossing.mean() < between.mean() - 5
        image.fill(255)
        floor = image[:, ground.first_row :]
        left.paint(floor, ground, frame)
        inked = np.argwhere(floor[0] < 240)[:, ::-1] + [0, ground.first_row]
        begun = left.places[left.first <= frame]
        world = np.insert(begun.reshape(-1, 2), 1, 0.0, axis=1)
        spots = camera.project(np.repeat(world[None], 40, 0))[frame, :, :2]
        away = np.linalg.norm(spots[:, None] - inked[None], axis=-1)
        assert away.min(axis=1).max() < 12  # every spot is inked
        assert away.min(axis=0).max() < 30  # and nothing else is


def test_a_trail_ends_below_the_body_and_nobody_leaves_one_in_place():
    scene = Scene.of(walking(), HUMANML3D)
    trail = Trail.of(scene.root)
    for frame in (10, 25, 39):
        end = trail.points[trail.passed[frame] - 1]
        assert np.linalg.norm(end - scene.root[frame][[0, 2]]) < 0.03
    assert len(Trail.of(Scene.of(standing(), HUMANML3D).root).points) == 0


def test_feet_stand_on_the_ground_and_neither_float_nor_sink():
    joints = standing()
    joints[:, [leg[-1] for leg in HUMANML3D.legs], 1] -= 0.055  # below the ankle, as in people
    for given, skeleton in ((joints, HUMANML3D), (kit.wave(20).joints, KIT)):
        limbs = Limbs.of(Scene.of(given, skeleton))
        ends = np.stack([limbs.start, limbs.end], axis=-2)[..., 1] - limbs.radius
        assert np.abs(ends.min(axis=(1, 2))).max() < 0.025, skeleton.name


@pytest.mark.parametrize(
    "caption",
    ["", "word " * 2000, "x" * 10_000, "שלום עולם مرحبا", "👋🏽 waves", "\ud800\x00\n\t\u202e",
     "日本語の説明文", "<som><motion_out>", "%s {0} \\ $x_"],
)  # fmt: skip
def test_any_caption_can_be_drawn(caption):
    assert is_blue(drawn(standing(1), caption=caption)[0, :140]).any()


def test_a_caption_fits_its_width_and_loses_no_word():
    text = "a person walks forward slowly and then waves the left hand above the head"
    lines = lettering.wrap(text, 20, 300, 4)
    assert " ".join(lines) == text
    assert all(lettering.letters(line, 20).shape[1] <= 306 for line in lines)
    cut = lettering.wrap(text, 20, 300, 2)
    assert len(cut) == 2
    assert cut[1].endswith("…")


def test_text_is_drawn_on_a_machine_without_fonts(monkeypatch):
    monkeypatch.setattr(lettering.importlib.util, "find_spec", lambda name: None)
    lettering._font.cache_clear()
    lettering.letters.cache_clear()
    try:
        assert lettering.letters("left", 20).max() > 0.5
    finally:
        lettering._font.cache_clear()
        lettering.letters.cache_clear()


def test_bad_joints_are_refused_at_once():
    broken = standing()
    broken[2, 5, 1] = np.nan
    for joints in (broken, standing()[:0], standing()[:, :5], standing() + np.inf):
        with pytest.raises(InputError):
            figure.frames(Take(joints))
    lost = standing()
    lost[1, 20] = 1e9
    with pytest.raises(InputError):
        figure.frames(Take(lost))
    one_place = np.zeros((2, 22, 3))  # odd, but drawable
    assert len(drawn(one_place)) == len(drawn(one_place, replace(SMALL, style="skeleton"))) == 2


@pytest.mark.parametrize(
    "change",
    [{"width": 161}, {"height": 10**6}, {"fps": 0}, {"poses": 0}, {"azimuth": np.nan},
     {"style": "clay"}, {"camera": "drone"}, {"background": "pink"}],
)  # fmt: skip
def test_an_impossible_view_is_refused(change):
    with pytest.raises((InputError, TypeCheckError)):  # the tests check types before
        View(**change)
