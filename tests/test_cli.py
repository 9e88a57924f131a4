"""The command line, driven with a model that is not there: what it calls, writes and prints."""

import json
import shlex
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import motiongpt3
from motiongpt3.app import arguments, bench, cli, learn
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D

COMMANDS = (
    *("generate", "caption", "predict", "inbetween", "convert"),
    *("train", "evaluate", "report", "embed", "search", "doctor", "bench", "export-onnx"),
)


def standing(frames: int = 40) -> Motion:
    """A T pose that drifts forward a little, so that no frame equals another."""
    offsets = HUMANML3D.raw_offsets * 0.2
    joints = np.zeros((frames, len(HUMANML3D.joints), 3), np.float32)
    for joint, parent in enumerate(HUMANML3D.parents):
        if parent >= 0:
            joints[:, joint] = joints[:, parent] + offsets[joint]
    joints[..., 1] -= joints[..., 1].min()
    joints[..., 2] += np.linspace(0, 1, frames)[:, None]
    return Motion(joints)


class StandIn:
    """Answers like `MotionGPT` and remembers what it was asked."""

    card = {"name": "stand-in", "licence": "CC BY-NC 4.0", "sources": ["nobody"]}
    parameters = 12_000_000

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def generate(self, text: str, seconds: float | None, **options: Any) -> list[Motion]:
        self.asked = {"text": text, "seconds": seconds, **options}
        return [standing(round((seconds or 2) * 20)) for _ in range(options["samples"])]

    def caption(self, motions: list[Motion]) -> list[str]:
        return [f"a person stands for {motion.seconds:g} s\x1b[31m" for motion in motions]

    def predict(self, motion: Motion, seconds: float, text: str | None, **options: Any) -> Motion:
        self.asked = {"text": text, "seconds": seconds, **options}
        return standing(len(motion) + round(seconds * 20))

    def inbetween(
        self, start: Motion, end: Motion, seconds: float, text: str | None, **options: Any
    ) -> Motion:
        self.asked = {"text": text, "seconds": seconds, **options}
        return standing(len(start) + len(end) + round(seconds * 20))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(motiongpt3.__dict__, "load", lambda path, **how: stand_in)
    return stand_in


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.npz"
    standing().write(path)
    return path


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(command, "--help")
    assert stop.value.code == 0
    for line in capsys.readouterr().out.split("example:")[1].strip().splitlines():
        example = shlex.split(line)
        assert example[:2] == ["motiongpt3", command]
        assert cli.parse(example[1:]).run.__name__ == command.replace("-", "_")


def test_help_is_quick_and_needs_no_torch() -> None:
    program = (  # a slow machine is one that is slow to import what everything here needs
        "import sys, time, numpy, jaxtyping\n"
        "most = max(0.5, 2 * time.process_time())\n"
        "from motiongpt3.app.cli import main\n"
        "try:\n    main(['generate', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
        "assert time.process_time() <= most, (time.process_time(), most)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_generate_writes_every_output_and_says_so(
    model: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz, bvh = tmp_path / "wave.npz", tmp_path / "wave.bvh"
    code = run(
        *("generate", "a person  waves", "-o", npz, "-o", bvh, "--seconds", 4, "--seed", 7),
        "--caption-back",
    )
    out = capsys.readouterr().out
    assert code == 0 and npz.exists() and bvh.exists()
    assert model.asked == {
        "text": "a person waves",
        "seconds": 4.0,
        "seed": 7,
        "samples": 1,
        "sampling": None,
    }
    assert f"{npz}  {bvh}  80 frames, 4.00 s" in out
    assert "the model sees: a person stands for 4 s\\x1b[31m" in out  # escaped for the terminal


def test_samples_are_numbered_from_zero(model: StandIn, tmp_path: Path) -> None:
    assert run("generate", "he jumps", "-o", tmp_path / "a.npz", "--samples", 2) == 0
    assert run("generate", "he jumps", "-o", tmp_path / "{i}b.npz", "--samples", 2) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("0b.npz", "1b.npz", "a-0.npz", "a-1.npz")
    ]


def test_sampling_is_passed_on(model: StandIn, tmp_path: Path) -> None:
    code = run("generate", "x", "-o", tmp_path / "a.npz", "--steps", 4, "--sampler", "ddim")
    assert code == 0
    assert model.asked["sampling"] == motiongpt3.Sampling(sampler="ddim", steps=4)
    assert model.asked["seconds"] is None


def test_generate_json(model: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "x", "-o", tmp_path / "a.npz", "--json", "--caption-back") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["motions"][0]["frames"] == 40
    assert answer["motions"][0]["files"] == [str(tmp_path / "a.npz")]
    assert answer["motions"][0]["caption"].startswith("a person stands")


def test_caption_one_and_many(
    model: StandIn, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("caption", clip) == 0
    assert capsys.readouterr().out.startswith("a person stands for 2 s")
    assert run("caption", clip, clip) == 0
    assert capsys.readouterr().out.count(f"{clip}: a person stands") == 2
    assert run("caption", clip, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["file"] == str(clip)


def test_predict_and_inbetween(model: StandIn, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    assert run("predict", clip, "-o", out, "--seconds", 2, "--text", "he sits down") == 0
    assert len(Motion.read(out)) == 80 and model.asked["text"] == "he sits down"
    assert run("inbetween", clip, clip, "-o", out, "--seconds", 1.5) == 0
    assert len(Motion.read(out)) == 110 and model.asked["text"] is None


def test_convert_keeps_the_joints(clip: Path, tmp_path: Path) -> None:
    assert run("convert", clip, tmp_path / "copy.npy") == 0
    copied = Motion.read(tmp_path / "copy.npy")
    np.testing.assert_array_equal(copied.joints, standing().joints)


def test_doctor_reports_a_model_and_its_licence(
    model: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("doctor", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["licence"] == "CC BY-NC 4.0" and "12.0 M" in facts["model"]
    assert "bf16" in facts["speed"]


def test_doctor_reports_a_damaged_checkpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: str | None, device: str, precision: str) -> None:
        raise motiongpt3.CorruptError("differs from its manifest", where="vae.safetensors")

    monkeypatch.setitem(motiongpt3.__dict__, "load", refuse)
    assert run("doctor") == 3
    shown = capsys.readouterr()
    assert "cannot be used" in shown.out
    assert shown.err == "error: vae.safetensors: differs from its manifest\n"


def test_bench_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "--repeats", 1, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert {figure.key for figure in bench.FIGURES} <= set(values)
    parts = {name: {p["name"] for p in own} for name, own in values["parts"].items()}
    assert {"tokenise", "prefill", "slots", "head", "decode", "joints"} <= parts["generate"]
    assert {"encode", "prefill", "tokens"} <= parts["caption"] and "head" not in parts["caption"]
    floors = [p["floor_seconds"] for p in values["parts"]["generate"] if p["name"] == "head"]
    assert floors[0] > 0 and values["machine"]["gflops"] > 1
    whole = sum(p["seconds"] for p in values["parts"]["generate"])
    assert whole == pytest.approx(values["generate_seconds"], rel=2, abs=0.1)
    other = ("--against-precision", "fp32")
    assert run("bench", "--precision", "int8", *other, "--repeats", 1) == 0
    assert "second / first" in capsys.readouterr().out
    assert run("bench", "--against-precision", "fp32") == 2
    assert "compared with itself" in capsys.readouterr().err


def test_a_backend_is_asked_for_and_its_warnings_are_lines(
    monkeypatch: pytest.MonkeyPatch, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def load(path: str | None, device: str, backend: str, precision: str) -> StandIn:
        asked.append(backend)
        warnings.warn("exporting, once", stacklevel=2)
        return StandIn()

    monkeypatch.setitem(motiongpt3.__dict__, "load", load)
    assert run("caption", clip, "--backend", "openvino") == run("caption", clip) == 0
    assert asked == ["openvino", "torch"]
    assert capsys.readouterr().err == 2 * "warning: exporting, once\n"
    assert run("caption", clip, "--backend", "tpu") == 2


def test_interruption_is_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(path: str | None, **how: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(motiongpt3.__dict__, "load", stop)
    assert run("caption", clip) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "generate" in capsys.readouterr().out
    assert run("data") == 2
    assert "prepare" in capsys.readouterr().out


def test_numbered_names() -> None:
    assert arguments.numbered(Path("d/a.mp4"), 0, 1) == Path("d/a.mp4")
    assert arguments.numbered(Path("d/a.mp4"), 3, 4) == Path("d/a-3.mp4")
    assert arguments.numbered(Path("d/a{i}.mp4"), 3, 4) == Path("d/a3.mp4")
    assert arguments.numbered(Path("d/a.smpl.npz"), 3, 4) == Path("d/a-3.smpl.npz")


def test_the_help_names_the_formats_there_are() -> None:
    from motiongpt3 import formats
    from motiongpt3.motion.motion import PICTURES

    assert tuple(cli.READABLE.split()) == formats.READABLE
    assert tuple(cli.WRITABLE.split()) == (*formats.WRITABLE, *PICTURES)


def test_a_recipe_is_changed_by_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Schedule:
        steps: int = 10

    @dataclass(frozen=True)
    class Recipe:
        schedule: Schedule = Schedule()
        rate: float = 1.0

    changed = learn.replaced(Recipe(), ["--schedule.steps", "7", "--rate", "1e-4"], "train")
    assert changed == Recipe(Schedule(7), 1e-4)
    for fields in (["--stepps", "7"], ["--rate", "fast"], ["--rate"], ["stray"]):
        with pytest.raises(motiongpt3.InputError, match=fields[0].strip("-")) as refusal:
            learn.replaced(Recipe(), fields, "train")
        assert "\n" not in str(refusal.value)
    with pytest.raises(SystemExit):
        learn.replaced(Recipe(), ["--help"], "train")
    assert "--schedule.steps" in capsys.readouterr().out
