"""How fast is a library captioned, and does it come out the same however it is stopped?

python bench/batch.py [--model DIR] [--clips 3000] [--format npz bvh] [--kills 10] [--ray]

Real clips of the processed set are written to files first. The model's own throughput is that of
features that lie in memory already, in the same parts; "files" is everything `motiongpt3 caption
DIR -o TABLE` does once the model is there: finding, reading, describing, writing. Both are measured
in turn; milliseconds are processor time, which other work on the machine does not change: of the
process that has the model, and of reading a clip, which another process does at the same time where
a processor is free. The table must be the same, to the last byte of a Parquet file, after kills at
random times and from two workers of Ray.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

import common

from motiongpt3.data.dataset import MotionText
from motiongpt3.library.captioning import COLUMNS, Captioner, Captioning
from motiongpt3.library.inputs import find_clips
from motiongpt3.library.parts import Parts
from motiongpt3.library.tables import write_table
from motiongpt3.library.work import Local, carry_out
from motiongpt3.motion.motion import Motion

_SHARE = 0.9


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
            for name in ("share", "share by processor"):
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


@dataclass(frozen=True)
class Timed(Captioning):
    """The same work, and when its model was there."""

    loaded: list[tuple[float, float]] = field(default_factory=list)
    """The clock on the wall and that of the processor, seconds."""

    def begin(self) -> Captioner:
        """Look at the clocks once the model is loaded; reading has begun by then."""
        worker = super().begin()
        self.loaded.append((time.perf_counter(), time.process_time()))
        return worker


def throughput(place: Path, options: argparse.Namespace, temporary: Path) -> dict[str, float]:
    """Clips a second of the model alone and of everything, in turn; medians."""
    model = options.model and str(options.model)
    worker = Captioning(tuple(find_clips([place])), model).begin()
    own, files, busy = [], [], []
    for number in range(options.repeats):
        job, clock = worker.job, time.process_time
        marks = [clock()]
        read = [worker.reading(part)() for part in range(len(job.sizes))]
        marks.append(clock())
        begun = time.perf_counter()
        for part, clips in enumerate(read):
            worker.rows(part, clips)
        own.append(len(job.clips) / (time.perf_counter() - begun))
        marks.append(clock())
        del read
        begun = time.perf_counter()
        timed = Timed(tuple(find_clips([place])), model)
        found = time.perf_counter() - begun
        kept = Parts(temporary / f"{number}.parts", {"number": number}, len(timed.sizes))
        rows = carry_out(timed, kept, Local(), lambda done, of: None)
        assert rows is not None and len(rows) == len(job.clips)
        write_table(temporary / "out.parquet", rows, COLUMNS, {})
        kept.remove()
        wall, processor = timed.loaded[0]
        files.append(len(job.clips) / (found + time.perf_counter() - wall))
        marks = [*marks, processor, clock()]
        spent = [1000 * (b - a) / len(job.clips) for a, b in pairwise(marks)]
        busy.append([spent[0], spent[1], spent[3]])
        print(f"own {own[-1]:.1f}, files {files[-1]:.1f} clips/s", file=sys.stderr, flush=True)
    share = median(b / a for a, b in zip(own, files, strict=True))
    reads, describes, whole = (median(times) for times in zip(*busy, strict=True))
    return {
        "own clips/s": median(own),
        "files clips/s": median(files),
        "share": share,
        "reading ms": reads,
        "own ms": describes,
        "files ms": whole,
        "share by processor": describes / max(whole, reads),
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
