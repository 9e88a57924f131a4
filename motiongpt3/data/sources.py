"""Clips with captions, read from the folders they are published in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.skeleton import HUMANML3D, KIT

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Clip:
    """One captioned clip of a data set.

    Attributes:
        joints: (frames, joints, 3), metres, Y up, as captured.
        features: published features (frames, F) where the data set has them; they are kept as
            they are instead of being computed again.
        label: the action class, "" where the data set names none.
    """

    id: str
    source: str
    split: str
    joints: Float[np.ndarray, "T J 3"]
    fps: float
    captions: tuple[str, ...]
    label: str = ""
    style: str = ""
    features: Float[np.ndarray, "T F"] | None = None


def read_clips(folder: Path, splits: tuple[str, ...] = SPLITS) -> Iterator[Clip]:
    """Every clip of a folder, in the order of the folder's own list.

    Two layouts are known: joint archives with `clips.jsonl` (motion5h, motion_extra), and the
    published HumanML3D / KIT-ML layout (`new_joint_vecs/`, `texts/`, `train.txt` ...).

    Raises:
        InputError: when the folder has neither layout, or a file in it cannot be used.
    """
    if (folder / "clips.jsonl").is_file():
        return _read_archive(folder, splits)
    if (folder / "new_joint_vecs").is_dir():
        return _read_humanml3d(folder, splits)
    raise InputError(
        "no motions found",
        where=str(folder),
        hint="it needs clips.jsonl, or new_joint_vecs/ with texts/ and train.txt",
    )


def _read_archive(folder: Path, splits: tuple[str, ...]) -> Iterator[Clip]:
    archives: dict[str, dict[str, np.ndarray]] = {}
    for number, line in enumerate((folder / "clips.jsonl").read_text().splitlines(), 1):
        record = json.loads(line)
        if record["split"] not in splits:
            continue
        if record["file"] not in archives:
            with np.load(folder / record["file"]) as z:
                archives[record["file"]] = {key: z[key] for key in z.files}
        archive, index = archives[record["file"]], record["index"]
        if archive["ids"][index] != record["id"]:
            raise InputError(
                f"{record['id']} is not at index {index} of {record['file']}",
                where=f"{folder / 'clips.jsonl'}:{number}",
                hint="list and archives are of different versions",
            )
        first, last = archive["offsets"][index], archive["offsets"][index + 1]
        packed = archive["joints_q"][first:last][record["start"] : record["end"]]
        yield Clip(
            id=record["id"],
            source=record["source"],
            split=record["split"],
            joints=packed.astype(np.float32) * archive["scale"] + archive["origin"][index],
            fps=float(record["fps"]),
            captions=tuple(caption["text"] for caption in record["captions"]),
            label=record["label"],
            style=record["style"] or "",
        )


def _read_humanml3d(folder: Path, splits: tuple[str, ...]) -> Iterator[Clip]:
    for split in splits:
        names = folder / f"{split}.txt"
        for name in names.read_text().split() if names.is_file() else ():
            features = np.load(folder / "new_joint_vecs" / f"{name}.npy")
            if len(features) < 2 or not np.isfinite(features).all():
                continue  # e.g. 007975, which is NaN in many copies of HumanML3D
            skeleton = KIT if features.shape[1] == KIT.dim else HUMANML3D
            for segment, captions in _segments(folder / "texts" / f"{name}.txt").items():
                first, last = (round(s * skeleton.fps) for s in segment)
                part = features[first:last] if last else features
                if len(part) < 2:
                    continue
                yield Clip(
                    id=f"{name}_{first}_{last}" if last else name,
                    source=folder.name,
                    split=split,
                    joints=features_to_joints(part),
                    fps=skeleton.fps,
                    captions=tuple(captions),
                    features=part,
                )


def _segments(path: Path) -> dict[tuple[float, float], list[str]]:
    """Captions by the part of the clip they describe, in seconds; (0, 0) is the whole clip."""
    segments: dict[tuple[float, float], list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"(.*)#([^#]*)#([^#]*)#([^#]*)", line)
        if not found:
            raise InputError(
                "expected caption#words#from#to", where=f"{path}:{number}", hint="HumanML3D's form"
            )
        wrong = InputError(f"from {found[3]} to {found[4]} is no part", where=f"{path}:{number}")
        try:
            start, stop = (float(np.nan_to_num(float(found[i]))) for i in (3, 4))
        except ValueError as error:
            raise wrong from error
        if start > stop or (start == stop != 0):
            raise wrong
        segments.setdefault((start, stop), []).append(found[1].strip())
    return segments
