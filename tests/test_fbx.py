"""FBX by way of Blender: the command of docs/formats.md keeps the joints where they are."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from people import person

from motiongpt3.motion.kinematics import fit
from motiongpt3.motion.skeleton import HUMANML3D

PYTHON = os.environ.get("BLENDER_PYTHON", sys.executable)
"""A Python that has bpy, where this one does not."""


def test_blender_makes_fbx_of_our_glb(tmp_path: Path) -> None:
    if sys.executable == PYTHON and importlib.util.find_spec("bpy") is None:
        pytest.skip("needs bpy (pip install bpy), or BLENDER_PYTHON with it")
    motion = person(2, 30)
    motion.write(tmp_path / "a.glb")
    paths = [str(tmp_path / name) for name in ("a.glb", "a.fbx", "bones.json")]
    script = str(Path(__file__).parent / "fbx_run.py")
    subprocess.run([PYTHON, script, "20", *paths], check=True, capture_output=True, timeout=300)
    rows = json.loads((tmp_path / "bones.json").read_text())
    found = np.array([[row[joint] for joint in HUMANML3D.joints] for row in rows])
    found = np.stack([found[..., 0], found[..., 2], -found[..., 1]], -1)  # Blender is Z-up
    expected = fit(motion.joints, HUMANML3D).joints
    print(f"{len(found)} frames, {np.abs(found - expected[: len(found)]).max():.1e} m")
    assert len(found) == len(motion)
    np.testing.assert_allclose(found, expected, atol=1e-4)
