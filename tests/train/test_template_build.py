"""How the head's topology is put together from lines and pieces."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.train.template import build
from phiz.train.template.build import Piece


def ring(count: int, wide: float = 2.0, high: float = 1.0, turn: float = 0.3) -> build.Floats:
    """Return points of an ellipse around the origin, none of them at x = 0."""
    angle = 2 * np.pi * np.arange(count) / count + turn
    return np.stack([wide * np.cos(angle), high * np.sin(angle), 0.1 * np.sin(angle)], axis=1)


def test_compacting_keeps_only_used_vertices() -> None:
    vertices = np.arange(15.0).reshape(5, 3)
    kept, triangles = build.compact(vertices, np.array([[4, 1, 3]]))
    np.testing.assert_array_equal(kept[triangles], vertices[[[4, 1, 3]]])
    assert len(kept) == 3


def test_points_along_a_line_are_evenly_spaced_and_keep_its_ends() -> None:
    line = np.array([[0.0, 0, 0], [1, 0, 0], [1, 3, 0]])
    found = build.along_loop(line, 9)
    np.testing.assert_allclose(found[[0, -1]], line[[0, -1]])
    np.testing.assert_allclose(np.linalg.norm(np.diff(found, axis=0), axis=1), 0.5)


@pytest.mark.parametrize("start", [0, 7, 23])
def test_half_a_ring_starts_and_ends_in_the_middle(start: int) -> None:
    half = build.half_of_loop(np.roll(ring(40), start, axis=0))
    assert half[:, 0].min() == 0
    np.testing.assert_allclose(half[[0, -1], 0], 0)
    np.testing.assert_allclose(sorted(half[[0, -1], 1]), [-1, 1], atol=0.02)
    assert (half[1:-1, 0] > 0).all()
    assert len(half) == 20 + 2


def test_lip_edges_run_from_the_middle_to_a_shared_corner() -> None:
    vertices = ring(60)
    for loop in (np.arange(60), np.arange(60)[::-1]):
        upper, lower = build.lip_edges(vertices, loop)
        assert len(upper) == len(lower) == build.LIP_COLUMNS
        np.testing.assert_allclose(upper[0, [0, 1]], [0, 1], atol=0.02)
        np.testing.assert_allclose(lower[0, [0, 1]], [0, -1], atol=0.02)
        np.testing.assert_allclose(upper[-1], lower[-1])
        assert (upper[1:-1, 1] > lower[1:-1, 1]).all()


def test_edges_grow_away_from_a_rim_up_to_a_limit() -> None:
    size = build.rim_size(np.zeros((1, 3)), 0.002, 0.25, 0.01)
    found = size(np.array([[0.0, 0, 0], [0.004, 0, 0], [1.0, 0, 0]]))
    np.testing.assert_allclose(found, [0.002, 0.003, 0.01])


def test_a_welded_piece_shares_its_seam() -> None:
    skin = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    itself = np.array([1, 0, 3, 2])
    assembly = build._Assembly(
        Piece(name="skin", points=skin, triangles=np.array([[0, 1, 2], [0, 2, 3]]), mirror=itself)
    )
    flap = np.array([[0.0, 0, 0], [0.5, -1, 0], [1, 0, 0]])
    piece = Piece(name="flap", points=flap, triangles=np.array([[0, 1, 2]]), mirror=np.array([2, 1, 0]))
    assembly.weld(piece, seam=np.array([0, 2]), onto=np.array([0, 1]))
    assert assembly.count == 5
    points, triangles = np.concatenate(assembly.points), np.concatenate(assembly.triangles)
    np.testing.assert_array_equal(triangles[-1], [0, 4, 1])
    np.testing.assert_array_equal(points[4], flap[1])
    np.testing.assert_array_equal(np.concatenate(assembly.mirror), [1, 0, 3, 2, 4])


def test_a_pair_is_its_own_mirror_image() -> None:
    left = np.array([[1.0, 0, 0], [2, 0, 0], [1, 1, 0]])
    piece = build._pair("teeth", left, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(piece.points[piece.mirror], piece.points * [-1, 1, 1])
    a, b, c = (piece.points[piece.triangles[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_a_lopsided_part_is_refused() -> None:
    even = build._symmetric("even", np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0]]), np.array([[0, 2, 1]]))
    np.testing.assert_array_equal(even.mirror, [1, 0, 2])
    with pytest.raises(ValueError, match="lopsided is not symmetric"):
        build._symmetric("lopsided", np.array([[1.0, 0, 0], [-1.1, 0, 0]]), np.zeros((0, 3), np.int64))
