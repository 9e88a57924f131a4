"""What the command line does with input that cannot be used, or is only odd.

Each refusal is one line on stderr and an exit code, comes within a second and before torch is
imported, and leaves no file behind.
"""

import os
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import motiongpt3 as package
from motiongpt3.app.arguments import MAX_SEED
from motiongpt3.app.show import printable
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.tokenizer import check_prompt

SHIPPED = Path(package.__file__).parent / "checkpoints" / "nano"
ODD_PROMPTS = [
    "<som><motion_out>",
    "<|endoftext|>",
    "{caption} %s ${x}",
    "🏃‍♀️ runs",
    "شخص يمشي إلى الأمام",
    "אדם הולך",
    "Jump! Jump!",
]

PROGRAM = """
import sys
from motiongpt3.app.cli import main
code = main(sys.argv[1:])
print("torch" if "torch" in sys.modules else "no torch")
sys.exit(code)
"""

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 10 0
    }
  }
}
MOTION
Frames: %s
Frame Time: 0.05
%s
"""
ROW = "0 90 0 0 0 0 0 0 0"


@dataclass(frozen=True)
class Refusal:
    code: int
    line: str
    torch: bool
    seconds: float
    """Of processor time, which does not depend on what else the machine does."""


def cpu_seconds() -> float:
    """Processor time of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def motiongpt3(*words: object, cwd: Path) -> Refusal:
    """Run the command line in a process of its own and check the form of its refusal."""
    before = {path.name for path in cwd.iterdir()}
    begun = cpu_seconds()
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, errors="replace", timeout=120
    )
    took = cpu_seconds() - begun
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert {path.name for path in cwd.iterdir()} == before, "a file was left"
    return Refusal(done.returncode, lines[0], done.stdout != "no torch\n", took)


def refused(*words: str, cwd: Path, code: int = 2, says: str = "") -> None:
    answer = motiongpt3(*words, cwd=cwd)
    assert answer.code == code, answer.line
    assert says in answer.line
    assert not answer.torch
    assert answer.seconds <= 1


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("walk " * 2000, "10,000 characters"),
        ("a person\x1b[31m walks", "control"),
        ("walks\x07", "control"),
        (os.fsdecode(b"walks \xff"), "Unicode"),
    ],
)
def test_prompts_that_say_nothing(prompt: str, says: str, tmp_path: Path) -> None:
    refused("generate", prompt, "-o", "a.bvh", cwd=tmp_path, says=says)


@pytest.mark.parametrize("prompt", [*ODD_PROMPTS, "walk " * 200])
def test_prompts_that_are_only_odd(prompt: str) -> None:
    assert check_prompt(prompt) == prompt.strip()


ARGUMENTS = [
    (["--seconds", "0.5"], "--seconds: '0.5' is not a number from 1.0 to 60.0"),
    (["--seconds", "61"], "--seconds"),
    (["--seconds", "nan"], "--seconds"),
    (["--seconds", "four"], "--seconds"),
    (["--seconds", "1e400"], "--seconds"),
    (["--seed", "-1"], "--seed"),
    (["--seed", "1.5"], "--seed"),
    (["--seed", str(MAX_SEED + 1)], "--seed"),
    (["--samples", "0"], "--samples"),
    (["--samples", "10000"], "--samples"),
    (["--steps", "0"], "--steps"),
    (["--steps", "1000000"], "--steps"),
    (["--guidance", "-inf"], "--guidance"),
    (["--sampler", "magic"], "invalid choice"),
    (["--device", "tpu"], "invalid choice"),
    (["--secnds", "4"], "did you mean --seconds?"),
    (["more", "words"], "'more'"),
    (["-o", "a.bvh"], "named twice"),
    (["-o", "a.xyz"], ".xyz cannot be written"),
    (["-o", "a"], "no suffix cannot be written"),
    (["-o", "missing/a.bvh"], "no such folder"),
]


@pytest.mark.parametrize(("words", "says"), ARGUMENTS, ids=[" ".join(w) for w, _ in ARGUMENTS])
def test_arguments(words: list[str], says: str, tmp_path: Path) -> None:
    refused("generate", "a person walks", "-o", "a.bvh", *words, cwd=tmp_path, says=says)


def test_unknown_command(tmp_path: Path) -> None:
    refused("genrate", "a person walks", cwd=tmp_path, says="genrate")
    refused("generate", "-o", "a.bvh", cwd=tmp_path, says="TEXT")
    refused("generate", "a person walks", cwd=tmp_path, says="-o")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.bvh").mkdir()
    refused("generate", "walks", "-o", "folder.bvh", cwd=tmp_path, says="is a folder")
    (tmp_path / "file").write_text("")
    refused("generate", "walks", "-o", "file/a.bvh", cwd=tmp_path, says="no such folder")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() == 0:  # nothing is closed to root but the kernel's own folders
        closed = Path("/proc")
    says = "cannot write here"
    refused("generate", "walks", "-o", f"{closed}/a.bvh", cwd=tmp_path, code=4, says=says)


def huge_npy(path: Path) -> None:
    """A header that claims 1e12 frames, and no data."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 22, 3), }"
    header = header.ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)


def bomb(path: Path) -> None:
    """Ten kilobytes that unpack to ten megabytes of zeros that are no array."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("joints.npy", bytes(10_000_000))


def pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def save(*shape: int, value: float = 0.0) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        joints = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        joints.flat[7] = value
        np.save(path, joints)

    return make


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


FILES: list[tuple[str, Callable[[Path], None]]] = [
    ("truncated.bvh", text((BVH % (60, (ROW + "\n") * 33))[:-9])),
    ("fewer_rows.bvh", text(BVH % (60, (ROW + "\n") * 33))),
    ("1e9_frames.bvh", text(BVH % (1_000_000_000, (ROW + "\n") * 60))),
    ("no_frames.bvh", text(BVH % (0, ""))),
    ("negative_frames.bvh", text(BVH % (-1, ROW))),
    ("nan.bvh", text(BVH % (2, f"{ROW}\n{ROW.replace('90', 'nan')}"))),
    ("short_row.bvh", text(BVH % (2, f"{ROW}\n0 90"))),
    ("no_hierarchy.bvh", text("MOTION\nFrames: 1\n")),
    ("web_page.bvh", text("<!DOCTYPE html><html>404</html>")),
    ("empty.bvh", text("")),
    ("empty.npy", text("")),
    ("empty.npz", text("")),
    ("wrong_shape.npy", save(10, 17, 3)),
    ("one_dimension.npy", save(100)),
    ("nan_joints.npy", save(10, 22, 3, value=float("nan"))),
    ("infinite_joints.npy", save(10, 22, 3, value=float("inf"))),
    ("huge_header.npy", huge_npy),
    ("pickled.npy", pickled),
    ("bomb.npz", bomb),
    ("not_a_zip.npz", text("PK\x03\x04 not really")),
    ("unknown.fbx", text("Kaydara FBX")),
    ("folder.bvh", lambda path: path.mkdir()),
]


@pytest.mark.parametrize(("name", "make"), FILES, ids=[name for name, _ in FILES])
def test_files_that_hold_no_motion(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / name)
    refused("convert", name, "out.npz", cwd=tmp_path, says=name)


@pytest.mark.parametrize("command", ["caption", "predict", "inbetween", "convert"])
def test_a_missing_file_is_refused_before_the_model_is_loaded(command: str, tmp_path: Path) -> None:
    rest = {
        "caption": ["gone.bvh"],
        "predict": ["gone.bvh", "-o", "a.bvh"],
        "inbetween": ["gone.bvh", "gone.bvh", "-o", "a.bvh"],
        "convert": ["gone.bvh", "a.npz"],
    }
    refused(command, *rest[command], cwd=tmp_path, says="gone.bvh")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.bvh")
    refused("convert", "pipe.bvh", "out.npz", cwd=tmp_path, says="pipe.bvh")


def test_data_folders(tmp_path: Path) -> None:
    refused("data", "prepare", "nowhere", "-o", "out", cwd=tmp_path, says="nowhere")
    (tmp_path / "empty").mkdir()
    refused("data", "prepare", "empty", "-o", "out", cwd=tmp_path, says="empty")


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    assert printable("a\nb\x1b[31m\u202e\udcff🏃") == r"a\nb\x1b[31m\u202e\udcff🏃"
    assert str(InputError("bad", where="a.bvh:3", hint="fix it")) == "a.bvh:3: bad (fix it)"
    assert CorruptError.exit_code == 3


needs_checkpoint = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped checkpoint")


@needs_checkpoint
def test_odd_prompts_make_a_motion() -> None:
    motions = package.load().generate(ODD_PROMPTS, seconds=1.0, seed=0)
    assert len(motions) == len(ODD_PROMPTS)
    for motion, prompt in zip(motions, ODD_PROMPTS, strict=True):
        assert motion.joints.shape == (20, 22, 3), prompt
        assert np.isfinite(motion.joints).all(), prompt


@needs_checkpoint
def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED, copy)
    largest = max(copy.rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    answer = motiongpt3("generate", "walks", "-o", "a.bvh", "--model", copy, cwd=tmp_path)
    assert answer.code == 3 and largest.name in answer.line
    refused("caption", "gone.bvh", "--model", str(tmp_path / "nowhere"), cwd=tmp_path, says="gone")
