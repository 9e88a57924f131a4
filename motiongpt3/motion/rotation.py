"""Rotations as unit quaternions (w, x, y, z), and the ways in and out of them.

Every function takes any leading shape and works on the last axis (two for matrices).
Angles are radians.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

Array = np.ndarray
EulerOrder = Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]


def normalize(v: Float[Array, "... n"]) -> Float[Array, "... n"]:
    """Scale to unit length; a zero vector stays zero."""
    length = np.sqrt(dot(v, v))
    return v / np.where(length > 0, length, 1)


def dot(a: Float[Array, "... n"], b: Float[Array, "... n"]) -> Float[Array, "... 1"]:
    """`(a * b).sum(-1, keepdims=True)`, to the last bit, in a third of its time: n is 3 or 4."""
    total = a[..., 0] * b[..., 0]
    for i in range(1, a.shape[-1]):
        total = total + a[..., i] * b[..., i]
    return total[..., None]


def multiply(a: Float[Array, "... 4"], b: Float[Array, "... 4"]) -> Float[Array, "... 4"]:
    """Hamilton product: first rotate by b, then by a."""
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    return _joined(
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def conjugate(q: Float[Array, "... 4"]) -> Float[Array, "... 4"]:
    """The inverse of a unit quaternion."""
    return q * np.array([1, -1, -1, -1], dtype=q.dtype)


def cross(a: Float[Array, "... 3"], b: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """`np.cross`, to the last bit, in a third of its time: most clips are small arrays."""
    ax, ay, az = (a[..., i] for i in range(3))
    bx, by, bz = (b[..., i] for i in range(3))
    return _joined(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


def rotate(q: Float[Array, "... 4"], v: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """Rotate vectors by unit quaternions."""
    u, w = q[..., 1:], q[..., :1]
    t = 2 * cross(u, v)
    return v + w * t + cross(u, t)


def turn(heading: Float[Array, "... 4"], v: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """`rotate`, to the last bit, for rotations about Y: a quarter of its time."""
    w, up = heading[..., 0], heading[..., 2]
    x, y, z = (v[..., i] for i in range(3))
    across, ahead = 2 * (up * z), -2 * (up * x)
    return _joined(x + w * across + up * ahead, y, z + w * ahead - up * across)


def between(a: Float[Array, "... 3"], b: Float[Array, "... 3"]) -> Float[Array, "... 4"]:
    """The shortest rotation that turns direction a into direction b."""
    a, b = np.broadcast_arrays(normalize(a), normalize(b))
    w, axis = 1 + dot(a, b), cross(a, b)
    opposite = w[..., 0] <= 1e-8
    if opposite.any():  # they have no shortest arc: take any axis that is square to a
        a = a[opposite]
        axis[opposite] = cross(a, np.where(np.abs(a[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
        w = np.where(w > 1e-8, w, 0)
    return normalize(_joined(w[..., 0], *(axis[..., i] for i in range(3))))


def about(axis: Literal["X", "Y", "Z"], angle: Float[Array, "..."]) -> Float[Array, "... 4"]:
    """Rotation about one axis."""
    q = np.zeros((*np.shape(angle), 4))
    q[..., 0], q[..., 1 + "XYZ".index(axis)] = np.cos(angle / 2), np.sin(angle / 2)
    return q


def from_axis_angle(v: Float[Array, "... 3"]) -> Float[Array, "... 4"]:
    """Rotation vector to quaternion."""
    angle = np.linalg.norm(v, axis=-1, keepdims=True)
    # sinc keeps the limit at zero exact: sin(a/2)/a -> 1/2.
    return np.concatenate([np.cos(angle / 2), v * np.sinc(angle / 2 / np.pi) / 2], axis=-1)


def to_axis_angle(q: Float[Array, "... 4"]) -> Float[Array, "... 3"]:
    """Quaternion to rotation vector of length at most pi."""
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1), 2)


def to_matrix(q: Float[Array, "... 4"]) -> Float[Array, "... 3 3"]:
    """Quaternion to rotation matrix."""
    return np.stack([rotate(q, e) for e in np.eye(3)], axis=-1)


def from_matrix(m: Float[Array, "... 3 3"]) -> Float[Array, "... 4"]:
    """Rotation matrix to quaternion, by the largest of the four numerators."""
    d = np.diagonal(m, axis1=-2, axis2=-1)
    x, y, z = np.moveaxis(d, -1, 0)
    a, b, c = (m[..., i, j] - m[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    e, f, g = (m[..., i, j] + m[..., j, i] for i, j in ((1, 0), (0, 2), (2, 1)))
    candidates = np.stack(
        [
            np.stack([1 + x + y + z, a, b, c], -1),
            np.stack([a, 1 + x - y - z, e, f], -1),
            np.stack([b, e, 1 - x + y - z, g], -1),
            np.stack([c, f, g, 1 - x - y + z], -1),
        ],
        axis=-2,
    )
    best = np.diagonal(candidates, axis1=-2, axis2=-1).argmax(-1)
    return normalize(np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :])


def to_6d(q: Float[Array, "... 4"]) -> Float[Array, "... 6"]:
    """The first two columns of the rotation matrix, one after the other."""
    w, x, y, z = (q[..., i] for i in range(4))
    x2, y2, z2 = 2 * x, 2 * y, 2 * z
    first = (1 - (y * y2 + z * z2), w * z2 + x * y2, x * z2 - w * y2)
    second = (y * x2 - w * z2, 1 - (z * z2 + x * x2), w * x2 + y * z2)
    return _joined(*first, *second) + 0.0  # never -0


def from_6d(c: Float[Array, "... 6"]) -> Float[Array, "... 4"]:
    """The rotation whose first two columns are nearest, by Gram-Schmidt."""
    x = normalize(c[..., :3])
    z = normalize(np.cross(x, c[..., 3:]))
    return from_matrix(np.stack([x, np.cross(z, x), z], axis=-1))


def from_euler(angles: Float[Array, "... 3"], order: EulerOrder) -> Float[Array, "... 4"]:
    """Intrinsic rotations about the named axes in turn, as BVH channels list them."""
    first, second, third = (about(axis, angles[..., i]) for i, axis in enumerate(order))  # type: ignore[arg-type]
    return multiply(multiply(first, second), third)


def to_euler(q: Float[Array, "... 4"], order: EulerOrder) -> Float[Array, "... 3"]:
    """The intrinsic angles of three different axes that make up a rotation."""
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (i, j, k) in {(0, 1, 2), (1, 2, 0), (2, 0, 1)} else -1.0
    m = to_matrix(q)
    sine = np.clip(sign * m[..., i, k], -1, 1)
    locked = np.abs(sine) > 1 - 1e-9  # gimbal lock: only the sum of first and third is known
    first = np.where(
        locked,
        np.arctan2(sign * m[..., k, j], m[..., j, j]),
        np.arctan2(-sign * m[..., j, k], m[..., k, k]),
    )
    third = np.where(locked, 0, np.arctan2(-sign * m[..., i, j], m[..., i, i]))
    return np.stack([first, np.arcsin(sine), third], axis=-1)


def slerp(
    a: Float[Array, "... 4"], b: Float[Array, "... 4"], t: Float[Array, "..."]
) -> Float[Array, "... 4"]:
    """Shortest-way interpolation between rotations, t from 0 (a) to 1 (b)."""
    step = to_axis_angle(multiply(b, conjugate(a)))
    return multiply(from_axis_angle(step * np.asarray(t)[..., None]), a)


def _joined(*parts: Array | np.floating) -> Array:
    """`np.stack` along the last axis, without its checks.

    Each part lies together in memory: what is made of many clips is then made of long rows of
    numbers, in half the time.
    """
    shape = np.broadcast_shapes(*(part.shape for part in parts))
    joined = np.empty((len(parts), *shape), np.result_type(*parts))
    for i, part in enumerate(parts):
        joined[i] = part
    return joined.transpose(*range(1, joined.ndim), 0)
