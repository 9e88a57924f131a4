"""Picture files: what other programs read in them, comparisons, refusals; nothing half written."""

from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from drawing import SMALL, is_blue, is_orange, standing, walking
from PIL import Image

from motiongpt3.app import cli
from motiongpt3.errors import InputError, ResourceError
from motiongpt3.motion.motion import PICTURES, Motion
from motiongpt3.render import contact, figure, video
from motiongpt3.render.scene import Take, View


@pytest.mark.parametrize(
    ("fps", "pictures", "rate"), [(20.0, 12, 20.0), (12.5, 24, 25.0), (120.0, 6, 60.0)]
)
def test_mp4_lasts_as_long_as_the_motion(tmp_path, fps, pictures, rate):
    path = video.write(Motion(standing(12), fps=fps), tmp_path / "out.mp4", view=SMALL)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == pictures
    assert seconds == pytest.approx(pictures / rate, abs=0.01)
    facts, first = _decoded(path)
    assert (facts["size"], facts["codec"]) == ((160, 160), "h264")
    assert facts["pix_fmt"].startswith("yuv420p")
    assert is_blue(first[:140]).any()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(("name", "kind"), [("out.GIF", "GIF"), ("out.webp", "WEBP")])
def test_a_moving_picture_has_every_frame_and_its_time(tmp_path, name, kind):
    motion = Motion(walking(1, 7), provenance={"text": "a person walks"})
    with Image.open(video.write(motion, tmp_path / name, view=SMALL)) as picture:
        picture.seek(3)
        picture.load()
        assert (picture.format, picture.n_frames, picture.info["duration"]) == (kind, 7, 50)
        assert picture.size == (160, 160)
        assert is_blue(np.asarray(picture.convert("RGB"))).any()


def test_png_shows_poses_side_by_side(tmp_path):
    path = video.write(Motion(standing(40)), tmp_path / "out.png", view=replace(SMALL, poses=6))
    with Image.open(path) as picture:
        columns = is_orange(np.asarray(picture)[:80]).any(axis=0)
    starts = np.count_nonzero(columns[1:] & ~columns[:-1])
    assert starts == 6
    assert figure.sequence(Take(standing(1)), SMALL).shape[2] == 3  # fewer frames than poses


def test_what_is_transparent_looks_on_white_as_what_is_drawn_there(tmp_path):
    motion = Motion(walking(2, 4))
    clear, white = (replace(SMALL, background=b, contacts=True) for b in ("transparent", "white"))
    with Image.open(video.write(motion, tmp_path / "out.png", view=clear)) as picture:
        assert picture.mode == "RGBA"
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        corner = picture.getpixel((2, 2))
    assert corner[3] == 0
    wanted = figure.sequence(Take(motion.joints), white)
    assert np.abs(np.asarray(paper.convert("RGB")).astype(int) - wanted).max() <= 2
    with Image.open(video.write(motion, tmp_path / "out.webp", view=clear)) as picture:
        assert picture.mode == "RGBA" and picture.n_frames == 8


@pytest.mark.parametrize(("suffix", "head"), [(".svg", b"<?xml"), (".pdf", b"%PDF-")])
def test_a_vector_figure_is_small_and_the_same_every_time(tmp_path, suffix, head):
    motion = Motion(walking(), provenance={"text": "costs $5_a & <b> 👋🏽"})
    one, two = (tmp_path / f"{n}{suffix}" for n in (1, 2))
    for path in (one, two):
        video.write(motion, path, view=replace(SMALL, poses=4))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(head) and one.stat().st_size < 600_000


def test_a_drawing_is_the_same_every_time():
    view = replace(SMALL, contacts=True, camera="orbit")
    one, two = (np.stack(list(figure.frames(Take(walking(2, 4)), view))) for _ in range(2))
    assert np.array_equal(one, two)


def test_a_comparison_holds_the_shorter_and_runs_on_one_clock(tmp_path):
    short, long = Motion(walking(1, 10), fps=40.0), Motion(standing(12))
    path = video.compare([("short", short), ("long", long)], tmp_path / "both.mp4", SMALL)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert (count, seconds) == (24, pytest.approx(0.6, abs=0.01))
    assert _decoded(path)[0]["size"] == (320, 160)
    takes = [Take(walking(1, 4)), Take(walking(2, 4))]
    pictures = list(figure.compare(takes, SMALL))
    assert len(pictures) == 8
    assert np.array_equal(pictures[3][:, :160], pictures[7][:, :160])
    assert (pictures[3][:, 160:] != pictures[7][:, 160:]).any()
    five = next(figure.compare([Take(standing(1))] * 5, SMALL))
    assert five.shape == (320, 640, 3)


def test_too_many_or_too_large_a_picture_is_refused(tmp_path):
    motions = [("", Motion(standing(1)))]
    for count in (0, figure.MOST + 1, 10**5):
        with pytest.raises(InputError, match="compare"):
            video.compare(motions * count, tmp_path / "out.mp4", SMALL)
        with pytest.raises(InputError):
            contact.contact_sheet(motions * (count and max(count, contact.MOST + 1)))
    with pytest.raises(InputError, match="smaller size"):
        video.compare(motions * 3, tmp_path / "out.mp4", View(width=2048, height=2048))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", PICTURES)
def test_every_picture_is_written_by_its_suffix(tmp_path, suffix):
    assert suffix in video.SUFFIXES
    motion = Motion(standing(2))
    assert motion.write(tmp_path / f"out{suffix}", view=SMALL).stat().st_size > 500


def test_the_command_draws_every_style(tmp_path, capsys):
    for name in ("a", "b"):
        Motion(walking(1, 6)).write(tmp_path / f"{name}.npz")
    clips = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    small = ["--size", "160x128"]
    for number, (given, files, size) in enumerate(
        [
            (clips[:1], ["x.mp4", "x.webp"], None),
            ([*clips, "--style", "skeleton", "--camera", "orbit"], ["y.gif"], (320, 128)),
            ([clips[0], "--style", "sequence", "--poses", "3"], ["z.png", "z.svg", "z.pdf"], None),
            ([*clips, "--style", "sheet", "--caption", "one", "--caption", "2"], ["s.png"], None),
        ]
    ):
        out = [word for f in files for word in ("-o", str(tmp_path / f"{number}{f}"))]
        assert cli.main(["render", *given, *out, *small]) == 0
        for file in files:
            path = tmp_path / f"{number}{file}"
            assert path.is_file()
            if size:
                with Image.open(path) as picture:
                    assert picture.size == size
    capsys.readouterr()


@pytest.mark.parametrize(
    "given",
    ["-o x.mov", "-o x.svg --style sheet", "-o x.mp4 --style sequence", "-o x.mp4 --size 161x160",
     "-o x.mp4 --size 9", "-o x.mp4 --background transparent", "-o x.mp4 --caption a --caption b",
     "-o x.mp4 --fps 0", "-o x.png --style sheet --background transparent", "-o x.mp4 --poses 99"],
)  # fmt: skip
def test_the_command_refuses_what_cannot_be_drawn(tmp_path, monkeypatch, capsys, given):
    monkeypatch.chdir(tmp_path)
    Motion(standing(2)).write("a.npz")
    assert cli.main(["render", "a.npz", *given.split()]) == InputError.exit_code
    assert capsys.readouterr().err.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_several_clips_do_not_fit_one_row_of_poses(tmp_path, capsys):
    Motion(standing(2)).write(tmp_path / "a.npz")
    clips = [str(tmp_path / "a.npz")] * 2
    assert cli.main(["render", *clips, "-o", str(tmp_path / "x.png")]) == InputError.exit_code
    assert "--style sheet" in capsys.readouterr().err


def test_the_command_names_what_rendering_knows():
    from typing import get_args

    from motiongpt3.app import cli_render
    from motiongpt3.render import scene

    assert get_args(scene.Way) == cli_render.CAMERAS
    assert get_args(scene.Background) == cli_render.BACKGROUNDS
    assert cli_render.STYLES[:2] == get_args(scene.Style)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match="mov"):
        video.write(Motion(standing()), tmp_path / "out.mov")


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out.webp", "out.png", "out.pdf"])
def test_what_cannot_be_written_leaves_nothing(tmp_path, name):
    with pytest.raises(ResourceError):
        video.write(Motion(standing()), tmp_path / "missing" / name, view=SMALL)
    (tmp_path / name).mkdir()
    with pytest.raises(ResourceError):
        video.write(Motion(standing()), tmp_path / name, view=SMALL)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("program", ["false", "there is no such program"])
def test_a_failing_ffmpeg_keeps_the_old_file(tmp_path, monkeypatch, program):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: program)
    with pytest.raises(ResourceError, match="ffmpeg"):
        video.write(Motion(standing()), path, view=SMALL)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def _decoded(path):
    """What ffmpeg says of a video, and its first picture."""
    reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    facts = next(reader)
    width, height = facts["size"]
    first = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    reader.close()
    return facts, first
