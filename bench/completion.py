"""How well motions are continued and gaps filled, and whether the seams can be seen.

    python bench/completion.py [--model FOLDER] [--split test] [--samples 5] [--limit N]
                               [--json OUT]

Prediction: the first 20 % of a clip is observed, the rest is made without being told what happens.
In-betweening: the first and last 25 % are observed. A part is never shorter than the 9 frames the
model needs; clips that leave a gap of less than 0.2 s are counted and left out.

Errors are means over frames and joints of the made part, then over clips: global is the distance
in the world, pose is that of joints relative to the pelvis. Of several samples of a prediction,
the mean is judged and the best, by each measure, is shown. The guesses to beat know no model:
the last pose gliding on with the root's last horizontal velocity (0.47 m when first measured, on
motion5h), and straight lines from joint to joint across the gap (first measured as 65 / 126 mm for
Bandai-Namco / the rest, on motion5h, with a split that was not written down: 20 % observed at
either end gives 61 / 130, the 25 % used here give 59 / 104; the guess is measured in the same run).

Seams: the largest acceleration of any joint in the two frames on either side of each seam, as far
as a made frame takes part in it, held against the 99th percentile of the per-frame maximum over all
real clips of the split. Beside it stands the share of the real clips that stay below it in the same
frames; a blend can be smoother than real motion.
"""

from argparse import Namespace
from typing import Any

import common
import numpy as np

from motiongpt3.data.dataset import MotionText, spread
from motiongpt3.evaluation.completing import gap_of
from motiongpt3.evaluation.completion import hold_pose, interpolated, seam_peak, usual_peak
from motiongpt3.evaluation.reconstruction import global_error, pose_error
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.motion.motion import Motion

_LONG_GAP_SECONDS = 2.0
_SHARE = 0.95


def main() -> None:
    """Measure and print."""
    parser = common.arguments("prediction and in-betweening")
    parser.add_argument("--samples", type=int, default=5, help="predictions per clip")
    options = parser.parse_args()
    folder = common.open_set(options)
    model = common.open_model(options)
    data = MotionText(folder, options.split)
    limit = usual_peak([data.joints(index) for index in range(len(data))])
    chosen = spread(len(data), options.limit)
    predictions, gaps = [], []
    for index in common.track(chosen, "completion"):
        clip = Motion(data.joints(index))
        origin = {"id": data.records[index].id, "source": data.records[index].source}
        predictions.append({**origin, **predicted(model, clip, options, limit)})
        filled = filled_gap(model, clip, options.seed, limit)
        if filled:
            gaps.append({**origin, **filled})
    long = [g for g in gaps if g["gap_s"] >= _LONG_GAP_SECONDS - 1e-9]
    tables = [
        f"Seams: real clips' 99th percentile {limit:.1f} m/s^2. "
        f"{len(chosen) - len(gaps)} clips too short for a gap.",
        "Prediction\n\n" + _prediction_table(predictions),
        f"In-betweening, gaps of {_LONG_GAP_SECONDS:g} s and more\n\n" + _gap_table(long),
        "In-betweening, all gaps\n\n" + _gap_table(gaps),
    ]
    figures = {"seam_limit": limit, "predictions": predictions, "gaps": gaps}
    common.report(options, folder, tables, targets(predictions, gaps, long), figures)


def predicted(
    model: MotionGPT, clip: Motion, options: Namespace, limit: float
) -> dict[str, float | bool]:
    """Errors of predictions from the start of a clip, over samples."""
    gap = gap_of(clip.joints, "predict", model.codec.shortest + 1, clip.fps)
    assert gap is not None  # a fifth of 20 frames or more leaves enough
    seen, rest, before = gap.start, gap.real, gap.before
    made = [
        model.predict(clip[:seen], len(rest) / clip.fps, seed=options.seed + n).joints
        for n in range(options.samples)
    ]
    errors = np.array([[global_error(m[seen:], rest), pose_error(m[seen:], rest)] for m in made])
    held = hold_pose(before, len(rest))
    return {
        "observed_kept": all(m[:seen].tobytes() == before.tobytes() for m in made),
        "seam_smooth": float(np.mean([seam_peak(m, seen) <= limit for m in made])),
        "real_smooth": seam_peak(clip.joints, seen) <= limit,
        "global_m": errors[:, 0].mean(),
        "best_global_m": errors[:, 0].min(),
        "held_global_m": global_error(held, rest),
        "pose_mm": 1000 * errors[:, 1].mean(),
        "best_pose_mm": 1000 * errors[:, 1].min(),
        "held_pose_mm": 1000 * pose_error(held, rest),
    }


def filled_gap(
    model: MotionGPT, clip: Motion, seed: int, limit: float
) -> dict[str, float | bool] | None:
    """Errors of the middle of a clip, made from both ends; None where it is too short."""
    gap = gap_of(clip.joints, "inbetween", model.codec.shortest + 1, clip.fps)
    if gap is None:
        return None
    start, stop = gap.start, gap.stop
    seconds = (stop - start) / clip.fps
    made = model.inbetween(clip[:start], clip[stop:], seconds, seed=seed).joints
    real = clip.joints
    lines = interpolated(real[:start], real[stop:], stop - start)
    kept = made[:start].tobytes() + made[stop:].tobytes()
    return {
        "observed_kept": kept == real[:start].tobytes() + real[stop:].tobytes(),
        "seam_smooth": seam_peak(made, start, stop) <= limit,
        "real_smooth": seam_peak(real, start, stop) <= limit,
        "gap_s": seconds,
        "pose_mm": 1000 * pose_error(made[start:stop], real[start:stop]),
        "lines_mm": 1000 * pose_error(lines, real[start:stop]),
    }


def targets(
    predictions: list[dict[str, Any]], gaps: list[dict[str, Any]], long: list[dict[str, Any]]
) -> list[common.Target]:
    """What must hold, over all measured clips."""
    ahead, filled = common.means(predictions)[common.ALL], common.means(gaps)
    found = [
        common.Target("observed frames kept, clips", _kept(predictions + gaps), 1.0, True),
        common.Target("smooth seam, prediction", ahead["seam_smooth"], _SHARE, True),
        common.Target("prediction, global m", ahead["global_m"], ahead["held_global_m"]),
        common.Target("prediction, pose mm", ahead["pose_mm"], ahead["held_pose_mm"], digits=1),
    ]
    if filled:
        smooth = filled[common.ALL]["seam_smooth"]
        found.append(common.Target("smooth seams, in-betweening", smooth, _SHARE, True))
    bandai = common.means(long).get(common.BANDAI)
    if bandai:
        name = "gaps >= 2 s, Bandai-Namco, pose mm"
        found.append(common.Target(name, bandai["pose_mm"], bandai["lines_mm"], digits=1))
    return found


def _kept(rows: list[dict[str, Any]]) -> float:
    return float(np.mean([row["observed_kept"] for row in rows]))


def _prediction_table(rows: list[dict[str, Any]]) -> str:
    header = ["source", "clips", "global m", "best", "hold", "pose mm", "best", "hold"]
    header += ["smooth", "real"]
    lines = []
    for name, mean in common.means(rows).items():
        metres = [f"{mean[key]:.2f}" for key in ("global_m", "best_global_m", "held_global_m")]
        poses = [f"{mean[key]:.0f}" for key in ("pose_mm", "best_pose_mm", "held_pose_mm")]
        lines.append([name, str(mean["clips"]), *metres, *poses, *_smooth(mean)])
    return common.table(header, lines)


def _gap_table(rows: list[dict[str, Any]]) -> str:
    header = ["source", "clips", "gap s", "pose mm", "lines mm", "smooth", "real"]
    lines = []
    for name, mean in common.means(rows).items():
        shown = [f"{mean['gap_s']:.1f}", f"{mean['pose_mm']:.0f}", f"{mean['lines_mm']:.0f}"]
        lines.append([name, str(mean["clips"]), *shown, *_smooth(mean)])
    return common.table(header, lines)


def _smooth(mean: dict[str, float]) -> list[str]:
    return [f"{100 * mean[key]:.0f} %" for key in ("seam_smooth", "real_smooth")]


if __name__ == "__main__":
    common.run(main)
