"""How an evaluation is run: replications that depend on nothing but their own seed.

A replication's seed is made of the evaluation's seed and the replication's number. From it follow
which caption of a clip is taken, how clips are put into groups and the model's noise. Replications
can therefore be made in any order, by several processes, or half of them tomorrow.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from motiongpt3.evaluation.draws import seed_of
from motiongpt3.evaluation.evidence import Evidence, write_evidence
from motiongpt3.evaluation.replications import Replications
from motiongpt3.evaluation.table import Column, Rows

_POLL_SECONDS = 0.2
Report = Callable[[int, int], None]
"""Called with how many replications are done, and of how many."""


@runtime_checkable
class Experiment(Protocol):
    """One task of an evaluation."""

    title: str
    columns: Sequence[Column]

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication: a pure function of the seed."""
        ...


@dataclass(frozen=True)
class Share:
    """Which process this is, of how many that share the replications (torchrun)."""

    rank: int = 0
    world: int = 1

    @staticmethod
    def here() -> "Share":
        """What torchrun says of this process."""
        return Share(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def replicate(
    experiment: Experiment, kept: Replications, seed: int, share: Share, report: Report
) -> list[Rows] | None:
    """Make the replications that are missing, each kept as soon as it is done.

    Of several processes each makes those of its share; rank 0 waits for the files of the others
    (torchrun ends all processes when one fails), and the others return None.

    Raises:
        InputError: when the folder holds replications of another evaluation.
    """
    done = kept.done()
    mine = range(share.rank, kept.count, share.world)
    missing = [number for number in mine if number not in done]
    for at, number in enumerate(missing, len(mine) - len(missing)):
        report(at, len(mine))
        rows, evidence = experiment.measure(seed_of(seed, number))
        if number == 0:
            write_evidence(kept.folder, evidence)
        kept.keep(number, rows)
    report(len(mine), len(mine))
    if share.rank:
        return None
    while len(done := kept.done()) < kept.count:
        time.sleep(_POLL_SECONDS)
    return [done[number] for number in range(kept.count)]
