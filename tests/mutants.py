"""Damaged files for every reader: seeds, a mutator, and what must hold when one is read.

A reader is added by one line in `READERS`.
"""

import io
import random
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pygltflib
import skeletons
import test_amc
import test_c3d
import test_glb_read
import test_smpl
from people import person

from motiongpt3.errors import MotionGPTError
from motiongpt3.motion.motion import Motion

MAX_SECONDS, MAX_GROWTH = 1.0, 256 * 2**20
"""Of one file, and in bytes of memory over all of them."""

_WORDS = (
    b"nan", b"-1", b"0", b"1e999", b"-1e9", b"{", b"}", b"[", b"]", b"", b"9" * 30, b"ROOT",
    b"null",
    b"true", b"\xff\xfe", b"0,5", b"1000000000", b'""', b"[[[[", b"2147483648", b"0.0",
)  # fmt: skip
_NUMBERS = (b"\0" * 4, b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\0\0\x80\x7f", b"\0\0\xc0\x7f")


@dataclass(frozen=True)
class Reader:
    """A suffix that is read, files it is known from, and whether they are text."""

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    text: bool = False
    share: float = 1.0
    """How many damaged files are tried, of those of other readers: some take a process each."""
    read: str = ""
    """Suffix of the file that is read where it is not the damaged one: that belongs to it."""

    def place(self, folder: Path) -> Path:
        """Of the damaged file."""
        return folder / f"mutant{self.suffix}"

    def survives(self, folder: Path) -> bool:
        """Whether what is there is read as a motion; refused otherwise, and never anything else."""
        return survives(self.place(folder).with_suffix(self.read or self.suffix))


def _bvh(folder: Path) -> list[bytes]:
    made = []
    for name in ("bandai namco", "rigify", "lafan1"):
        skeletons.write(skeletons.TOOLS[name], folder / "a.bvh", frames=6)
        made.append((folder / "a.bvh").read_bytes())
    skeletons.write(skeletons.ODD, folder / "a.bvh", frames=6)
    return [*made, (folder / "a.bvh").read_bytes(), _own(folder, ".bvh")]


def _glb(folder: Path) -> list[bytes]:
    scene = test_glb_read.scene().glb(folder / "b.glb").read_bytes()
    return [scene, _own(folder, ".glb"), _tool(folder).read_bytes()]


def _gltf(folder: Path) -> list[bytes]:
    file = pygltflib.GLTF2().load(str(_tool(folder)))
    file.convert_buffers(pygltflib.BufferFormat.DATAURI)
    file.save_json(str(folder / "a.gltf"))
    scene = test_glb_read.scene().gltf(folder / "b.gltf").read_bytes()
    return [(folder / "a.gltf").read_bytes(), scene]


def _tool(folder: Path) -> Path:
    return test_glb_read.of_a_tool(folder)[0]


def _c3d(folder: Path) -> list[bytes]:
    capture = test_c3d.capture(folder / "a.c3d", person(0, 8, swing=0.2), "A:")
    points = np.random.default_rng(0).normal(size=(4, 3, 3))
    machines = [test_c3d.by_hand(p, p < 86, points) for p in (84, 85, 86)]
    return [capture.read_bytes(), *machines]


def _arrays(suffix: str) -> Callable[[Path], list[bytes]]:
    def made(folder: Path) -> list[bytes]:
        file = io.BytesIO()
        features = person(0, 8).canonical().features
        if suffix == ".npy":
            np.save(file, features)
        else:
            np.savez_compressed(file, features=features, fps=20)
        return [_own(folder, suffix), file.getvalue()]

    return made


def _amc(folder: Path) -> list[bytes]:
    (folder / "mutant.asf").write_text(test_amc.SKELETON)
    return [test_amc.motion_text(test_amc.angles(3)).encode()]


def _asf(folder: Path) -> list[bytes]:
    (folder / "mutant.amc").write_bytes(_amc(folder)[0])
    return [test_amc.SKELETON.encode()]


def _smpl(folder: Path) -> list[bytes]:
    test_smpl.amass(folder / "seed.npz", frames=4)
    return [(folder / "seed.npz").read_bytes(), _own(folder, ".smpl.npz")]


def _own(folder: Path, suffix: str) -> bytes:
    person(0, 8).write(folder / f"own{suffix}")
    return (folder / f"own{suffix}").read_bytes()


READERS = {
    "bvh": Reader(".bvh", _bvh, text=True),
    "glb": Reader(".glb", _glb),
    "gltf": Reader(".gltf", _gltf, text=True),
    "c3d": Reader(".c3d", _c3d),
    "npy": Reader(".npy", _arrays(".npy")),
    "npz": Reader(".npz", _arrays(".npz")),
    "smpl": Reader(".npz", _smpl),
    "csv": Reader(".csv", lambda folder: [_own(folder, ".csv")], text=True),
    "amc": Reader(".amc", _amc, text=True),
    "asf": Reader(".asf", _asf, text=True, read=".amc"),
    "usda": Reader(".usda", lambda folder: [_own(folder, ".usda")], True, share=0.01),
    "usdz": Reader(".usdz", lambda folder: [_own(folder, ".usdz")], share=0.01),
    "usdc": Reader(".usdc", lambda folder: [_own(folder, ".usdc")], share=0.01),
}
"""By name. A new reader's line goes here."""


def mutant(reader: Reader, seeds: list[bytes], dice: random.Random) -> bytes:
    """A seed with some of it changed, lost, repeated or taken from another."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        in_text = dice.random() < 0.7 and (reader.text or data[:4] == b"glTF")
        (_edit_text if in_text else _edit_bytes)(data, dice)
    if dice.random() < 0.1:
        del data[dice.randrange(len(data) + 1) :]
    if dice.random() < 0.05:
        other = dice.choice(seeds)
        data += other[dice.randrange(len(other)) :]
    return bytes(data)


def _edit_bytes(data: bytearray, dice: random.Random) -> None:
    """Bytes near either end, where headers are, or anywhere."""
    if not data:
        return
    at = dice.choice([dice.randrange(min(1500, len(data))), -dice.randint(1, min(400, len(data)))])
    at = dice.choice([at % len(data), dice.randrange(len(data))])
    match dice.randrange(5):
        case 0 | 1:
            data[at] = dice.randrange(256)
        case 2:
            data[at : at + 4] = dice.choice(_NUMBERS)
        case 3:
            data[at] ^= 1 << dice.randrange(8)
        case _:
            size = dice.randint(1, 64)
            data[at : at + size] = data[at : at + size] * dice.choice([0, 2])


def _edit_text(data: bytearray, dice: random.Random) -> None:
    """Words, lines and pieces between commas."""
    mark = dice.choice((b"\n", b" ", b",", b":", b"\n"))
    pieces = bytes(data).split(mark)
    at, other = dice.randrange(len(pieces)), dice.randrange(len(pieces))
    match dice.randrange(6):
        case 0:
            del pieces[at]
        case 1:
            pieces.insert(at, pieces[other])
        case 2 | 3:
            words = pieces[at].split() or [b""]
            words[dice.randrange(len(words))] = dice.choice(_WORDS)
            pieces[at] = b" ".join(words)
        case 4:
            pieces[at], pieces[other] = pieces[other], pieces[at]
        case _:
            place = dice.randrange(len(pieces[at]) + 1)
            piece = pieces[at]
            pieces[at] = piece[:place] + bytes([dice.randrange(256)]) + piece[place + 1 :]
    data[:] = mark.join(pieces)


def survives(path: Path) -> bool:
    """Whether a file is read as a motion; refused otherwise, and never anything else."""
    try:
        motion = Motion.read(path)
    except MotionGPTError as error:
        assert str(error)
        return False
    assert np.isfinite(motion.joints).all() and len(motion) and 1e-3 < motion.fps < 1e4
    return True


def run(reader: Reader, folder: Path, count: int, seed: int = 0) -> int:
    """Read damaged files one after another; how many were read all the same.

    A file that surprises is left in the folder.
    """
    seeds = reader.seeds(folder)
    path, accepted = reader.place(folder), 0
    for content in seeds:
        path.write_bytes(content)
        reader.survives(folder)
    before = _peak()
    for number in range(count):
        content = mutant(reader, seeds, random.Random(1_000_003 * seed + number))
        path.write_bytes(content)
        begun = time.process_time()
        accepted += reader.survives(folder)
        took = time.process_time() - begun
        assert took < MAX_SECONDS, f"mutant {number} took {took:.2f} s"
    grown = _peak(reset=False) - before
    assert grown <= MAX_GROWTH, f"memory grew by {grown / 2**20:.0f} MiB"
    return accepted


def _peak(reset: bool = True) -> int:
    """Largest memory of this process, bytes, since it was last reset where that can be done."""
    if reset:
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
