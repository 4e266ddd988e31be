"""Planes: a style paints them, and places in space look themselves up on all three."""

from __future__ import annotations

from dataclasses import replace

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import planes
from phiz.generator.config import TINY
from phiz.generator.planes import PlaneBlock, PlaneNetwork
from phiz.layers.modulated import StyledLayer

CONFIG = replace(
    TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3, planes_base=2**-8
)


def _network() -> PlaneNetwork:
    """Return a network in which everything that begins silent can be heard."""
    network = PlaneNetwork(CONFIG).double().eval()
    for seed, (name, tensor) in enumerate([*network.named_parameters(), *network.named_buffers()]):
        if name.endswith(("bias", "noise_strength")) and "style" not in name:
            tensor.data.copy_(0.3 * plain.noise(*tensor.shape, seed=seed))
        if name.endswith("magnitude"):
            tensor.fill_(0.5 + seed % 3)
    return network


def _convolved(layer: StyledLayer, x: Tensor, w: Tensor, *, is_doubling: bool) -> Tensor:
    y = plain.styled(layer, x * layer.magnitude.rsqrt(), w, is_doubling=is_doubling)
    y = y + layer.noise * layer.noise_strength + layer.bias[:, None, None]
    return plain.rectified(y, CONFIG.clamp)


def test_planes_are_painted_as_by_a_plain_stylegan() -> None:
    network, styles = _network(), plain.noise(2, CONFIG.plane_styles, CONFIG.w_size)
    assert CONFIG.plane_styles == 4
    first, second = network.blocks
    assert isinstance(first, PlaneBlock)
    assert isinstance(second, PlaneBlock)
    assert first.first is None
    assert second.first is not None

    def shown(block: PlaneBlock, x: Tensor, w: Tensor) -> Tensor:
        return plain.styled(block.colour, x, w) + block.colour.bias[:, None, None]

    x = network.constant.expand(2, -1, -1, -1)
    x = _convolved(first.second, x, styles[:, 0], is_doubling=False)
    painted = shown(first, x, styles[:, 1])
    x = _convolved(second.first, x, styles[:, 1], is_doubling=True)
    x = _convolved(second.second, x, styles[:, 2], is_doubling=False)
    painted = plain.doubled(painted) + shown(second, x, styles[:, 3])
    torch.testing.assert_close(network(styles), painted.reshape(2, 3, 3, 16, 16))


def test_planes_are_painted_by_all_of_their_styles() -> None:
    styles = plain.noise(2, CONFIG.plane_styles, CONFIG.w_size).requires_grad_()
    painted = _network()(styles)
    assert painted.shape == (2, 3, 3, 16, 16)
    (slope,) = torch.autograd.grad(painted.square().sum(), styles)
    assert bool((slope.abs().sum((0, 2)) > 0).all())


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_no_block_adds_more_than_the_limit(sign: float) -> None:
    network = PlaneNetwork(replace(CONFIG, clamp=0.5)).requires_grad_(False)
    for block in network.blocks:
        assert isinstance(block, PlaneBlock)
        block.colour.bias.fill_(9 * sign)
    painted = network(plain.noise(1, CONFIG.plane_styles, CONFIG.w_size).float())
    inside = painted[..., 2:-2, 2:-2]  # the filter reaches beyond the edges
    expected = torch.full_like(inside, sign * 0.5 * len(network.blocks))
    torch.testing.assert_close(inside, expected)


def test_planes_of_a_batch_are_those_of_each() -> None:
    network, styles = _network(), plain.noise(3, CONFIG.plane_styles, CONFIG.w_size)
    together = network(styles)
    for k in range(3):
        torch.testing.assert_close(network(styles[k : k + 1]), together[k : k + 1])


def test_painting_in_training_follows_the_size_of_the_signal() -> None:
    network = _network().train()
    before = [m.clone() for name, m in network.named_buffers() if name.endswith("magnitude")]
    network(plain.noise(1, CONFIG.plane_styles, CONFIG.w_size))
    after = [m for name, m in network.named_buffers() if name.endswith("magnitude")]
    assert len(after) == 3
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_ramp_on_a_plane_is_found_again() -> None:
    size = 16
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    x = line.expand(size, size)
    ramps = torch.stack([x, 2 * x, 4 * x.T])[None, :, None]  # planes xy, xz, yz; the last rises with z
    points = 0.8 * (2 * torch.rand(1, 20, 3, generator=torch.Generator().manual_seed(0)) - 1)
    found = planes.look_up(ramps, points)[..., 0]
    torch.testing.assert_close(found, points[..., 0] * 3 + 4 * points[..., 2])


@pytest.mark.parametrize(("plane", "first", "second"), [(0, 0, 1), (1, 0, 2), (2, 1, 2)])
def test_each_plane_is_read_between_its_four_nearest_texels(plane: int, first: int, second: int) -> None:
    size, one = 6, plain.noise(6, 6)
    others = torch.zeros(1, 3, 1, size, size, dtype=torch.float64)
    others[0, plane, 0] = one
    points = 1.1 * (2 * torch.rand(1, 30, 3, generator=torch.Generator().manual_seed(0)).double() - 1)
    expected = []
    for point in points[0].tolist():
        column, row = ((point[axis] + 1) / 2 * size - 0.5 for axis in (first, second))
        total = 0.0
        for j in range(size):  # every texel is a tent of one texel's width
            for i in range(size):
                total += max(0.0, 1 - abs(column - i)) * max(0.0, 1 - abs(row - j)) * float(one[j, i])
        expected.append(total)
    found = planes.look_up(others, points)[0, :, 0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_there_is_nothing_outside_the_cube() -> None:
    painted = torch.ones(1, 3, 2, 8, 8)
    assert float(planes.look_up(painted, torch.full((1, 1, 3), 3.0)).abs().max()) == 0
    assert planes.look_up(painted, torch.zeros(1, 1, 3)).tolist() == [[[3.0, 3.0]]]


def test_one_head_may_be_asked_for_many_places_and_many_heads_for_the_same() -> None:
    two, points = plain.noise(2, 3, 4, 8, 8), 0.5 * plain.noise(2, 5, 3, seed=1)
    together = planes.look_up(two, points[:1])
    alone = [planes.look_up(two[k : k + 1], points[:1]) for k in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))
    together = planes.look_up(two[:1], points)
    alone = [planes.look_up(two[:1], points[k : k + 1]) for k in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))
