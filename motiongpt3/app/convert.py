"""The command that turns a motion file into another."""

from argparse import Namespace

from motiongpt3.app import arguments, skeletons
from motiongpt3.app.commands import facts, read_clip, round_trip, size
from motiongpt3.app.show import say, say_json, working


def convert(options: Namespace) -> int:
    """One motion file to another format."""
    arguments.outputs([options.out])
    skeletons.check(options, [options.out])
    stated = {"joints": options.map, "asf": options.asf}
    motion = read_clip(options.source, **stated, fps=options.fps, body_model=options.body_model)
    if options.clean:
        motion = motion.clean()
    with working(f"writing {options.out}"):
        back = skeletons.write(motion, options.out, options.skeleton)
    if options.json:
        say_json({"file": str(options.out), **facts(motion), **round_trip(back)})
        return 0
    say(f"{options.out}  {size(motion)}")
    if back:
        say(skeletons.words(back))
    if options.report:
        from motiongpt3.formats import report

        for line in report.lines(motion):
            say(line)
    return 0
