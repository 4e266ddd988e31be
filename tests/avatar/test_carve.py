"""Space is empty where some view sees past the person."""

from __future__ import annotations

import torch
from tune_fixtures import PLANES, person, views

from phiz.avatar import carve
from phiz.graphics import camera as cameras


def test_empty_points_lie_beside_the_person_in_some_view() -> None:
    aim = views()
    chance = torch.Generator().manual_seed(0)
    points = carve.empty_points(aim, PLANES.planes_span, 4000, chance)
    assert 500 < len(points) < 4000
    uv = cameras.project(aim.camera, points.expand(3, -1, -1))[..., :2]
    beside = (uv.norm(dim=-1) > 0.35) & (uv.abs().amax(-1) < 1)
    assert bool(beside.any(0).all())


def test_nothing_is_empty_where_views_are_not_believed() -> None:
    aim = views()
    doubtful = type(aim)(**{**vars(aim), "opacity_weight": torch.full_like(aim.opacity, 0.3)})
    assert len(carve.empty_points(doubtful, 0.3, 500, torch.Generator().manual_seed(0))) == 0


def test_what_is_dense_swallows_light() -> None:
    someone = person()
    prepared, points = someone.prepare(), 0.1 * torch.randn(50, 3)
    some = carve.swallowed(someone.generator, prepared, points)
    thin = prepared.field.density._replace(bias=prepared.field.density.bias - 20)
    none = carve.swallowed(
        someone.generator, prepared._replace(field=prepared.field._replace(density=thin)), points
    )
    assert float(none) < 1e-4 < float(some) < 1
