"""How exactly the motion VAE gives clips back, by source, beside two references.

    python bench/vae.py [--model FOLDER] [--data FOLDER] [--split test] [--json OUT]

MPJPE is the mean distance of joints relative to the pelvis in the canonical world frame (heading
kept), over frames and all joints, then over clips. Latents are posterior means. "last root" is
how far the root is off in the last frame.

References: the nearest training clip, stretched to the same length, and 256 principal components of
training clips stretched to 40 frames; one clip counts as much as another. Components fitted and
measured on motion5h alone give 14 mm on Bandai-Namco and 31 mm on its rest (33 when first
measured); here they are fitted on all of the processed set.
"""

from pathlib import Path

import common

from motiongpt3.data.dataset import MotionText, spread
from motiongpt3.evaluation.reconstruction import (
    NearestClip,
    PoseComponents,
    path_error,
    pose_error,
    poses,
    round_trip,
)
from motiongpt3.model.motiongpt import MotionGPT

LIMITS = {common.BANDAI: 20.0, common.REST: 60.0, common.REST_5H: 60.0}
"""Millimetres."""
_BATCH = 32


def main() -> None:
    """Measure and print."""
    options = common.arguments("reconstruction error of the motion VAE").parse_args()
    folder = common.open_set(options)
    model = common.open_model(options)
    data = MotionText(folder, options.split)
    chosen = spread(len(data), options.limit)
    rows = rebuilt(model, data, chosen)
    for name, values in references(folder, data, chosen).items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    summary = common.means(rows)
    header = ["source", "clips", "VAE mm", "last root m", "nearest clip mm", "PCA-256 mm"]
    lines = []
    for name, mean in summary.items():
        millimetres = [f"{mean[key]:.1f}" for key in ("mpjpe_mm", "nearest_mm", "components_mm")]
        lines.append([name, str(mean["clips"]), *millimetres])
        lines[-1].insert(3, f"{mean['last_root_m']:.2f}")
    targets = [
        common.Target(f"MPJPE mm, {name}", summary[name]["mpjpe_mm"], limit, digits=1)
        for name, limit in LIMITS.items()
        if name in summary
    ]
    figures = {"by_source": summary, "clips": rows}
    common.report(options, folder, [common.table(header, lines)], targets, figures)


def rebuilt(model: MotionGPT, data: MotionText, chosen: list[int]) -> list[dict]:
    """Errors of each clip after a round trip through its latent."""
    rows: dict[int, dict] = {}
    order = sorted(chosen, key=lambda index: data.records[index].frames)
    batches = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
    for batch in common.track(batches, "VAE"):
        pairs = round_trip(model.codec, [data.features(index) for index in batch])
        for index, (made, real) in zip(batch, pairs, strict=True):
            rows[index] = {
                "id": data.records[index].id,
                "source": data.records[index].source,
                "mpjpe_mm": 1000 * pose_error(made, real),
                "last_root_m": path_error(made, real),
            }
    return [rows[index] for index in chosen]


def references(folder: Path, data: MotionText, chosen: list[int]) -> dict[str, list[float]]:
    """The errors of both references, millimetres."""
    train = MotionText(folder, "train")
    clips = [train.joints(index) for index in range(len(train))]
    nearest, components = NearestClip(clips), PoseComponents.fit(clips)
    real = [data.joints(index) for index in chosen]
    unit = 1000 * data.skeleton.metres
    return {
        "nearest_mm": [unit * nearest.find(j)[1] for j in common.track(real, "nearest clip")],
        "components_mm": [unit * pose_error(components.rebuilt(j), poses(j)) for j in real],
    }


if __name__ == "__main__":
    common.run(main)
