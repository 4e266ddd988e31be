"""Modelled hair on the egg: a curtain with painted stripes, bound to a few of its vertices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from phiz.world.grown import hair_cards
from phiz.world.grown.hair import STYLES, grow_hair
from phiz.world.grown.hair_cards import Combed, comb, painted, styles_for
from phiz.world.grown.hair_meshes import HairMesh
from phiz.world.surface import Label
from tests.world.test_hair import EGG, LOOK, NORMALS
from tests.world.test_hair_meshes import folder


def curtain(leaning: float = 0.0) -> HairMesh:
    """Return 8 cm of hair, opaque but for its right quarter, whose painted hairs lean sideways."""
    across, down = torch.meshgrid(torch.linspace(0, 1, 9), torch.linspace(0, 1, 9), indexing="xy")
    uv = torch.stack([across, down], dim=-1).reshape(-1, 2)
    vertices = torch.stack([0.08 * uv[:, 0] - 0.04, 0.1 - 0.08 * uv[:, 1], torch.full((81,), 0.12)], dim=1)
    corner = (torch.arange(8)[:, None] * 9 + torch.arange(8)).reshape(-1)
    triangles = torch.cat(
        [
            torch.stack([corner, corner + 9, corner + 1], 1),
            torch.stack([corner + 1, corner + 9, corner + 10], 1),
        ]
    )
    row, column = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    return HairMesh(
        name="curtain",
        vertices=vertices,
        triangles=triangles,
        uv=uv,
        luminance=1 + 0.5 * torch.sin(1.3 * (column - leaning * row)),
        alpha=(column < 96).float(),
        along=torch.tensor([0.0, -1.0, 0.0]).expand(81, 3),
        bound=torch.zeros(81, 4, dtype=torch.long),
        weights=torch.full((81, 4), 0.25),
        rest=torch.zeros(81, 4, 3),
    )


def laid(combed: Combed) -> torch.Tensor:
    return torch.einsum("nkcx,nkc->nkx", combed.mesh.vertices[combed.corners], combed.weights)


@pytest.mark.parametrize("leaning", [0.0, 0.7])
def test_the_painted_direction_is_found(leaning: float) -> None:
    twice = painted(curtain(leaning))[:, 40:88, 30:60].mean(dim=(1, 2))
    angle = 0.5 * torch.atan2(twice[1], twice[0])
    found = torch.stack([angle.cos(), angle.sin()])
    wanted = torch.nn.functional.normalize(torch.tensor([leaning, 1.0]), dim=0)
    assert (found @ wanted).abs() > 0.99


def test_strands_run_along_the_painted_hair_and_stay_where_it_is_opaque() -> None:
    points = laid(comb(curtain(0.7), np.random.default_rng(0), strands=500, spots=3000))
    whole = points[:, -1] - points[:, 0]
    middle = (points[:, 6, :2] - torch.tensor([-0.01, 0.06])).abs().amax(dim=1) < 0.012
    course = torch.nn.functional.normalize(whole[middle & (whole.norm(dim=1) > 0.02)], dim=1)
    wanted = torch.nn.functional.normalize(torch.tensor([0.7, -1.0, 0.0]), dim=0)
    assert len(course) > 25
    assert (course @ wanted).median() > 0.97
    assert points[..., 0].max() < 0.02 + 0.009
    assert (points[..., 2] - 0.12).abs().max() < 1e-5


def test_light_stripes_make_light_strands() -> None:
    light = comb(curtain(), np.random.default_rng(0), strands=500, spots=3000).light
    assert light.std(dim=1).mean() < 0.6 * light.std()


def test_heads_without_modelled_hair_wear_the_grown_styles() -> None:
    assert styles_for(EGG) == tuple(STYLES)


def test_a_head_with_modelled_hair_offers_it_and_wears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hair_cards, "comb", partial(comb, strands=600, spots=3000))
    egg = replace(EGG, name="egg with hair")
    object.__setattr__(egg, "hair_arrays", folder() | {"v": 100 * EGG.mean.numpy()})
    assert styles_for(egg)[-1] == "mesh:strip"
    look = replace(LOOK, style="mesh:strip")
    (strands,) = grow_hair(look, EGG.mean, NORMALS, egg, np.random.default_rng(0))
    assert strands.count > 100
    assert strands.label is Label.HAIR
    assert torch.isfinite(strands.points).all()
    assert (strands.colour >= 0).all()


def test_modelled_hair_that_a_head_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="wig"):
        grow_hair(replace(LOOK, style="mesh:wig"), EGG.mean, NORMALS, EGG, np.random.default_rng(0))
