"""How fast is a library captioned, and does it come out the same however it is stopped?

python bench/batch.py [--model DIR] [--clips 3000] [--format npz bvh] [--kills 10] [--ray]

Real clips of the processed set are written to files first. The model's own throughput is that of
features that lie in memory already, in the same parts, with all threads; "caption()" is that of
`model.caption` on motions in memory, which takes features of their joints itself; "files" is what
`motiongpt3 caption DIR -o TABLE` does, finding, reading, describing, writing, once it is under way:
the time of a run on a few clips is taken off as its start-up. Both are measured in turn. The table
must be the same, to the last byte of a Parquet file, after kills at random times and from two
workers of Ray.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import common

from motiongpt3.data.dataset import MotionText
from motiongpt3.library.captioning import Captioning
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.inputs import find_clips
from motiongpt3.motion.motion import Motion

_SHARE = 0.9
_FEW = 128
"""Clips of a run that is nearly all start-up."""


def main() -> None:
    """Measure and print."""
    parser = common.arguments("captions of a library")
    parser.set_defaults(split="train")
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--format", nargs="+", default=["npz", "bvh"], choices=("npz", "bvh"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="also on two workers of Ray")
    options = parser.parse_args()
    folder = common.open_set(options)
    lines, targets, figures = [], [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for kind in options.format:
            place = write_clips(folder, options, Path(temporary) / kind, kind)
            found = throughput(place, options, Path(temporary))
            figures[kind] = found
            lines.append([kind, str(options.clips), *(f"{value:.2f}" for value in found.values())])
            for name in ("of own", "of caption()"):
                targets.append(common.Target(f"{kind}: {name}", found[name], _SHARE, True, 2))
        whole = Path(temporary) / "whole.parquet"
        took = command(place, whole, options, [])
        if options.kills:
            assert took is not None
            times, same = killed(place, whole, took, options)
            figures["kills"] = times
            targets.append(common.Target(f"same after {len(times)} kills", same, 1.0, True, 0))
        if options.ray:
            out = whole.with_name("ray.parquet")
            command(place, out, options, ["--engine", "ray", "--workers", "2"])
            same = float(out.read_bytes() == whole.read_bytes())
            targets.append(common.Target("same from two workers of Ray", same, 1.0, True, 0))
    tables = [common.table(["format", "clips", *found], lines)]
    common.report(options, folder, tables, targets, figures)


def write_clips(data: Path, options: argparse.Namespace, folder: Path, kind: str) -> Path:
    """Real clips in files of their own."""
    clips = MotionText(data, options.split)
    folder.mkdir()
    for at in common.track(range(min(options.clips, len(clips))), f"writing {kind}"):
        Motion(clips.joints(at)).write(folder / f"{at:05d}.{kind}")
    return folder


def throughput(place: Path, options: argparse.Namespace, temporary: Path) -> dict[str, float]:
    """Clips a second of the model alone and of the whole command, in turn; medians."""
    clips = find_clips([place])
    few = place.with_name(f"few-{place.name}")
    few.mkdir()
    for clip in clips[:: len(clips) // _FEW][:_FEW]:
        (few / clip.name).symlink_to(clip.place)
    model = options.model and str(options.model)
    worker = Captioning(tuple(clips), Chosen(model)).begin()
    job = worker.job
    read = [worker.reading(part)() for part in range(len(job.parts))]
    motions = [[Motion.read(clip.place) for clip in part] for part in job.parts]
    own, calls, files, starts = [], [], [], []
    for _ in range(options.repeats):
        begun = time.perf_counter()
        for part, some in enumerate(read):
            worker.rows(part, some)
        own.append(len(clips) / (time.perf_counter() - begun))
        begun = time.perf_counter()
        for some in motions:
            worker.model.caption(some)
        calls.append(len(clips) / (time.perf_counter() - begun))
        start, whole = (command(p, temporary / "timed.parquet", options, []) for p in (few, place))
        assert start is not None and whole is not None
        starts.append(start)
        files.append((len(clips) - _FEW) / (whole - start))
        print(
            f"own {own[-1]:.1f}, caption() {calls[-1]:.1f}, files {files[-1]:.1f} clips/s",
            file=sys.stderr,
            flush=True,
        )
    return {
        "own clips/s": median(own),
        "caption() clips/s": median(calls),
        "files clips/s": median(files),
        "of own": median(b / a for a, b in zip(own, files, strict=True)),
        "of caption()": median(b / a for a, b in zip(calls, files, strict=True)),
        "start-up s": median(starts),
    }


def command(
    place: Path, out: Path, options: argparse.Namespace, more: Sequence[str], after: float = 0
) -> float | None:
    """Caption a folder by the command line; seconds taken, None where it was killed."""
    given = ["--model", str(options.model)] if options.model else []
    words = ["-m", "motiongpt3", "caption", str(place), "-o", str(out), *given, *more]
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
    try:
        code = process.wait(timeout=after or None)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return None
    assert code == 0
    return time.perf_counter() - begun


def killed(
    place: Path, whole: Path, took: float, options: argparse.Namespace
) -> tuple[list[float], float]:
    """When each run was killed, seconds after its start, and whether the last ended the same."""
    out, rng = whole.with_name("killed.parquet"), random.Random(options.seed)
    # What is killed goes on later: so many kills fit into the work if each leaves some of it.
    starting = 4.0
    times: list[float] = []
    while len(times) < options.kills:
        after = rng.uniform(0.5, starting + 1.6 * took / options.kills)
        if command(place, out, options, [], after) is not None:
            break
        times.append(after)
    command(place, out, options, [])
    return times, float(out.read_bytes() == whole.read_bytes())


if __name__ == "__main__":
    common.run(main)
