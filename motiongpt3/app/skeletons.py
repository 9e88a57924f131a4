"""`--skeleton`: motions on the bones of another tool, and a word on what came back of them."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.app.parser import Parser
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.motion.motion import Motion

_DIGITS = 5


def add_skeleton(parser: Parser) -> None:
    """The option itself."""
    parser.add_argument(
        "--skeleton",
        metavar="NAME",
        help="write .bvh on these bones: mixamo, cmu, smpl, or a .bvh file of your character",
    )


def check(options: Namespace, paths: Sequence[Path]) -> None:
    """Refuse a skeleton that cannot be had, or that no output can carry, before any work."""
    if options.skeleton is None:
        return
    from motiongpt3.formats import SKELETAL, target

    if not any(path.suffix.lower() in SKELETAL for path in paths):
        raise InputError(
            "no output can have another skeleton", where="--skeleton", hint="add -o motion.bvh"
        )
    target.load(options.skeleton)


def write(motion: "Motion", path: Path, skeleton: str | None) -> dict[str, float]:
    """Write a motion, on the skeleton where the file can carry one; what a reader gets back."""
    from motiongpt3.formats import SKELETAL

    if skeleton is None or path.suffix.lower() not in SKELETAL:
        motion.write(path)
        return {}
    from motiongpt3.formats import retarget

    motion.write(path, skeleton=skeleton)
    fidelity = retarget.round_trip(motion, path, skeleton)
    return {name: round(value, _DIGITS) for name, value in asdict(fidelity).items()}


def words(fidelity: dict[str, float]) -> str:
    """A line about what came back."""
    return (
        f"read back: legs x {fidelity['scale']:.3f}; limbs point {fidelity['mean_degrees']:.2f} deg"
        f" off (worst {fidelity['max_degrees']:.2f}); with its own bone lengths, joints are"
        f" {fidelity['mean_metres']:.3f} m from the scaled motion's"
        f" (worst {fidelity['max_metres']:.3f})"
    )
