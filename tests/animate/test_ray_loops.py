"""Compiled loops find along a ray what the generator finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bake_fixtures import PLANES, person_of
from torch import Tensor

from phiz.animate.sampling import Field, Loops, Met
from phiz.avatar.rig import Neck, Seen
from phiz.face.head import Head
from phiz.generator.config import GeneratorConfig
from phiz.generator.volume import Plan
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera

CASES = {
    "as it is": PLANES,
    "relu": replace(PLANES, density="relu", density_gain=40.0),
    "nothing behind": replace(PLANES, background="none"),
    "lengths from 0 to 1": replace(PLANES, is_length_relative=True),
    "coarse alone": replace(PLANES, is_hierarchical=False),
    "coarse alone, nothing behind": replace(PLANES, is_hierarchical=False, background="none"),
    "more channels": replace(PLANES, planes_channels=16),
    "beyond the planes": replace(PLANES, planes_span=0.1),
}


def chance_seen(camera: Camera, rays: int) -> Seen:
    """Return a surface about the middle of the space, moved at random."""
    chance = torch.Generator().manual_seed(2)
    side = int(rays**0.5)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(1, *shape, generator=chance)

    return Seen(
        shift=0.03 * (numbers(rays, 3) - 0.5),
        depth=0.9 + 0.2 * numbers(rays),
        strength=numbers(rays),
        inside=torch.zeros(1, side, side),
        camera=camera,
        reach=0.02,
        fade=0.03,
    )


def both(config: GeneratorConfig, our_head: Head, neck: Neck | None = None) -> tuple[Met, Met]:
    person = person_of(config, our_head)
    field = Field.of(person.generator, person.prepare(), person.camera, dark=0.0)
    assert field.loops is not None
    seen = replace(chance_seen(person.camera, len(field.uv)), neck=neck)
    plan = Plan(background_camera=person.camera)
    rays = torch.arange(len(field.uv))
    with torch.no_grad():
        told = person.generator.march(person.prepare(), person.camera, field.uv, warp=seen.warp, plan=plan)
        found = field.march(person.camera, seen, rays)
    return found, Met(torch.cat([told.colour, told.features], dim=-1)[0], told.opacity[0])


@pytest.mark.parametrize("case", CASES)
def test_loops_and_the_generator_find_the_same(case: str, our_head: Head) -> None:
    found, told = both(CASES[case], our_head)
    assert torch.allclose(found.values, told.values, atol=2e-4, rtol=1e-3)
    assert torch.allclose(found.opacity, told.opacity, atol=2e-4)
    assert float(told.values.std()) > 0.01


def test_a_neck_bends_points_as_the_rig_does(our_head: Head) -> None:
    turn = rotation.from_euler(torch.tensor([[0.1, 0.4, -0.1]]))
    neck = Neck(
        still_from_turned=frames.rigid(turn, torch.tensor([[0.01, 0.0, 0.005]])),
        pivot=torch.tensor([0.0, -0.02, 0.0]),
        up=torch.tensor([0.0, 0.8, 0.6]),
        low=0.05,
        high=0.0,
    )
    found, told = both(PLANES, our_head, neck)
    straight, _ = both(PLANES, our_head)
    assert torch.allclose(found.values, told.values, atol=2e-4, rtol=1e-3)
    assert float((straight.values - told.values).abs().max()) > 0.01


def test_a_moved_surface_is_seen_as_moved(our_head: Head) -> None:
    person = person_of(PLANES, our_head)
    field = Field.of(person.generator, person.prepare(), person.camera)
    seen = chance_seen(person.camera, len(field.uv))
    rays = torch.arange(len(field.uv))
    moved = field.march(person.camera, seen, rays).values
    still = field.march(person.camera, replace(seen, strength=0 * seen.strength), rays).values
    assert float((moved - still).abs().max()) > 0.01


def test_fields_that_loops_do_not_know_are_left_alone(our_head: Head) -> None:
    for config in (replace(PLANES, field_layers=2), replace(PLANES, planes_channels=12)):
        person = person_of(config, our_head)
        assert Loops.of(person.generator, person.prepare(), 0.0) is None
