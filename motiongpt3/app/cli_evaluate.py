"""Options of the command that measures a model."""

from pathlib import Path

from motiongpt3.app import arguments, evaluate
from motiongpt3.app.arguments import number
from motiongpt3.app.parser import Commands, add_device, command


def add_evaluate(group: Commands) -> None:
    """`evaluate`."""
    example = "evaluate shipped prepared/ --task t2m --evaluator runs/guo"
    parser = command(group, "evaluate", evaluate.evaluate, example)
    parser.add_argument(
        "model", metavar="MODEL", help="a checkpoint, 'shipped' for the one in the package"
    )
    parser.add_argument("data", metavar="DATA", type=Path, help="a processed set")
    parser.add_argument("--task", choices=evaluate.TASKS, required=True, help="what is measured")
    parser.add_argument(
        "--replications",
        metavar="N",
        type=number("--replications", 1, 1000, int),
        default=20,
        help="how often it is measured, each time with other random numbers (default 20)",
    )
    parser.add_argument(
        "--evaluator",
        metavar="DIR",
        type=Path,
        help="what embeds motions and texts (default: none, its figures are left out)",
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="default: test"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: evaluations/TASK")
    parser.add_argument(
        "--seed",
        type=number("--seed", 0, arguments.MAX_SEED, int),
        default=0,
        help="same seed, same table (default 0)",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=number("--limit", 1, 10**9, int),
        help="only so many clips, spread over the split",
    )
    add_device(parser)
