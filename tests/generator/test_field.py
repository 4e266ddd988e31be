"""What is at a point: planes are looked up, spheres are met, what is linear may wait until all is added."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import field, planes, volume
from phiz.generator.config import TINY
from phiz.generator.field import Background, Foreground
from phiz.layers.modulated import apply


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_ramp_on_a_plane_is_found_again() -> None:
    size = 16
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    x = line.expand(size, size)
    ramps = torch.stack([x, 2 * x, 4 * x.T])[None, :, None]  # planes xy, xz, yz; the last rises with z
    points = 0.8 * (2 * torch.rand(1, 20, 3, generator=torch.Generator().manual_seed(0)) - 1)
    found = planes.look_up(ramps, points)[..., 0]
    torch.testing.assert_close(found, points[..., 0] * 3 + 4 * points[..., 2])
    assert float(planes.look_up(ramps, torch.full((1, 1, 3), 3.0)).abs().max()) == 0


def test_planes_are_painted_by_all_of_their_styles() -> None:
    config = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)
    network = planes.PlaneNetwork(config)
    styles = _noise(2, config.plane_styles, TINY.w_size).requires_grad_()
    painted = network(styles)
    assert painted.shape == (2, 3, 3, 16, 16)
    (slope,) = torch.autograd.grad(painted.square().sum(), styles)
    assert bool((slope.abs().sum((0, 2)) > 0).all())


@pytest.mark.parametrize("colour", ["predicted", "extra"])
def test_outputs_of_the_mean_are_the_mean_of_outputs(colour: str) -> None:
    foreground = Foreground(replace(TINY, colour=colour))  # type: ignore[arg-type]
    prepared = foreground.prepare(_noise(2, TINY.volume_styles, TINY.w_size))
    hidden = foreground.hidden(prepared, _noise(2, 15, 3, seed=1))
    outputs = apply(prepared.outputs, hidden).reshape(2, 3, 5, -1)
    weights = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(2))
    slow = (weights[..., None] * outputs).sum(2)
    fast = volume.mix(prepared.outputs, weights, hidden.reshape(2, 3, 5, -1))
    torch.testing.assert_close(fast, slow)
    assert outputs.shape[-1] == 3 + TINY.features


def test_a_predicted_colour_is_linear_in_the_features() -> None:
    foreground = Foreground(TINY)
    prepared = foreground.prepare(_noise(1, TINY.volume_styles, TINY.w_size))
    found = apply(prepared.outputs, foreground.hidden(prepared, _noise(1, 6, 3)))
    torch.testing.assert_close(foreground.colour(found[..., 3:]), found[..., :3])


def test_repeated_styles_are_the_same_twice() -> None:
    foreground = Foreground(TINY)
    prepared = foreground.prepare(_noise(2, TINY.volume_styles, TINY.w_size))
    points = _noise(4, 6, 3)
    twice = foreground.hidden(prepared.repeated(2), points)
    once = foreground.hidden(prepared, points[::2])
    torch.testing.assert_close(twice[::2], once)


def test_densities_are_never_negative() -> None:
    raw = torch.linspace(-5, 5, 11)
    assert field.density(TINY, raw).tolist() == raw.clamp(min=0).tolist()
    soft = field.density(replace(TINY, density="softplus", density_gain=2.0), raw)
    torch.testing.assert_close(soft, 2 * torch.nn.functional.softplus(raw - 1))


def test_spheres_are_met_on_the_ray() -> None:
    origins = torch.tensor([[1.0, 0.0, 0.0]])
    directions = torch.tensor([[[-1.0, 0.05, 0.1], [-1.0, -0.1, 0.02]]])
    radii = torch.tensor([0.5, 0.25, 0.01]).expand(1, 2, 3)
    found = field.inverted_sphere(origins, directions, radii)
    assert torch.equal(found[..., 3], radii)
    points = found[..., :3] / radii[..., None]  # where they are in the world
    along = points - origins[:, None, None]
    across = torch.linalg.cross(along, directions[:, :, None].expand_as(along)).norm(dim=-1)
    assert float((across / along.norm(dim=-1)).max()) < 1e-3
    torch.testing.assert_close(found[..., :3].norm(dim=-1), torch.ones(1, 2, 3))


def test_a_ray_through_the_middle_of_everything_is_finite() -> None:
    origins, directions = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[[-1.0, 0.0, 0.0]]])
    found = field.inverted_sphere(origins, directions, torch.tensor([[[0.5, 0.0]]]))
    torch.testing.assert_close(found[0, 0, :, :3], torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]]))


def test_a_background_follows_its_code() -> None:
    background = Background(TINY)
    points = torch.nn.functional.normalize(_noise(1, 5, 4), dim=-1)
    one, other = (background.prepare(_noise(1, TINY.background_latent, seed=k)) for k in (1, 2))
    assert not torch.allclose(background.hidden(one, points), background.hidden(other, points))
