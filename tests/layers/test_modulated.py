"""Styled layers equal weights of their own for each sample, written in a loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.layers import modulated
from phiz.layers.modulated import StyledLayer

WIDTH = 5


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _weights(layer: StyledLayer, w: Tensor) -> Tensor:
    """Return the weights of one style as equation 1 and 3 of StyleGAN2 have them."""
    scale = w @ (layer.style.weight / math.sqrt(WIDTH)).T + layer.style.bias
    weight = layer.weight * scale.reshape(1, -1, *(1,) * (layer.weight.ndim - 2))
    if layer.is_demodulated:
        return torch.stack([row / (row.square().sum() + 1e-8).sqrt() for row in weight])
    return weight / math.sqrt(layer.weight[0].numel())


@pytest.mark.parametrize("is_demodulated", [True, False])
@pytest.mark.parametrize("styles", [1, 3])
def test_dense_layers_equal_a_loop(is_demodulated: bool, styles: int) -> None:
    layer = StyledLayer(4, 6, WIDTH, is_demodulated=is_demodulated)
    layer.bias.data.copy_(_noise(6))
    w, x = _noise(styles, WIDTH, seed=1), _noise(3, 7, 4, seed=2)
    found = modulated.apply(layer.fold(w, gain=1.5), x)
    expected = torch.stack([1.5 * (x[k] @ _weights(layer, w[k % styles]).T + layer.bias) for k in range(3)])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("is_demodulated", [True, False])
@pytest.mark.parametrize("styles", [1, 2])
def test_convolutions_equal_a_loop(is_demodulated: bool, styles: int) -> None:
    layer = StyledLayer(4, 6, WIDTH, kernel=3, is_demodulated=is_demodulated)
    w, x = _noise(styles, WIDTH, seed=1), _noise(2, 4, 8, 5, seed=2)
    scaled = layer.scaled(w, gain=1.5)
    weights = [1.5 * _weights(layer, w[k % styles]) for k in range(2)]
    plain = [torch.nn.functional.conv2d(x[k : k + 1], weights[k], padding=1) for k in range(2)]
    torch.testing.assert_close(modulated.convolve(scaled, x, padding=1), torch.cat(plain))
    large = [
        torch.nn.functional.conv_transpose2d(x[k : k + 1], weights[k].transpose(0, 1), stride=2)
        for k in range(2)
    ]
    torch.testing.assert_close(modulated.convolve(scaled, x, padding=1, is_doubling=True), torch.cat(large))


def test_demodulated_layers_keep_the_size_of_noise() -> None:
    layer = StyledLayer(64, 64, WIDTH)
    out = modulated.apply(layer.fold(3 * _noise(1, WIDTH)), _noise(1, 4000, 64, seed=1))
    assert float(out.detach().std()) == pytest.approx(1, abs=0.03)


def test_the_running_magnitude_follows_in_training_only() -> None:
    layer = StyledLayer(2, 2, WIDTH, has_magnitude=True)
    x = torch.full((3, 4), 2.0)
    assert float(modulated.normal_gain(layer, x, 0.9, is_training=False)) == 1
    gain = modulated.normal_gain(layer, x, 0.9, is_training=True)
    assert float(layer.magnitude) == pytest.approx(0.9 + 0.1 * 4)
    assert float(gain) == pytest.approx(1.3**-0.5)


def test_noise_is_fixed_and_begins_silent() -> None:
    layer = StyledLayer(2, 2, WIDTH, noise=4)
    assert layer.noise.shape == (4, 4)
    assert float(layer.noise_strength.detach()) == 0
    assert "noise" in layer.state_dict()
