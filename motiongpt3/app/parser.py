"""What every subcommand's parser is made with."""

import argparse
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from motiongpt3.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are errors like all others: one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, hint=f"see {self.prog} --help")


PRECISIONS, BACKENDS = ("fp32", "bf16", "int8"), ("torch", "onnx", "openvino")
"""Those of `model.packing` and `model.loading`, which are too slow to ask."""
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def command(
    group: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    example: str,
    json: bool = True,
) -> Parser:
    """A subcommand whose help is the first line of the function that runs it.

    Args:
        json: whether it has a result that `--json` prints.
    """
    first = (run.__doc__ or "").splitlines()[0]
    parser = group.add_parser(
        name,
        help=first,
        description=first,
        epilog=f"example:\n  motiongpt3 {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if json:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_model(parser: Parser) -> None:
    """Which model, where it runs, and how exactly."""
    parser.add_argument(
        "--model", metavar="PATH", help="a checkpoint (default: the one in the package)"
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        default="fp32",
        choices=PRECISIONS,
        help="less is faster and less exact (default: fp32)",
    )


def add_device(parser: Parser) -> None:
    """Where the model runs."""
    parser.add_argument(
        "--device", default="cpu", choices=("cpu", "cuda", "mps"), help="default: cpu"
    )


def add_backend(parser: Parser) -> None:
    """What computes."""
    parser.add_argument(
        "--backend",
        default="torch",
        choices=BACKENDS,
        help="what computes; the last two export the model once, and keep it (default torch)",
    )


def overview(parser: argparse.ArgumentParser) -> int:
    """Say what there is, where no command was given."""
    parser.print_help()
    return InputError.exit_code
