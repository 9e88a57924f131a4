"""Options of the commands that work on many motions, and of those that search them."""

from pathlib import Path

from motiongpt3.app import library, search
from motiongpt3.app.arguments import number
from motiongpt3.app.parser import Commands, Parser, command

ENGINES = ("local", "ray")
FORMATS = ("npz", "bvh", "glb", "npy")
MAX_WORKERS = 4096
MAX_FOUND = 1000
EVALUATOR = "what places texts and motions in one space (default: the project's own)"


def add_many_clips(parser: Parser) -> None:
    """What makes `caption` work on a library."""
    parser.add_argument(
        "-o",
        "--out",
        metavar="TABLE",
        type=Path,
        help="write a table of all clips, .parquet or .jsonl; a run that was stopped goes on",
    )
    add_engine(parser)


def add_many_prompts(parser: Parser) -> None:
    """What makes `generate` work on a file of prompts."""
    parser.add_argument(
        "--prompts",
        metavar="FILE",
        type=Path,
        help="make a motion of each prompt: .txt, or .jsonl or .csv with text, seconds, seed; "
        "-o is then a folder, and a run that was stopped goes on",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="npz", help="of these motions (default: npz)"
    )
    add_engine(parser)


def add_embed(group: Commands) -> None:
    """`embed`."""
    parser = command(group, "embed", library.embed, "embed clips/ -o clips.index")
    kinds = "motion files, folders of them, and .txt lists of their paths"
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help=kinds)
    parser.add_argument(
        "-o", "--out", metavar="INDEX", type=Path, required=True, help="a folder to search in"
    )
    parser.add_argument("--evaluator", metavar="DIR", type=Path, help=EVALUATOR)
    parser.set_defaults(device="cpu")
    add_engine(parser)


def add_search(group: Commands) -> None:
    """`search`."""
    example = 'search "someone waves" clips.index -k 5 -o found.html'
    parser = command(group, "search", search.search, example)
    parser.add_argument("text", metavar="TEXT", help="what the person does")
    parser.add_argument("index", metavar="INDEX", type=Path, help="what `embed` wrote")
    parser.add_argument(
        "-k",
        dest="count",
        metavar="K",
        type=number("-k", 1, MAX_FOUND, int),
        default=10,
        help="how many clips (default 10)",
    )
    parser.add_argument(
        "-o", "--out", metavar="PAGE", type=Path, help="write a page with pictures: .html"
    )
    parser.add_argument(
        "--captions", metavar="TABLE", type=Path, help="what `caption` wrote, shown with the clips"
    )
    parser.add_argument("--evaluator", metavar="DIR", type=Path, help=EVALUATOR)


def add_engine(parser: Parser) -> None:
    """Where many inputs are worked on."""
    parser.add_argument(
        "--engine", choices=ENGINES, default="local", help="with many inputs (default: local)"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=number("--workers", 1, MAX_WORKERS, int),
        help="processes with a model each (default: one per core, at most 8); on a GPU, processes "
        "that read for it (default 1); workers of Ray",
    )
