"""How a template follows a scan, and how people become modes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from phiz.errors import HeadError
from phiz.face.morphable import REGIONS
from phiz.face.supplied import SuppliedHead
from phiz.train.template import anatomy, register
from phiz.train.template.chart import Floats, Ints
from phiz.train.template.register import Carrier

MIRROR = np.array([1, 0, 2, 4, 3])


def crowd(count: int = 40) -> Floats:
    """Return people of five vertices who differ in three ways."""
    rng = np.random.default_rng(0)
    modes = rng.standard_normal((3, 5, 3))
    return np.asarray(
        rng.standard_normal((5, 3)) + np.einsum("ni,ivc->nvc", rng.standard_normal((count, 3)), modes)
    )


def test_a_carrier_mixes_what_its_corners_carry() -> None:
    carrier = Carrier(
        corners=np.array([[0, 1, 2], [2, 2, 2]]), weights=np.array([[0.5, 0.25, 0.25], [0, 1, 0]])
    )
    values = np.array([[4.0, 0], [0, 4], [8, 8]])
    np.testing.assert_allclose(carrier.carry(values), [[4, 3], [8, 8]])


def test_mirroring_twice_changes_nothing() -> None:
    people = crowd()
    np.testing.assert_array_equal(register.mirrored(register.mirrored(people, MIRROR), MIRROR), people)


@pytest.mark.parametrize(
    ("name", "other"),
    [("eyeBlinkLeft", "eyeBlinkRight"), ("mouthRight", "mouthLeft"), ("jawOpen", "jawOpen")],
)
def test_the_other_side_of_an_expression_has_the_other_name(name: str, other: str) -> None:
    assert register.other_side(name) == other
    assert register.other_side(other) == name


def test_modes_are_uncorrelated_and_have_unit_variance() -> None:
    people = crowd()
    mean, modes = register.principal_modes(people, MIRROR, 4)
    both = np.concatenate([people, register.mirrored(people, MIRROR)])
    flat = modes.reshape(4, -1)
    coefficients = (both - mean).reshape(len(both), -1) @ np.linalg.pinv(flat)
    np.testing.assert_allclose(coefficients.T @ coefficients / len(both), np.eye(4), atol=1e-9)
    sizes = np.linalg.norm(flat, axis=1)
    assert (np.diff(sizes) <= 1e-12).all()


def test_all_modes_together_rebuild_everybody_and_the_mean_is_symmetric() -> None:
    people = crowd()
    mean, modes = register.principal_modes(people, MIRROR, 7)
    np.testing.assert_allclose(register.mirrored(mean, MIRROR), mean, atol=1e-12)
    flat = modes.reshape(len(modes), -1)
    away = (people - mean).reshape(len(people), -1)
    np.testing.assert_allclose(away @ np.linalg.pinv(flat) @ flat, away, atol=1e-9)


def test_every_mode_is_even_or_odd() -> None:
    _, modes = register.principal_modes(crowd(), MIRROR, 7)
    for mode in modes:
        reflected = register.mirrored(mode, MIRROR)
        assert min(np.abs(mode - reflected).max(), np.abs(mode + reflected).max()) < 1e-9


def own_spots(head: SuppliedHead) -> tuple[Carrier, Ints]:
    """Return a carrier that follows every vertex of a head, and the partner of each vertex."""
    mean = head.mean.numpy().astype(np.float64)
    away = np.linalg.norm(mean[None] - mean[:, None] * [-1, 1, 1], axis=2)
    corners = np.repeat(np.arange(len(mean))[:, None], 3, axis=1)
    return Carrier(corners=corners, weights=np.full(corners.shape, 1 / 3)), away.argmin(axis=1)


def test_carried_expressions_are_the_scans_own_made_even(miniature: SuppliedHead) -> None:
    carrier, mirror = own_spots(miniature)
    found = register.expressions(miniature, carrier, mirror)
    assert set(found) <= set(miniature.expression_names)
    left, right = found["mouthSmileLeft"], found["mouthSmileRight"]
    np.testing.assert_allclose(register.mirrored(left, mirror), right, atol=1e-12)
    wanted = miniature.expression_modes[miniature.expression_names.index("mouthSmileLeft")].numpy()
    np.testing.assert_allclose(left, wanted, atol=1e-5)


def test_sampled_people_are_the_scans_own(miniature: SuppliedHead) -> None:
    carrier, _ = own_spots(miniature)
    drawn, people = register.sample_people(miniature, carrier, 5, np.random.default_rng(0))
    again, same = register.sample_people(miniature, carrier, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, again)
    np.testing.assert_array_equal(people, same)
    assert np.abs(drawn).max() <= 2.2
    modes, mean = miniature.identity_modes.numpy(), miniature.mean.numpy()
    np.testing.assert_allclose(people, mean + np.einsum("ni,ivc->nvc", drawn, modes), atol=1e-6)


def test_a_head_without_a_mouth_cannot_be_registered(miniature: SuppliedHead) -> None:
    triangles = miniature.triangles.numpy()
    with pytest.raises(HeadError, match="no triangles for its mouth"):
        register.to_scan(miniature, np.zeros(len(triangles), np.uint8), triangles)


# Anatomy


def test_regions_are_made_even_and_brows_change_sides() -> None:
    regions = np.random.default_rng(0).random((5, len(REGIONS)))
    even = anatomy.even_regions(regions, MIRROR)
    left, right = REGIONS.index("left_brow"), REGIONS.index("right_brow")
    np.testing.assert_allclose(even[:, left], even[MIRROR, right])
    scalp = REGIONS.index("scalp")
    np.testing.assert_allclose(even[:, scalp], (regions[:, scalp] + regions[MIRROR, scalp]) / 2)


def test_the_neck_turns_the_skull_whole_and_the_shoulders_not_at_all() -> None:
    heights = np.array([[0, -0.17, 0], [0, -0.11, 0], [0, -0.05, 0], [0, 0.1, 0]])
    weight = anatomy.neck_weight(heights)
    assert weight[0] == 0
    assert 0 < weight[1] < 1
    assert (weight[2:] == 1).all()


def test_facing_points_look_at_each_other_across_a_low_slit() -> None:
    x = np.linspace(0, 0.01, 6)
    zero = np.zeros_like(x)
    points = np.concatenate([np.stack([x, zero + 0.001, zero], 1), np.stack([x, zero - 0.001, zero], 1)])
    points[0, 1] = 0.02  # too far up
    normals = np.repeat([[0, -1.0, 0], [0, 1.0, 0]], 6, axis=0)
    normals[1] = [0, 1, 0]  # looks away
    pairs = anatomy.facing_pairs(points, normals, np.arange(6), np.arange(6, 12), 0.0045)
    np.testing.assert_array_equal(pairs, [[2, 8], [3, 9], [4, 10], [5, 11]])


def test_scans_are_frozen() -> None:
    carrier = Carrier(corners=np.zeros((1, 3), np.int64), weights=np.ones((1, 3)) / 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        carrier.weights = np.zeros((1, 3))  # type: ignore[misc]
