"""Clips with captions, read from the folders they are published in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import npy
from motiongpt3.formats.files import decoded, read_bytes
from motiongpt3.motion.features import features_to_joints
from motiongpt3.motion.skeleton import skeleton_of

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Clip:
    """One captioned clip of a data set.

    Attributes:
        joints: (frames, joints, 3), Y up, as captured, in the skeleton's unit: metres, or
            KIT-ML's own.
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


def is_published(folder: Path) -> bool:
    """Whether a folder has one of the layouts that `read_clips` reads."""
    return (folder / "clips.jsonl").is_file() or (folder / "new_joint_vecs").is_dir()


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
        return _read_published(folder, splits)
    raise InputError(
        "no motions found",
        where=str(folder),
        hint="it needs clips.jsonl, or new_joint_vecs/ with texts/ and train.txt; "
        "motion files of any kind are an `OwnFolder`",
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


def _read_published(folder: Path, splits: tuple[str, ...]) -> Iterator[Clip]:
    for split in splits:
        names = folder / f"{split}.txt"
        for name in decoded(names.read_bytes()).split() if names.is_file() else ():
            path = folder / "new_joint_vecs" / f"{name}.npy"
            features = _array(path)
            if features.ndim != 2:
                raise InputError(f"an array of shape {features.shape}", where=str(path))
            skeleton = skeleton_of(features.shape[1], str(path))
            if len(features) < 2 or not np.isfinite(features).all():
                continue  # e.g. 007975, which is NaN in many copies of HumanML3D
            for segment, captions in _segments(folder / "texts" / f"{name}.txt").items():
                # Down to whole frames, as the official loader cuts. It counts 20 frames a second
                # for KIT-ML too; here a second is a second.
                first, last = (int(s * skeleton.fps) for s in segment)
                whole = segment == (0, 0)
                part = features if whole else features[first:last]
                if len(part) < 2:
                    continue
                yield Clip(
                    id=name if whole else f"{name}_{first}_{last}",
                    source=folder.name,
                    split=split,
                    joints=features_to_joints(part),
                    fps=skeleton.fps,
                    captions=tuple(captions),
                    features=part,
                )


def published_statistics(
    folder: Path,
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]] | None:
    """Mean and std that a folder comes with (`Mean.npy`, `Std.npy`); None without them.

    Raises:
        InputError: when they are not those of a set, or only one of them is there.
    """
    paths = [folder / "Mean.npy", folder / "Std.npy"]
    there = [path.is_file() for path in paths]
    if not any(there):
        return None
    if not all(there):
        raise InputError(
            "Mean.npy and Std.npy go together",
            where=str(paths[there.index(False)]),
            hint="add the missing one, or remove the other to have both computed",
        )
    return read_statistics(paths[0], paths[1])


def read_statistics(
    mean_path: Path, std_path: Path
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]]:
    """Mean and std of features, in single precision, from two npy files.

    Raises:
        InputError: naming the file that holds something else.
    """
    mean, std = (_array(path).reshape(-1) for path in (mean_path, std_path))
    for path, values in ((mean_path, mean), (std_path, std)):
        skeleton_of(len(values), str(path))
        if not np.isfinite(values).all():
            raise InputError("a value is not a finite number", where=str(path))
    if not (std > 0).all():
        where = f"{std_path}: number {int((std <= 0).argmax())}"
        raise InputError("a standard deviation is not above zero", where=where)
    return mean, std


def _array(path: Path) -> Float[np.ndarray, "*_"]:
    return npy.parse(read_bytes(path), str(path)).astype(np.float32)


def _segments(path: Path) -> dict[tuple[float, float], list[str]]:
    """Captions by the part of the clip they describe, in seconds; (0, 0) is the whole clip."""
    segments: dict[tuple[float, float], list[str]] = {}
    if not path.is_file():
        raise InputError(
            "there is no such file", where=str(path), hint="every clip of a split list needs one"
        )
    for number, line in enumerate(decoded(path.read_bytes()).splitlines(), 1):
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
        if not (0 <= start < stop < 1e6 or start == stop == 0):
            raise wrong
        segments.setdefault((start, stop), []).append(found[1].strip())
    return segments
