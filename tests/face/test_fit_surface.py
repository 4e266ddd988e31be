"""Any head as mean plus modes, and its points as mixes of vertices."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.errors import HeadError
from phiz.face import fit_surface
from phiz.face.coeffs import neutral
from phiz.face.fit_surface import anchors68, anchors478, chart, face_parts
from phiz.face.head import Head
from phiz.face.morphable import Part, vertex_normals
from phiz.face.supplied import SuppliedHead


def test_a_model_of_modes_alone_is_its_chart(miniature: SuppliedHead) -> None:
    sizes = miniature.sizes
    chance = torch.Generator().manual_seed(0)
    face = replace(
        neutral(sizes),
        identity=torch.randn(1, sizes.identity, generator=chance),
        expression=torch.rand(1, sizes.expression, generator=chance),
    )
    found = chart(miniature)
    shape = torch.cat([face.identity, face.expression], dim=1)
    sums = found.mean + torch.einsum("vck,bk->bvc", found.modes, shape)
    torch.testing.assert_close(sums, miniature.vertices(face) * miniature.metres_per_unit, atol=1e-6, rtol=0)


def test_our_head_is_its_chart_but_for_what_touches(head: Head) -> None:
    face = replace(neutral(head.sizes), identity=torch.full((1, head.sizes.identity), 0.5))
    found = chart(head)
    sums = found.mean + found.modes[..., : head.sizes.identity] @ face.identity[0]
    assert (sums - head.vertices(face)[0]).norm(dim=-1).max() < 2e-3
    assert found is chart(head)


def test_colours_are_a_chart_too(head: Head) -> None:
    texture = torch.full((1, head.sizes.texture), 0.2)
    found = chart(head)
    sums = found.colour + found.colour_modes @ texture[0]
    expected = head.colours(replace(neutral(head.sizes), texture=texture))[0]
    torch.testing.assert_close(sums, expected, atol=1e-3, rtol=0)


@torch.no_grad()
def test_landmarks_are_found_to_be_mixes_of_vertices(head: Head, miniature: SuppliedHead) -> None:
    for model in (head, miniature):
        surface = model.vertices(neutral(model.sizes, 2)) * 1.3
        torch.testing.assert_close(anchors68(model).on(surface), model.landmarks(surface))
    surface = head.vertices(neutral(head.sizes))
    torch.testing.assert_close(anchors478(head).on(surface), head.landmarks478(surface))
    assert anchors68(head).corners.shape[1] <= 3


def test_points_move_as_their_vertices_do(head: Head) -> None:
    modes = chart(head).modes
    expected = anchors68(head).on(modes[..., 3][None])[0]
    torch.testing.assert_close(anchors68(head).modes_of(modes)[..., 3], expected)


def test_normals_turn_as_modes_move_the_surface(head: Head) -> None:
    found = chart(head)
    own = torch.arange(0, len(found.mean), 40)
    turns = found.normals_turn(own, found.mean)
    for mode in (0, 3, head.sizes.identity + 17):
        way = 1e-4 * found.modes[..., mode].double()
        normals = vertex_normals(torch.stack([found.mean + way, found.mean - way]), found.triangles)[:, own]
        expected = (normals[0] - normals[1]) / 2e-4
        assert (turns[..., mode] - expected).norm() < 1e-3 * expected.norm()


def test_a_head_without_478_points_says_so(miniature: SuppliedHead) -> None:
    with pytest.raises(HeadError, match="478"):
        anchors478(miniature)


def test_the_face_is_neither_hair_nor_eyes(head: Head) -> None:
    face = face_parts(head)
    assert not face[(head.parts == Part.SCALP) | (head.parts == Part.LEFT_EYE)].any()
    assert face[head.parts == Part.NOSE].all()


def test_a_head_whose_parts_name_no_face_is_a_face(miniature: SuppliedHead) -> None:
    miniature.parts = torch.full_like(miniature.parts, int(Part.SCALP))
    assert fit_surface.face_parts(miniature).all()
