"""The command that turns a motion file into another."""

from argparse import Namespace

from motiongpt3.app import arguments
from motiongpt3.app.commands import facts, read_clip, size
from motiongpt3.app.show import say, say_json, working


def convert(options: Namespace) -> int:
    """One motion file to another format."""
    arguments.outputs([options.out])
    stated = {"joints": options.map, "asf": options.asf}
    motion = read_clip(options.source, **stated, fps=options.fps, body_model=options.body_model)
    if options.clean:
        motion = motion.clean()
    with working(f"writing {options.out}"):
        motion.write(options.out)
    if options.json:
        say_json({"file": str(options.out), **facts(motion)})
        return 0
    say(f"{options.out}  {size(motion)}")
    if options.report:
        from motiongpt3.formats import report

        for line in report.lines(motion):
            say(line)
    return 0
