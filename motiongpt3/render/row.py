"""A row of poses: bodies of one motion moved apart, so that each can be seen."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.render.camera import camera_axes
from motiongpt3.render.scene import Scene, Take, View

GAP = 0.2
"""Metres between poses that stand side by side."""


@dataclass(frozen=True, eq=False)
class Row:
    """Chosen poses of a motion along the picture, the middle of the row at zero.

    Attributes:
        scene: the poses, T of them.
        times: seconds at which each is taken.
        length: metres the row takes.
        axes: of the camera that looks at it.
    """

    scene: Scene
    times: Float[np.ndarray, " T"]
    length: float
    axes: Float[np.ndarray, "3 3"]

    @staticmethod
    def of(take: Take, view: View) -> "Row":
        """As many poses as the view wants, evenly through the motion.

        Raises:
            InputError: for a motion that is not a person's.
        """
        scene = Scene.of(take.joints, take.skeleton)
        count = min(view.poses, len(scene.joints))
        at = np.linspace(0, len(scene.joints) - 1, count).round().astype(int)
        axes = camera_axes(scene, replace(view, camera="fixed"))[0]
        joints = scene.joints[at] - scene.root[at][:, None]
        side = joints @ axes[0]
        low, high = side.min(axis=1) - GAP / 2, side.max(axis=1) + GAP / 2
        room = np.maximum(high - low, 0.38 * scene.stature)
        place = np.cumsum(room) - 0.5 * room - 0.5 * room.sum() - 0.5 * (low + high)
        joints = joints + place[:, None, None] * axes[0]
        chosen = replace(scene, joints=joints, ahead=scene.ahead[at])
        return Row(chosen, at / take.rate, float(room.sum()), axes)
