"""Surfaces out of grids: closed, facing outwards, where the level is, and the same cell after cell."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from surfaces import edge_counts, volume
from torch import Tensor

from phiz.graphics import marching
from phiz.graphics.marching import Surface, components, isosurface, isosurface_by_cells, largest_component

MIDDLE = 15.3
"""Of the grids of 32 points along each axis; no grid point lies on the surfaces in them."""


def grid(size: int = 32) -> Tensor:
    axis = torch.arange(size, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def ball(radius: float = 11.0, middle: float = MIDDLE) -> Tensor:
    return radius - (grid() - middle).norm(dim=-1)


def torus() -> Tensor:
    x, y, z = (grid() - MIDDLE).unbind(-1)
    return 4.0 - ((x.square() + y.square()).sqrt() - 9.0).square().add(z.square()).sqrt()


def waves(seed: int, size: int = 14) -> Tensor:
    """Return a random field that changes slowly but has ambiguous cells."""
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 1, 7, 7, 7, generator=chance, dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (size,) * 3, mode="trilinear", align_corners=True)[0, 0]


def noise(seed: int, *size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def euler(surface: Surface) -> int:
    edges = edge_counts(surface.triangles.numpy())
    return len(surface.vertices) - len(edges) + len(surface.triangles)


def area(surface: Surface) -> float:
    a, b, c = surface.vertices[surface.triangles].unbind(1)
    return float(torch.linalg.cross(b - a, c - a).norm(dim=-1).sum() / 2)


def directed_edges(surface: Surface) -> npt.NDArray[np.int64]:
    """Return the two ends (2, e) of each side of each triangle, in the order in which it is walked."""
    a, b, c = surface.triangles.numpy().T
    return np.stack([np.concatenate([a, b, c]), np.concatenate([b, c, a])])


def lone_edges(surface: Surface) -> npt.NDArray[np.int64]:
    """Return the sides that no other triangle walks the other way; none may be walked twice."""
    ends, count = directed_edges(surface), len(surface.vertices)
    there, back = ends[0] * count + ends[1], ends[1] * count + ends[0]
    assert len(np.unique(there)) == len(there)
    return ends[:, ~np.isin(back, there)]


def is_closed(surface: Surface) -> bool:
    """Return whether each edge is walked once each way: closed, and all triangles turned alike."""
    return len(surface.triangles) > 0 and lone_edges(surface).size == 0


def test_a_sphere_is_where_it_should_be() -> None:
    surface = isosurface(ball(), 0.0)
    away = (surface.vertices - MIDDLE).norm(dim=-1) - 11
    assert away.abs().max() < 0.05
    assert area(surface) == pytest.approx(4 * math.pi * 11**2, rel=0.02)
    assert volume(surface.vertices.numpy(), surface.triangles.numpy()) == pytest.approx(
        4 / 3 * math.pi * 11**3, rel=0.02
    )


def test_a_sphere_is_one_closed_piece_without_a_hole() -> None:
    surface = isosurface(ball(), 0.0)
    assert (edge_counts(surface.triangles.numpy()) == 2).all()
    assert euler(surface) == 2
    assert components(surface).unique().tolist() == [0]


def test_triangles_face_where_the_values_are_lower() -> None:
    surface = isosurface(ball(), 0.0)
    a, b, c = (surface.vertices[surface.triangles] - MIDDLE).unbind(1)
    assert ((torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(-1) > 0).all()
    hollow = isosurface(-ball(), 0.0)
    assert volume(hollow.vertices.numpy(), hollow.triangles.numpy()) < 0


def test_a_torus_has_one_hole() -> None:
    surface = isosurface(torus(), 0.0)
    assert is_closed(surface)
    assert euler(surface) == 0
    assert volume(surface.vertices.numpy(), surface.triangles.numpy()) == pytest.approx(
        2 * math.pi**2 * 9 * 16, rel=0.02
    )


@pytest.mark.parametrize("values", [waves(0), waves(1), noise(0, 26, 26, 26)], ids=["a", "b", "noise"])
def test_any_field_is_cut_without_a_gap(values: Tensor) -> None:
    """The noise has all kinds of cells, and nearly all kinds of neighbours: 47 000 pairs of 4096 kinds."""
    assert is_closed(isosurface(values, 0.1, closed=True))


def test_around_each_vertex_runs_one_ring_of_triangles() -> None:
    surface = isosurface(noise(3, 7, 7, 7), 0.0, closed=True)
    around: dict[int, dict[int, int]] = {}
    for a, b, c in surface.triangles.tolist():
        for at, start, end in ((a, b, c), (b, c, a), (c, a, b)):
            around.setdefault(at, {})[start] = end
    for ring in around.values():
        first = at = next(iter(ring))
        seen = 0
        while seen == 0 or at != first:
            at, seen = ring[at], seen + 1
        assert seen == len(ring)


def test_an_open_surface_ends_only_on_the_grid_s_border() -> None:
    values = waves(2)
    surface = isosurface(values, 0.0)
    lone = lone_edges(surface)
    at = surface.vertices[torch.from_numpy(lone)]
    assert lone.size
    assert ((at == 0) | (at == 13)).any(dim=-1).all()


def test_a_plane_is_exact() -> None:
    steps = torch.tensor([0.3, -0.5, 0.7], dtype=torch.float64)
    values = grid(8) @ steps
    surface = isosurface(values, 1.234)
    torch.testing.assert_close(surface.vertices @ steps, torch.full_like(surface.vertices[:, 0], 1.234))
    a, b, c = surface.vertices[surface.triangles].unbind(1)
    turned = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    torch.testing.assert_close(turned, (-steps / steps.norm()).expand_as(turned))


def test_a_level_beyond_all_values_has_no_surface() -> None:
    for level in (-100.0, 100.0):
        surface = isosurface(ball(), level)
        assert surface.vertices.shape == surface.triangles.shape == (0, 3)
        assert largest_component(surface) is surface
    assert isosurface_by_cells(ball()[:4, :4, :4], 100.0).triangles.shape == (0, 3)


def test_walls_close_a_solid_that_fills_the_grid() -> None:
    surface = isosurface(torch.ones(3, 4, 6), 0.5, closed=True)
    assert is_closed(surface)
    assert volume(surface.vertices.numpy(), surface.triangles.numpy()) == pytest.approx(2 * 3 * 5)


def test_walls_stand_on_the_grid_s_border() -> None:
    values = ball(middle=0.0)
    surface = isosurface(values, 0.0, closed=True)
    assert surface.vertices.amin() == 0
    assert volume(surface.vertices.numpy(), surface.triangles.numpy()) == pytest.approx(
        math.pi * 11**3 / 6, rel=0.02
    )


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("size", [(2, 2, 2), (5, 4, 3), (7, 7, 7)])
def test_it_equals_its_plain_twin(size: tuple[int, int, int], closed: bool) -> None:
    values = noise(5, *size)
    fast, slow = (make(values, 0.2, closed=closed) for make in (isosurface, isosurface_by_cells))
    assert len(fast.vertices) == len(slow.vertices)
    assert len(fast.vertices.unique(dim=0)) == len(fast.vertices) or closed

    def corners(surface: Surface) -> list[tuple[float, ...]]:
        rows = surface.vertices[surface.triangles].reshape(-1, 9)
        return sorted(map(tuple, rows.mul(1e9).round().div(1e9).tolist()))

    assert corners(fast) == corners(slow)


def test_the_memory_s_order_does_not_matter() -> None:
    values = noise(6, 5, 6, 7)
    turned = values.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not turned.is_contiguous()
    first, second = isosurface(values, 0.0), isosurface(turned, 0.0)
    assert torch.equal(first.vertices, second.vertices)
    assert torch.equal(first.triangles, second.triangles)


def test_a_surface_moves_with_its_values() -> None:
    values = noise(4, 3, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: isosurface(v, 0.0, closed=True).vertices, (values,))


def test_half_precision_still_knows_its_places() -> None:
    surface = isosurface(ball().to(torch.bfloat16), 0.0)
    assert surface.vertices.dtype == torch.float32
    assert ((surface.vertices - MIDDLE).norm(dim=-1) - 11).abs().max() < 0.5


def test_pieces_are_those_that_a_library_finds() -> None:
    surface = isosurface(noise(8, 12, 12, 12), 0.5)
    a, b = directed_edges(surface)
    count = len(surface.vertices)
    ties = coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    number, expected = connected_components(ties, directed=False)
    found = components(surface).numpy()
    assert len(np.unique(found)) == number > 5
    assert len({*zip(found, expected, strict=True)}) == number


def test_only_the_largest_piece_is_kept() -> None:
    small = 3.0 - (grid() - 4.1).norm(dim=-1)
    both = isosurface(torch.maximum(ball(8.0, 20.2), small), 0.0)
    kept, alone = largest_component(both), isosurface(ball(8.0, 20.2), 0.0)
    assert len(both.vertices) > len(kept.vertices)
    torch.testing.assert_close(kept.vertices.sort(dim=0).values, alone.vertices.sort(dim=0).values)
    assert is_closed(kept)
    assert euler(kept) == 2


def test_what_has_no_cells_or_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="2 along each axis"):
        isosurface(torch.zeros(4, 1, 4), 0.0)
    values = torch.zeros(3, 3, 3)
    values[1, 1, 1] = math.nan
    for make in (isosurface, isosurface_by_cells):
        with pytest.raises(ValueError, match="not finite"):
            make(values, 0.0)


def test_no_case_needs_more_room_than_there_is() -> None:
    counts = [sum(len(loop) - 2 for loop in marching._loops(case)) for case in range(256)]
    assert max(counts) == marching.MOST
    assert counts[0] == counts[255] == 0
    assert min(counts[1:255]) == 1
