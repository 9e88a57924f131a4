"""Rotations, against scipy and roma."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation, Slerp

from motiongpt3.motion import rotation

ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
numbers = st.floats(-10, 10, allow_subnormal=False)
vectors = arrays(np.float64, (3, 3), elements=numbers)
turns = arrays(np.float64, (3, 3), elements=st.floats(-7, 7, allow_subnormal=False))
"""Rotation vectors of up to two turns, whole and half turns among them."""
QUICK = settings(max_examples=60, deadline=None)


def quaternions(turn: np.ndarray) -> tuple[np.ndarray, Rotation]:
    """The same rotations as ours and as scipy's."""
    theirs = Rotation.from_rotvec(turn)
    return theirs.as_quat()[..., [3, 0, 1, 2]], theirs


def same(q: np.ndarray, theirs: Rotation, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(rotation.to_matrix(q), theirs.as_matrix(), atol=atol)
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, atol=1e-9)


@QUICK
@given(a=turns, b=turns, v=vectors)
def test_products_inverses_and_turned_vectors(a, b, v) -> None:
    (p, P), (q, Q) = quaternions(a), quaternions(b)
    same(rotation.multiply(p, q), P * Q)
    same(rotation.conjugate(p), P.inv())
    np.testing.assert_allclose(rotation.rotate(p, v), P.apply(v), atol=1e-9)


@QUICK
@given(turn=turns)
def test_every_way_in_and_out(turn) -> None:
    q, Q = quaternions(turn)
    same(rotation.from_axis_angle(turn), Q)
    same(rotation.from_matrix(Q.as_matrix()), Q)
    same(rotation.from_axis_angle(rotation.to_axis_angle(q)), Q)
    assert (np.linalg.norm(rotation.to_axis_angle(q), axis=-1) <= np.pi + 1e-9).all()
    same(rotation.from_6d(rotation.to_6d(q)), Q)
    np.testing.assert_allclose(
        rotation.to_6d(q), Q.as_matrix()[..., :2].swapaxes(-1, -2).reshape(-1, 6), atol=1e-9
    )


@QUICK
@given(angles=turns, order=st.sampled_from(ORDERS))
def test_euler_angles(angles, order) -> None:
    q = rotation.from_euler(angles, order)
    same(q, Rotation.from_euler(order, angles))
    again = rotation.from_euler(rotation.to_euler(q, order), order)
    # Near gimbal lock an arcsine knows half the digits.
    np.testing.assert_allclose(rotation.to_matrix(again), rotation.to_matrix(q), atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("middle", [np.pi / 2, -np.pi / 2])
def test_gimbal_lock(order, middle) -> None:
    q = rotation.from_euler(np.array([[0.4, middle, 1.1]]), order)
    again = rotation.from_euler(rotation.to_euler(q, order), order)
    np.testing.assert_allclose(rotation.to_matrix(again), rotation.to_matrix(q), atol=1e-6)


@QUICK
@given(a=vectors, b=vectors)
def test_between_is_the_shortest_turn(a, b) -> None:
    long = (np.linalg.norm(a, axis=-1) > 1e-3) & (np.linalg.norm(b, axis=-1) > 1e-3)
    a, b = rotation.normalize(a[long]), rotation.normalize(b[long])
    q = rotation.between(a, b)
    # At nearly opposite directions the arc is only known to the root of the rounding error.
    np.testing.assert_allclose(rotation.rotate(q, a), b, atol=3e-4)
    angle = np.linalg.norm(rotation.to_axis_angle(q), axis=-1)
    np.testing.assert_allclose(np.cos(angle), (a * b).sum(-1), atol=1e-6)


def test_quick_forms_are_the_plain_ones_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    q, v = rotation.normalize(rng.normal(size=(500, 4))), rng.normal(size=(500, 3))
    heading = rotation.about("Y", rng.uniform(-7, 7, 500))
    matrix = rotation.to_matrix(q)
    pairs = (
        (rotation.dot(q, heading), (q * heading).sum(-1, keepdims=True)),
        (rotation.cross(v, v[::-1]), np.cross(v, v[::-1])),
        (rotation.turn(heading, v), rotation.rotate(heading, v)),
        (rotation.to_6d(q), np.concatenate([matrix[..., 0], matrix[..., 1]], axis=-1)),
    )
    for quick, plain in pairs:
        np.testing.assert_array_equal(quick, plain)


@pytest.mark.parametrize("axis", [*np.eye(3), *-np.eye(3)])
def test_between_opposite_directions_is_half_a_turn(axis) -> None:
    q = rotation.between(axis, -axis)
    np.testing.assert_allclose(rotation.rotate(q, axis), -axis, atol=1e-12)
    assert q[0] == 0 and np.linalg.norm(q) == pytest.approx(1)


@QUICK
@given(a=turns, b=turns, t=st.floats(0, 1))
def test_slerp(a, b, t) -> None:
    (p, P), (q, Q) = quaternions(a), quaternions(b)
    between = rotation.slerp(p, q, np.full(3, t))
    for n in range(3):
        if (P[n].inv() * Q[n]).magnitude() > np.pi - 1e-3:
            continue  # half a turn apart: both ways round are shortest
        theirs = Slerp([0, 1], Rotation.concatenate([P[n], Q[n]]))(t)
        same(between[n], theirs, atol=1e-6)


def test_six_numbers_that_are_no_rotation_are_made_one_as_roma_does() -> None:
    roma = pytest.importorskip("roma")
    six = np.random.default_rng(0).normal(size=(200, 6))
    columns = torch.from_numpy(six.reshape(-1, 2, 3).swapaxes(1, 2).copy())
    theirs = roma.special_gramschmidt(columns)
    np.testing.assert_allclose(rotation.to_matrix(rotation.from_6d(six)), theirs.numpy(), atol=1e-9)


def test_a_zero_vector_stays_zero() -> None:
    assert not rotation.normalize(np.zeros((2, 3))).any()
    np.testing.assert_array_equal(rotation.from_axis_angle(np.zeros(3)), [1, 0, 0, 0])


def test_about_an_axis() -> None:
    for n, axis in enumerate("XYZ"):
        angles = np.linspace(-4, 4, 9)
        same(rotation.about(axis, angles), Rotation.from_rotvec(angles[:, None] * np.eye(3)[n]))
