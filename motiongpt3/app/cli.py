"""The command line: `motiongpt3 COMMAND ...`.

Nothing heavy is imported here: help and refusals must not wait for torch.
"""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, get_args

import motiongpt3
from motiongpt3.app import arguments, bench, commands, doctor, judging, learn
from motiongpt3.app.cli_evaluate import add_evaluate
from motiongpt3.app.cli_judge import add_train_evaluator
from motiongpt3.app.cli_learn import add_data, add_report, add_train
from motiongpt3.app.cli_library import add_embed, add_many_clips, add_many_prompts, add_search
from motiongpt3.app.cli_reproduce import add_reproduce
from motiongpt3.app.parser import (
    BACKENDS,
    PRECISIONS,
    Commands,
    Parser,
    add_backend,
    add_model,
    command,
    overview,
)
from motiongpt3.app.show import say_error
from motiongpt3.app.skeletons import add_skeleton
from motiongpt3.errors import InputError, MotionGPTError, ResourceError
from motiongpt3.model.sampling import Sampler

READABLE = ".bvh .npz .npy .csv .usd .usda .usdc .usdz"
WRITABLE = ".bvh .glb .npz .npy .csv .usd .usda .usdc .usdz .mp4 .gif .png"
"""What the help says of `formats` and `render`, which are too slow to ask."""

INTERRUPTED = 130
"""What a shell expects from a program stopped by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 2 bad input, 3 damaged artefact, 4 the machine refused, 5 training met a number that
    is not finite, 130 interrupted.
    """
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except MotionGPTError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `motiongpt3 caption ... | head`: the reader has left, say nothing
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ResourceError.exit_code
    except OSError as error:
        say_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return ResourceError.exit_code
    except MemoryError:
        say_error("out of memory")
        return ResourceError.exit_code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command and its options; whatever a training does not know is left in `rest`.

    Raises:
        InputError: for anything that is not an option or not a value of it.
    """
    parser = Parser(
        prog="motiongpt3",
        description="Text to motion, motion to text, prediction and in-betweening.",
        epilog='example: motiongpt3 generate "a person waves the left hand" -o wave.mp4',
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=motiongpt3.__version__)
    parser.set_defaults(run=lambda options: overview(parser))
    group = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for add in (
        _generate,
        _caption,
        _predict,
        _inbetween,
        _convert,
        _convert_checkpoint,
        _export_onnx,
    ):
        add(group)
    makers = (add_data, add_train, add_train_evaluator, add_evaluate, add_reproduce, add_report)
    for add in (*makers, add_embed, add_search, _doctor, _bench):
        add(group)
    options, rest = parser.parse_known_args(argv)
    if rest and options.run not in (learn.train, judging.train_evaluator):
        _refuse_unknown(options, rest[0])
    options.rest = rest
    return options


def _refuse_unknown(options: argparse.Namespace, word: str) -> NoReturn:
    usage = options.parser.format_usage() if "parser" in options else ""
    known = re.findall(r"--[\w-]+", usage)
    near = difflib.get_close_matches(word.split("=")[0], known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see --help"
    raise InputError(f"do not know what to do with '{word}'", hint=hint)


def _add_making(parser: Parser) -> None:
    """Options of every command that makes a motion."""
    number = arguments.number
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        type=Path,
        action="append",
        required=True,
        help=f"where to write, may be repeated: {WRITABLE}",
    )
    parser.add_argument(
        "--seed",
        type=number("--seed", 0, arguments.MAX_SEED, int),
        default=0,
        help="same seed, same motion (default 0)",
    )
    parser.add_argument(
        "--steps", type=number("--steps", 1, 1000, int), help="denoising steps (default 10)"
    )
    parser.add_argument(
        "--guidance",
        type=number("--guidance", 0, 100),
        help="how strictly the text is followed (default 3; 1 where motion is given)",
    )
    parser.add_argument(
        "--temperature",
        type=number("--temperature", 0, 2),
        help="below 1 nearer to what is likeliest (default 1; 0.5 where motion is given)",
    )
    parser.add_argument("--sampler", choices=get_args(Sampler), help="default dpm++")
    add_skeleton(parser)
    parser.add_argument(
        "--caption-back", action="store_true", help="let the model describe what it made"
    )
    add_model(parser)
    add_backend(parser)


def _add_seconds(parser: Parser, default: float | None, meaning: str) -> None:
    parser.add_argument("--seconds", type=arguments.seconds, default=default, help=meaning)


def _generate(group: Commands) -> None:
    parser = command(
        group,
        "generate",
        commands.generate,
        'generate "a person waves the left hand" -o wave.mp4 -o wave.bvh --seconds 4\n'
        "  motiongpt3 generate --prompts prompts.csv -o motions/ --format bvh",
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what the person does")
    add_many_prompts(parser)
    _add_seconds(parser, None, "duration, 1 to 60 (default: the model decides)")
    parser.add_argument(
        "--samples",
        type=arguments.number("--samples", 1, arguments.MAX_SAMPLES, int),
        default=1,
        help="how many motions; {i} in FILE is the number of each (default 1)",
    )
    _add_making(parser)


def _caption(group: Commands) -> None:
    example = "caption walk.bvh jump.npz --json\n  motiongpt3 caption clips/ -o captions.parquet"
    parser = command(group, "caption", commands.caption, example)
    kinds = f"motion files: {READABLE}; with -o also folders of them, and .txt lists of their paths"
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help=kinds)
    add_many_clips(parser)
    add_model(parser)
    add_backend(parser)


def _predict(group: Commands) -> None:
    parser = command(
        group, "predict", commands.predict, "predict walk.bvh -o longer.bvh --seconds 3"
    )
    parser.add_argument("clip", metavar="CLIP", type=Path, help=f"a motion file: {READABLE}")
    _add_seconds(parser, 3.0, "how much to add, 1 to 60 (default 3)")
    parser.add_argument("--text", help="what the person goes on to do")
    _add_making(parser)


def _inbetween(group: Commands) -> None:
    parser = command(
        group,
        "inbetween",
        commands.inbetween,
        "inbetween walk.bvh sit.bvh -o joined.bvh --seconds 2",
    )
    parser.add_argument("start", metavar="A", type=Path, help=f"the motion before: {READABLE}")
    parser.add_argument("end", metavar="B", type=Path, help="the motion after")
    _add_seconds(parser, 2.0, "length of the gap, 1 to 60 (default 2)")
    parser.add_argument("--text", help="what the person does in between")
    _add_making(parser)


def _convert(group: Commands) -> None:
    parser = command(group, "convert", commands.convert, "convert walk.bvh walk.glb")
    parser.add_argument("source", metavar="IN", type=Path, help=f"a motion file: {READABLE}")
    parser.add_argument("out", metavar="OUT", type=Path, help=f"one of {WRITABLE}")
    add_skeleton(parser)


def _convert_checkpoint(group: Commands) -> None:
    example = "convert-checkpoint motiongpt3.ckpt model/"
    parser = command(group, "convert-checkpoint", commands.convert_checkpoint, example)
    parser.add_argument("source", metavar="IN", help="the official release, or a model of ours")
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder, new or empty")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")


def _export_onnx(group: Commands) -> None:
    parser = command(group, "export-onnx", commands.export_onnx, "export-onnx shipped graphs/")
    parser.add_argument(
        "model",
        metavar="MODEL",
        help='a model folder or file, or "shipped": the one in the package',
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder, new or empty")


def _doctor(group: Commands) -> None:
    parser = command(group, "doctor", doctor.doctor, "doctor")
    add_model(parser)


def _bench(group: Commands) -> None:
    parser = command(group, "bench", bench.bench, "bench --repeats 5")
    parser.add_argument(
        "--repeats",
        type=arguments.number("--repeats", 1, 1000, int),
        default=5,
        help="how often each is timed; the median is shown (default 5)",
    )
    parser.add_argument("--against", metavar="PATH", help="compare with this checkpoint, in turns")
    parser.add_argument(
        "--against-precision", choices=PRECISIONS, help="or with this precision, likewise"
    )
    parser.add_argument("--against-backend", choices=BACKENDS, help="or by this backend, likewise")
    add_backend(parser)
    add_model(parser)
