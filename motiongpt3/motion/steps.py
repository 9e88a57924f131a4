"""Turns and steps of the root, in single precision and yet adding up to where they lead.

Features hold a path as steps, and a float32 step of KIT-ML's size is off by up to a millionth of
the unit. Left alone, such errors add up to 4e-4 of it in 200 frames that walk and turn.
"""

import math

import numpy as np
from jaxtyping import Float

from motiongpt3.motion import rotation


def half_turns(heading: Float[np.ndarray, "*clips T 4"]) -> Float[np.ndarray, "*clips T-1 1"]:
    """Half of the turn in each step, radians."""
    turn = rotation.multiply(heading[..., 1:, :], rotation.conjugate(heading[..., :-1, :]))
    # A quaternion and its negative are one rotation; HumanML3D takes the wrong sign in the one
    # frame where the heading crosses 180 degrees. We do not, or the way back would be off.
    half_turn = turn[..., 2:3] * np.where(turn[..., :1] < 0, -1, 1)
    return np.arcsin(np.clip(half_turn, -1, 1))


def exact_steps(
    turns: Float[np.ndarray, "S"], ground: Float[np.ndarray, "S+1 2"]
) -> Float[np.ndarray, "S 3"]:
    """Yaw and root velocities in float32, each making up for the rounding of those before it.

    Args:
        turns: half of the heading's turn in each step, radians.
        ground: (x, z) of the root, the first at the origin.
    """
    steps = np.zeros((len(turns), 3), np.float32)
    wanted = np.cumsum(turns, dtype=np.float64)
    turned, x, z = 0.0, 0.0, 0.0
    for step, half, (next_x, next_z) in zip(steps, wanted, ground[1:], strict=True):
        step[0] = half - turned
        turned += float(step[0])
        cos, sin = math.cos(2 * turned), math.sin(2 * turned)
        dx, dz = next_x - x, next_z - z
        step[1:] = cos * dx + sin * dz, cos * dz - sin * dx
        along_x, along_z = float(step[1]), float(step[2])
        x, z = x + cos * along_x - sin * along_z, z + cos * along_z + sin * along_x
    return steps
