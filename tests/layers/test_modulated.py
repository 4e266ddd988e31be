"""Styled layers equal weights of their own for each sample, written in a loop."""

from __future__ import annotations

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.layers import modulated
from phiz.layers.modulated import StyledLayer

WIDTH = 5


def _layer(kernel: int = 1, *, is_demodulated: bool = True) -> StyledLayer:
    layer = StyledLayer(4, 6, WIDTH, kernel=kernel, is_demodulated=is_demodulated).double()
    layer.bias.data.copy_(plain.noise(6))
    return layer


@pytest.mark.parametrize("is_demodulated", [True, False])
@pytest.mark.parametrize("styles", [1, 3])
def test_dense_layers_equal_a_loop(is_demodulated: bool, styles: int) -> None:
    layer = _layer(is_demodulated=is_demodulated)
    w, x = plain.noise(styles, WIDTH, seed=1), plain.noise(3, 7, 4, seed=2)
    found = modulated.apply(layer.fold(w, gain=1.5), x)
    weights = [plain.styled_weight(layer, w[k % styles])[:, :, 0, 0] for k in range(3)]
    expected = torch.stack([1.5 * (x[k] @ weights[k].T + layer.bias) for k in range(3)])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("is_demodulated", [True, False])
@pytest.mark.parametrize("styles", [1, 2])
def test_convolutions_equal_a_loop(is_demodulated: bool, styles: int, kernel: int) -> None:
    layer = _layer(kernel, is_demodulated=is_demodulated)
    w, x = plain.noise(styles, WIDTH, seed=1), plain.noise(2, 4, 8, 5, seed=2)
    scaled, padding = layer.scaled(w, gain=1.5), kernel // 2
    found = modulated.convolve(scaled, x, padding=padding)
    torch.testing.assert_close(found, 1.5 * plain.styled(layer, x, w.expand(2, -1)))
    torch.testing.assert_close(scaled.bias, 1.5 * layer.bias)
    if kernel == 3:
        large = [
            torch.nn.functional.conv_transpose2d(
                x[k : k + 1], 1.5 * plain.styled_weight(layer, w[k % styles]).transpose(0, 1), stride=2
            )
            for k in range(2)
        ]
        found = modulated.convolve(scaled, x, padding=padding, is_doubling=True)
        torch.testing.assert_close(found, torch.cat(large))


def test_one_list_of_points_may_be_seen_in_many_styles() -> None:
    layer, w, x = _layer(), plain.noise(3, WIDTH, seed=1), plain.noise(1, 7, 4, seed=2)
    together = modulated.apply(layer.fold(w), x)
    alone = [modulated.apply(layer.fold(style[None]), x) for style in w]
    torch.testing.assert_close(together, torch.cat(alone))


def test_folded_kernels_and_scaled_ones_are_the_same_convolution() -> None:
    layer, w, x = _layer(3), plain.noise(2, WIDTH, seed=1), plain.noise(2, 4, 6, 6, seed=2)
    folded = layer.fold(w, gain=0.7).weight
    whole = [torch.nn.functional.conv2d(x[k : k + 1], folded[k], padding=1) for k in range(2)]
    found = modulated.convolve(layer.scaled(w, gain=0.7), x, padding=1)
    torch.testing.assert_close(found, torch.cat(whole))


def test_the_gradients_of_both_forms_agree() -> None:
    layer, w = _layer(), plain.noise(2, WIDTH, seed=1).requires_grad_()
    x = plain.noise(2, 4, 3, 5, seed=2)
    points = x.flatten(2).transpose(1, 2)
    by_point = modulated.apply(layer.fold(w), points) - layer.bias
    by_picture = modulated.convolve(layer.scaled(w), x, padding=0)
    torch.testing.assert_close(by_picture.flatten(2).transpose(1, 2), by_point)
    wanted = [layer.weight, layer.style.weight, layer.style.bias, w]
    first = torch.autograd.grad(by_point.square().sum(), wanted)
    second = torch.autograd.grad(by_picture.square().sum(), wanted)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kernel", [1, 3])
def test_demodulated_weights_have_length_one_and_keep_the_size_of_noise(kernel: int) -> None:
    layer = StyledLayer(64, 64, WIDTH, kernel=kernel)
    w = 3 * plain.noise(2, WIDTH).float()
    lengths = layer.fold(w).weight.flatten(2).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(2, 64))
    x = plain.noise(2, 64, 40, 40, seed=1).float()
    out = modulated.convolve(layer.scaled(w), x, padding=0)
    assert float(out.detach().std()) == pytest.approx(1, abs=0.03)


def test_a_style_s_length_is_lost_where_weights_are_demodulated_and_counts_where_not() -> None:
    w = plain.noise(1, WIDTH)
    for is_demodulated, factor in ((True, 1.0), (False, 3.0)):
        layer = _layer(is_demodulated=is_demodulated)
        layer.style.bias.data.zero_()  # the style is linear in w now
        torch.testing.assert_close(layer.fold(3 * w).weight, factor * layer.fold(w).weight)


def test_new_layers_take_a_style_of_zeros_for_no_style() -> None:
    layer = _layer(is_demodulated=False)
    zero: Tensor = torch.zeros(1, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(layer.fold(zero).weight[0], layer.weight / 2)


def test_the_running_magnitude_follows_in_training_only() -> None:
    layer = StyledLayer(2, 2, WIDTH, has_magnitude=True)
    x = torch.full((3, 4), 2.0)
    assert float(modulated.normal_gain(layer, x, 0.9, is_training=False)) == 1
    gain = modulated.normal_gain(layer, x, 0.9, is_training=True)
    assert float(layer.magnitude) == pytest.approx(0.9 + 0.1 * 4)
    assert float(gain) == pytest.approx(1.3**-0.5)
    modulated.normal_gain(layer, x, 0.0, is_training=True)
    assert float(layer.magnitude) == pytest.approx(1.3)  # a rate of zero means no such scaling


def test_a_signal_of_any_size_comes_to_size_one_in_time() -> None:
    layer = StyledLayer(2, 2, WIDTH, has_magnitude=True)
    x = 7 * plain.noise(50, 4).float()
    for _ in range(100):
        gain = modulated.normal_gain(layer, x, 0.9, is_training=True)
    assert float((x * gain).square().mean()) == pytest.approx(1, rel=1e-3)
    assert not gain.requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_average_is_kept_in_the_precision_of_its_layer(dtype: torch.dtype) -> None:
    layer, x = StyledLayer(2, 2, WIDTH, has_magnitude=True).double(), torch.full((3, 4), 2.0, dtype=dtype)
    gain = modulated.normal_gain(layer, x, 0.9, is_training=True)
    assert gain.dtype == torch.float64
    assert float(layer.magnitude) == pytest.approx(1.3)


def test_noise_is_fixed_and_begins_silent() -> None:
    layer = StyledLayer(2, 2, WIDTH, noise=4)
    assert layer.noise.shape == (4, 4)
    assert float(layer.noise_strength.detach()) == 0
    assert set(layer.state_dict()) == {
        "weight", "bias", "style.weight", "style.bias", "noise", "noise_strength",
    }  # fmt: skip
