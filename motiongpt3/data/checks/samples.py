"""Clips with captions as they lie in a folder, broken ones too: nothing is refused here.

Four kinds of folder are known: a user's motion files with captions, a processed set, joint archives
with `clips.jsonl` (motion5h), and the layout of HumanML3D and KIT-ML.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from motiongpt3.data.captions import Said, read_text
from motiongpt3.data.dataset import MotionText, read_manifest
from motiongpt3.data.own import Entry, OwnFolder
from motiongpt3.data.sources import SPLITS, is_published
from motiongpt3.errors import Fault, InputError
from motiongpt3.formats import npy
from motiongpt3.formats.files import read_bytes
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT, skeleton_of


@dataclass(frozen=True, eq=False)
class Sample:
    """A clip as it is.

    Attributes:
        joints: (T, J, 3) in whatever unit and axes; None where the file cannot be read.
        problem: why it cannot be read, in words.
        fault: the same, where the reader can tell.
        groups: what must not be in two splits: the subject, the recording.
        alone: it is a caption without a motion.
    """

    id: str
    fps: float
    said: tuple[Said, ...]
    joints: Float[np.ndarray, "T J 3"] | None = field(default=None, repr=False)
    problem: str = ""
    split: str = ""
    groups: tuple[str, ...] = ()
    label: str = ""
    alone: bool = False
    fault: Fault | None = None


@dataclass(frozen=True)
class Folder:
    """A folder whose clips are looked at."""

    path: Path
    captions: Path | None = None

    def count(self) -> int:
        """How many samples there are, for progress.

        Raises:
            InputError: when the folder holds no clips.
        """
        if is_published(self.path) or (self.path / "manifest.json").is_file():
            return sum(1 for _ in self._names())
        own = OwnFolder(self.path, self.captions).find()
        return len(own.entries) + len(own.missing)

    def samples(self) -> Iterator[Sample]:
        """Every clip, in the order of the folder.

        Raises:
            InputError: when the folder holds no clips, or its list cannot be read.
        """
        if (self.path / "manifest.json").is_file():
            return _of_set(self.path)
        if (self.path / "clips.jsonl").is_file():
            return _of_archive(self.path)
        if (self.path / "new_joint_vecs").is_dir():
            return _of_published(self.path)
        return _of_files(OwnFolder(self.path, self.captions))

    def _names(self) -> Iterator[str]:
        if (self.path / "clips.jsonl").is_file():
            yield from (self.path / "clips.jsonl").read_text("utf-8").splitlines()
        else:
            yield from (name for _, name in _listed(self.path))


def _of_files(folder: OwnFolder) -> Iterator[Sample]:
    own = folder.find()
    for entry in own.entries:
        split = next((said.split for said in entry.said if said.split), "")
        label = next((said.label for said in entry.said if said.label), "")
        subject = (f"subject {entry.subject}",) if entry.subject else ()
        told: dict[str, Any] = {"split": split, "groups": subject, "label": label}
        try:
            if entry.problem:
                raise InputError(entry.problem)
            joints, fps = _read(entry)
        except InputError as error:
            told |= {"problem": error.told(str(entry.path))}
            yield Sample(entry.name, 0.0, entry.said, fault=error.fault, **told)
            continue
        yield Sample(entry.name, fps, entry.said, joints, **told)
    for said in own.missing:
        yield Sample(said.where.rpartition("/")[2], 0.0, (said,), alone=True)


def _read(entry: Entry) -> tuple[np.ndarray, float]:
    """Joints and frame rate: arrays as they are, other files as they are read."""
    path = entry.path
    if path.suffix.lower() == ".npy":
        return _joints(npy.parse(read_bytes(path), str(path)), str(path))
    if path.suffix.lower() == ".npz":
        arrays = npy.read_archive(path, ("joints", "fps"))
        if "joints" in arrays and "fps" in arrays and arrays["fps"].size == 1:
            return _joints(arrays["joints"], str(path))[0], float(arrays["fps"].reshape(()))
    motion = Motion.read(path)
    return motion.joints, motion.fps


def _joints(array: np.ndarray, where: str) -> tuple[np.ndarray, float]:
    """Joints from an array of joints or features, and the frame rate of their skeleton."""
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    for skeleton in (HUMANML3D, KIT):
        count = len(skeleton.joints)
        if array.shape[1:] in ((count, 3), (3 * count,)):
            return array.reshape(-1, count, 3).astype(np.float32), skeleton.fps
        if array.shape[1:] == (skeleton.dim,):
            return features_to_joints(array.astype(np.float64)).astype(np.float32), skeleton.fps
    raise InputError(f"an array of shape {array.shape} is no motion", where=where)


def _of_set(folder: Path) -> Iterator[Sample]:
    for split in SPLITS:
        if not read_manifest(folder)["clips"][split]:
            continue
        text = MotionText(folder, split)
        for index, record in enumerate(text.records):
            said = tuple(Said(caption) for caption in record.captions)
            group = (f"recording {record.id.partition('#')[0]}",)
            yield Sample(
                record.id, text.skeleton.fps, said, text.joints(index), "", split, group,
                record.label,
            )  # fmt: skip


def _of_archive(folder: Path) -> Iterator[Sample]:
    archives: dict[str, dict[str, np.ndarray]] = {}
    lines = (folder / "clips.jsonl").read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if record["file"] not in archives:
                with np.load(folder / record["file"]) as z:
                    archives[record["file"]] = {key: z[key] for key in z.files}
            archive, index = archives[record["file"]], record["index"]
            first, last = archive["offsets"][index], archive["offsets"][index + 1]
            packed = archive["joints_q"][first:last][record["start"] : record["end"]]
            joints = packed.astype(np.float32) * archive["scale"] + archive["origin"][index]
            said = tuple(Said(caption["text"]) for caption in record["captions"])
            groups = (f"group {record['group']}",) if record.get("group") else ()
            yield Sample(
                record["id"], float(record["fps"]), said, joints, "", record["split"], groups,
                record.get("label") or "",
            )  # fmt: skip
        except (ValueError, KeyError, IndexError, OSError, TypeError) as error:
            yield Sample(
                f"clips.jsonl:{number}", 0.0, (), problem=f"{type(error).__name__} {error}"
            )


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Split and name of every clip of a published set or a processed one."""
    if (folder / "manifest.json").is_file():
        for split, count in read_manifest(folder)["clips"].items():
            yield from ((split, str(n)) for n in range(count))
        return
    for split in SPLITS:
        names = folder / f"{split}.txt"
        for name in names.read_text("utf-8").split() if names.is_file() else ():
            yield split, name


def _of_published(folder: Path) -> Iterator[Sample]:
    for split, name in _listed(folder):
        groups = (f"recording {name.removeprefix('M')}",)
        try:
            said = tuple(read_text(folder / "texts" / f"{name}.txt"))
            path = folder / "new_joint_vecs" / f"{name}.npy"
            features = npy.parse(read_bytes(path), str(path))
            skeleton = skeleton_of(features.shape[-1], str(path))
            joints = features_to_joints(features.astype(np.float64)).astype(np.float32)
        except InputError as error:
            told: dict[str, Any] = {"problem": str(error), "fault": error.fault}
            yield Sample(name, 0.0, (), split=split, groups=groups, **told)
            continue
        yield Sample(name, skeleton.fps, said, joints, "", split, groups)
