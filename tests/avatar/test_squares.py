"""Squares of maps are where their corners say."""

from __future__ import annotations

import torch

from phiz.avatar.squares import cut, square_places, taken


def test_places_of_a_square_are_its_pixels_row_by_row() -> None:
    maps = torch.arange(2 * 36.0).reshape(2, 1, 6, 6)
    corners = torch.tensor([[0, 1], [3, 2]])
    found = taken(maps, square_places(corners, 3, 6))[..., 0]
    torch.testing.assert_close(found[0], maps[0, 0, 0:3, 1:4].flatten())
    torch.testing.assert_close(found[1], maps[1, 0, 3:6, 2:5].flatten())


def test_finer_maps_are_cut_at_the_same_place_without_the_margin() -> None:
    fine = torch.arange(2 * 144.0).reshape(2, 1, 12, 12)
    found = cut(fine, torch.tensor([[0, 1], [2, 2]]), 4, 2, 1)
    assert found.shape == (2, 1, 4, 4)
    torch.testing.assert_close(found[0], fine[0, :, 2:6, 4:8])
    torch.testing.assert_close(found[1], fine[1, :, 6:10, 6:10])
