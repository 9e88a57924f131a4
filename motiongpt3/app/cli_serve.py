"""Options of the command that serves the API."""

from pathlib import Path

from motiongpt3.app import serve
from motiongpt3.app.arguments import number
from motiongpt3.app.parser import Commands, Parser, add_backend, add_model, command

_MOST_HOURS, _MOST_GIB = 24 * 365, 1024.0


def add_serve(group: Commands) -> None:
    """`serve`."""
    parser = command(group, "serve", serve.serve, "serve --port 8000", json=False)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: this machine alone)"
    )
    parser.add_argument(
        "--port",
        type=number("--port", 0, 65535, int),
        default=8000,
        help="default 8000; 0: any that is free",
    )
    add_model(parser)
    add_backend(parser)
    parser.add_argument(
        "--index", metavar="DIR", type=Path, help="a library to search: what `embed` wrote"
    )
    _add_store(parser)
    parser.add_argument(
        "--queue",
        type=number("--queue", 1, 10_000, int),
        default=64,
        help="requests that may wait for the model (default 64)",
    )
    _add_access(parser)


def _add_store(parser: Parser) -> None:
    """Where motions are kept, how long and how many."""
    parser.add_argument(
        "--store",
        metavar="DIR",
        type=Path,
        help="keep motions here (default: a folder that goes with the server)",
    )
    parser.add_argument(
        "--keep-hours",
        type=number("--keep-hours", 0.01, _MOST_HOURS),
        default=24.0,
        help="how long a motion is kept after its last use (default 24)",
    )
    parser.add_argument(
        "--store-gib",
        type=number("--store-gib", 0.001, _MOST_GIB),
        default=1.0,
        help="how much is kept in all (default 1)",
    )


def _add_access(parser: Parser) -> None:
    """Who may ask."""
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        help="a key on each line; whoever asks sends one of them as X-API-Key",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name the server is reached by, may be repeated",
    )
    parser.add_argument(
        "--allow-origin",
        metavar="URL",
        action="append",
        default=[],
        help="a web page's origin that may ask, may be repeated",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="listen to other machines without keys",
    )
