"""Rays: weights add up, samples stay where they belong, a warp is a move of the camera."""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import poses, volume
from phiz.generator.config import TINY
from phiz.generator.field import inverted_sphere, raw_density
from phiz.generator.generator import Depths, Generator, Plan, Prepared, Stage
from phiz.generator.volume import Marcher, RandomDraws, Samples
from phiz.graphics.camera import Camera
from phiz.graphics.rays import rays_through
from phiz.layers.modulated import apply


@pytest.fixture
def styles(tiny: Generator, codes: tuple[Tensor, Tensor]) -> Tensor:
    return tiny.styles(codes[0][:1])


@pytest.fixture(scope="module")
def exact(tiny: Generator) -> Generator:
    """Return the same generator in double precision."""
    return copy.deepcopy(tiny).double()


def _exactly(camera: Camera) -> Camera:
    return Camera(world_from_camera=camera.world_from_camera.double(), intrinsics=camera.intrinsics.double())


def _marcher(tiny: Generator, styles: Tensor, *, is_opaque: bool) -> Marcher:
    prepared = tiny.prepare(styles)
    return Marcher(tiny.config, tiny.foreground, prepared.field, is_opaque=is_opaque)


@pytest.mark.parametrize("is_opaque", [True, False])
def test_weights_and_what_passes_add_up_to_one(tiny: Generator, styles: Tensor, is_opaque: bool) -> None:
    marcher = _marcher(tiny, styles, is_opaque=is_opaque)
    uv = tiny.pixels(8)[None]
    samples, depths, stretch = marcher.samples(
        poses.at(tiny.config, (0.3, 0.6)), uv, count=5, is_hierarchical=True
    )
    weights, passing = marcher.weigh(samples, stretch)
    total = weights.sum(-1) if is_opaque else weights.sum(-1) + passing
    torch.testing.assert_close(total, torch.ones(1, 64))
    assert float(weights.min()) >= 0
    assert depths.fine is not None
    assert float(depths.fine.min()) >= 0
    assert float(depths.fine.max()) <= 1
    assert 0.05 < float(passing.mean()) < 0.95  # the test would say little of an empty scene


@pytest.mark.parametrize("is_relative", [True, False])
@pytest.mark.parametrize("is_opaque", [True, False])
def test_light_passes_from_sample_to_sample_as_in_a_loop(is_relative: bool, is_opaque: bool) -> None:
    config = replace(TINY, is_length_relative=is_relative)
    generator = Generator(config).eval()
    marcher = _marcher(generator, torch.zeros(1, config.styles, config.w_size), is_opaque=is_opaque)
    places = torch.rand(1, 2, 6, generator=torch.Generator().manual_seed(0)).double()  # in no order
    raw, stretch = 9 * plain.noise(1, 2, 6), torch.tensor([[1.0, 1.3]], dtype=torch.float64)
    weights, passing = marcher.weigh(Samples(places, raw, places[..., None]), stretch)
    for ray in range(2):
        order = sorted(range(6), key=lambda s: float(places[0, ray, s]))
        left, expected = 1.0, [0.0] * 6
        for now, then in itertools.pairwise(order):
            step = float(places[0, ray, then] - places[0, ray, now]) * float(stretch[0, ray])
            step *= 1 if is_relative else config.far - config.near
            share = 1 - math.exp(-max(float(raw[0, ray, now]), 0.0) * step)
            expected[now], left = left * share, left * (1 - share)
        expected[order[-1]] = left if is_opaque else 0.0
        torch.testing.assert_close(
            weights[0, ray], torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=0
        )
        assert float(passing[0, ray]) == pytest.approx(left, abs=1e-8)


def _slow_ray(
    generator: Generator, prepared: Prepared, origin: Tensor, direction: Tensor, count: int
) -> tuple[list[float], Tensor, float]:
    """Return the depths, the picture and feature numbers, and the light that passes, of one ray."""
    near, far = generator.config.near, generator.config.far
    length = float(direction.norm())

    def look(places: list[float]) -> tuple[list[float], Tensor]:
        points = torch.stack([origin + (near + (far - near) * t) * direction for t in places])
        hidden = generator.foreground.hidden(prepared.field, points[None])
        raw = raw_density(prepared.field, hidden, points[None])[0].clamp(min=0)
        return raw.tolist(), apply(prepared.field.outputs, hidden)[0]

    def weigh(places: list[float], dense: list[float]) -> tuple[list[float], float]:
        left, weights = 1.0, []
        for k in range(len(places) - 1):
            step = (places[k + 1] - places[k]) * (far - near) * length
            weights.append(left * (1 - math.exp(-dense[k] * step)))
            left *= math.exp(-dense[k] * step)
        return [*weights, 0.0], left

    coarse = [k / (count - 1) for k in range(count)]
    weights, _ = weigh(coarse, look(coarse)[0])
    edges = [(a + b) / 2 for a, b in itertools.pairwise(coarse)]
    inner = [w + 1e-5 for w in weights[1:-1]]
    grown = [sum(inner[:k]) / sum(inner) for k in range(len(edges))]
    fine = []
    for k in range(count):
        chance = k / (count - 1)
        after = next((e for e, value in enumerate(grown) if value >= chance), len(edges) - 1)
        before = max(after - 1, 0)
        step = grown[after] - grown[before]
        part = (chance - grown[before]) / (step if step >= 1e-5 else 1.0)
        fine.append(edges[before] + part * (edges[after] - edges[before]))
    places = sorted([*fine, *coarse])
    dense, outputs = look(places)
    weights, left = weigh(places, dense)
    return fine, (torch.tensor(weights, dtype=torch.float64)[:, None] * outputs).sum(0), left


def test_a_picture_of_rays_equals_one_ray_at_a_time(
    exact: Generator, styles: Tensor, codes: tuple[Tensor, Tensor]
) -> None:
    prepared = exact.prepare(styles.double(), codes[1][:1].double())
    camera = _exactly(poses.at(TINY, (0.3, 0.6)))
    uv = exact.pixels(8).double()[[0, 9, 27, 36, 63]][None]
    rays = exact.march(prepared, camera, uv)
    assert rays.depths.fine is not None
    assert exact.background is not None
    assert prepared.behind is not None
    weights, hidden = volume.march_background(TINY, exact.background, prepared.behind, camera, uv)
    behind = (weights[..., None] * apply(prepared.behind.outputs, hidden[0])).sum(2)[0]
    origins, directions = rays_through(camera, uv)
    for k in range(5):
        fine, seen, left = _slow_ray(exact, prepared, origins[0], directions[0, k], TINY.samples)
        torch.testing.assert_close(
            rays.depths.fine[0, k], torch.tensor(fine, dtype=torch.float64), atol=1e-8, rtol=0
        )
        expected = seen + left * behind[k]
        torch.testing.assert_close(rays.colour[0, k], expected[:3], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(rays.features[0, k], expected[3:], atol=1e-6, rtol=1e-6)
        assert float(rays.opacity[0, k]) == pytest.approx(1 - left, abs=1e-6)


def test_what_is_behind_adds_up_to_one_and_ends_infinitely_far(exact: Generator) -> None:
    assert exact.background is not None
    behind = exact.background.prepare(plain.noise(2, TINY.background_latent))
    camera, uv = _exactly(poses.at(TINY, (0.3, 0.6))), exact.pixels(4).double()[None].expand(2, -1, -1)
    both = Camera(
        world_from_camera=camera.world_from_camera.expand(2, -1, -1),
        intrinsics=camera.intrinsics.expand(2, -1, -1),
    )
    weights, hidden = volume.march_background(TINY, exact.background, behind, both, uv)
    assert hidden.shape == (2, 16, TINY.background_samples, TINY.background_hidden)
    radii = torch.tensor([1 / 2, 1 / 3, 1 / 6, 0], dtype=torch.float64).expand(2, 16, 4)
    points = inverted_sphere(*rays_through(both, uv), radii).flatten(1, 2)
    torch.testing.assert_close(hidden.flatten(1, 2), exact.background.hidden(behind, points))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 16).double())
    # It is a sixth of inverse radius from each to the next.
    raw = apply(behind.density, hidden.flatten(1, 2)).reshape(2, 16, 4).clamp(min=0)
    left = torch.exp(-raw[..., :3].cumsum(-1) / 6)
    torch.testing.assert_close(weights[..., 0], 1 - left[..., 0])
    torch.testing.assert_close(weights[..., 3], left[..., 2])


def test_rays_are_those_of_the_camera(tiny: Generator) -> None:
    camera, uv = poses.at(tiny.config, (0.1, 0.9), roll=0.3), tiny.pixels(8)[None]
    for found, slow in zip(volume.rays_through_pixels(camera, uv), rays_through(camera, uv), strict=True):
        torch.testing.assert_close(found, slow, atol=1e-6, rtol=0)
    intrinsics = torch.tensor([[[3.0, 0, 0.2], [0, 2.0, -0.1], [0, 0, 1]]])  # unlike along u and v
    camera = replace(camera, intrinsics=intrinsics)
    for found, slow in zip(volume.rays_through_pixels(camera, uv), rays_through(camera, uv), strict=True):
        torch.testing.assert_close(found, slow, atol=1e-6, rtol=0)


def test_jitter_stays_within_strata_and_keeps_the_order() -> None:
    places = torch.linspace(0, 1, 5).expand(2, 3, 5)
    chances = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    moved = volume.jittered(places, chances)
    assert bool((moved.diff(dim=-1) >= 0).all())
    assert bool(((moved - places).abs() <= 0.125 + 1e-6).all())
    lowest = torch.tensor([0.0, 0.125, 0.375, 0.625, 0.875])
    torch.testing.assert_close(volume.jittered(places, 0 * chances)[0, 0], lowest)
    highest = torch.tensor([0.125, 0.375, 0.625, 0.875, 1.0])
    torch.testing.assert_close(volume.jittered(places, 0 * chances + 1)[1, 2], highest)


def test_finer_samples_gather_where_the_head_begins(tiny: Generator, styles: Tensor) -> None:
    marcher = _marcher(tiny, styles, is_opaque=False)
    places = torch.linspace(0, 1, 12).expand(1, 1, -1)
    raw = torch.where((places > 0.5) & (places < 0.7), 300.0, 0.0)
    finer = marcher._finer(Samples(places, raw, places[..., None]), torch.ones(1, 1))
    near = ((finer > 0.45) & (finer < 0.7)).float().mean()
    assert float(near) > 0.8
    empty = marcher._finer(Samples(places, 0 * raw, places[..., None]), torch.ones(1, 1))
    assert float(empty.diff(dim=-1).std()) < 1e-4  # even, where nothing is
    assert float(empty.min()) >= float(places[0, 0, 0])
    assert float(empty.max()) <= float(places[0, 0, -1])


def test_no_gradient_flows_through_the_places_of_samples(tiny: Generator, styles: Tensor) -> None:
    wanted = styles.clone().requires_grad_()
    drawn = tiny.render(wanted, poses.at(TINY, (0.4, 0.5)))
    assert drawn.depths.fine is not None
    assert not drawn.depths.fine.requires_grad
    (slope,) = torch.autograd.grad(drawn.image.sum(), wanted)
    assert float(slope[:, : TINY.volume_styles].abs().max()) > 0  # and yet the head itself can be fitted


def test_inverse_spacing_reaches_from_near_to_far_and_draws_far_points_in() -> None:
    config = replace(TINY, spacing="inverse", near=0.5, far=4.0)
    found = volume.to_depth(config, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(found, torch.tensor([0.5, 1 / (0.5 / 4 + 0.5 / 0.5), 4.0]))
    points = torch.tensor([[0.5, 0, 0], [2.0, 0, 0], [0, 1e6, 0]])
    expected = torch.tensor([[0.5, 0, 0], [1.5, 0, 0], [0, 2.0, 0]])
    torch.testing.assert_close(volume.contracted(points), expected)
    edge = torch.nn.functional.normalize(plain.noise(9, 3), dim=-1)
    torch.testing.assert_close(volume.contracted(edge * 1.001), edge * 1.001, atol=2e-6, rtol=0)  # no jump


def test_far_points_are_drawn_in_before_the_warp_sees_them() -> None:
    config = replace(TINY, spacing="inverse", near=0.5, far=40.0)
    generator, seen = Generator(config).eval(), []

    def watch(points: Tensor, stage: Stage) -> Tensor:
        seen.append(float(points.norm(dim=-1).max()))
        return points

    generator.render(torch.ones(1, config.styles, config.w_size), poses.at(config, (0.5, 0.5)), warp=watch)
    assert 1.5 < max(seen) <= 2


def test_the_same_depths_give_the_same_picture(tiny: Generator, styles: Tensor) -> None:
    camera = poses.at(tiny.config, (0.4, 0.5))
    first = tiny.render(styles, camera)
    again = tiny.render(styles, camera, depths=first.depths)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.depth, again.depth)
    coarse_alone = tiny.render(styles, camera, depths=Depths(first.depths.coarse, None))
    assert torch.equal(first.image, coarse_alone.image)  # the finer ones are found again
    other = tiny.render(styles, camera, depths=Depths(first.depths.coarse * 0.9, first.depths.fine))
    assert not torch.equal(first.image, other.image)


def test_no_motion_leaves_the_picture_alone(tiny: Generator, styles: Tensor) -> None:
    asked: list[tuple[Stage, tuple[int, ...]]] = []

    def still(points: Tensor, stage: Stage) -> Tensor:
        asked.append((stage, tuple(points.shape)))
        return points

    camera = poses.at(tiny.config, (0.4, 0.5))
    plainly = tiny.render(styles, camera)
    assert torch.equal(tiny.render(styles, camera, warp=still).image, plainly.image)
    count = 64 * TINY.samples
    assert asked == [(Stage.COARSE, (1, count, 3)), (Stage.FINE, (1, count, 3))]


def test_shifting_the_scene_is_shifting_the_camera(exact: Generator, styles: Tensor) -> None:
    shift = torch.tensor([0.01, 0.02, -0.01], dtype=torch.float64)
    camera = _exactly(poses.at(TINY, (0.2, 0.7)))
    pose = camera.world_from_camera.clone()
    pose[:, :3, 3] += shift
    plan = Plan(shows="foreground")
    moved = exact.render(styles.double(), replace(camera, world_from_camera=pose), plan=plan)
    warped = exact.render(styles.double(), camera, warp=lambda points, _: points + shift, plan=plan)
    torch.testing.assert_close(warped.small, moved.small, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(warped.depth, moved.depth, atol=1e-8, rtol=0)
    still = exact.render(styles.double(), camera, plan=plan)
    assert float((still.small - moved.small).abs().max()) > 1e-2


def test_a_ray_needs_at_least_three_samples() -> None:
    for count in (-1, 1, 2):
        with pytest.raises(ValueError, match="at least 3 samples"):
            Plan(samples=count)
    assert Plan(samples=3).samples == 3


def test_a_camera_may_learn_where_it_stands(tiny: Generator, styles: Tensor) -> None:
    camera = poses.at(TINY, (0.4, 0.5))
    pose = camera.world_from_camera.clone().requires_grad_()
    tiny.render(styles, replace(camera, world_from_camera=pose)).image.square().sum().backward()
    assert pose.grad is not None
    assert bool(pose.grad.isfinite().all())
    assert float(pose.grad[:, :3].abs().min()) > 0


class Counted(RandomDraws):
    """Draws that count what they are asked for."""

    asked = 0

    def normal(self, *shape: int) -> Tensor:
        self.asked += 1
        return super().normal(*shape)


def test_noise_on_densities_can_be_left_out(tiny: Generator, styles: Tensor) -> None:
    camera = poses.at(tiny.config, (0.5, 0.5))
    noisy, quiet = (Counted(torch.Generator().manual_seed(0)) for _ in range(2))
    tiny.render(styles, camera, draws=noisy)
    still = Generator(replace(TINY, density_noise=0.0))
    still.load_state_dict(tiny.state_dict())
    still.render(styles, camera, draws=quiet)
    assert (noisy.asked, quiet.asked) == (3, 0)


def test_the_same_draws_give_the_same_picture(tiny: Generator, styles: Tensor) -> None:
    camera = poses.at(tiny.config, (0.5, 0.5))
    one, same, other = (
        tiny.render(styles, camera, draws=RandomDraws(torch.Generator().manual_seed(k))).image
        for k in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_draws_are_what_they_say() -> None:
    draws = RandomDraws(torch.Generator().manual_seed(0))
    uniform, normal = draws.uniform(4000), draws.normal(40, 100)
    assert 0 <= float(uniform.min()) < 0.01
    assert 0.99 < float(uniform.max()) < 1
    assert float(normal.std()) == pytest.approx(1, abs=0.05)
    assert normal.shape == (40, 100)


@pytest.mark.parametrize("shows", ["foreground", "background"])
def test_noise_twice_as_wide_is_twice_the_noise(tiny: Generator, styles: Tensor, shows: str) -> None:
    class Loud(RandomDraws):
        def normal(self, *shape: int) -> Tensor:
            return 2 * super().normal(*shape)

    camera, plan = poses.at(TINY, (0.5, 0.5)), Plan(shows=shows)  # type: ignore[arg-type]
    wide = Generator(replace(TINY, density_noise=2.0)).eval()
    wide.load_state_dict(tiny.state_dict())
    plain_one, loud, by_width = (
        generator.render(styles, camera, draws=draws(torch.Generator().manual_seed(0)), plan=plan).small
        for generator, draws in ((tiny, RandomDraws), (tiny, Loud), (wide, RandomDraws))
    )
    torch.testing.assert_close(by_width.detach(), loud)
    assert not torch.allclose(plain_one, loud, atol=1e-4)
