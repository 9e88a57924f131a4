"""Everything that is read from files of others, and small whole files of each.

A reader is added by one line in `READERS`.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pygltflib
import skeletons
import test_amc
import test_c3d
import test_glb_read
import test_smpl
from people import person

from motiongpt3.data import captions
from motiongpt3.data.dataset import read_manifest
from motiongpt3.data.sources import read_clips
from motiongpt3.errors import MotionGPTError
from motiongpt3.formats import target
from motiongpt3.library.prompts import read_prompts
from motiongpt3.library.tables import read_table
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, Skeleton


def as_motion(path: Path, **options: object) -> None:
    """Read a motion, which must then be one."""
    motion = Motion.read(path, **options)
    assert np.isfinite(motion.joints).all() and len(motion) and 1e-3 < motion.fps < 1e4


@dataclass(frozen=True)
class Reader:
    """A file that is read, in a folder with what belongs to it, and files it is known from."""

    file: str
    seeds: Callable[[Path], list[bytes]]
    """Their contents; what belongs to them is written into the folder."""
    text: bool = False
    read: Callable[[Path], object] = as_motion
    """Called with the path of the file."""
    guided: bool = True
    """Whether fuzzing is guided by what of our code a file reaches. USD is parsed elsewhere: in the
    native code of others, which may crash, and none of which says where it has been. Tables of JSON
    lines reach little of ours, and a target is read as a BVH is."""

    def place(self, folder: Path) -> Path:
        """Of the damaged file."""
        return folder / self.file

    def survives(self, folder: Path) -> bool:
        """Whether what is there is read; refused otherwise, and never anything else."""
        try:
            self.read(self.place(folder))
        except MotionGPTError as error:
            assert str(error)
            return False
        return True


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


def _npy(folder: Path) -> list[bytes]:
    """Joints and features of both skeletons."""
    made = []
    for skeleton in (HUMANML3D, KIT):
        _own(folder, ".npy", skeleton)
        np.save(folder / "features.npy", person(0, 8, skeleton).canonical().features)
        made += [(folder / name).read_bytes() for name in ("own.npy", "features.npy")]
    return made


def _npz(folder: Path) -> list[bytes]:
    file = io.BytesIO()
    np.savez_compressed(file, features=person(0, 8).canonical().features, fps=20)
    return [_own(folder, ".npz"), file.getvalue()]


def _amc(folder: Path) -> list[bytes]:
    (folder / "mutant.asf").write_text(test_amc.SKELETON)
    return [test_amc.motion_text(test_amc.angles(3)).encode()]


def _asf(folder: Path) -> list[bytes]:
    (folder / "mutant.amc").write_bytes(_amc(folder)[0])
    return [test_amc.SKELETON.encode()]


def _smpl(folder: Path) -> list[bytes]:
    test_smpl.amass(folder / "seed.npz", frames=4)
    return [(folder / "seed.npz").read_bytes(), _own(folder, ".smpl.npz")]


def _body(folder: Path) -> list[bytes]:
    test_smpl.amass(folder / "a.npz", frames=4)
    test_smpl.body_model(folder / "SMPLH_MALE.npz")
    return [(folder / "SMPLH_MALE.npz").read_bytes()]


def _map(folder: Path) -> list[bytes]:
    skeletons.write(skeletons.TOOLS["rigify"], folder / "a.bvh", frames=6)
    found = Motion.read(folder / "a.bvh").provenance["joints"].items()
    given = "".join(f'{ours} = "{how["node"]}"\n' for ours, how in found if how["node"])
    return [f'unit = "metre"\nup = "Z"\nfps = 30\n\n[joints]\n{given}'.encode()]


def _published(folder: Path) -> list[bytes]:
    for name in ("new_joint_vecs", "texts"):
        (folder / name).mkdir()
    np.save(folder / "new_joint_vecs" / "a.npy", person(0, 60).canonical().features)
    for name in ("train", "val", "test"):
        (folder / f"{name}.txt").write_text("a\n")
    return [b"a man walks.#a/DET man/NOUN walk/VERB#0.0#0.0\nhe waves#he/PRON wave/VERB#0.5#2.0\n"]


def _own(folder: Path, suffix: str, skeleton: Skeleton = HUMANML3D) -> bytes:
    person(0, 8, skeleton).write(folder / f"own{suffix}")
    return (folder / f"own{suffix}").read_bytes()


def _usd(suffix: str) -> Reader:
    made = partial(_own, suffix=suffix)
    seeds = lambda folder: [made(folder)]  # noqa: E731
    return Reader(f"mutant{suffix}", seeds, suffix == ".usda", guided=False)


_CAPTIONS = b"""file,caption,start,end,subject,label,split
a.bvh,a man walks,0,2.5,S1,walk,train
"b c.npz","he ""waves"", then sits",,,S2,wave,test
"""
_TEXTS = b"a man walks\nhe waves#he/PRON wave/VERB#0.5#2.0\nshe sits#she/PRON#0.0#0.0\n"
_PROMPTS = b'{"text": "a person waves", "seconds": 4, "seed": 1}\n{"text": "he sits"}\n'
_TABLE = b'{"name": "a.bvh", "seconds": 2.5, "caption": "walks"}\n{"name": "b", "seconds": 1}\n'
_MANIFEST = b'{"version": 1, "sha256": "00ff", "sources": [{"name": "a", "clips": 3}], "fps": 20}'

READERS = {
    "bvh": Reader("mutant.bvh", _bvh, text=True),
    "glb": Reader("mutant.glb", _glb),
    "gltf": Reader("mutant.gltf", _gltf, text=True),
    "c3d": Reader("mutant.c3d", _c3d),
    "npy": Reader("mutant.npy", _npy),
    "npz": Reader("mutant.npz", _npz),
    "smpl": Reader("mutant.npz", _smpl),
    "smpl body": Reader(
        "SMPLH_MALE.npz",
        _body,
        read=lambda at: as_motion(at.parent / "a.npz", body_model=at.parent),
    ),
    "csv": Reader("mutant.csv", lambda folder: [_own(folder, ".csv")], text=True),
    "amc": Reader("mutant.amc", _amc, text=True),
    "asf": Reader("mutant.asf", _asf, True, lambda at: as_motion(at.with_suffix(".amc"))),
    "usda": _usd(".usda"),
    "usdc": _usd(".usdc"),
    "usdz": _usd(".usdz"),
    "map": Reader("map.toml", _map, True, lambda at: as_motion(at.parent / "a.bvh", joints=at)),
    "target": Reader("mutant.bvh", _bvh, True, target.load, guided=False),
    "captions": Reader("captions.csv", lambda _: [_CAPTIONS], True, captions.read_table),
    "texts": Reader("mutant.txt", lambda _: [_TEXTS], True, captions.read_text),
    "published": Reader(
        "texts/a.txt", _published, True, lambda at: list(read_clips(at.parents[1], ("train",)))
    ),
    "prompts": Reader(
        "mutant.jsonl", lambda _: [_PROMPTS], True, lambda at: read_prompts(at, 2.0, 0), False
    ),
    "table": Reader("mutant.jsonl", lambda _: [_TABLE], True, read_table, guided=False),
    "manifest": Reader(
        "manifest.json", lambda _: [_MANIFEST], True, lambda at: read_manifest(at.parent), False
    ),
}
"""By name. A new reader's line goes here."""
