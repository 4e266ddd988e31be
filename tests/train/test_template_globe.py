"""Globes, and how they shrink onto closed surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import edge_counts, volume

from phiz.train.template.chart import Floats, Ints, nearest_on
from phiz.train.template.globe import bands, globe, shrink, sphere_centre

RINGS = np.linspace(0, np.pi, 12)[1:-1]


@pytest.fixture(scope="module")
def ball() -> tuple[Floats, Ints]:
    return globe(RINGS, 16)


def test_a_globe_is_closed_and_looks_outwards(ball: tuple[Floats, Ints]) -> None:
    points, triangles = ball
    assert (edge_counts(triangles) == 2).all()
    a, b, c = (points[triangles[:, k]] for k in range(3))
    assert ((np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0).all()
    assert 0.9 * 4 / 3 * np.pi < volume(points, triangles) < 4 / 3 * np.pi


def test_a_globe_has_unit_directions_and_its_poles_last(ball: tuple[Floats, Ints]) -> None:
    points, triangles = ball
    assert len(points) == len(RINGS) * 16 + 2
    assert len(points) - len(edge_counts(triangles)) + len(triangles) == 2
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    np.testing.assert_array_equal(points[-2:], [[0, 0, 1], [0, 0, -1]])


def test_bands_close_around() -> None:
    triangles = bands(3, 8)
    assert len(triangles) == 2 * 2 * 8
    counts = edge_counts(triangles)
    assert (counts == 1).sum() == 2 * 8
    assert (counts == 2).sum() == len(counts) - 16


def test_a_globe_shrinks_onto_an_ellipsoid(ball: tuple[Floats, Ints]) -> None:
    fine, triangles = globe(np.linspace(0, np.pi, 30)[1:-1], 40)
    half, centre = np.array([0.012, 0.011, 0.013]), np.array([0.03, 0.03, 0.08])
    shrunk = shrink(ball[0], centre, centre + fine * half, triangles)
    level = np.linalg.norm((shrunk - centre) / half, axis=1)
    assert np.abs(level - 1).max() < 0.01
    _, distance = nearest_on(shrunk, centre + fine * half, triangles)
    assert distance.max() < 1e-9
    along = (shrunk - centre) / np.linalg.norm(shrunk - centre, axis=1, keepdims=True)
    np.testing.assert_allclose(along, ball[0], atol=1e-9)
    assert volume(shrunk, ball[1]) > 0


def test_rays_stop_at_the_outermost_of_two_shells(ball: tuple[Floats, Ints]) -> None:
    points, triangles = ball
    both = np.concatenate([points, 2 * points])
    shells = np.concatenate([triangles, triangles[:, ::-1] + len(points)])
    radius = np.linalg.norm(shrink(points, np.zeros(3), both, shells), axis=1)
    np.testing.assert_allclose(radius, 2)


def test_a_surface_with_a_hole_is_refused(ball: tuple[Floats, Ints]) -> None:
    points, triangles = ball
    with pytest.raises(ValueError, match="leaves it nowhere"):
        shrink(points, np.zeros(3), points, triangles[: len(triangles) // 2])


def test_the_centre_of_a_sphere_is_found_from_a_piece_of_it(ball: tuple[Floats, Ints]) -> None:
    centre = np.array([0.03, -0.2, 0.5])
    back = ball[0][ball[0][:, 2] < -0.2]
    np.testing.assert_allclose(sphere_centre(centre + 0.012 * back), centre, atol=1e-9)
