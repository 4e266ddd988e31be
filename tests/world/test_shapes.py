"""Triangles of things that are made: closed where they should be, facing outwards, the right size."""

from __future__ import annotations

import math

import pytest
import torch
from jaxtyping import Float, Int
from plain_head import plain_head
from torch import Tensor

from phiz.face.morphable import Part
from phiz.world.surface import Label, Material
from phiz.world.worn import shapes

HEAD = plain_head()
CIRCLE = torch.arange(24) * (2 * math.pi / 24)
RING = torch.stack([CIRCLE.cos(), torch.zeros(24), CIRCLE.sin()], dim=-1)


def volume(points: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"]) -> float:
    """Return the enclosed volume; negative where triangles face inwards."""
    a, b, c = points[triangles].double().unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def open_edges(triangles: Int[Tensor, "f 3"]) -> int:
    """Return how many edges do not have exactly one triangle on either side."""
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    ways = {tuple(edge) for edge in edges.tolist()}
    return sum((b, a) not in ways for a, b in ways) + len(edges) - len(ways)


def test_a_sheet_has_two_triangles_a_cell_and_uses_every_point() -> None:
    triangles = shapes.grid(4, 5)
    assert len(triangles) == 2 * 3 * 4
    assert torch.equal(torch.tensor(sorted(set(triangles.reshape(-1).tolist()))), torch.arange(20))
    assert open_edges(triangles) == 2 * (3 + 4)


def test_a_ring_is_open_at_its_two_rims_only() -> None:
    triangles = shapes.grid(4, 5, ring=True)
    assert len(triangles) == 2 * 3 * 5
    assert open_edges(triangles) == 2 * 5


def test_triangles_of_a_sheet_run_anticlockwise_as_seen_by_a_reader() -> None:
    row, column = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    points = torch.stack([column, -row, 0 * row], dim=-1).reshape(-1, 3)
    corner = points[shapes.grid(3, 4)]
    normals = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    torch.testing.assert_close(normals, torch.tensor([0.0, 0.0, 1.0]).expand(12, 3))


def test_a_closed_tube_is_a_torus() -> None:
    points, triangles = shapes.tube(RING, 0.2, closed=True, corners=24)
    assert open_edges(triangles) == 0
    assert abs(volume(points, triangles)) == pytest.approx(2 * math.pi**2 * 0.2**2, rel=0.05)


def test_a_capped_tube_is_a_bar() -> None:
    path = torch.stack([torch.linspace(0, 2, 5), torch.zeros(5), torch.zeros(5)], dim=-1)
    points, triangles = shapes.tube(path, 0.3, 0.1, corners=32)
    assert open_edges(triangles) == 0
    assert abs(volume(points, triangles)) == pytest.approx(2 * math.pi * 0.3 * 0.1, rel=0.02)
    low, high = points.min(dim=0).values, points.max(dim=0).values
    torch.testing.assert_close(high - low, torch.tensor([2.0, 0.2, 0.6]))  # `depth` is towards up


def test_tubes_all_face_the_same_way() -> None:
    bar = shapes.tube(torch.tensor([[0.0, 0, 0], [1, 0, 0]]), 0.1)
    torus = shapes.tube(RING, 0.1, closed=True)
    assert math.copysign(1, volume(*bar)) == math.copysign(1, volume(*torus))


def test_an_upright_tube_is_as_sound_as_a_level_one() -> None:
    path = torch.stack([torch.zeros(5), torch.linspace(0, 2, 5), torch.zeros(5)], dim=-1)
    points, triangles = shapes.tube(path, 0.1, corners=32)
    torch.testing.assert_close(points[:-2, [0, 2]].norm(dim=-1), torch.full((160,), 0.1))
    assert abs(volume(points, triangles)) == pytest.approx(2 * math.pi * 0.01, rel=0.02)


def test_a_tapering_tube_is_as_wide_as_asked_for_at_every_point() -> None:
    path = torch.stack([torch.linspace(0, 1, 4), torch.zeros(4), torch.zeros(4)], dim=-1)
    width = torch.tensor([0.1, 0.3, 0.2, 0.05])
    points, _ = shapes.tube(path, width, corners=6)
    around = points[:-2].reshape(4, 6, 3) - path[:, None]
    torch.testing.assert_close(around.norm(dim=-1), width[:, None].expand(4, 6))


def test_a_ball_is_an_ellipsoid_that_faces_outwards() -> None:
    centre, radii = torch.tensor([1.0, 2.0, 3.0]), (0.5, 1.0, 2.0)
    points, triangles = shapes.ball(centre, radii, rows=33, columns=48)
    on_unit = (points - centre) / torch.tensor(radii)
    torch.testing.assert_close(on_unit.norm(dim=-1), torch.ones(len(points)), atol=1e-5, rtol=0)
    assert volume(points, triangles) == pytest.approx(4 / 3 * math.pi * 0.5 * 1 * 2, rel=0.02)


def test_a_smooth_path_through_even_points_of_a_line_is_that_line() -> None:
    line = torch.linspace(0, 3, 4)[:, None] * torch.tensor([1.0, -2.0, 0.5])
    dense = torch.linspace(0, 3, 19)[:, None] * torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(shapes.smooth_path(line, 19), dense, atol=1e-5, rtol=0)


def test_a_smooth_path_has_no_corners() -> None:
    zigzag = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    way = torch.nn.functional.normalize(shapes.smooth_path(zigzag, 121).diff(dim=0), dim=-1)
    assert (way[1:] * way[:-1]).sum(-1).min() > 0.97


def test_a_surface_has_one_colour_or_one_for_each_vertex() -> None:
    points, triangles = shapes.ball(torch.zeros(3), (1.0, 1.0, 1.0))
    plain = shapes.surface(points, triangles, label=Label.HAT, colour=(0.1, 0.2, 0.3), gloss=0.4)
    assert torch.equal(plain.colour, torch.tensor([0.1, 0.2, 0.3]).expand(len(points), 3))
    assert plain.material == Material.PLAIN
    assert bool((plain.labels == Label.HAT).all())
    assert len(plain.labels) == len(triangles)
    assert torch.equal(plain.gloss, torch.full((len(points),), 0.4))
    many = torch.rand(len(points), 3, generator=torch.Generator().manual_seed(0))
    dyed = shapes.surface(points, triangles, label=Label.HAT, colour=many)
    assert torch.equal(dyed.colour, many)
    dyed.colour.zero_()
    assert many.max() > 0  # the surface has its own copy


def test_vertices_of_parts_are_those_of_their_triangles_each_once() -> None:
    parts = (Part.LEFT_EYE, Part.RIGHT_EYE)
    numbers = shapes.numbers_of(HEAD, parts)
    wanted = {
        v
        for triangle, part in zip(HEAD.triangles.tolist(), HEAD.parts.tolist(), strict=True)
        for v in triangle
        if part in parts
    }
    assert numbers.tolist() == sorted(wanted)
    assert torch.equal(shapes.points_of(HEAD, HEAD.points, parts), HEAD.points[numbers])
    assert len(shapes.numbers_of(HEAD, ())) == 0


def test_unit_vectors_have_length_one_and_nothing_has_no_direction() -> None:
    vectors = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [1e-6, 0.0, 0.0]])
    torch.testing.assert_close(shapes.unit(vectors).norm(dim=-1), torch.tensor([1.0, 0.0, 1.0]))
