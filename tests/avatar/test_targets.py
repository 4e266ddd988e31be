"""Views of a person are bundles of maps that can be joined, picked and shrunk."""

from __future__ import annotations

import pytest
import torch
from tune_fixtures import views

from phiz.avatar.targets import attention, joined, pick, shrunk, surface


def test_joined_views_can_be_picked_again() -> None:
    aim = views()
    both = joined([pick(aim, torch.tensor([2])), aim])
    assert both.count == 4
    assert torch.equal(both.camera.position[0], aim.camera.position[2])
    again = pick(both, torch.tensor([1, 2, 3]))
    assert torch.equal(again.pictures, aim.pictures)
    assert torch.equal(again.camera.position, aim.camera.position)
    with pytest.raises(ValueError, match="at least one"):
        joined([])


def test_maps_shrink_to_means() -> None:
    assert torch.equal(shrunk(torch.tensor([[[[0.0, 1.0], [1.0, 2.0]]]]), 1), torch.ones(1, 1, 1, 1))


def test_depth_is_sure_where_all_of_a_pixel_is_one_surface() -> None:
    depth = torch.full((1, 1, 8, 8), 1.0)
    depth[..., :4, :4] = 1.01
    depth[..., 0, 4] = torch.inf
    depth[..., 4:, 4:] = 1.0
    depth[..., 4, 4] = 1.2
    far, sure = surface(depth, 2)
    assert sure.flatten().tolist() == [1, 0, 1, 0]
    assert float(far[0, 0, 0, 0]) == pytest.approx(1.01)


def test_eyes_and_mouths_are_looked_at_most_and_what_is_behind_least() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, 8:24, 8:24] = 1
    labels[:, 12:14, 12:14] = 4
    weight = attention(labels, (labels[:, None] > 0).float())
    assert float(weight[0, 0, 13, 13]) > float(weight[0, 0, 22, 22]) > float(weight[0, 0, 0, 0]) > 0
