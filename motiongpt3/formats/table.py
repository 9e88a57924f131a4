"""CSV for robots: a column for every degree of freedom, a row for every frame.

    # motiongpt3 motion table 1, skeleton humanml3d
    # bone left_hip 0.0591000 -0.1071000 -0.0120000
    ...
    time_s,root_x_m,root_y_m,root_z_m,root_qw,root_qx,root_qy,root_qz,left_hip_x_rad,...

Metres, radians, seconds; Y up, facing +Z, left at +X. The root has its position and the unit
quaternion w, x, y, z that turns the rest pose's pelvis in the world. Every other joint that carries
a bone has three angles, of intrinsic turns about x, then y, then z, from its parent: R = Rx Ry Rz.
Angles do not jump by full turns. The rest pose is a T-pose: lines that begin with # give each
bone's offset from its parent in it, so that the positions of all joints can be had back.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.files import atomic_write, describe, read_bytes
from motiongpt3.formats.lines import MAX_LINE, MAX_VALUE, Lines
from motiongpt3.formats.units import check_size
from motiongpt3.motion import kinematics, rotation
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.rotation import EulerOrder
from motiongpt3.motion.skeleton import SKELETONS, Skeleton

MAX_BYTES = 64 * 2**20
_FIRST = "# motiongpt3 motion table 1, skeleton "
_BONE = "# bone "
_ROOT = "root_x_m root_y_m root_z_m root_qw root_qx root_qy root_qz".split()
_ORDER: EulerOrder = "XYZ"
_RATES = (1e-3, 1e4)


def write(motion: Motion, path: str | Path) -> None:
    """Write a motion's root and joint angles.

    Raises:
        ResourceError: when the place cannot be written.
    """
    skeleton = motion.skeleton
    fit = kinematics.fit(motion.joints, skeleton)
    head = [f"{_FIRST}{skeleton.name}"]
    for joint, offset in zip(skeleton.joints[1:], fit.offsets[1:] * skeleton.metres, strict=True):
        head.append(f"{_BONE}{joint} {' '.join(f'{v:.7f}' for v in offset)}")
    head.append(",".join(_columns(skeleton)))
    turning = _turning(skeleton)
    angles = np.unwrap(rotation.to_euler(fit.rotations[:, turning], _ORDER), axis=0)
    time = np.arange(len(motion))[:, None] / motion.fps
    root = [fit.root * skeleton.metres, fit.rotations[:, 0]]
    values = np.concatenate([time, *root, angles.reshape(len(motion), -1)], axis=1)
    block = io.StringIO()
    np.savetxt(block, values + 0.0, fmt="%.7f", delimiter=",")
    with atomic_write(path) as part:
        part.write_text("\n".join(head) + "\n" + block.getvalue(), encoding="ascii")


def read(path: str | Path) -> Motion:
    """Read a table as `write` makes it.

    Raises:
        InputError: with file and line, for anything else.
    """
    data = read_bytes(path, MAX_BYTES)
    lines = Lines(data, str(path))
    skeleton = _skeleton(lines, data)
    offsets = np.zeros((len(skeleton.joints), 3))
    for joint, name in enumerate(skeleton.joints[1:], start=1):
        offsets[joint] = _bone(lines, name)
    expected = _columns(skeleton)
    if lines.next().replace(" ", "").split(",") != expected:
        raise lines.error("the columns are not as expected", f"{', '.join(expected[:9])}, ...")
    values = _values(lines, len(expected))
    rotations = np.zeros((len(values), len(skeleton.joints), 4))
    rotations[..., 0] = 1
    size = np.linalg.norm(values[:, 4:8], axis=-1)
    if not (abs(size - 1) < 1e-3).all():
        raise lines.error("a quaternion of the root is no rotation", "its length must be 1")
    rotations[:, 0] = values[:, 4:8] / size[:, None]
    angles = values[:, 8:].reshape(len(values), -1, 3)
    rotations[:, _turning(skeleton)] = rotation.from_euler(angles, _ORDER)
    joints = kinematics.forward(rotations, values[:, 1:4], offsets, skeleton) / skeleton.metres
    check_size(joints, skeleton, str(path))
    return Motion(joints, _fps(values[:, 0], lines), skeleton, provenance={"file": str(path)})


def _turning(skeleton: Skeleton) -> list[int]:
    """Joints with angles: all that carry a bone, but the root."""
    return [joint for joint, below in enumerate(skeleton.children) if below and joint]


def _columns(skeleton: Skeleton) -> list[str]:
    names = [skeleton.joints[joint] for joint in _turning(skeleton)]
    return ["time_s", *_ROOT, *(f"{name}_{axis}_rad" for name in names for axis in "xyz")]


def _skeleton(lines: Lines, data: bytes) -> Skeleton:
    first = lines.next()
    for skeleton in SKELETONS:
        if first == f"{_FIRST}{skeleton.name}":
            return skeleton
    hint = f"the first line must be '{_FIRST}{SKELETONS[0].name}'"
    raise lines.error(f"this is {describe(data[:64])}", hint)


def _bone(lines: Lines, joint: str) -> list[float]:
    """Offset of a joint from its parent in the rest pose."""
    words = lines.next().removeprefix(_BONE).split()
    if len(words) != 4 or words[0] != joint:
        raise lines.error(f"expected '{_BONE}{joint} X Y Z'", "metres from its parent at rest")
    return [lines.number(word) for word in words[1:]]


def _values(lines: Lines, columns: int) -> Float[np.ndarray, "T C"]:
    """The numbers of all frames."""
    rows = [(n, r) for n, r in enumerate(lines.lines[lines.at :], lines.at + 1) if r.strip()]
    if not rows:
        raise lines.error("there are no frames", "the file may be cut off")
    values = np.empty((len(rows), columns))
    for row, (number, text) in zip(values, rows, strict=True):
        lines.at = number
        words = text.decode("ascii", "replace").split(",") if len(text) <= MAX_LINE else []
        if len(words) != columns:
            raise lines.error(f"a frame has {len(words)} numbers, {columns} are needed")
        row[:] = [lines.number(word.strip()) for word in words]
    return values


def _fps(time: Float[np.ndarray, " T"], lines: Lines) -> float:
    """Frames per second, from the times."""
    if len(time) < 2:
        return SKELETONS[0].fps  # a pose has no rate
    step = (time[-1] - time[0]) / (len(time) - 1)
    even = step > 0 and (abs(np.diff(time) - step) < 0.05 * step + 1e-6).all()
    if not even or not _RATES[0] < 1 / step < _RATES[1] or abs(time).max() > MAX_VALUE:
        raise lines.error("times are not evenly spaced", "seconds, one row for each frame")
    # Times have seven decimals: a whole rate that explains them is meant.
    fps = 1 / step
    return float(round(fps)) if abs(fps - round(fps)) < 1e-3 * fps / len(time) else round(fps, 5)
