"""Options of the commands that make a model and look at how it was made."""

from pathlib import Path

from motiongpt3.app import check, learn, report
from motiongpt3.app.arguments import number
from motiongpt3.app.parser import Commands, Parser, command, overview


def add_data(group: Commands) -> None:
    """`data prepare` and `data check`."""
    data = group.add_parser(
        "data",
        help="Data to train on.",
        description="Data to train on.",
        epilog="example: motiongpt3 data prepare captures/ -o prepared/",
        allow_abbrev=False,
    )
    data.set_defaults(run=lambda options: overview(data))
    inner = data.add_subparsers(metavar="COMMAND", parser_class=Parser)
    _add_prepare(inner)
    _add_check(inner)


def _add_prepare(inner: Commands) -> None:
    """`data prepare`."""
    example = "data prepare captures/ --captions captions.csv -o prepared/"
    parser = command(inner, "prepare", learn.prepare, example)
    parser.add_argument(
        "sources",
        metavar="SRC",
        nargs="*",
        type=Path,
        help="folders of motion files with captions, or like motion5h, HumanML3D or KIT-ML "
        "(default: those of MOTIONGPT3_DATA)",
    )
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="a folder")
    add_captions(parser)
    parser.add_argument(
        "--split",
        metavar="A/B/C",
        default="80/10/10",
        help="shares of train, val and test where no split is given (default 80/10/10); subjects "
        "and files stay whole",
    )
    parser.add_argument(
        "--mirror",
        choices=("half", "never"),
        default="half",
        help="half: training shows clips mirrored half of the time, with left and right exchanged "
        "in their words; never: for what only one side does (default half)",
    )
    parser.add_argument(
        "--max-reject",
        metavar="SHARE",
        type=number("--max-reject", 0, 1),
        default=0.2,
        help="share of the motion files that may be unusable (default 0.2)",
    )


def _add_check(inner: Commands) -> None:
    """`data check`."""
    example = "data check captures/ --report check.html --fix -o mended/"
    parser = command(inner, "check", check.check, example)
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        help="motion files with captions, a processed set, or like motion5h or HumanML3D",
    )
    add_captions(parser)
    parser.add_argument("--report", metavar="HTML", type=Path, help="write a page with pictures")
    parser.add_argument(
        "--fix", action="store_true", help="put right what is safe, in a new folder (-o)"
    )
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, help="the new folder of --fix")


def add_captions(parser: Parser) -> None:
    """Where captions of motion files stand."""
    parser.add_argument(
        "--captions",
        metavar="CSV",
        type=Path,
        help="a table with columns file, caption and, if you like, start, end (seconds), subject, "
        "label, split (default: captions.csv in the folder, or a .txt beside each clip)",
    )


def add_train(group: Commands) -> None:
    """`train`."""
    parser = command(group, "train", learn.train, "train nano --out runs/nano --seed 1", json=False)
    parser.add_argument("recipe", metavar="RECIPE", help="its name, e.g. nano")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help=f"a processed set (default: {learn.PREPARED}, made from MOTIONGPT3_DATA if missing)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: runs/RECIPE")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="begin with the weights of a model, 'shipped' for the one in the package",
    )
    start.add_argument(
        "--codec",
        metavar="MODEL",
        help="take over a model's codec and vocabulary, and train the language model from nothing",
    )
    parser.add_argument(
        "--only", metavar="STAGE", nargs="+", help="run these stages of the recipe and no others"
    )
    parser.add_argument(
        "--fields", action="store_true", help="list what --field value can change, and stop"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what the run will take, and stop"
    )
    parser.add_argument("--json", action="store_true", help="print what --dry-run says as JSON")
    add_upkeep(parser)


def add_upkeep(parser: Parser, check_every: int = 1000) -> None:
    """How a run is looked after; under torchrun, several processes share it."""

    def whole(name: str, low: int, default: int, meaning: str) -> None:
        kind = number(name, low, 10**9, int)
        meaning = f"{meaning} (default {default})"
        parser.add_argument(name, metavar="N", type=kind, default=default, help=meaning)

    parser.add_argument("--resume", action="store_true", help="go on where the run in DIR stopped")
    parser.add_argument(
        "--allow-config-change",
        dest="allow",
        metavar="KEY",
        nargs="+",
        default=(),
        help="fields of the recipe that may have changed since a resumed run began",
    )
    whole("--save-every", 1, 100, "steps between states")
    whole("--keep", 2, 2, "states kept per stage")
    whole("--check-every", 1, check_every, "steps between looks at the model")
    whole("--workers", 0, 0, "processes that make batches ahead of time")
    whole("--skip-nonfinite", 0, 0, "steps in a row that may be left out for not being finite")
    parser.add_argument(
        "--spread",
        choices=("ddp", "fsdp"),
        default="ddp",
        help="under torchrun: a copy of the model in every process, or shards of it (FSDP2)",
    )


def add_report(group: Commands) -> None:
    """`report`."""
    parser = command(group, "report", report.report, "report runs/nano -o nano.html")
    parser.add_argument(
        "folder", metavar="RUN|EVAL", type=Path, help="the folder train or evaluate writes to"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, help="where to write (default: in the folder)"
    )
