"""What holds for every head model, and the normals they share."""

from __future__ import annotations

import pytest
import torch

from phiz.face.morphable import ARKIT_NAMES, REGIONS, region, vertex_normals
from phiz.face.supplied import SuppliedHead

CUBE = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
SIDES = torch.tensor(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)


def test_normals_of_a_ball_point_away_from_its_middle(miniature: SuppliedHead) -> None:
    size = miniature.mean.new_tensor([0.07, 0.10, 0.08])
    skin = miniature.triangles[miniature.parts < 13]
    used = torch.unique(skin)
    ball = miniature.mean / size
    normals = vertex_normals(ball[None], skin)[0, used]
    assert ((normals * ball[used]).sum(-1) > 0.99).all()


def test_normals_have_length_one() -> None:
    normals = vertex_normals(CUBE[None], SIDES)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(1, 8))
    assert ((normals[0] * CUBE).sum(-1) > 0).all()


def test_normals_turn_with_the_surface() -> None:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0]
    turn = turn * torch.linalg.det(turn)
    surface = CUBE[None] + 0.2 * torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(3))
    turned = vertex_normals(surface @ turn.T, SIDES)
    torch.testing.assert_close(turned, vertex_normals(surface, SIDES) @ turn.T, atol=1e-5, rtol=0)


def test_normals_have_the_right_gradient() -> None:
    surface = CUBE[None].double() + 0.1 * torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(4))
    surface.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, SIDES), (surface,))


def test_a_vertex_without_triangles_has_no_normal_but_no_nan_either() -> None:
    surface = torch.cat([CUBE, torch.zeros(1, 3)])[None].requires_grad_()
    normals = vertex_normals(surface, SIDES)
    normals.sum().backward()  # type: ignore[no-untyped-call]
    assert not normals[0, 8].any()
    assert surface.grad is not None
    assert surface.grad.isfinite().all()


def test_there_are_52_arkit_names_and_none_twice() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52


def test_regions_are_found_by_name(miniature: SuppliedHead) -> None:
    assert torch.equal(region(miniature, "nose"), miniature.regions[:, REGIONS.index("nose")])
    with pytest.raises(ValueError, match="no region 'tail'"):
        region(miniature, "tail")
