"""Some rays are what they are among all rays; whoever marches them."""

from __future__ import annotations

import pytest
import torch
from bake_fixtures import PLANES, person_of

from phiz.animate.sampling import Field
from phiz.avatar.rig import Rig
from phiz.face.head import Head
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.field import Taken
from phiz.generator.volume import Plan


@pytest.mark.parametrize("is_cleared", [False, True])
@pytest.mark.parametrize("config", [TINY, PLANES], ids=["encoding", "planes"])
def test_some_rays_are_the_same_as_among_all(
    config: GeneratorConfig, is_cleared: bool, our_head: Head
) -> None:
    person = person_of(config, our_head)
    prepared = person.prepare()
    if is_cleared:
        cells = torch.ones(4, 4, 4, dtype=torch.bool)
        cells[:, :2] = False  # the lower half
        prepared = prepared._replace(field=prepared.field._replace(taken=Taken(cells, config.planes_span)))
    field = Field.of(person.generator, prepared, person.camera)
    rig = Rig.of(person, our_head)
    seen = rig.seen(person.camera, rig.vertices(person.rest) + 0.01, config.volume_resolution)
    some = torch.tensor([1, 5, 6, 40, 63])
    with torch.no_grad():
        few, all_ = (field.march(person.camera, seen, rays) for rays in (some, torch.arange(len(field.uv))))
        plan = Plan(background_camera=person.camera)
        told = person.generator.march(prepared, person.camera, field.uv, warp=seen.warp, plan=plan)
    assert torch.allclose(few.values, all_.values[some], atol=1e-5)
    assert torch.allclose(few.opacity, all_.opacity[some], atol=1e-5)
    expected = torch.cat([told.colour, told.features], dim=-1)[0]
    assert torch.allclose(all_.values, expected, atol=1e-3)


def test_no_rays_are_no_work(our_head: Head) -> None:
    person = person_of(PLANES, our_head)
    field = Field.of(person.generator, person.prepare(), person.camera)
    rig = Rig.of(person, our_head)
    seen = rig.seen(person.camera, rig.vertices(person.rest), PLANES.volume_resolution)
    found = field.march(person.camera, seen, torch.arange(0))
    assert found.values.shape == (0, 3 + PLANES.features)
    assert found.opacity.shape == (0,)
