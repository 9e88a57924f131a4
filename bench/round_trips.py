"""What comes back from files: clips are written in every format and read again.

    python bench/round_trips.py --limit 300

For each format: clips, the largest distance between a joint read and the rigid fit of the clip (for
arrays: the clip itself), and how far the fit itself is from the clip. Formats that are not read or
written, or whose library is missing, are named with the reason.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from motiongpt3.data.folder import data_folder
from motiongpt3.errors import MotionGPTError
from motiongpt3.motion.kinematics import fit
from motiongpt3.motion.motion import Motion

FORMATS = (".bvh", ".glb", ".usd", ".usda", ".usdz", ".csv", ".amc", ".npz", ".npy")
EXACT = (".npz", ".npy")
"""These hold positions, not bones."""


def clips(limit: int) -> Iterator[Motion]:
    """Captured clips of motion5h, spread evenly over the set."""
    folder = data_folder() / "motion5h"
    lines = (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = np.unique(np.linspace(0, len(lines) - 1, limit).round().astype(int))
    opened: dict[str, dict[str, np.ndarray]] = {}
    for record in (json.loads(lines[index]) for index in chosen):
        if record["file"] not in opened:
            with np.load(folder / record["file"]) as archive:
                opened = {record["file"]: dict(archive)}
        packed, at = opened[record["file"]], record["index"]
        first, last = packed["offsets"][at : at + 2]
        joints = packed["joints_q"][first:last] * packed["scale"] + packed["origin"][at]
        yield Motion(joints[record["start"] : record["end"]], record["fps"])


def measure(motions: list[Motion], suffix: str) -> dict[str, float | int | str]:
    """Largest error in metres of one format, or why there is none."""
    worst, fits = 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{suffix}"
        for motion in motions:
            rigid = fit(motion.joints, motion.skeleton)
            expected = motion.joints if suffix in EXACT else rigid.joints
            try:
                motion.write(path)
                back = Motion.read(path)
            except MotionGPTError as error:
                return {"format": suffix, "reason": str(error).replace(folder, "")}
            if back.joints.shape != motion.joints.shape or back.fps != motion.fps:
                reason = f"{back.joints.shape} at {back.fps} of {motion.joints.shape}"
                return {"format": suffix, "reason": reason}
            worst = max(worst, float(np.linalg.norm(back.joints - expected, axis=-1).max()))
            fits.append(0.0 if suffix in EXACT else rigid.error)
    return {
        "format": suffix,
        "clips": len(motions),
        "largest_error_m": worst,
        "fit_error_mean_m": float(np.mean(fits)),
        "fit_error_max_m": float(np.max(fits)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=300, help="clips (default 300)")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), metavar="SUFFIX")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    motions = list(clips(options.limit))
    print("format  clips  largest error  fit's own error, mean and largest (metres)")
    rows = []
    for suffix in options.formats:
        row = measure(motions, suffix)
        rows.append(row)
        if "reason" in row:
            print(f"{suffix:<6}  {row['reason']}", flush=True)
            continue
        print(
            f"{suffix:<6}  {row['clips']:>5}  {row['largest_error_m']:13.1e}"
            f"  {row['fit_error_mean_m']:.4f}  {row['fit_error_max_m']:.4f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
