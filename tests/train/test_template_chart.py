"""A patch and its flat map."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import holed_hemisphere, wavy_disc

from phiz.train.template import chart
from phiz.train.template.chart import Chart, Floats, Ints


def signed_areas(flat: Floats, triangles: Ints) -> Floats:
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@pytest.fixture(scope="module", params=["wavy disc", "hemisphere with holes"])
def mapped(request: pytest.FixtureRequest) -> Chart:
    vertices, triangles = wavy_disc() if request.param == "wavy disc" else holed_hemisphere()
    return chart.make_chart(vertices, triangles, chart.border_loops(triangles)[0])


def test_a_disc_has_one_border_and_a_face_four() -> None:
    assert [len(loop) for loop in chart.border_loops(wavy_disc(10)[1])] == [60]
    vertices, triangles = holed_hemisphere()
    loops = chart.border_loops(triangles)
    assert len(loops) == 4
    assert len(loops[0]) == 180
    assert np.abs(vertices[loops[0], 2]).max() < 1e-9


def test_the_patch_lies_on_the_left_of_its_borders() -> None:
    triangles = holed_hemisphere()[1]
    edges = {(a, b) for t in triangles.tolist() for a, b in zip(t, t[1:] + t[:1], strict=True)}
    for loop in chart.border_loops(triangles):
        ring = loop.tolist()
        for edge in zip(ring, ring[1:] + ring[:1], strict=True):
            assert edge in edges
            assert edge[::-1] not in edges


def test_borders_that_meet_in_a_vertex_are_refused() -> None:
    bow_tie = np.array([[0, 1, 2], [0, 3, 4]])
    with pytest.raises(ValueError, match="meet in a vertex"):
        chart.border_loops(bow_tie)


def test_no_triangle_of_the_map_is_flipped(mapped: Chart) -> None:
    assert signed_areas(mapped.flat, mapped.triangles).min() > 0


def test_the_map_fills_the_unit_disc(mapped: Chart) -> None:
    radius = np.linalg.norm(mapped.flat, axis=1)
    assert radius.max() == pytest.approx(1)
    assert signed_areas(mapped.flat, mapped.triangles).sum() == pytest.approx(np.pi, rel=0.01)


def test_every_inner_vertex_lies_among_its_neighbours(mapped: Chart) -> None:
    border = set(chart.border_loops(mapped.triangles)[0].tolist())
    inner = np.array([v for v in range(0, len(mapped.flat), 17) if v not in border])
    for vertex in inner:
        fan = mapped.triangles[(mapped.triangles == vertex).any(axis=1)]
        ring = np.setdiff1d(fan, vertex)
        low, high = mapped.flat[ring].min(axis=0), mapped.flat[ring].max(axis=0)
        assert (low <= mapped.flat[vertex]).all()
        assert (mapped.flat[vertex] <= high).all()


def test_a_flat_disc_is_mapped_onto_itself() -> None:
    vertices, triangles = wavy_disc(12)
    vertices[:, 2] = 0
    loop = chart.border_loops(triangles)[0]
    flat = chart.make_chart(vertices, triangles, loop).flat
    # Mean value coordinates reproduce linear functions: only a turn is left.
    turn = flat[loop[0]] @ np.array([[1, 0], [0, 1]]), vertices[loop[0], :2]
    cosine = turn[0] @ turn[1]
    sine = turn[1][0] * turn[0][1] - turn[1][1] * turn[0][0]
    rotated = vertices[:, :2] @ np.array([[cosine, sine], [-sine, cosine]])
    assert np.abs(flat - rotated).max() < 0.01


def test_locating_undoes_mixing(mapped: Chart) -> None:
    rng = np.random.default_rng(0)
    triangle = rng.integers(len(mapped.triangles), size=300)
    weight = rng.dirichlet(np.ones(3), size=300)
    flat = np.einsum("nk,nkc->nc", weight, mapped.flat[mapped.triangles[triangle]])
    found, mixed = chart.locate(mapped, flat)
    assert (found == triangle).mean() > 0.99
    same = found == triangle
    assert np.abs(mixed[same] - weight[same]).max() < 1e-6
    again = np.einsum("nk,nkc->nc", mixed, mapped.flat[mapped.triangles[found]])
    assert np.abs(again - flat).max() < 1e-9


def test_points_outside_the_map_are_located_on_its_rim(mapped: Chart) -> None:
    found, weight = chart.locate(mapped, np.array([[1.05, 0.0], [0.0, -1.05]]))
    assert (weight >= 0).all()
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    there = np.einsum("nk,nkc->nc", weight, mapped.flat[mapped.triangles[found]])
    assert (np.linalg.norm(there, axis=1) > 0.9).all()


def test_barycentric_weights_rebuild_the_point() -> None:
    rng = np.random.default_rng(1)
    corners, points = rng.standard_normal((50, 3, 2)), rng.standard_normal((50, 2))
    weight = chart.barycentric(points, corners)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    np.testing.assert_allclose(np.einsum("nk,nkc->nc", weight, corners), points, atol=1e-9)


def slow_nearest(point: Floats, corners: Floats, steps: int = 40) -> float:
    """Return the distance to a triangle by trying a fine grid of its points."""
    i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
    inside = i + j <= steps
    weight = np.stack([i[inside], j[inside], steps - i[inside] - j[inside]], axis=1) / steps
    return float(np.linalg.norm(weight @ corners - point, axis=1).min())


def test_the_nearest_spot_of_one_triangle_is_found_wherever_the_point_is() -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        corners, point = rng.standard_normal((3, 3)), 2 * rng.standard_normal(3)
        spots, distance = chart.nearest_on(point[None], corners, np.array([[0, 1, 2]]))
        brute = slow_nearest(point, corners)
        assert distance[0] <= brute + 1e-12
        assert distance[0] > brute - 0.1
        assert spots.weight.min() >= 0
        assert spots.weight.sum() == pytest.approx(1)


def test_the_nearest_spots_of_a_surface_equal_brute_force() -> None:
    vertices, triangles = wavy_disc(12)
    points = np.random.default_rng(3).uniform(-0.8, 0.8, (80, 3)) * [1, 1, 0.3]
    spots, distance = chart.nearest_on(points, vertices, triangles)
    _, everything = chart.nearest_on(points, vertices, triangles, tries=len(triangles))
    np.testing.assert_allclose(distance, everything, atol=1e-12)
    there = spots.on(vertices, triangles)
    np.testing.assert_allclose(np.linalg.norm(there - points, axis=1), distance)


def test_points_of_the_surface_are_their_own_nearest_spots(mapped: Chart) -> None:
    real = mapped.triangles[: mapped.real]
    centres = mapped.vertices[real].mean(axis=1)
    spots, distance = chart.nearest_on(centres, mapped.vertices, real)
    assert distance.max() < 1e-9
    assert (spots.triangle == np.arange(len(real))).all()
