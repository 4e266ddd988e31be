"""Losses look at what is hard, and overlaps count what they should."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from phiz.train.parse_losses import confusion, hard_pixels, overlaps, parse_loss


def scored(likelihoods: list[float]) -> torch.Tensor:
    """Return scores of two classes for a row of pixels, the first of which has these likelihoods."""
    first = torch.tensor(likelihoods)
    return torch.stack([first, 1 - first]).log()[None, :, None]


def test_only_pixels_that_are_not_known_count() -> None:
    likelihoods = [0.9] * 30 + [0.5, 0.2, 0.1]
    labels = torch.zeros(1, 1, 33, dtype=torch.int64)
    expected = -sum(math.log(p) for p in (0.5, 0.2, 0.1)) / 3
    assert float(hard_pixels(scored(likelihoods), labels)) == pytest.approx(expected, rel=1e-5)


def test_where_all_is_known_the_worst_sixteenth_counts() -> None:
    likelihoods = [0.95] * 30 + [0.8, 0.75]
    labels = torch.zeros(1, 1, 32, dtype=torch.int64)
    expected = -(math.log(0.8) + math.log(0.75)) / 2
    assert float(hard_pixels(scored(likelihoods), labels)) == pytest.approx(expected, rel=1e-5)


def test_it_is_the_published_loss() -> None:
    chance = torch.Generator().manual_seed(0)
    for spread in (0.5, 3.0, 30.0):
        scores = spread * torch.randn(2, 5, 12, 8, generator=chance)
        labels = scores.argmax(1)
        labels[:, :2] = 0
        losses, _ = functional.cross_entropy(scores, labels, reduction="none").flatten().sort(descending=True)
        least, threshold = losses.numel() // 16, -math.log(0.7)
        expected = losses[losses > threshold] if losses[least] > threshold else losses[:least]
        torch.testing.assert_close(hard_pixels(scores, labels), expected.mean())


def test_classes_can_count_more() -> None:
    scores = scored([0.5, 0.5, 0.2, 0.2])
    labels = torch.tensor([[[0, 0, 0, 1]]])
    weights = torch.tensor([1.0, 3.0])
    losses = [math.log(2), math.log(2), -math.log(0.2), -3 * math.log(0.8)]
    found = hard_pixels(scores, labels, weights=weights, easy=0.99)
    assert float(found) == pytest.approx(sum(losses) / 6, rel=1e-5)


def test_gradients_reach_hard_pixels_alone() -> None:
    scores = scored([0.99] * 20 + [0.3]).requires_grad_(True)
    hard_pixels(scores, torch.zeros(1, 1, 21, dtype=torch.int64)).backward()
    assert scores.grad is not None
    assert (scores.grad[0, 0, 0] != 0).nonzero().flatten().tolist() == [20]


def test_each_output_counts() -> None:
    labels = torch.zeros(1, 1, 4, dtype=torch.int64)
    outputs = [scored([p] * 4) for p in (0.5, 0.4, 0.3)]
    losses = parse_loss(outputs, labels)
    assert list(losses) == ["scores", "side_16", "side_32"]
    assert [float(loss) for loss in losses.values()] == pytest.approx([-math.log(p) for p in (0.5, 0.4, 0.3)])


def test_overlaps_are_what_both_have_over_what_either_has() -> None:
    labels = torch.tensor([[0, 0, 1, 1], [2, 2, 1, 1]])
    found = torch.tensor([[0, 1, 1, 1], [2, 0, 1, 0]], dtype=torch.uint8)
    counts = confusion(found, labels, 4)
    assert counts[1].tolist() == [1, 3, 0, 0]
    each = overlaps(counts)
    assert each[:3].tolist() == pytest.approx([1 / 4, 3 / 5, 1 / 2])
    assert each[3].isnan()
