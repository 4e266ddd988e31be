"""Losses have the values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phiz.train.gan_losses import (
    cleaned,
    discriminator_loss,
    generator_loss,
    lazy,
    mixed,
    path_lengths,
    progress_at,
    r1_penalty,
)

SCORES = torch.tensor([[-3.0], [0.0], [2.0]])


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_losses_are_the_logarithms_of_how_likely_the_discriminator_is_right() -> None:
    likely = torch.sigmoid(SCORES[:, 0])
    assert torch.allclose(generator_loss(SCORES), -likely.log())
    assert torch.allclose(discriminator_loss(SCORES, are_real=True), -likely.log())
    assert torch.allclose(discriminator_loss(SCORES, are_real=False), -(1 - likely).log())


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights() -> None:
    weights = random(3, 4, 4)
    images = random(2, 3, 4, 4).requires_grad_()
    scores = (images * weights).sum((1, 2, 3))[:, None]
    assert torch.allclose(r1_penalty(scores, images, 10.0), 5 * weights.square().sum().expand(2))


def test_r1_teaches_the_discriminator() -> None:
    weights = random(3, 4, 4).requires_grad_()
    images = random(2, 3, 4, 4).requires_grad_()
    penalty = r1_penalty((images * weights).sum((1, 2, 3))[:, None], images, 2.0)
    (slope,) = torch.autograd.grad(penalty.mean(), weights)
    assert torch.allclose(slope, 2 * weights)


def test_path_lengths_of_a_linear_generator_are_those_of_its_matrix() -> None:
    matrix = random(3 * 4 * 4, 5 * 6)
    styles = random(2, 5, 6).requires_grad_()
    noise = random(2, 3, 4, 4)
    images = (styles.flatten(1) @ matrix.T).reshape(2, 3, 4, 4)
    slope = (noise.flatten(1) @ matrix / 4).reshape(2, 5, 6)
    wanted = slope.square().sum(2).mean(1).sqrt()
    assert torch.allclose(path_lengths(images, styles, noise), wanted)


@given(layers=st.integers(1, 9), cutoff=st.floats(0, 3))
def test_mixed_styles_are_ones_own_first_and_anothers_then(layers: int, cutoff: float) -> None:
    own, other = torch.zeros(2, layers, 3), torch.ones(2, layers, 3)
    found = mixed(own, other, torch.full((2,), cutoff))
    row = found[0, :, 0]
    assert row[0] == 0  # something of the person always stays
    assert (row.diff() >= 0).all()
    assert torch.equal(found, row[None, :, None].expand(2, -1, 3))
    if cutoff >= 1:
        assert torch.equal(found, own)


def test_mixing_is_decided_picture_by_picture() -> None:
    found = mixed(torch.zeros(3, 4, 1), torch.ones(3, 4, 1), torch.tensor([0.0, 0.5, 2.0]))
    assert found[..., 0].tolist() == [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]


def test_lazy_regularisation_has_the_rates_of_the_paper() -> None:
    rate, betas = lazy(0.002, (0.0, 0.99), 16)
    assert rate == pytest.approx(0.0018823529)
    assert betas == (0.0, pytest.approx(0.99 ** (16 / 17)))
    assert lazy(0.0025, (0.0, 0.99), 4)[0] == pytest.approx(0.002)
    assert lazy(0.002, (0.5, 0.99), 0) == (0.002, (0.5, 0.99))


@pytest.mark.parametrize(
    ("images", "progress"),
    [(0, 0.0), (500_000, 0.0), (1_400_000, 0.2), (2_750_000, 0.5), (5_000_000, 1.0), (9_000_000, 1.0)],
)
def test_the_network_grows_between_two_numbers_of_pictures(images: int, progress: float) -> None:
    assert progress_at(images, 500, 5000) == pytest.approx(progress)


def test_without_growing_the_network_is_whole_from_the_start() -> None:
    assert progress_at(0, 0, 0) == 1.0
    assert progress_at(0, 2, 2) == 0.0
    assert progress_at(2001, 2, 2) == 1.0


def test_gradients_that_are_not_finite_become_harmless() -> None:
    learning, resting = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(1))
    learning.grad = torch.tensor([math.nan, math.inf, -math.inf, 0.5])
    cleaned([learning, resting])
    assert learning.grad.tolist() == [0, 1e5, -1e5, 0.5]
    assert resting.grad is None
