"""Rays: weights add up, samples stay where they belong, a warp is a move of the camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import poses, volume
from phiz.generator.config import TINY
from phiz.generator.generator import Depths, Generator, Plan, Stage
from phiz.generator.volume import Marcher, RandomDraws
from phiz.graphics.rays import rays_through


@pytest.fixture
def styles(tiny: Generator, codes: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return tiny.styles(codes[0][:1])


def _marcher(tiny: Generator, styles: torch.Tensor, *, is_opaque: bool) -> Marcher:
    prepared = tiny.prepare(styles)
    return Marcher(tiny.config, tiny.foreground, prepared.field, is_opaque=is_opaque)


@pytest.mark.parametrize("is_opaque", [True, False])
def test_weights_and_what_passes_add_up_to_one(
    tiny: Generator, styles: torch.Tensor, is_opaque: bool
) -> None:
    marcher = _marcher(tiny, styles, is_opaque=is_opaque)
    uv = tiny.pixels(8)[None]
    samples, depths, stretch = marcher.samples(
        poses.at(tiny.config, (0.3, 0.6)), uv, count=5, is_hierarchical=True
    )
    weights, passing = marcher.weigh(samples, stretch)
    total = weights.sum(-1) if is_opaque else weights.sum(-1) + passing
    torch.testing.assert_close(total, torch.ones(1, 64))
    assert depths.fine is not None
    assert float(depths.fine.min()) >= 0
    assert float(depths.fine.max()) <= 1
    assert 0.05 < float(passing.mean()) < 0.95  # the test would say little of an empty scene


def test_rays_are_those_of_the_camera(tiny: Generator) -> None:
    camera, uv = poses.at(tiny.config, (0.1, 0.9), roll=0.3), tiny.pixels(8)[None]
    for found, plain in zip(volume.rays_through_pixels(camera, uv), rays_through(camera, uv), strict=True):
        torch.testing.assert_close(found, plain, atol=1e-6, rtol=0)


def test_jitter_stays_within_strata_and_keeps_the_order() -> None:
    places = torch.linspace(0, 1, 5).expand(2, 3, 5)
    chances = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    moved = volume.jittered(places, chances)
    assert bool((moved.diff(dim=-1) >= 0).all())
    assert bool(((moved - places).abs() <= 0.125 + 1e-6).all())
    torch.testing.assert_close(volume.jittered(places, 0 * chances)[..., 0], places[..., 0])


def test_inverse_spacing_reaches_from_near_to_far_and_draws_far_points_in() -> None:
    config = replace(TINY, spacing="inverse", near=0.5, far=4.0)
    found = volume.to_depth(config, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(found, torch.tensor([0.5, 1 / (0.5 / 4 + 0.5 / 0.5), 4.0]))
    points = torch.tensor([[0.5, 0, 0], [2.0, 0, 0], [0, 1e6, 0]])
    expected = torch.tensor([[0.5, 0, 0], [1.5, 0, 0], [0, 2.0, 0]])
    torch.testing.assert_close(volume.contracted(points), expected)


def test_the_same_depths_give_the_same_picture(tiny: Generator, styles: torch.Tensor) -> None:
    camera = poses.at(tiny.config, (0.4, 0.5))
    first = tiny.render(styles, camera)
    again = tiny.render(styles, camera, depths=first.depths)
    assert torch.equal(first.image, again.image)
    other = tiny.render(styles, camera, depths=Depths(first.depths.coarse * 0.9, first.depths.fine))
    assert not torch.equal(first.image, other.image)


def test_no_motion_leaves_the_picture_alone(tiny: Generator, styles: torch.Tensor) -> None:
    asked: list[Stage] = []

    def still(points: torch.Tensor, stage: Stage) -> torch.Tensor:
        asked.append(stage)
        return points

    camera = poses.at(tiny.config, (0.4, 0.5))
    plain = tiny.render(styles, camera)
    assert torch.equal(tiny.render(styles, camera, warp=still).image, plain.image)
    assert asked == [Stage.COARSE, Stage.FINE]


def test_shifting_the_scene_is_shifting_the_camera(tiny: Generator, styles: torch.Tensor) -> None:
    shift = torch.tensor([0.0, 0.02, -0.01])
    camera = poses.at(tiny.config, (0.5, 0.5))
    pose = camera.world_from_camera.clone()
    pose[:, :3, 3] += shift
    plan = Plan(shows="foreground")
    moved = tiny.render(styles, replace(camera, world_from_camera=pose), plan=plan)
    warped = tiny.render(styles, camera, warp=lambda points, _: points + shift, plan=plan)
    torch.testing.assert_close(warped.small, moved.small, atol=1e-4, rtol=1e-3)


def test_noise_on_densities_can_be_left_out(tiny: Generator, styles: torch.Tensor) -> None:
    class Quiet(RandomDraws):  # counts what it is asked for
        asked = 0

        def normal(self, *shape: int) -> torch.Tensor:
            self.asked += 1
            return super().normal(*shape)

    camera = poses.at(tiny.config, (0.5, 0.5))
    noisy, quiet = (Quiet(torch.Generator().manual_seed(0)) for _ in range(2))
    tiny.render(styles, camera, draws=noisy)
    still = Generator(replace(TINY, density_noise=0.0))
    still.load_state_dict(tiny.state_dict())
    still.render(styles, camera, draws=quiet)
    assert (noisy.asked, quiet.asked) == (3, 0)
