"""A bounded reader of AMC, the motion files of Acclaim: angles for the skeleton of an ASF file.

The ASF is looked for beside the AMC. An AMC does not have to say its frame rate, and none is
guessed: it is read from the file where it stands, taken as 120 where the ASF is in CMU's unit (all
of that library was captured so, and the provenance says it was assumed), and demanded otherwise.

Our own files (`amc_write`) have bones named after the joints where they start, and read back
exactly; others go through `mapping`.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.formats import asf as asf_file
from motiongpt3.formats import mapping
from motiongpt3.formats.asf import CMU_LENGTH, Asf
from motiongpt3.formats.files import describe, read_bytes
from motiongpt3.formats.lines import MAX_VALUE, Lines
from motiongpt3.formats.rig import Rig
from motiongpt3.formats.units import STATURE, stature
from motiongpt3.motion import rotation
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import SKELETONS, Skeleton

MAX_BYTES = 64 * 2**20
MAX_PLACES = 6_000_000
"""Largest number of frames times nodes; more would take over 1 GiB of memory."""

CMU_UNIT = 0.0254 / CMU_LENGTH
"""Metres."""
CMU_FPS = 120.0

JOINT = "_joint"
"""Ends the name of a bone of ours that only bridges two joints, as CMU's lhipjoint."""

_MAX_ROW, _ROWS_AT_ONCE = 512, 8192
_RATE = re.compile(
    r"(?:fps|frame[ _-]?rate|samples[ _-]per[ _-]second)\s*[:=]?\s*([\d.]+)"
    r"|([\d.]+)\s*(?:fps|hz)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile("[0-9]{1,9}")
"""Of a frame."""

Row = tuple[int, bytes]
"""Number of a line, and the line."""


def read(path: str | Path, asf: str | Path | None = None, fps: float | None = None) -> Motion:
    """Read an AMC file and its ASF.

    Args:
        asf: the skeleton's file; by default one beside it: of the same name, or of its subject
            (01.asf for 01_05.amc), or the only one there.
        fps: frames per second, where neither file tells.

    Raises:
        InputError: with file and line, for anything that is not a person's complete motion, a
            skeleton that is missing or another's, or an unknown frame rate.
    """
    data = read_bytes(path, MAX_BYTES)
    place = Path(asf) if asf is not None else _beside(Path(path))
    skeleton = asf_file.read(place)
    lines = Lines(data, str(path))
    degrees, stated, number = _header(lines, data, skeleton.degrees)
    told = {"asf": str(place)}
    if fps is None and stated is None and skeleton.length == CMU_LENGTH:
        told["fps"] = f"assumed {CMU_FPS:g}, the rate of CMU's library, whose unit the ASF has"
        stated = CMU_FPS
    rate = fps if fps is not None else stated
    if rate is None:
        hint = "give it: --fps 120, or Motion.read(path, fps=120)"
        raise InputError("the file has no frame rate", where=str(path), hint=hint)
    values = _frames(lines, skeleton, number)
    motion = _motion(_rig(skeleton, values, rate, degrees), skeleton, str(path))
    return replace(motion, provenance={**motion.provenance, **told})


def bridged(skeleton: Skeleton) -> list[bool]:
    """Whether our files reach each joint by a bone of its own that bears no rotation.

    A bone of ours bears the rotation of the joint where it starts, and leads to that joint's first
    child: where a trunk branches, towards the head. The other children are bridged to from its
    end, and all children of the root, which has no length.
    """
    return [
        parent == 0 or parent > 0 and joint != skeleton.children[parent][0]
        for joint, parent in enumerate(skeleton.parents)
    ]


def _beside(path: Path) -> Path:
    """The ASF that belongs to an AMC by its name and place."""
    try:
        there = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    except OSError:
        there = []
    for stem in (path.stem, path.stem.rpartition("_")[0], path.stem.partition("_")[0]):
        for file in there:
            if stem and file.stem.lower() == stem.lower():
                return file
    if len(there) == 1:
        return there[0]
    found = ", ".join(p.name for p in there)[:80] or "no .asf is"
    raise InputError(
        f"which skeleton is it for? {found} beside it",
        where=str(path),
        hint="give its ASF: --asf 01.asf, or Motion.read(path, asf='01.asf')",
    )


def _header(lines: Lines, data: bytes, degrees: bool) -> tuple[bool, float | None, int]:
    """Whether angles are degrees, frames per second if told, and the first frame's number."""
    fps = None
    while (line := lines.next()).startswith((":", "#")):
        if line.upper() in (":DEGREES", ":RADIANS"):
            degrees = line.upper() == ":DEGREES"
        if found := _RATE.search(line):
            fps = lines.number(found[1] or found[2])
    if not _NUMBER.fullmatch(line):
        hint = f"this is {describe(data[:64])}; an AMC has the number of a frame here"
        raise lines.error(f"unexpected {line[:40]!r}" if line else "there are no frames", hint)
    return degrees, fps, int(line)


def _frames(lines: Lines, asf: Asf, number: int) -> dict[str, Float[np.ndarray, "T C"]]:
    """The numbers of every bone in all frames, which must list the same bones."""
    begin = lines.at - 1
    rows = [(n, r) for n, r in enumerate(lines.lines[begin:], begin + 1) if r.strip()]
    names = _frame(lines, rows, 0, number, asf)
    each = 1 + len(names)
    frames = len(rows) // each
    if frames * 2 * len(asf.bones) > MAX_PLACES:
        raise lines.error(f"{frames} frames are too many", "cut the file into shorter clips")
    if any(len(row) > _MAX_ROW for _, row in rows):
        lines.at = next(n for n, row in rows if len(row) > _MAX_ROW)
        raise lines.error("a line is too long", f"at most {_MAX_ROW} bytes")
    dof = {bone.name: len(bone.dof) for bone in asf.bones}
    layout = [(name, dof[name]) for name in names]
    parts = []
    step = max(1, _ROWS_AT_ONCE // each) * each
    for first in range(0, len(rows), step):
        part = _table(rows[first : first + step], number + first // each, layout)
        if part is None:
            raise _fault(
                lines, rows, range(first, min(first + step, len(rows)), each), number, names, asf
            )
        parts.append(part)
    values = np.concatenate(parts)
    ends = np.cumsum([0, *(count for _, count in layout)])
    return {name: values[:, a:b] for name, a, b in zip(names, ends, ends[1:], strict=False)}


def _table(
    rows: list[Row], number: int, layout: list[tuple[str, int]]
) -> Float[np.ndarray, "T C"] | None:
    """The numbers of some frames; None where they are not as the first frame is."""
    text = b" ".join(row for _, row in rows)
    words = text.split()
    width = 1 + sum(1 + count for _, count in layout)
    frames = len(words) // width
    if frames * width != len(words) or frames * (1 + len(layout)) != len(rows):
        return None
    if words[::width] != [str(number + n).encode() for n in range(frames)]:
        return None
    columns: list[int] = []
    at = 1
    for name, count in layout:
        if set(words[at::width]) != {name.encode()}:
            return None
        columns += range(at + 1, at + 1 + count)
        at += 1 + count
    numbers = [word for column in columns for word in words[column::width]]
    if any(b"_" in word for word in numbers):
        return None
    try:
        values = np.array([float(word) for word in numbers]).reshape(len(columns), frames).T
    except ValueError:
        return None
    return values if (np.abs(values) <= MAX_VALUE).all() else None


def _fault(
    lines: Lines, rows: list[Row], starts: range, number: int, names: list[str], asf: Asf
) -> InputError:
    """What is wrong with the first frame that is."""
    each = 1 + len(names)
    for start in starts:
        if _frame(lines, rows, start, number + start // each, asf) != names:
            return lines.error("this frame lists its bones in another order than the first")
    return lines.error("the frames cannot be read")


def _frame(lines: Lines, rows: list[Row], at: int, number: int, asf: Asf) -> list[str]:
    """The bones of one frame, in its order.

    Raises:
        InputError: for a frame that does not fit the skeleton, or numbers that are none.
    """
    lines.at = rows[at][0]
    first = rows[at][1].decode("utf-8", "replace").strip()
    if first != str(number):
        raise lines.error(f"expected frame {number}, found {first[:40]!r}", "none may be left out")
    dof = {bone.name: bone.dof for bone in asf.bones}
    names: list[str] = []
    for line, row in rows[at + 1 :]:
        name, *numbers = row[: _MAX_ROW + 1].decode("utf-8", "replace").split()
        if name.isdecimal() and not numbers:
            break
        lines.at = line
        if name not in dof:
            hint = "is this AMC of another subject? give its own skeleton with --asf"
            raise lines.error(f"the ASF has no bone {name[:40]!r}", hint)
        if name in names:
            raise lines.error(f"frame {number} has {name} twice")
        if len(numbers) != len(dof[name]):
            has = " ".join(dof[name]) or "none"
            raise lines.error(f"{name} has {len(numbers)} numbers, the ASF says {has}")
        for word in numbers:
            lines.number(word)
        names.append(name)
    if missing := [name for name, has in dof.items() if has and name not in names]:
        hint = "the file may be cut off, or the ASF may be another subject's"
        raise lines.error(f"frame {number} lacks {', '.join(missing)[:120]}", hint)
    return names


def _rig(asf: Asf, values: dict[str, np.ndarray], fps: float, degrees: bool) -> Rig:
    """The skeleton as nodes, each at the start of a bone, and one at the end of every tip."""
    tips = [b for b in range(len(asf.bones)) if b not in asf.parents]
    parents = (*asf.parents, *tips)
    starts = [asf.position, *(asf.bones[p].extent for p in parents[1:])]
    offsets = np.array(starts) * (CMU_UNIT if asf.length == CMU_LENGTH else 1.0)
    frames = len(values["root"])
    rotations = np.zeros((frames, len(parents), 4))
    rotations[..., 0] = 1
    positions = np.repeat(offsets[None], frames, axis=0)
    for node, bone in enumerate(asf.bones):
        turn = np.zeros((frames, 4))
        turn[:, 0] = 1
        for dof, value in zip(
            bone.dof, values.get(bone.name, np.zeros((frames, 0))).T, strict=True
        ):
            axis = dof[1].upper()
            if dof[0] == "t":
                scale = CMU_UNIT if asf.length == CMU_LENGTH else 1.0
                positions[:, node, "XYZ".index(axis)] += value * scale
                continue
            angle = np.radians(value) if degrees else value
            turn = rotation.multiply(rotation.about(axis, angle), turn)  # type: ignore[arg-type]
        turned = rotation.multiply(bone.axes, turn)
        rotations[:, node] = rotation.multiply(turned, rotation.conjugate(bone.axes))
    names = (*(b.name for b in asf.bones), *(f"{asf.bones[t].name}_End" for t in tips))
    return Rig(names, parents, offsets, fps, rotations, positions)


def _motion(rig: Rig, asf: Asf, path: str) -> Motion:
    """The person's motion, exact for a file of ours."""
    if asf.length != CMU_LENGTH:
        return mapping.to_motion(rig, path)
    for skeleton in SKELETONS:
        joints = ["root", *skeleton.joints[1:]]
        pairs = zip(skeleton.joints, bridged(skeleton), strict=True)
        if {b.name for b in asf.bones} != {*joints, *(j + JOINT for j, bridge in pairs if bridge)}:
            continue
        found = rig.joints[:, [rig.names.index(joint) for joint in joints]]
        if STATURE[0] / 2 <= stature(found, skeleton) <= STATURE[1] * 2:
            given = {"file": path, "unit": "asf unit", "up": "Y"}
            return Motion(found / skeleton.metres, rig.fps, skeleton, provenance=given)
    motion = mapping.to_motion(rig, path)
    return replace(motion, provenance={**motion.provenance, "unit": "asf unit"})
