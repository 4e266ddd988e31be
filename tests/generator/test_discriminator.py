"""Scores: of each picture, at every size, with what conditions them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import discriminator as judges
from phiz.generator.config import TINY_D
from phiz.generator.discriminator import Discriminator, Growth


def _pictures(count: int = 4, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    return Discriminator(TINY_D).eval()


def test_pictures_are_judged_in_groups(judge: Discriminator) -> None:
    images = _pictures()  # groups of two: pictures 0 and 2, 1 and 3
    before = judge(images)
    images[0] += 1
    changed = (judge(images) - before).abs()[:, 0] > 1e-7
    assert changed.tolist() == [True, False, True, False]


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_every_size_of_the_growth_has_a_score(judge: Discriminator, size: int) -> None:
    scores = judge(_pictures(2, size))
    assert scores.shape == (2, 1)
    assert scores.isfinite().all()


def test_a_fade_leads_from_the_smaller_judgement_to_the_larger(judge: Discriminator) -> None:
    images = _pictures(2)
    late = judge(images, growth=Growth(32, 16, 1 - 1e-6))
    torch.testing.assert_close(late, judge(images, growth=Growth(32)), atol=1e-4, rtol=1e-3)
    half = judge(images, growth=Growth(32, 16, 0.5))
    assert not torch.allclose(half, late)


def test_pictures_that_are_all_alike_have_no_variety() -> None:
    same = _pictures(1).expand(4, -1, -1, -1)
    assert float(judges.variety(same, 4).max()) == pytest.approx(1e-4)
    assert judges.variety(_pictures(6), 4).shape == (6, 1, 32, 32)  # groups of three, as four do not fit
    assert float(judges.variety(_pictures(), 4).min()) > 0.5


def test_labels_decide_what_counts() -> None:
    judge = Discriminator(replace(TINY_D, labels=3)).eval()
    one, other = (judge(_pictures(2), row.expand(2, -1)) for row in torch.eye(3)[:2])
    assert not torch.allclose(one, other)
    with pytest.raises(ValueError, match="labels of 3 numbers"):
        judge(_pictures(2))


@pytest.mark.parametrize(("camera", "size"), [("matrix", 16), ("angles", 3)])
def test_a_camera_may_be_believed_in(camera: str, size: int) -> None:
    judge = Discriminator(replace(TINY_D, camera=camera)).eval()  # type: ignore[arg-type]
    scores, believed = judge.judge(_pictures(2))
    assert scores.shape == (2, 1)
    assert believed is not None
    assert believed.shape == (2, size)
    scores.sum().backward()
    assert judge.camera.projector.weight.grad is None  # as published: the belief itself learns nothing


def test_the_slope_at_real_pictures_is_finite(judge: Discriminator) -> None:
    images = _pictures(2).requires_grad_()
    (slope,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
