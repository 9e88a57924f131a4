"""Options of the command that makes the paper's tables."""

from pathlib import Path

from motiongpt3.app import reproduce
from motiongpt3.app.arguments import number
from motiongpt3.app.learn import PREPARED
from motiongpt3.app.parser import Commands, Parser, command


def add_reproduce(group: Commands) -> None:
    """`reproduce`."""
    example = "reproduce components --data prepared/ --write docs/results.md"
    parser = command(group, "reproduce", reproduce.reproduce, example)
    parser.add_argument(
        "table", metavar="TABLE", choices=reproduce.TABLES, help=", ".join(reproduce.TABLES)
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=PREPARED, help=f"default: {PREPARED}"
    )
    parser.add_argument(
        "--evaluator",
        metavar="DIR",
        type=Path,
        default=Path("evaluators/motion5h-guo"),
        help="what embeds motions and texts (default: evaluators/motion5h-guo)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("reproductions"),
        help="runs go here, and are taken up again (default: reproductions)",
    )
    _add_which(parser)
    parser.add_argument(
        "--write", metavar="FILE", type=Path, help="write up all tables, as far as they were run"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what the table will take, and stop"
    )


def _add_which(parser: Parser) -> None:
    """Parts of a table."""
    parser.add_argument(
        "--seeds",
        metavar="N",
        type=number("--seeds", 1, reproduce.MOST_SEEDS, int),
        help="seeds 0 to N - 1 (default: the table's own number)",
    )
    parser.add_argument("--cells", metavar="NAME", nargs="+", help="run these cells and no others")
    parser.add_argument(
        "--replications",
        metavar="N",
        type=number("--replications", 1, 1000, int),
        default=5,
        help="how often each model is evaluated (default 5)",
    )
