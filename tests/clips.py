"""Made-up capture: a person who walks or waves, and folders of it as data sets publish theirs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import jaxtyping
import numpy as np
from people import offsets
from stages import EVERY_KIND
from toys import SILENT

from motiongpt3.data.prepare import prepare
from motiongpt3.model.bimodal import BimodalConfig
from motiongpt3.model.diffusion import DiffusionConfig
from motiongpt3.model.gpt import GPTConfig
from motiongpt3.model.vae import VAEConfig
from motiongpt3.motion import rotation
from motiongpt3.motion.features import joints_to_features
from motiongpt3.motion.kinematics import forward
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D
from motiongpt3.training.nano import NANO
from motiongpt3.training.recipe import Recipe
from motiongpt3.training.train import train

SCALE = 0.0005
"""Metres per unit of packed positions."""


@dataclass(frozen=True)
class Line:
    """One line of a data set: a motion, what is said of it, and its place in the set."""

    id: str
    motion: Motion
    captions: tuple[str, ...]
    split: str = "train"
    label: str = ""


def walk(frames: int = 60, speed: float = 1.0, turn: float = 0.0, phase: float = 0.0) -> Motion:
    """Somebody who walks at `speed` m/s, turning left by `turn` radians per second."""
    time = np.arange(frames) / HUMANML3D.fps
    swing = 0.45 * np.sin(2 * np.pi * time + phase)
    angles = _hanging_arms(frames)
    for side, sign in (("left", 1), ("right", -1)):
        angles[:, HUMANML3D.index(f"{side}_hip"), 0] = -sign * swing
        angles[:, HUMANML3D.index(f"{side}_knee"), 0] = 0.3 + 0.2 * sign * np.cos(7 * time + phase)
        angles[:, HUMANML3D.index(f"{side}_collar"), 0] = 0.3 * sign * swing
    heading = turn * time
    angles[:, 0, 1] = heading
    steps = speed / HUMANML3D.fps * np.stack([np.sin(heading), np.cos(heading)], -1)
    return _pose(angles, np.cumsum(steps, 0) - steps[0])


def wave(frames: int = 60, side: str = "left", phase: float = 0.0) -> Motion:
    """Somebody who stands and waves one hand above the head."""
    time = np.arange(frames) / HUMANML3D.fps
    sign = 1 if side == "left" else -1
    angles = _hanging_arms(frames)
    raised = 0.5 * (1 + np.tanh(4 * (time - 0.4)))
    angles[:, HUMANML3D.index(f"{side}_shoulder"), 2] = sign * (-1.3 + 2.2 * raised)
    elbow = 0.5 * raised * np.sin(9 * time + phase)
    angles[:, HUMANML3D.index(f"{side}_elbow"), 2] = sign * elbow
    angles[:, HUMANML3D.index("spine1"), 0] = 0.03 * np.sin(2 * time)
    return _pose(angles, np.zeros((frames, 2)))


def lines(copies: int = 2) -> list[Line]:
    """A small data set: walks, turns and waves of both sides, in three splits."""
    made = []
    for n in range(copies):
        split = ("train", "train", "val", "test")[n % 4]
        frames, phase = 44 + 7 * (n % 5), 0.7 * n
        made += [
            Line(f"walk{n}", walk(frames, 1 + 0.1 * n, 0.0, phase), WALKS, split, "walk"),
            Line(f"turn{n}", walk(frames, 0.8, 0.9, phase), TURNS, split, "turn"),
        ]
        for side in ("left", "right"):
            words = tuple(text.replace("left", side) for text in WAVES)
            made.append(Line(f"wave_{side}{n}", wave(frames, side, phase), words, split, "wave"))
    return made


WALKS = ("a person walks forward.", "somebody strolls straight ahead.")
TURNS = ("a person walks and turns to the left.",)
WAVES = ("a person waves the left hand.", "someone raises the left arm and waves!")


def archive(folder: Path, made: Sequence[Line]) -> Path:
    """Write clips as motion5h does: packed positions and a list, with a text-only corpus."""
    (folder / "motion").mkdir(parents=True)
    (folder / "text").mkdir()
    packed = [np.round(line.motion.joints / SCALE).astype(np.int16) for line in made]
    np.savez(
        folder / "motion" / "made.npz",
        ids=np.array([line.id for line in made]),
        offsets=np.cumsum([0, *map(len, packed)]),
        joints_q=np.concatenate(packed),
        scale=np.float32(SCALE),
        origin=np.zeros((len(made), 3), np.float32),
    )
    records = [_record(at, line, len(packed[at])) for at, line in enumerate(made)]
    (folder / "clips.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    sentences = [{"text": "a person  stands still."}, {"text": "someone jumps twice!"}]
    (folder / "text" / "more.jsonl").write_text("\n".join(map(json.dumps, sentences)))
    return folder


def published(folder: Path, made: Sequence[Line]) -> Path:
    """Write clips as HumanML3D and KIT-ML publish theirs: features, texts and split lists."""
    (folder / "new_joint_vecs").mkdir(parents=True)
    (folder / "texts").mkdir()
    for line in made:
        features = joints_to_features(line.motion.joints, line.motion.skeleton)
        np.save(folder / "new_joint_vecs" / f"{line.id}.npy", features)
        rows = [f"{caption}#a/DET#0.0#0.0\n" for caption in line.captions]
        (folder / "texts" / f"{line.id}.txt").write_text("".join(rows))
    for split in ("train", "val", "test", "all"):
        names = [line.id for line in made if split in (line.split, "all")]
        (folder / f"{split}.txt").write_text("\n".join(names))
    return folder


def tiny(steps: int = 4) -> Recipe:
    """The shipped recipe with stages of every kind and every size shrunk."""
    schedule = {"steps": steps, "batch": 8, "warmup": 2}
    stages = tuple(
        replace(stage, schedule=replace(stage.schedule, **schedule)) for stage in EVERY_KIND
    )
    vae = replace(
        NANO.vae,
        config=VAEConfig(
            width=32, layers=3, feedforward=64, dropout=0.0, frames_per_token=4, spline_points=8
        ),
        schedule=replace(NANO.vae.schedule, **schedule),
        spline_batches=16,
    )
    gpt = GPTConfig(context=256, width=32, layers=2, heads=4, dropout=0.0)
    # Told to say clean latents, a head that has learned little draws near the mean: a person.
    diffusion = DiffusionConfig(latent=32, condition=32, width=48, dropout=0.0, prediction="x0")
    return replace(
        NANO,
        vae=vae,
        model=BimodalConfig(gpt, diffusion),
        stages=stages,
        vocab=400,
        precision="fp32",
    )


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the tests' own type checks: they are slow, and refuse before the code can."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@lru_cache(maxsize=1)
def trained_once(base: Path) -> Path:
    """The folder of one run of the tiny recipe, made by the first test that asks for it."""
    source = archive(base / "raw", lines(copies=4))
    prepare([source], base / "set")
    train(tiny(), base / "set", base / "run", SILENT)
    return base / "run"


def _record(at: int, line: Line, frames: int) -> dict[str, object]:
    return {
        "id": line.id,
        "source": "made",
        "file": "motion/made.npz",
        "index": at,
        "start": 0,
        "end": frames,
        "fps": line.motion.fps,
        "split": line.split,
        "captions": [{"text": text, "kind": "written"} for text in line.captions],
        "label": line.label,
        "style": None,
    }


def _hanging_arms(frames: int) -> np.ndarray:
    """Rotation vectors (T, J, 3) of someone who stands with arms down."""
    angles = np.zeros((frames, len(HUMANML3D.joints), 3))
    angles[:, HUMANML3D.index("left_shoulder"), 2] = -1.3
    angles[:, HUMANML3D.index("right_shoulder"), 2] = 1.3
    return angles


def _pose(angles: np.ndarray, ground: np.ndarray) -> Motion:
    root = np.stack([ground[:, 0], np.zeros(len(ground)), ground[:, 1]], -1)
    local = rotation.from_axis_angle(angles)
    joints = forward(local, root, offsets(HUMANML3D), HUMANML3D)
    joints[..., 1] -= joints[..., 1].min()
    return Motion(joints)
