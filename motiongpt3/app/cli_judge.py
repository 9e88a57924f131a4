"""Options of the commands that make and use evaluators."""

from pathlib import Path

from motiongpt3.app import judging
from motiongpt3.app.cli_learn import add_upkeep
from motiongpt3.app.parser import Commands, command

_EXAMPLE = "train-evaluator prepared/ --kind guo -o runs/guo --schedule.steps 2000"


def add_train_evaluator(group: Commands) -> None:
    """`train-evaluator`."""
    parser = command(group, "train-evaluator", judging.train_evaluator, _EXAMPLE)
    parser.add_argument("data", metavar="DATA", type=Path, help="a processed set")
    parser.add_argument(
        "--kind",
        choices=("guo", "tmr"),
        default="guo",
        help="Guo et al.'s encoders, or transformers trained by contrast (default guo)",
    )
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--fields", action="store_true", help="list what --field value can change, and stop"
    )
    add_upkeep(parser, check_every=100)
