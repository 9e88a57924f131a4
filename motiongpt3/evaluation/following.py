"""Whether a motion does what its caption says, where a rule on the joints can tell.

A caption is read by the table of keywords, a motion by the rules of `rules`. A caption counts
where it names one thing only, so that nothing else it says could excuse the motion. Real clips
pass in at least 95 % of each kind (`motiongpt3 evaluate` prints the row).

Kinds: "side" is the named arm and no other, "direction" a turn, a slanted or a backward walk,
"speed" that of a walk or run, "action" a bow, clap, kick, lunge, squat or throw.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

import numpy as np
from jaxtyping import Float

from motiongpt3.data.asked import Asked, Kind, asked
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.table import Column
from motiongpt3.motion.rules import passes
from motiongpt3.motion.skeleton import HUMANML3D

FOLLOWED = tuple(Column(kind, "higher", "Does what is said") for kind in get_args(Kind))


def followed(
    captions: Sequence[str], joints: Sequence[Float[np.ndarray, "_ J 3"]]
) -> list[tuple[Asked, bool] | None]:
    """What each caption asks for and whether its motion (20 fps, metres) does it.

    None where no rule tells: of the caption, or of a skeleton other than HumanML3D's.
    """
    wanted = [asked(caption) for caption in captions]
    return [
        None if want is None or not _has_rules(clip) else (want, passes(want.rule, clip, want.side))
        for want, clip in zip(wanted, joints, strict=True)
    ]


def follow_figures(
    captions: Sequence[str], joints: Sequence[Float[np.ndarray, "_ J 3"]]
) -> dict[str, Figure]:
    """Of every kind, the share of captions that ask for it whose motion does it."""
    names = [column.name for column in FOLLOWED]
    if not _has_rules(joints[0]):
        return dict.fromkeys(names, Missing(f"no rules for {joints[0].shape[1]} joints"))
    hits: dict[str, list[bool]] = defaultdict(list)
    for judged in followed(captions, joints):
        if judged is not None:
            hits[judged[0].kind].append(judged[1])
    return {k: float(np.mean(hits[k])) if hits[k] else Missing("no caption asks") for k in names}


def _has_rules(joints: Float[np.ndarray, "_ J 3"]) -> bool:
    return joints.shape[1] == len(HUMANML3D.joints)
