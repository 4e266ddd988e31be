"""Drawing, looked at as a whole: what shapes the picture, what paints it, and what leaves it alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from phiz.generator import poses
from phiz.generator.config import TINY
from phiz.generator.generator import Features, Generator, Plan
from phiz.graphics.camera import Camera

Codes = tuple[torch.Tensor, torch.Tensor]


def _cameras(generator: Generator) -> Camera:
    return poses.at_units(generator.config, torch.tensor([[0.5, -0.4], [-1.0, 0.3]]))


def test_features_of_one_picture_make_another_that_picture(tiny: Generator, codes: Codes) -> None:
    styles, camera = tiny.styles(codes[0][:1]), _cameras(tiny)
    here, there = tiny.render(styles, camera[:1]), tiny.render(styles, camera[1:])
    moved = tiny.render(styles, camera[:1], edit=lambda _: Features(there.features, there.small))
    assert torch.equal(moved.image, there.image)
    assert torch.equal(moved.features, there.features)
    assert torch.equal(moved.depth, here.depth)


def test_the_first_styles_shape_the_head_and_the_others_paint_the_picture(
    tiny: Generator, codes: Codes
) -> None:
    one, other = tiny.styles(codes[0]).split(1)
    camera, count = _cameras(tiny)[:1], TINY.volume_styles
    plain = tiny.render(one, camera)
    painted = tiny.render(torch.cat([one[:, :count], other[:, count:]], dim=1), camera)
    assert torch.equal(painted.features, plain.features)
    assert torch.equal(painted.depth, plain.depth)
    assert not torch.equal(painted.image, plain.image)
    shaped = tiny.render(torch.cat([other[:, :count], one[:, count:]], dim=1), camera)
    assert torch.equal(shaped.features, tiny.render(other, camera).features)


def test_a_picture_is_a_function_of_what_it_is_drawn_from(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    before = copy.deepcopy(tiny.state_dict())
    one, same = (tiny(z, _cameras(tiny), behind) for _ in range(2))
    assert torch.equal(one, same)
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


def test_a_background_that_stays_is_the_same_from_everywhere(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    plan = Plan(shows="background", background_camera=poses.frozen(TINY))
    found = tiny.render(tiny.styles(z[:1]), _cameras(tiny), background=behind[:1], plan=plan)
    assert torch.equal(found.image[0], found.image[1])
    moving = tiny.render(
        tiny.styles(z[:1]), _cameras(tiny), background=behind[:1], plan=Plan(shows="background")
    )
    assert not torch.equal(moving.image[0], moving.image[1])


def test_styles_of_a_person_can_be_found_again_by_their_gradient(tiny: Generator, codes: Codes) -> None:
    camera, wanted = _cameras(tiny)[:1], tiny.styles(codes[0][:1])
    target = tiny.render(wanted, camera).image
    guess = (0.8 * wanted).requires_grad_()
    before = (tiny.render(guess, camera).image - target).square().mean()
    (slope,) = torch.autograd.grad(before, guess)
    assert bool((slope.abs().sum((0, 2)) > 0).all())  # geometry included
    stepped = (guess - 1e-2 * slope / slope.norm()).detach()
    assert float((tiny.render(stepped, camera).image - target).square().mean()) < before.item()


def test_rays_go_through_the_middles_of_pixels_or_through_every_kth_corner() -> None:
    grid = Generator(TINY).pixels(4)
    assert grid[:4, 0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert grid[:4, 1].tolist() == [-0.75] * 4  # the top row first; v points down
    large = replace(TINY, resolution=1024, volume_resolution=32, is_corner_aligned=True)
    grid = Generator(large).pixels(32)
    assert grid[0].tolist() == [-1, -1]
    assert float(grid[-1, 0]) == pytest.approx(0.939, abs=1e-3)  # as published: not symmetrical
    assert float(grid[:, 0].diff()[0]) == pytest.approx(32 * 2 / 1023, abs=1e-6)
    both = Generator(replace(TINY, is_corner_aligned=True)).pixels(32)
    assert torch.equal(both.reshape(32, 32, 2)[-1, -1], torch.ones(2))


def test_density_and_colour_are_those_that_a_ray_meets(tiny: Generator, codes: Codes) -> None:
    """Along one ray, with samples so fine that an integral of what the two say is its picture."""
    styles = tiny.styles(codes[0][:1])
    camera, count = _cameras(tiny)[:1], 600
    plan = Plan(samples=count, is_hierarchical=False, shows="foreground")
    uv = tiny.pixels(8)[[27]]
    prepared = tiny.prepare(styles)
    ray = tiny.march(prepared, camera, uv, plan=plan)
    inner = camera.intrinsics[0]
    away = torch.tensor([uv[0, 0] / inner[0, 0], -uv[0, 1] / inner[1, 1], -1.0])
    direction = camera.world_from_camera[0, :3, :3] @ away
    depths = torch.linspace(TINY.near, TINY.far, count)
    points = camera.position + depths[:, None] * direction
    dense, colour = tiny.density(prepared, points[None])[0], tiny.colour(prepared, points[None])[0]
    step = (depths[1] - depths[0]) * direction.norm()
    left = torch.exp(-torch.cat([torch.zeros(1), (dense[:-1] * step).cumsum(0)]))
    weights = left - torch.cat([left[1:], torch.zeros(1)])
    torch.testing.assert_close((weights[:, None] * colour).sum(0), ray.colour[0, 0], atol=1e-3, rtol=1e-3)
