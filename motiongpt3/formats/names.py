"""Which joint a name means, over the naming habits of motion capture and animation tools.

A name is taken apart into words, a side is found among them ("LeftUpLeg", "lfemur", "UpperLeg_L",
"mixamorig:LeftUpLeg", "Bip01 L Thigh", "upper_arm.L") and the rest is looked up. Some words mean
different joints in different files: a "LeftShoulder" beside a "LeftArm" is the collar bone, without
one it is the shoulder. The order of the lists below settles that.
"""

import re
from collections.abc import Iterator, Sequence

_WORDS: dict[str, tuple[str, ...]] = {
    # The shoulder chooses before the collar and the ankle before the foot, which is the toes' base.
    "hip": ("upleg", "upperleg", "thigh", "femur", "hip"),
    "knee": ("lowerleg", "lowleg", "knee", "shin", "calf", "tibia", "leg"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "ball", "foot"),
    "shoulder": ("upperarm", "uparm", "humerus", "shldr", "arm", "shoulder"),
    "collar": ("collar", "clavicle", "clav", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "elbow", "radius"),
    "wrist": ("wrist", "hand"),
}
"""For each part of a side the words that name it, the surest first; parts in order of choice."""

_CENTRAL = {"neck": ("neck", "lowerneck", "neckbase", "upperneck"), "head": ("head",)}
_KNOWN = frozenset(word for words in _WORDS.values() for word in words)
_FILLERS = re.compile(
    r"mixamorig\d*|bip\d*|joint|jnt|bone|def|avg|character\d*|stretch|[jcmfbx]|\d+"
)
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}


def split_name(name: str) -> tuple[str, str]:
    """Side ("left", "right" or "") and the rest of a joint's name, in lower case."""
    pieces = [p.lower() for p in _PIECES.findall(name.rpartition(":")[2])]
    words = [p for p in pieces if p not in _SIDES and not _FILLERS.fullmatch(p)]
    if pieces[1:] and pieces[-1] == "joint":  # CMU's "LHipJoint" is not the hip
        words.append("joint")
    part = "".join(words).rstrip("0123456789")
    for piece in pieces:
        if piece in _SIDES:
            return _SIDES[piece], part
    for prefix, side in _SIDES.items():
        if part not in _KNOWN and part.startswith(prefix) and part[len(prefix) :] in _KNOWN:
            return side, part[len(prefix) :]
    return "", part


def candidates(names: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Every part, such as "left_hip" or "neck", with the nodes that may be it, likeliest first.

    Among nodes that are named alike ("thigh.L", "thigh.L.001") the first in the file is likeliest.
    """
    named: dict[tuple[str, str], list[int]] = {}
    for index, name in enumerate(names):
        named.setdefault(split_name(name), []).append(index)
    for side in ("left", "right"):
        for part, words in _WORDS.items():
            yield f"{side}_{part}", [i for word in words for i in named.get((side, word), [])]
    for part, words in _CENTRAL.items():
        yield part, sorted(i for word in words for i in named.get(("", word), []))


def smpl_spine(names: Sequence[str]) -> dict[str, int]:
    """Index of pelvis and spine1 to spine3 where a file names them as SMPL does, else nothing."""
    plain = ["".join(p.lower() for p in _PIECES.findall(n.rpartition(":")[2])) for n in names]
    found = {}
    for joint in ("pelvis", "spine1", "spine2", "spine3"):
        indices = [i for i, name in enumerate(plain) if name in (joint, f"avg{joint}")]
        indices += [i for i, name in enumerate(plain) if re.fullmatch(f"[mf]avg{joint}", name)]
        if indices:
            found[joint] = indices[0]
    return found if len(found) == 4 else {}
