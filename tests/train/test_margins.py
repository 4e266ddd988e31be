"""Margins make a face's own cosine smaller, as their formulas say, and leave all others alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from phiz.train.margins import ARCFACE, COSFACE, Margin, with_margin

COSINES = torch.tensor([[0.9, 0.1, -0.3], [0.5, 0.45, 0.2], [-0.99, 0.7, 0.3]])
LABELS = torch.tensor([0, -1, 1])


@pytest.mark.parametrize("margin", [ARCFACE, COSFACE, Margin(factor=1.1, shift=0.2, gap=0.1)])
@pytest.mark.parametrize("is_exact", [False, True])
def test_only_the_own_cosine_moves_and_as_the_formula_says(margin: Margin, is_exact: bool) -> None:
    logits = with_margin(COSINES, LABELS, replace(margin, is_exact=is_exact)) / margin.scale
    expected = COSINES.clone()
    for row, label in ((0, 0), (2, 1)):
        angle = math.acos(float(COSINES[row, label]))
        expected[row, label] = math.cos(margin.factor * angle + margin.shift) - margin.gap
    assert torch.allclose(logits, expected, atol=1e-6)


def test_people_who_are_elsewhere_have_no_margin() -> None:
    nobody = torch.full((3,), -1)
    assert torch.equal(with_margin(COSINES, nobody, ARCFACE), COSINES * 64)


def test_the_published_slope_is_that_of_the_cosine_and_the_exact_one_that_of_the_formula() -> None:
    slopes = []
    for is_exact in (False, True):
        cosines = COSINES.clone().requires_grad_()
        with_margin(cosines, LABELS, replace(ARCFACE, is_exact=is_exact)).sum().backward()
        assert cosines.grad is not None
        slopes.append(cosines.grad)
    assert torch.equal(slopes[0], torch.full((3, 3), 64.0))
    angle = math.acos(0.9)
    assert float(slopes[1][0, 0]) == pytest.approx(64 * math.sin(angle + 0.5) / math.sin(angle), rel=1e-4)
    assert torch.equal(slopes[1][1], torch.full((3,), 64.0))


def test_exact_slopes_are_finite_at_the_ends() -> None:
    cosines = torch.tensor([[1.0, -1.0]], requires_grad=True)
    with_margin(cosines, torch.tensor([0]), replace(ARCFACE, is_exact=True)).sum().backward()
    assert cosines.grad is not None
    assert cosines.grad.isfinite().all()


def test_the_filter_leaves_out_others_who_look_alike_and_never_the_own_person() -> None:
    logits = with_margin(COSINES, LABELS, replace(COSFACE, filter=0.4)) / 64
    expected = torch.tensor([[0.5, 0.1, -0.3], [0.0, 0.0, 0.2], [-0.99, 0.3, 0.3]])
    assert torch.allclose(logits, expected, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"filter": 1.5}, {"filter": -0.1}])
def test_a_margin_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="margin"):
        Margin(**wrong)
