"""What is written is read again: the joints of the rigid bones that follow the motion."""

from pathlib import Path

import kit
import numpy as np
import pytest
from capture import captured
from people import person

from motiongpt3.errors import InputError
from motiongpt3.motion.kinematics import fit
from motiongpt3.motion.motion import Motion
from motiongpt3.motion.skeleton import HUMANML3D, KIT

BONES = (".bvh", ".csv", ".usdc", ".usda", ".usdz")


@pytest.fixture(scope="module")
def clips(data: Path) -> list[tuple[Motion, np.ndarray]]:
    """Two seconds of clips, with the joints of their rigid bones."""
    motions = [motion[:40] for motion in captured(data, 20)]
    return [(motion, fit(motion.joints, motion.skeleton).joints) for motion in motions]


def written(motion: Motion, path: Path) -> Motion:
    if path.suffix.startswith(".usd"):
        pytest.importorskip("pxr", reason="needs usd-core")
    motion.write(path)
    return Motion.read(path)


@pytest.mark.parametrize("suffix", [".bvh", ".csv", ".usdc"])
def test_captured_clips_come_back(
    suffix: str, clips: list[tuple[Motion, np.ndarray]], tmp_path: Path
) -> None:
    for motion, expected in clips:
        back = written(motion, tmp_path / f"a{suffix}")
        assert back.fps == motion.fps and back.skeleton is HUMANML3D
        np.testing.assert_allclose(back.joints, expected, atol=1e-5)


@pytest.mark.parametrize("suffix", BONES)
@pytest.mark.parametrize("fps", [12.5, 29.97, 120.0])
def test_rates_and_poses_come_back(suffix: str, fps: float, tmp_path: Path) -> None:
    motion = Motion(person(3).joints, fps)
    assert written(motion, tmp_path / f"a{suffix}").fps == pytest.approx(fps, rel=1e-5)
    pose = written(motion[:1], tmp_path / f"b{suffix}")
    np.testing.assert_allclose(pose.joints, motion.joints[:1], atol=1e-4)


@pytest.mark.parametrize("suffix", BONES)
def test_kit_comes_back_in_its_own_joints_and_unit(suffix: str, tmp_path: Path) -> None:
    motion = kit.walk()
    back = written(motion, tmp_path / f"a{suffix}")
    assert back.skeleton is KIT
    expected = fit(motion.joints, KIT).joints
    np.testing.assert_allclose(back.joints * KIT.metres, expected * KIT.metres, atol=1e-5)


def test_a_table_has_a_column_for_every_degree_of_freedom(tmp_path: Path) -> None:
    motion = person(1, 12)
    motion.write(tmp_path / "a.csv")
    rows = [r for r in (tmp_path / "a.csv").read_text().splitlines() if not r.startswith("#")]
    names = rows[0].split(",")
    values = np.array([row.split(",") for row in rows[1:]], float)
    assert values.shape == (12, len(names))
    assert names[:8] == "time_s root_x_m root_y_m root_z_m root_qw root_qx root_qy root_qz".split()
    assert {"left_knee_x_rad", "left_knee_y_rad", "left_knee_z_rad"} < set(names)
    np.testing.assert_allclose(values[:, 0], np.arange(12) / motion.fps, atol=1e-6)
    np.testing.assert_allclose(values[:, 1:4], motion.joints[:, 0], atol=1e-5)
    # One knee by hand: the shin seen from the thigh, turned as its three columns say.
    angles = values[:, [names.index(f"left_knee_{axis}_rad") for axis in "xyz"]]
    from scipy.spatial.transform import Rotation

    at = HUMANML3D.index
    down = Rotation.from_euler("XYZ", angles).apply([0, -1, 0])
    hip, knee, ankle = (motion.joints[:, at(f"left_{j}")] for j in ("hip", "knee", "ankle"))
    cosine = np.einsum("ti,ti->t", knee - hip, ankle - knee)
    cosine /= np.linalg.norm(knee - hip, axis=1) * np.linalg.norm(ankle - knee, axis=1)
    np.testing.assert_allclose(-down[:, 1], cosine, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# motiongpt3 motion table 1", "# something", "first line"),
        ("# bone left_hip", "# bone left_hop", "expected '# bone left_hip"),
        ("root_qw", "root_w", "columns"),
        ("0.0500000,", "0.0500000,1,", "numbers"),
        ("0.0500000,", "nan,", "usable"),
        ("0.1000000,", "0.0400000,", "evenly"),
    ],
)
def test_a_damaged_table_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    person(1, 12).write(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    assert old in text
    (tmp_path / "a.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        Motion.read(tmp_path / "a.csv")
