"""Mean and std of features, by HumanML3D's rule."""

import numpy as np
from jaxtyping import Float

from motiongpt3.motion.features import layout_of

Statistics = tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]]
"""Mean and std of every feature."""


def statistics(features: Float[np.ndarray, "N F"]) -> Statistics:
    """Mean, and std averaged inside each kind of feature (HumanML3D's `cal_mean_variance`)."""
    layout = layout_of(features.shape[1])
    mean, std = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    kinds = ("yaw_velocity", "root_velocity", "root_height", "positions")
    for kind in (*kinds, "rotations", "velocities", "contacts"):
        block = getattr(layout, kind)
        std[block] = max(std[block].mean(), 1e-4)
    return mean.astype(np.float32), std.astype(np.float32)
