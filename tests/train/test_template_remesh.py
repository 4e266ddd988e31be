"""New meshes for old surfaces: closed, symmetric, well spaced and close to what they replace."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import edge_counts, even, holed_hemisphere, wavy_disc

from phiz.train.template import chart, remesh
from phiz.train.template.chart import Floats, Ints
from phiz.train.template.remesh import Remeshed

LENGTH = 0.09
WANTED = np.array([[0.0, 0.5, 0.0], [0.3, -0.3, 0.0]])


def rim(vertices: Floats, triangles: Ints) -> Floats:
    """Return points of the x >= 0 half of the outer border, a step apart, both ends included."""
    ring = vertices[chart.border_loops(triangles)[0]]
    angle = np.linspace(0, np.pi, 1 + round(np.pi / LENGTH))
    points = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    nearest = np.linalg.norm(ring[None, :, :2] - points[:, None], axis=2).argmin(axis=1)
    found = ring[nearest]
    found[[0, -1], 0] = 0
    return np.asarray(found)


def make(vertices: Floats, triangles: Ints, inner: Floats, seed: int = 0) -> tuple[Remeshed, Floats]:
    mapped = chart.make_chart(vertices, triangles, chart.border_loops(triangles)[0])
    wanted = np.concatenate([rim(vertices, triangles), inner])
    return remesh.remesh(mapped, even(LENGTH), wanted, np.random.default_rng(seed)), wanted


@pytest.fixture(scope="module")
def wavy() -> tuple[Remeshed, Floats]:
    return make(*wavy_disc(), WANTED)


@pytest.fixture(scope="module")
def holed() -> Remeshed:
    vertices, triangles = holed_hemisphere()
    mapped = chart.make_chart(vertices, triangles, chart.border_loops(triangles)[0])
    holes = []
    for loop in chart.border_loops(triangles)[1:]:
        right = vertices[loop][vertices[loop, 0] >= 0]
        holes.append(right[:: max(1, len(right) // 10)])
    wanted = np.concatenate([rim(vertices, triangles), *holes])
    return remesh.remesh(mapped, even(LENGTH), wanted, np.random.default_rng(0))


def test_the_new_mesh_is_a_manifold_with_one_border(wavy: tuple[Remeshed, Floats]) -> None:
    mesh, _ = wavy
    assert set(edge_counts(mesh.triangles).tolist()) == {1, 2}
    remesh.check_closed_but_for(mesh.triangles, 1)
    euler = len(mesh.points) - len(edge_counts(mesh.triangles)) + len(mesh.triangles)
    assert euler == 1


def test_holes_stay_open(holed: Remeshed) -> None:
    assert edge_counts(holed.triangles).max() == 2
    remesh.check_closed_but_for(holed.triangles, 4)


def test_a_wrong_number_of_borders_is_an_error(wavy: tuple[Remeshed, Floats]) -> None:
    with pytest.raises(ValueError, match="has 1 borders, expected 3"):
        remesh.check_closed_but_for(wavy[0].triangles, 3)


def test_the_new_mesh_is_its_own_mirror_image(wavy: tuple[Remeshed, Floats], holed: Remeshed) -> None:
    for mesh in (wavy[0], holed):
        assert (mesh.mirror[mesh.mirror] == np.arange(len(mesh.points))).all()
        np.testing.assert_array_equal(mesh.points[mesh.mirror] * [-1, 1, 1], mesh.points)
        known = {frozenset(t) for t in mesh.triangles.tolist()}
        assert all(frozenset(t) in known for t in mesh.mirror[mesh.triangles].tolist())


def test_edges_are_about_as_long_as_asked(wavy: tuple[Remeshed, Floats]) -> None:
    mesh, _ = wavy
    corner = mesh.points[mesh.triangles]
    length = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2)
    assert np.median(length) == pytest.approx(LENGTH, rel=0.2)
    assert np.quantile(length, 0.98) < 1.8 * LENGTH
    assert np.quantile(length, 0.02) > 0.4 * LENGTH


def test_most_triangles_are_well_shaped(wavy: tuple[Remeshed, Floats]) -> None:
    angles = remesh._angles(wavy[0].points[wavy[0].triangles])
    np.testing.assert_allclose(angles.sum(axis=1), np.pi)
    assert np.degrees(np.quantile(angles.min(axis=1), 0.05)) > 20
    assert np.degrees(np.median(angles.min(axis=1))) > 38


def test_the_new_mesh_lies_on_the_old_surface(wavy: tuple[Remeshed, Floats]) -> None:
    vertices, triangles = wavy_disc()
    mesh, _ = wavy
    _, distance = chart.nearest_on(mesh.points[mesh.triangles].mean(axis=1), vertices, triangles)
    assert distance.mean() < 0.03 * LENGTH
    there = mesh.spots.on(vertices, triangles)
    assert np.linalg.norm(there - mesh.points, axis=1).max() < 0.1 * LENGTH


def test_triangles_face_the_way_of_the_old_ones(wavy: tuple[Remeshed, Floats], holed: Remeshed) -> None:
    for mesh, way in ((wavy[0], np.array([0.0, 0.0, 1.0])), (holed, None)):
        a, b, c = (mesh.points[mesh.triangles[:, k]] for k in range(3))
        out = (a + b + c) / 3 if way is None else way
        assert ((np.cross(b - a, c - a) * out).sum(axis=1) > 0).mean() > 0.999


def test_wanted_points_are_vertices(wavy: tuple[Remeshed, Floats]) -> None:
    mesh, wanted = wavy
    spots, _ = chart.nearest_on(wanted, *wavy_disc())
    there = spots.on(*wavy_disc())
    assert np.linalg.norm(mesh.points[mesh.fixed] - there, axis=1).max() < 1e-6


def test_the_same_seed_gives_the_same_mesh(wavy: tuple[Remeshed, Floats]) -> None:
    again, _ = make(*wavy_disc(), WANTED)
    np.testing.assert_array_equal(again.points, wavy[0].points)
    np.testing.assert_array_equal(again.triangles, wavy[0].triangles)


def test_flipping_makes_two_slim_triangles_plump() -> None:
    points = np.array([[-1.0, 0, 0], [1.0, 0, 0], [0, 0.2, 0], [0, -0.2, 0]])
    slim = np.array([[0, 1, 2], [1, 0, 3]])
    plump = remesh._flip_edges(points, points[:, :2], slim)
    assert {frozenset(t) for t in plump.tolist()} == {frozenset({0, 2, 3}), frozenset({1, 2, 3})}
    a, b, c = (points[plump[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert (remesh._flip_edges(points, points[:, :2], plump) == plump).all()


def test_flipping_leaves_a_sharp_fold_alone() -> None:
    points = np.array([[-1.0, 0, 0], [1.0, 0, 0], [0, 0.2, 0], [0, 0.2, 0.02]])
    sharp = np.array([[0, 1, 2], [1, 0, 3]])
    flat = np.array([[-1.0, 0], [1.0, 0], [0, 0.2], [0, -0.2]])
    assert (remesh._flip_edges(points, flat, sharp) == sharp).all()
