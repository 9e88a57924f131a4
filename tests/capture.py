"""Clips of real capture, spread over motion5h, for tests that read and write files."""

import json
from pathlib import Path

import numpy as np

from motiongpt3.motion.motion import Motion


def captured(data: Path, count: int) -> list[Motion]:
    """As many clips as asked for, of every source."""
    folder = data / "motion5h"
    lines = (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = np.unique(np.linspace(0, len(lines) - 1, count).round().astype(int))
    records = [json.loads(lines[index]) for index in chosen]
    motions = []
    for file in sorted({record["file"] for record in records}):
        with np.load(folder / file) as archive:
            packed = dict(archive)
        for record in (r for r in records if r["file"] == file):
            first, last = packed["offsets"][record["index"] :][:2]
            joints = packed["joints_q"][first:last] * packed["scale"]
            joints = (joints + packed["origin"][record["index"]])[record["start"] : record["end"]]
            motions.append(Motion(joints, record["fps"]))
    return motions
