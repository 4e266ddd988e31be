"""What is at a point: spheres are met, styles are folded, what is linear may wait until all is added."""

from __future__ import annotations

import math
from dataclasses import replace

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import field, volume
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.field import Background, Foreground, PlainLayer
from phiz.layers.encoding import encode
from phiz.layers.equalized import EqualLinear
from phiz.layers.modulated import StyledLayer, apply

EXTRA = replace(TINY, colour="extra")
PLANES = replace(EXTRA, source="planes", planes_resolution=16, planes_most=8, planes_channels=5)


def _styles(config: GeneratorConfig, count: int = 2) -> Tensor:
    return plain.noise(count, config.volume_styles, config.w_size)


def _at_points(layer: torch.nn.Module, x: Tensor, w: Tensor) -> Tensor:
    """Return a styled layer at points, bias included."""
    assert isinstance(layer, StyledLayer)
    return plain.styled(layer, x.transpose(1, 2)[..., None], w)[..., 0].transpose(1, 2) + layer.bias


@pytest.mark.parametrize("config", [TINY, EXTRA])
def test_a_head_is_layer_after_layer_each_in_its_own_style(config: GeneratorConfig) -> None:
    foreground = Foreground(config).double()
    for layer in (*foreground.layers, foreground.density, foreground.features):
        layer.bias.data.copy_(plain.noise(len(layer.bias), seed=9))
    styles, points = _styles(config), 0.1 * plain.noise(2, 7, 3, seed=1)
    x = encode(points, config.frequencies)
    for layer, w in zip(foreground.layers, styles.unbind(1), strict=False):
        x = plain.rectified(_at_points(layer, x, w))
    features = _at_points(foreground.features, x, styles[:, config.field_layers + 1])
    if config.colour == "predicted":
        features = torch.cat([plain.dense(foreground.colour, features), features], dim=-1)
    prepared = foreground.prepare(styles)
    hidden = foreground.hidden(prepared, points)
    torch.testing.assert_close(hidden, x)
    torch.testing.assert_close(apply(prepared.outputs, hidden), features)
    density = _at_points(foreground.density, x, styles[:, config.field_layers])[..., 0]
    torch.testing.assert_close(field.raw_density(prepared, hidden, points), density)


def test_a_head_of_planes_takes_styles_for_its_planes_alone() -> None:
    foreground = Foreground(PLANES).double()
    points = 0.1 * plain.noise(2, 7, 3, seed=1)
    prepared = foreground.prepare(_styles(PLANES))
    x = field.look_up(prepared.planes, points / (PLANES.planes_span / 2))
    for layer in foreground.layers:
        x = torch.relu(torch.nn.functional.linear(x, layer.weight, layer.bias))
    torch.testing.assert_close(foreground.hidden(prepared, points), x)
    density, outputs = foreground.density, foreground.features
    raw = torch.nn.functional.linear(x, density.weight, density.bias)[..., 0]
    torch.testing.assert_close(field.raw_density(prepared, x, points), raw)
    expected = torch.nn.functional.linear(x, outputs.weight, outputs.bias)
    torch.testing.assert_close(apply(prepared.outputs, x), expected)


@pytest.mark.parametrize("config", [TINY, EXTRA])
def test_outputs_of_the_mean_are_the_mean_of_outputs(config: GeneratorConfig) -> None:
    foreground = Foreground(config).double()
    foreground.features.bias.data.copy_(plain.noise(len(foreground.features.bias), seed=9))
    prepared = foreground.prepare(_styles(config))
    hidden = foreground.hidden(prepared, plain.noise(2, 15, 3, seed=1))
    outputs = apply(prepared.outputs, hidden).reshape(2, 3, 5, -1)
    weights = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(2)).double()  # adding up to no one
    slow = (weights[..., None] * outputs).sum(2)
    fast = volume.mix(prepared.outputs, weights, hidden.reshape(2, 3, 5, -1))
    torch.testing.assert_close(fast, slow)
    assert outputs.shape[-1] == 3 + config.features


def test_one_head_of_hidden_layers_may_be_weighed_in_many_ways() -> None:
    foreground = Foreground(TINY).double()
    prepared = foreground.prepare(_styles(TINY, 1))
    hidden = foreground.hidden(prepared, plain.noise(1, 15, 3, seed=1)).reshape(1, 3, 5, -1)
    weights = plain.noise(4, 3, 5).abs()
    together = volume.mix(prepared.outputs, weights, hidden)
    alone = [volume.mix(prepared.outputs, weights[k : k + 1], hidden) for k in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("config", [TINY, PLANES])
def test_repeated_styles_are_the_same_twice(config: GeneratorConfig) -> None:
    foreground = Foreground(config).double()
    points = 0.1 * plain.noise(4, 6, 3)
    prepared = foreground.prepare(_styles(config))
    twice = prepared.repeated(2)
    hidden = foreground.hidden(twice, points)
    for start in (0, 1):
        once = foreground.hidden(prepared, points[start::2])
        torch.testing.assert_close(hidden[start::2], once)
        torch.testing.assert_close(
            field.raw_density(twice, hidden, points)[start::2], field.raw_density(prepared, once, points)
        )
        torch.testing.assert_close(apply(twice.outputs, hidden)[start::2], apply(prepared.outputs, once))


def test_a_single_style_needs_no_repeating() -> None:
    prepared = Foreground(TINY).double().prepare(_styles(TINY, 1))
    assert len(prepared.repeated(3).outputs.weight) == 1


def test_densities_are_never_negative() -> None:
    raw = torch.linspace(-5, 5, 11)
    assert field.density(TINY, raw).tolist() == raw.clamp(min=0).tolist()
    assert field.density(replace(TINY, density_gain=3.0), raw).tolist() == (3 * raw.clamp(min=0)).tolist()
    soft = field.density(replace(TINY, density="softplus", density_gain=2.0), raw)
    expected = [2 * math.log1p(math.exp(x - 1)) for x in raw.tolist()]
    torch.testing.assert_close(soft, torch.tensor(expected))
    assert float(soft.min()) > 0


@pytest.mark.parametrize("config", [TINY, EXTRA])
def test_a_background_reads_its_code_beside_every_place(config: GeneratorConfig) -> None:
    background = Background(config).double()
    points = torch.nn.functional.normalize(plain.noise(2, 5, 4), dim=-1)
    latent = plain.noise(2, config.background_latent, seed=1)
    x = torch.cat([encode(points, config.background_frequencies), latent[:, None].expand(-1, 5, -1)], dim=-1)
    for layer in background.layers:
        x = torch.relu(torch.nn.functional.linear(x, layer.weight, layer.bias))
    prepared = background.prepare(latent)
    hidden = background.hidden(prepared, points)
    torch.testing.assert_close(hidden, x)
    features = torch.nn.functional.linear(x, background.features.weight, background.features.bias)
    if config.colour == "predicted":
        assert isinstance(background.colour, EqualLinear)
        features = torch.cat([plain.dense(background.colour, features), features], dim=-1)
    torch.testing.assert_close(apply(prepared.outputs, hidden), features)
    raw = torch.nn.functional.linear(x, background.density.weight, background.density.bias)
    torch.testing.assert_close(apply(prepared.density, hidden), raw)


def test_plain_layers_begin_as_torch_s_own() -> None:
    bound = 1 / math.sqrt(400)
    layer = PlainLayer(400, 50)
    assert bound * 0.9 < float(layer.weight.detach().abs().max()) <= bound
    assert 0 < float(layer.bias.detach().abs().max()) <= bound


def _rays() -> tuple[Tensor, Tensor]:
    """Return a camera on the unit sphere and directions past the origin, of all lengths."""
    origins = torch.nn.functional.normalize(plain.noise(2, 3), dim=-1)
    towards = 0.3 * plain.noise(2, 9, 3, seed=1) - origins[:, None]
    return origins, towards * (0.5 + torch.arange(9.0).double()[:, None] / 4)


def test_spheres_are_met_on_the_ray() -> None:
    origins, directions = _rays()
    radii = torch.tensor([0.99, 0.5, 0.25, 0.01], dtype=torch.float64).expand(2, 9, 4)
    found = field.inverted_sphere(origins, directions, radii)
    assert torch.equal(found[..., 3], radii)
    torch.testing.assert_close(found[..., :3].norm(dim=-1), torch.ones(2, 9, 4).double())
    points = found[..., :3] / radii[..., None]  # where they are in the world
    along = points - origins[:, None, None]
    ahead = torch.nn.functional.normalize(directions, dim=-1)[:, :, None].expand_as(along)
    across = torch.linalg.cross(along, ahead).norm(dim=-1) / along.norm(dim=-1)
    assert float(across.max()) < 1e-7
    assert float((along * ahead).sum(-1).min()) > 0  # behind the scene, not behind the camera


def test_far_away_a_ray_is_met_where_it_points() -> None:
    origins, directions = _rays()
    found = field.inverted_sphere(origins, directions, torch.zeros(2, 9, 1, dtype=torch.float64))
    expected = torch.nn.functional.normalize(directions, dim=-1)
    torch.testing.assert_close(found[:, :, 0, :3], expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_ray_through_the_middle_of_everything_is_finite(dtype: torch.dtype) -> None:
    origins = torch.tensor([[1.0, 0.0, 0.0]], dtype=dtype)
    directions = torch.tensor([[[-1.0, 0.0, 0.0]]], dtype=dtype).requires_grad_()
    found = field.inverted_sphere(origins, directions, torch.tensor([[[0.5, 0.0]]], dtype=dtype))
    expected = torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]], dtype=dtype)
    torch.testing.assert_close(found[0, 0, :, :3].detach(), expected)
    found.sum().backward()
    assert directions.grad is not None
    assert directions.grad.isfinite().all()


def test_samples_of_all_rays_come_one_after_the_other() -> None:
    points = plain.noise(2, 3, 4, 5)
    flat = field.as_points(points)
    assert flat.shape == (2, 12, 5)
    assert torch.equal(flat[1, 7], points[1, 1, 3])


def test_where_nobody_is_a_field_is_empty() -> None:
    config = replace(PLANES, density="softplus")
    foreground = Foreground(config)
    cells = torch.zeros(4, 4, 4, dtype=torch.bool)
    cells[1, 2, 3] = True
    taken = field.Taken(cells, 0.4)
    points = torch.tensor([[[0.15, 0.05, -0.05], [0.05, 0.05, -0.05], [0.25, 0.05, -0.05]]])  # x, y, z
    assert taken.holds(points).tolist() == [[True, False, False]]
    with torch.no_grad():
        anywhere = foreground.prepare(_styles(config, 1).float())
        there = anywhere._replace(taken=taken)
        hidden = foreground.hidden(anywhere, points)
        one, other = (
            field.density(config, field.raw_density(some, hidden, points)) for some in (anywhere, there)
        )
    assert other.tolist() == [[float(one[0, 0]), 0.0, 0.0]]
    assert float(one.min()) > 0
    assert there.repeated(2).taken is taken
