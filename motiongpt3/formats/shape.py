"""Which node of a skeleton is which joint of a person, by its tree and how it stands.

A person has two pairs of limbs that are alike. The legs hang from one hub, opposite to the trunk;
the arms branch off further up, and between them goes on what ends in the head. A limb is where two
long bones of like length follow one another: thigh and shin, upper arm and forearm. Names, where
some are known, only narrow the choice.

Left is where it must be for the toes to point, or the knees to bend, to the front.

Shapes: P poses (the rest pose, or frames of the motion), N nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float

from motiongpt3.formats.limbs import ARM, LEG, SIDES, Limb, Shape
from motiongpt3.formats.names import split_name
from motiongpt3.formats.rig import Rig
from motiongpt3.motion.rotation import cross, normalize

_ALIKE = 0.12
"""Two limbs are alike when their lengths differ by no more than this part."""
_OPPOSITE = -0.5
"""Cosine of the angle between trunk and legs below which a body stands, rather than on fours."""
_MOST_PAIRS = 12
_NECK = 0.14
"""Usual distance from neck to head joint (leg lengths)."""


@dataclass(frozen=True)
class _Body:
    """Two pairs of limbs that may be the legs and arms of a person."""

    legs: tuple[Limb, Limb]
    arms: tuple[Limb, Limb]
    poses: Float[np.ndarray, "P N 3"]
    """In which the body stands."""
    head: tuple[int, ...]
    """Nodes from the hub of the arms, which is the first, to the crown."""

    @property
    def trunk(self) -> Float[np.ndarray, "P 3"]:
        """Unit direction from the hips to the shoulders."""
        return normalize(_middle(self.poses, self.arms, 0) - _middle(self.poses, self.legs, 0))


def find(rig: Rig, known: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Nodes of the parts that are not known, and in words what is missing for that.

    Parts are those of `names.candidates`. Either of the two is empty.
    """
    shape = Shape(rig)
    pairs = _pairs(shape)
    bodies = [b for a, c in permutations(pairs, 2) if (b := _body(shape, a, c, known))]
    if not bodies:
        return {}, _missing(pairs)
    bodies.sort(key=lambda b: -b.legs[0].length - b.arms[0].length)
    best = bodies[0]
    rivals = [
        b for b in bodies[1:] if _compares(b.arms, best.arms) and _compares(b.legs, best.legs)
    ]
    if rivals:
        named = [" or ".join(_names(rig, b.arms) + _names(rig, b.legs)) for b in (best, rivals[0])]
        return {}, [f"one pair of arms and one of legs (it may be {named[0]}; or {named[1]})"]
    return _parts(shape, best, known)


def _compares(limbs: tuple[Limb, Limb], best: tuple[Limb, Limb]) -> bool:
    """Whether limbs are long enough to be taken instead of others."""
    return limbs[0].length > 0.8 * best[0].length


def _missing(pairs: list[tuple[Limb, Limb]]) -> list[str]:
    """What keeps a skeleton from being a person's."""
    if not pairs:
        return ["two legs, two arms (no two like branches of three joints or more)"]
    if len(pairs) == 1:
        return ["two arms or two legs (there is one pair of like limbs)"]
    return ["two legs that hang below the trunk, two arms and a head above"]


def _pairs(shape: Shape) -> list[tuple[Limb, Limb]]:
    """Branches of one node that are alike and have two long bones; the longest pairs first."""
    found, least = [], 0.2 * float(shape.reach.max())
    for below in shape.rig.children:
        limbs = [(n, shape.limb(n)) for n in below if shape.extent(n) > least][:_MOST_PAIRS]
        for (_, a), (_, b) in combinations(limbs, 2):
            if a and b and _alike(shape, a, b):
                found.append((a, b))
    found.sort(key=lambda pair: -pair[0].length)
    return found[:_MOST_PAIRS]


def _alike(shape: Shape, a: Limb, b: Limb) -> bool:
    sizes = [(x.length, shape.extent(x.chain[0]), shape.lengths[x.joints[1]]) for x in (a, b)]
    same = a.chain.index(a.joints[0]) == b.chain.index(b.joints[0])
    return same and all(abs(x - y) <= _ALIKE * max(x, y) for x, y in zip(*sizes, strict=True))


def _body(
    shape: Shape,
    legs: tuple[Limb, Limb],
    arms: tuple[Limb, Limb],
    known: Mapping[str, int],
) -> _Body | None:
    """A body of these limbs where the tree, the known parts and the way it stands allow one."""
    rig = shape.rig
    for limbs, parts in ((legs, LEG), (arms, ARM)):
        nodes = {node for limb in limbs for node in limb.chain}
        if any(
            known.get(f"{side}_{p}", limbs[0].chain[0]) not in nodes
            for side in SIDES
            for p in parts
        ):
            return None
    hub, pelvis = rig.parents[arms[0].chain[0]], rig.parents[legs[0].chain[0]]
    starts = {limb.chain[0] for limb in (*legs, *arms)}
    if starts & {hub, pelvis, *rig.above(hub), *rig.above(pelvis)}:
        return None
    spine = {pelvis, *rig.above(pelvis)}
    others = [n for n in rig.children[hub] if n not in starts and n not in spine]
    for poses in shape.poses:
        body = _Body(legs, arms, poses, (hub,))
        down = normalize(_middle(poses, legs, 2) - _middle(poses, legs, 0))
        up = [n for n in others if _rises(shape, body, n)]
        if up and _side_by_side(body) and np.median((down * body.trunk).sum(-1)) < _OPPOSITE:
            head = max(up, key=shape.extent)
            return _Body(legs, arms, poses, (hub, *shape.chain(head)))
    return None


def _side_by_side(body: _Body) -> bool:
    """Whether the arms lie to the same sides of the body as the legs."""
    legs, arms = (
        normalize(body.poses[:, a.joints[0]] - body.poses[:, b.joints[0]])
        for a, b in (body.legs, body.arms)
    )
    return bool(np.abs(np.median((legs * arms).sum(-1))) > 0.5)


def _rises(shape: Shape, body: _Body, node: int) -> bool:
    """Whether a branch of the arms' hub goes up from between the arms."""
    tip = body.poses[:, shape.chain(node)[-1]] - _middle(body.poses, body.arms, 0)
    return bool(np.median((tip * body.trunk).sum(-1)) > 0)


def _middle(
    poses: Float[np.ndarray, "P N 3"], limbs: tuple[Limb, Limb], which: int
) -> Float[np.ndarray, "P 3"]:
    """Between the hips, knees or ankles (shoulders, elbows or wrists): which is 0, 1 or 2."""
    return (poses[:, limbs[0].joints[which]] + poses[:, limbs[1].joints[which]]) / 2


def _parts(shape: Shape, body: _Body, known: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """The parts of a body that are not known."""
    legs = _left_first(shape, body, known)
    if legs is None:
        return {}, ["which side is left (no names say, no toes or bent knees show the front)"]
    across = legs[0].joints[0], legs[1].joints[0]
    arms = body.arms
    if _apart(body.poses, across, (arms[0].joints[0], arms[1].joints[0])) < 0:
        arms = arms[::-1]
    found: dict[str, int] = {}
    for limbs, parts in ((legs, LEG), (arms, ARM)):
        for side, limb in zip(SIDES, limbs, strict=True):
            found |= {f"{side}_{p}": n for p, n in zip(parts, limb.joints, strict=True)}
    for side, limb in zip(SIDES, legs, strict=True):
        if (toe := shape.toe(limb.joints)) is not None:
            found[f"{side}_foot"] = toe
    found |= _neck_and_head(shape, body, known)
    return {part: node for part, node in found.items() if part not in known}, []


def _left_first(shape: Shape, body: _Body, known: Mapping[str, int]) -> tuple[Limb, Limb] | None:
    """The two legs, the left one first, or nothing where that cannot be told."""
    legs = body.legs
    sides = {node: part.partition("_")[0] for part, node in known.items()}
    for side in (sides.get, lambda node: split_name(shape.rig.names[node])[0]):
        said = [{side(node) for node in limb.chain} & {*SIDES} for limb in legs]
        if sorted(map(len, said)) in ([0, 1], [1, 1]) and said[0] != said[1]:
            return legs if "left" in said[0] or "right" in said[1] else legs[::-1]
    for poses in (body.poses, shape.poses[1]):
        front = _front(shape, poses, legs)
        if front is None:
            continue
        trunk = normalize(_middle(poses, body.arms, 0) - _middle(poses, legs, 0))
        apart = poses[:, legs[0].joints[0]] - poses[:, legs[1].joints[0]]
        return legs if np.median((cross(trunk, front) * apart).sum(-1)) > 0 else legs[::-1]
    return None


def _front(
    shape: Shape, poses: Float[np.ndarray, "P N 3"], legs: tuple[Limb, Limb]
) -> Float[np.ndarray, "P 3"] | None:
    """Where the toes point, or else the knees."""
    toes = [toe for limb in legs if (toe := shape.toe(limb.joints)) is not None]
    if len(toes) == 2:
        return (poses[:, toes] - poses[:, [limb.joints[2] for limb in legs]]).sum(1)
    ends = [[limb.joints[at] for limb in legs] for at in range(3)]
    hips, knees, ankles = (poses[:, nodes] for nodes in ends)
    shin = normalize(ankles - hips)
    out = knees - hips - ((knees - hips) * shin).sum(-1, keepdims=True) * shin
    bend = np.linalg.norm(out, axis=-1).max()
    return out.sum(1) if bend > 0.02 * legs[0].length else None


def _apart(poses: Float[np.ndarray, "P N 3"], a: tuple[int, int], b: tuple[int, int]) -> float:
    """Above 0 where two nodes lie to the same sides as two others."""
    ways = [poses[:, pair[0]] - poses[:, pair[1]] for pair in (a, b)]
    return float(np.median((ways[0] * ways[1]).sum(-1)))


def _neck_and_head(shape: Shape, body: _Body, known: Mapping[str, int]) -> dict[str, int]:
    """The neck is the first node above the arms' hub, the head the one a neck's length beyond."""
    way = [n for n in body.head[1:] if shape.lengths[n] > 0]
    neck = known.get("neck", way[0] if len(way) > 1 else body.head[0])
    beyond = [n for n in way if neck in shape.rig.above(n)]
    usual = _NECK * body.legs[0].length
    head = min(beyond, key=lambda n: abs(shape.between(neck, n) - usual), default=body.head[-1])
    return {"neck": neck, "head": known.get("head", head)}


def _names(rig: Rig, limbs: tuple[Limb, Limb]) -> list[str]:
    return [rig.names[limb.joints[0]] for limb in limbs]
