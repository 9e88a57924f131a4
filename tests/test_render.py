"""Pictures: sizes, colours on the right side, files that other programs can read, refusals."""

from dataclasses import replace

import imageio_ffmpeg
import kit
import numpy as np
import pytest
from PIL import Image

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton
from motiongpt3.render import body, figure, lettering, video
from motiongpt3.render.scene import Camera, Scene, View

SMALL = View(width=160, height=160)
LENGTHS = {"hip": 0.1, "knee": 0.4, "ankle": 0.4, "foot": 0.13, "elbow": 0.27, "wrist": 0.25}


def person(frames: int = 4, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """Someone who faces +Z with hanging arms; the left hand of HumanML3D's body goes up."""
    pose = np.zeros((len(skeleton.joints), 3), np.float32)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            length = LENGTHS.get(skeleton.joints[joint].rpartition("_")[2], 0.13)
            pose[joint] = pose[parent] + length * skeleton.raw_offsets[joint]
    joints = np.repeat(pose[None], frames, axis=0)
    if skeleton is HUMANML3D:
        shoulder = joints[:, [skeleton.index("left_shoulder")]]
        arm = [skeleton.index("left_elbow"), skeleton.index("left_wrist")]
        joints[:, arm] = shoulder + np.array([[0.15, 0.2, 0.1], [0.2, 0.45, 0.15]])
    return joints


def is_blue(pixels: np.ndarray) -> np.ndarray:
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return blue - red > 70


def is_orange(pixels: np.ndarray) -> np.ndarray:
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return red - blue > 70


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_picture_for_every_frame(skeleton):
    drawn = figure.draw(person(3, skeleton), 20.0, skeleton, "a person", SMALL)
    assert drawn.shape == (3, 160, 160, 3)
    assert drawn.dtype == np.uint8
    assert is_blue(drawn).any()
    assert is_orange(drawn).any()


def test_left_is_blue_and_right_is_orange_where_the_wrists_are():
    scene = Scene.of(person(), HUMANML3D)
    camera = Camera.follow(scene, View(), 20.0, 40, 40)
    image = np.full((3, 640, 640), 255, np.float32)
    limbs = body.Limbs.of(scene)
    depth = np.full((640, 640), np.inf, np.float32)
    body.paint(image, depth, body.project(limbs, camera)[0], limbs.colour)
    pixels = camera.project(scene.joints)[0]
    for joint, painted in (("left_wrist", is_blue), ("right_wrist", is_orange)):
        u, v, _ = pixels[HUMANML3D.index(joint)].round().astype(int)
        assert painted(image[:, v, u]), joint


def test_seen_from_the_front_the_left_hand_is_on_the_right_and_up():
    picture = figure.draw(person(1), view=replace(SMALL, azimuth=0.0))[0][:140]  # above the legend
    blue, orange = np.argwhere(is_blue(picture)), np.argwhere(is_orange(picture))
    assert blue[:, 1].mean() > orange[:, 1].mean() + 5
    assert blue[:, 0].min() < orange[:, 0].min()
    turned = person(1) * [-1, 1, -1]  # seen from the front wherever the person looks
    same = figure.draw(turned, view=replace(SMALL, azimuth=0.0))[0][:140]
    assert np.abs(same.astype(int) - picture).max() <= 2


def test_a_near_limb_hides_a_far_one_whatever_their_order():
    camera = Camera(np.array([[0.0, 1, 5]]), np.diag([1.0, 1, -1]), 300.0, (50.0, 50.0))
    near, far = [[-0.1, 1, 1], [0.1, 1, 1]], [[0, 0.9, -1], [0, 1.1, -1]]
    for limbs, colours in (((near, far), (1, 2)), ((far, near), (2, 1))):
        start, end = (np.array([[limb[k] for limb in limbs]], float) for k in (0, 1))
        both = body.Limbs(start, end, np.full((2, 2), 0.1), np.array(colours))
        image, depth = np.full((3, 100, 100), 255.0, np.float32), np.full((100, 100), np.inf)
        body.paint(image, depth, body.project(both, camera)[0], both.colour)
        assert is_blue(image[:, 50, 50])


def test_a_kit_figure_has_its_head_on_its_neck_and_its_sides_in_their_colours():
    """KIT-ML has no joint in the head: the one of that name is the top of the neck."""
    scene = Scene.of(kit.wave(20).joints, KIT)
    neck, head = (scene.joints[:, KIT.index(name)] for name in ("neck", "head"))
    limbs = body.Limbs.of(scene)
    skull = next(n for n, r in enumerate(limbs.radius) if r[0] > 0.1 and limbs.colour[n] == 3)
    chin = limbs.start[:, skull, 1] - limbs.radius[skull, 0]
    assert (chin > neck[:, 1]).all() and (chin < head[:, 1] + 0.05).all()
    nose = limbs.end[:, np.flatnonzero(limbs.colour == 3)[-1]]
    assert ((nose - head) @ [0, 0, 1] > 0.05).all()
    front = replace(SMALL, azimuth=0.0)
    picture = figure.draw(kit.wave(20).joints, 12.5, KIT, view=front)[-1][:140]
    blue, orange = np.argwhere(is_blue(picture)), np.argwhere(is_orange(picture))
    assert blue[:, 1].mean() > orange[:, 1].mean() + 5
    assert blue[:, 0].min() < orange[:, 0].min() - 10


def test_the_unit_of_kit_does_not_matter():
    joints = kit.wave(2).joints / 700
    one, other = (figure.draw(joints * unit, 12.5, KIT, view=SMALL) for unit in (50.0, 900.0))
    assert np.abs(one.astype(int) - other).max() <= 2


def test_a_runner_stays_in_the_picture_and_the_ground_moves():
    joints = person(30) + np.linspace(0, 6, 30)[:, None, None] * np.array([0, 0, 1], np.float32)
    drawn = figure.draw(joints, view=replace(SMALL, trail=False))
    middle = [np.argwhere(is_orange(f[:140]))[:, 1].mean() for f in drawn]
    assert np.ptp(middle) < 6
    assert (drawn[10, 60:140, :40] != drawn[11, 60:140, :40]).any()


@pytest.mark.parametrize(
    ("fps", "pictures", "rate"), [(20.0, 12, 20.0), (12.5, 24, 25.0), (120.0, 6, 60.0)]
)
def test_mp4_lasts_as_long_as_the_motion(tmp_path, fps, pictures, rate):
    path = video.write(Motion(person(12), fps=fps), tmp_path / "out.mp4", view=SMALL)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == pictures
    assert seconds == pytest.approx(pictures / rate, abs=0.01)
    reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    facts = next(reader)
    first = np.frombuffer(next(reader), np.uint8).reshape(160, 160, 3)
    reader.close()
    assert (facts["size"], facts["codec"]) == ((160, 160), "h264")
    assert facts["pix_fmt"].startswith("yuv420p")
    assert is_blue(first[:140]).any()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_gif_has_every_frame_and_its_time(tmp_path):
    motion = Motion(person(7), provenance={"text": "a person stands"})
    with Image.open(video.write(motion, tmp_path / "out.GIF", view=SMALL)) as picture:
        assert (picture.n_frames, picture.info["duration"]) == (7, 50)
        assert picture.size == (160, 160)
        assert is_blue(np.asarray(picture.convert("RGB"))).any()


def test_png_shows_poses_side_by_side(tmp_path):
    path = video.write(Motion(person(40)), tmp_path / "out.png", view=replace(SMALL, poses=6))
    with Image.open(path) as picture:
        columns = is_orange(np.asarray(picture)[:80]).any(axis=0)
    starts = np.count_nonzero(columns[1:] & ~columns[:-1])
    assert starts == 6
    assert figure.sequence(person(1), view=SMALL).shape[2] == 3  # fewer frames than poses


@pytest.mark.parametrize(
    "caption",
    ["", "word " * 2000, "x" * 10_000, "שלום עולם مرحبا", "👋🏽 waves", "\ud800\x00\n\t\u202e",
     "日本語の説明文", "<som><motion_out>", "%s {0} \\"],
)  # fmt: skip
def test_any_caption_can_be_drawn(caption):
    picture = figure.draw(person(1), caption=caption, view=SMALL)[0]
    assert is_blue(picture[:140]).any()


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
    broken = person()
    broken[2, 5, 1] = np.nan
    for joints in (broken, person()[:0], person()[:, :5], person() + np.inf):
        with pytest.raises(InputError):
            figure.frames(joints)
    lost = person()
    lost[1, 20] = 1e9
    with pytest.raises(InputError):
        figure.frames(lost)
    assert figure.draw(np.zeros((2, 22, 3)), view=SMALL).shape[0] == 2  # odd, but drawable


@pytest.mark.parametrize(
    "change", [{"width": 161}, {"height": 10**6}, {"fps": 0}, {"poses": 0}, {"azimuth": np.nan}]
)
def test_an_impossible_view_is_refused(change):
    with pytest.raises(InputError):
        View(**change)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match="mov"):
        video.write(Motion(person()), tmp_path / "out.mov")


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out.png"])
def test_what_cannot_be_written_leaves_nothing(tmp_path, name):
    with pytest.raises(ResourceError):
        video.write(Motion(person()), tmp_path / "missing" / name, view=SMALL)
    (tmp_path / name).mkdir()
    with pytest.raises(ResourceError):
        video.write(Motion(person()), tmp_path / name, view=SMALL)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("program", ["false", "there is no such program"])
def test_a_failing_ffmpeg_keeps_the_old_file(tmp_path, monkeypatch, program):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: program)
    with pytest.raises(ResourceError, match="ffmpeg"):
        video.write(Motion(person()), path, view=SMALL)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
