"""Options of the command that turns a motion file into another."""

from pathlib import Path

from motiongpt3.app import arguments, convert
from motiongpt3.app.parser import Commands, Parser, command
from motiongpt3.app.skeletons import add_skeleton

READABLE = ".bvh .glb .gltf .usd .usda .usdc .usdz .amc .c3d .npz .npy .csv"
WRITABLE = (
    ".bvh .glb .usd .usda .usdc .usdz .amc .npz .smpl.npz .npy .csv .mp4 .gif .webp .png .svg .pdf"
)
"""What the help says of `formats` and `render`, which are too slow to ask."""

_EXAMPLE = """convert walk.bvh walk.glb
  motiongpt3 convert 01_05.amc walk.bvh --asf 01.asf
  motiongpt3 convert odd.bvh odd.npz --map odd.toml --report
  motiongpt3 convert walk.npz walk.bvh --skeleton mixamo --clean"""


def add_convert(group: Commands) -> None:
    """`convert`."""
    parser = command(group, "convert", convert.convert, _EXAMPLE)
    parser.add_argument("source", metavar="IN", type=Path, help=f"a motion file: {READABLE}")
    parser.add_argument("out", metavar="OUT", type=Path, help=f"one of {WRITABLE}")
    told = "a TOML file that says which joint of IN is which of ours (docs/formats.md)"
    parser.add_argument("--map", metavar="FILE", type=Path, help=told)
    told = "say unit, up axis, rate, and which joint of IN stands for each of ours"
    parser.add_argument("--report", action="store_true", help=told)
    parser.add_argument(
        "--asf", metavar="FILE", type=Path, help="skeleton of an .amc (default: the one beside it)"
    )
    parser.add_argument(
        "--fps",
        type=arguments.number("--fps", 1, 1000),
        help="frames per second of an .amc or AMASS .npz that does not tell",
    )
    parser.add_argument(
        "--body-model",
        metavar="FOLDER",
        type=Path,
        help="SMPL's body models as .npz, for exact joints of AMASS (default: an average body, "
        "or the folder in MOTIONGPT3_SMPL)",
    )
    add_skeleton(parser)
    add_clean(parser)


def add_clean(parser: Parser) -> None:
    """`--clean`."""
    meaning = "smooth the motion, put it on the floor and hold standing feet in place"
    parser.add_argument("--clean", action="store_true", help=meaning)
