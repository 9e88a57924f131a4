"""CMU's skeleton and motions as ASF and AMC, and where scipy has the bones."""

import numpy as np
from scipy.spatial.transform import Rotation

CMU_UNIT = 0.0254 / 0.45

# CMU's hierarchy: parent, direction, length, axis, dof. Lengths and axes are like subject 1's.
BONES = {
    "lhipjoint": ("root", (0.63, -0.69, 0.35), 2.4, (0, 0, 0), ""),
    "lfemur": ("lhipjoint", (0.34, -0.94, 0), 7.2, (0, 0, 20), "rx ry rz"),
    "ltibia": ("lfemur", (0.34, -0.94, 0), 7.5, (0, 0, 20), "rx"),
    "lfoot": ("ltibia", (0.04, -0.33, 0.94), 2.3, (-90, 0, 20), "rx rz"),
    "ltoes": ("lfoot", (0, -0.03, 1), 1.1, (-90, 0, 20), "rx"),
    "lowerback": ("root", (0, 1, -0.08), 2.1, (0, 0, 0), "rx ry rz"),
    "upperback": ("lowerback", (0, 1, -0.03), 2.1, (0, 0, 0), "rx ry rz"),
    "thorax": ("upperback", (0, 1, 0.02), 2.1, (0, 0, 0), "rx ry rz"),
    "lowerneck": ("thorax", (0, 0.98, 0.2), 1.7, (0, 0, 0), "rx ry rz"),
    "upperneck": ("lowerneck", (0, 1, -0.1), 1.7, (0, 0, 0), "rx ry rz"),
    "head": ("upperneck", (0, 1, 0), 1.7, (0, 0, 0), "rx ry rz"),
    "lclavicle": ("thorax", (0.94, 0.34, 0), 3.5, (0, 0, 0), "ry rz"),
    "lhumerus": ("lclavicle", (1, 0, 0), 5.1, (180, 30, 90), "rx ry rz"),
    "lradius": ("lhumerus", (1, 0, 0), 3.3, (180, 30, 90), "rx"),
    "lwrist": ("lradius", (1, 0, 0), 1.7, (180, 30, 90), "ry"),
    "lhand": ("lwrist", (1, 0, 0), 0.7, (180, 30, 90), "rx rz"),
    "lthumb": ("lwrist", (0.7, 0, 0.7), 0.8, (-90, 45, 0), "rx rz"),
}
for _name, (_parent, _way, _length, _axis, _dof) in list(BONES.items()):
    if _name.startswith("l") and not _name.startswith("lower"):
        _above = "r" + _parent[1:] if _parent.startswith("l") else _parent
        _mirrored = (-_way[0], *_way[1:])
        _turned = (_axis[0], -_axis[1], -_axis[2])
        BONES["r" + _name[1:]] = (_above, _mirrored, _length, _turned, _dof)


def skeleton(length: str = "0.45", angle: str = "deg", scale: float = 1.0) -> str:
    turn = 1.0 if angle == "deg" else np.pi / 180
    text = f"# made\n:version 1.10\n:name VICON\n:units\n  mass 1.0\n  length {length}\n"
    text += f"  angle {angle}\n:documentation\n  begin of words: root is no bone\n:root\n"
    text += (
        "  order TX TY TZ RX RY RZ\n  axis XYZ\n  position 0 0 0\n  orientation 0 0 0\n:bonedata\n"
    )
    for number, (name, (_, way, length_, axis, dof)) in enumerate(BONES.items(), 1):
        way = np.array(way) / np.linalg.norm(way)
        text += (
            f"  begin\n    id {number}\n    name {name}\n    direction {way[0]} {way[1]} {way[2]}\n"
        )
        text += (
            f"    length {length_ * scale}\n    axis {' '.join(str(a * turn) for a in axis)} XYZ\n"
        )
        if dof:
            limits = "\n".join(["    (-180 180)"] * len(dof.split()))
            text += f"    dof {dof}\n    limits{limits[3:]}\n"
        text += "  end\n"
    text += ":hierarchy\n  begin\n"
    for parent in ("root", *BONES):
        if children := [n for n, bone in BONES.items() if bone[0] == parent]:
            text += f"    {parent} {' '.join(children)}\n"
    return text + "  end\n"


def angles(frames: int = 24, seed: int = 1) -> dict[str, np.ndarray]:
    """Degrees of every bone, and the root's place before its own, smooth in time."""
    dice = np.random.default_rng(seed)
    time_ = np.linspace(0, 2, frames)[:, None]
    found = {}
    for name, (*_, dof) in {"root": (0, 0, 0, 0, "rx ry rz"), **BONES}.items():
        count = len(dof.split())
        waves = np.sin(time_ * dice.uniform(1, 3, count) + dice.uniform(0, 6, count))
        found[name] = 12 * waves
    place = np.concatenate([8 * time_, 17 + 0 * time_, -3 * time_], 1)
    return {**found, "root": np.concatenate([place, found["root"]], 1)}


def motion_text(values: dict[str, np.ndarray], first: int = 1, angle: str = "DEGREES") -> str:
    lines = ["#!OML:ASF 01.ASF", ":FULLY-SPECIFIED", f":{angle}"]
    for frame in range(len(values["root"])):
        lines.append(str(first + frame))
        for name, rows in values.items():
            if rows.shape[1]:
                row = rows[frame].copy()
                if angle == "RADIANS":
                    row[3 if name == "root" else 0 :] *= np.pi / 180
                lines.append(f"{name} " + " ".join(f"{v:.9f}" for v in row))
    return "\n".join(lines) + "\n"


def oracle(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Where each bone starts, in the file's unit, by scipy's rotations and the ASF's text."""
    root = values["root"]
    ends = {"root": root[:, :3]}
    world = {"root": Rotation.from_euler("xyz", root[:, 3:], degrees=True)}
    starts = {}
    for name, (parent, way, length, axis, dof) in BONES.items():
        turns = np.zeros((len(root), 3))
        for at, word in enumerate(dof.split()):
            turns[:, "xyz".index(word[1])] = values[name][:, at]
        axes = Rotation.from_euler("xyz", axis, degrees=True)
        local = axes * Rotation.from_euler("xyz", turns, degrees=True) * axes.inv()
        world[name] = world[parent] * local
        starts[name] = ends[parent]
        ends[name] = ends[parent] + world[name].apply(length * np.array(way) / np.linalg.norm(way))
    return starts
