"""Which clips train, and which are held out: whole subjects and whole files, never parts of them.

A group goes to a split by a hash of its name alone, so that adding clips moves no other clip; of
fewer groups than a hash spreads evenly, those of the highest hashes are held out.
"""

import hashlib
from collections.abc import Mapping, Sequence

from motiongpt3.data.sources import SPLITS
from motiongpt3.errors import InputError

_EVEN = 30
"""Groups from which on a hash spreads them well enough."""
Shares = tuple[float, float, float]
"""Of train, val and test."""


def parse_shares(text: str) -> Shares:
    """`80/10/10` as shares that add up to one.

    Raises:
        InputError: for anything else, or no share for train.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) != len(SPLITS) or min(numbers) < 0 or not 0 < numbers[0] < 1e9:
        raise InputError(
            f"'{text[:40]}' is no split", where="--split", hint="train/val/test, such as 80/10/10"
        )
    train, val, test = (number / sum(numbers) for number in numbers)
    return train, val, test


def assign(groups: Mapping[str, int], shares: Shares) -> dict[str, str]:
    """The split of every group.

    A split that has a share and would get nothing takes the smallest group of train, as long as
    train keeps one: val first, then test.

    Args:
        groups: clips of each group.
    """
    found = {name: _by_hash(name, shares) for name in sorted(groups)}
    if len(groups) < _EVEN:
        found = _by_rank(sorted(groups, key=_place), shares)
    order = sorted(groups, key=lambda name: (groups[name], _place(name)))
    if "train" not in found.values():
        found[order[-1]] = "train"
    for split, share in zip(SPLITS[1:], shares[1:], strict=True):
        train = [name for name in order if found[name] == "train"]
        if share > 0 and split not in found.values() and len(train) > 1:
            found[train[0]] = split
    return found


def _by_rank(names: Sequence[str], shares: Shares) -> dict[str, str]:
    """Splits of as many groups as their shares ask for, the first of them train."""
    held = [max(1, round(share * len(names))) if share else 0 for share in shares[1:]]
    train = max(1, len(names) - sum(held))
    splits = ["train"] * train + ["val"] * held[0] + ["test"] * held[1]
    return dict(zip(names, splits, strict=False))


def _by_hash(name: str, shares: Shares) -> str:
    place = _place(name)
    if place < shares[0]:
        return "train"
    return "val" if place < shares[0] + shares[1] else "test"


def _place(name: str) -> float:
    """Where a name lies between 0 and 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
