"""Scores: of each picture, at every size, with what conditions them."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import discriminator as judges
from phiz.generator.config import TINY_D
from phiz.generator.discriminator import Discriminator, Growth
from phiz.layers.equalized import EqualLinear


def _pictures(count: int = 4, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def _loud(judge: Discriminator) -> Discriminator:
    """Return a judge whose biases can be heard."""
    for seed, (name, tensor) in enumerate(judge.named_parameters()):
        if name.endswith("bias"):
            tensor.data.copy_(0.3 * plain.noise(*tensor.shape, seed=seed))
    return judge.eval()


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    return _loud(Discriminator(TINY_D))


@pytest.fixture(scope="module")
def exact() -> Discriminator:
    return _loud(Discriminator(TINY_D).double())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_scores_equal_the_plain_order_of_operations(exact: Discriminator, count: int) -> None:
    images = _pictures(count).double()
    torch.testing.assert_close(exact(images), plain.scored(exact, images))


def test_loops_score_and_learn_as_plain_torch_even_from_their_own_gradient() -> None:
    """Single precision takes loops, double plain torch; a gradient of the gradient is what R1 learns from."""
    exact, found = _loud(Discriminator(TINY_D).double()), []
    for judge, images in ((copy.deepcopy(exact).float(), _pictures()), (exact, _pictures().double())):
        seen = images.clone().requires_grad_()
        scores = judge(seen)
        (slope,) = torch.autograd.grad(scores.sum(), seen, create_graph=True)
        weights = [value for name, value in judge.named_parameters() if name.endswith("weight")]
        found.append((scores, slope, *torch.autograd.grad(slope.square().sum(), weights)))
    for one, other in zip(*found, strict=True):
        assert float((one - other).detach().norm()) < 1e-4 * float(other.detach().norm())


@pytest.mark.parametrize(("size", "first"), [(16, 1), (8, 2)])
def test_below_the_largest_size_the_first_block_sees_its_picture_twice(
    exact: Discriminator, size: int, first: int
) -> None:
    images = _pictures(2, size).double()
    torch.testing.assert_close(exact(images), plain.scored(exact, images, first))


def test_no_feature_is_larger_than_the_limit() -> None:
    exact = _loud(Discriminator(replace(TINY_D, clamp=0.2)).double())
    images = 9 * _pictures(2).double()
    torch.testing.assert_close(exact(images), plain.scored(exact, images))


def test_pictures_are_judged_in_groups(judge: Discriminator) -> None:
    images = _pictures()  # groups of two: pictures 0 and 2, 1 and 3
    before = judge(images)
    images[0] += 1
    changed = (judge(images) - before).abs()[:, 0] > 1e-7
    assert changed.tolist() == [True, False, True, False]


def test_the_order_of_groups_does_not_matter(judge: Discriminator) -> None:
    images, order = _pictures(), torch.tensor([3, 0, 1, 2])  # {3, 1}, {0, 2}: the same groups
    torch.testing.assert_close(judge(images[order]), judge(images)[order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_every_size_of_the_growth_has_a_score(judge: Discriminator, size: int) -> None:
    scores = judge(_pictures(2, size))
    assert scores.shape == (2, 1)
    assert scores.isfinite().all()


def test_pictures_that_are_too_large_are_shrunk_first(judge: Discriminator) -> None:
    large = _pictures(2, 64)
    mean = torch.nn.functional.avg_pool2d(large, 2)
    torch.testing.assert_close(judges.shrunk(large), mean)
    torch.testing.assert_close(judge(large), judge(mean))
    small = torch.nn.functional.avg_pool2d(mean, 2)
    torch.testing.assert_close(judge(large, growth=Growth(16)), judge(small))


def test_sizes_that_no_block_looks_at_are_refused(judge: Discriminator) -> None:
    for size in (4, 24):
        with pytest.raises(ValueError, match=rf"no block looks at {size} pixels"):
            judge(_pictures(2, size))


def test_a_fade_leads_from_the_smaller_judgement_to_the_larger(exact: Discriminator) -> None:
    images = _pictures(2).double()
    for large, small in ((32, 16), (16, 8)):
        now = images if large == 32 else judges.shrunk(images)
        late = exact(now, growth=Growth(large, small, 1 - 1e-9))
        torch.testing.assert_close(late, exact(now, growth=Growth(large)), atol=1e-6, rtol=1e-6)
        early = exact(now, growth=Growth(large, small, 1e-9))
        before = exact(judges.shrunk(now), growth=Growth(small))
        torch.testing.assert_close(early, before, atol=1e-6, rtol=1e-6)
        half = exact(now, growth=Growth(large, small, 0.5))
        assert not torch.allclose(half, late, atol=1e-3)
        assert not torch.allclose(half, early, atol=1e-3)


@pytest.mark.parametrize("growth", [Growth(32, 16, 0.0), Growth(32, 16, 1.0), Growth(32, 0, 0.5)])
def test_without_a_fade_under_way_nothing_fades(judge: Discriminator, growth: Growth) -> None:
    assert torch.equal(judge(_pictures(2), growth=growth), judge(_pictures(2)))


def test_pictures_that_are_all_alike_have_no_variety() -> None:
    same = _pictures(1).expand(4, -1, -1, -1)
    assert float(judges.variety(same, 4).max()) == pytest.approx(1e-4)
    assert float(judges.variety(_pictures(1), 4).max()) == pytest.approx(1e-4)  # alone


@pytest.mark.parametrize(("count", "group", "taken"), [(4, 4, 4), (4, 2, 2), (6, 4, 3), (5, 4, 1), (2, 8, 2)])
def test_variety_is_the_mean_deviation_within_a_group(count: int, group: int, taken: int) -> None:
    """Where a group does not divide the pictures, the next smaller that does is taken."""
    x = plain.noise(count, 5, 4, 4)
    torch.testing.assert_close(judges.variety(x, group), plain.spread(x, taken))


def test_labels_decide_what_counts() -> None:
    judge = _loud(Discriminator(replace(TINY_D, labels=3)).double())
    labels = torch.eye(3, dtype=torch.float64)[:2]
    scores = judge(_pictures(2).double(), labels)
    one = judge(_pictures(2).double(), labels[:1].expand(2, -1))
    torch.testing.assert_close(scores[:1], one[:1])
    assert not torch.allclose(scores[1], one[1], atol=1e-4)
    with pytest.raises(ValueError, match="labels of 3 numbers"):
        judge(_pictures(2).double())


def test_a_condition_projects_what_was_found() -> None:
    """Section 3 of the projection discriminator (Miyato and Koyama, 2018), at StyleGAN2's gain."""
    judge = _loud(Discriminator(replace(TINY_D, labels=3)).double())
    images, labels = _pictures(2).double(), plain.noise(2, 3, seed=1)
    found = plain.scored(judge, images)  # as many numbers as there are channels
    condition = plain.dense(judge.label, labels)
    condition = condition / condition.square().mean(1, keepdim=True).sqrt()
    expected = (found * condition).sum(1, keepdim=True) / math.sqrt(found.shape[1])
    torch.testing.assert_close(judge(images, labels), expected)


@pytest.mark.parametrize(("camera", "size"), [("matrix", 16), ("angles", 3)])
def test_a_camera_may_be_believed_in(camera: str, size: int) -> None:
    judge = Discriminator(replace(TINY_D, camera=camera)).eval()  # type: ignore[arg-type]
    scores, believed = judge.judge(_pictures(2))
    assert scores.shape == (2, 1)
    assert believed is not None
    assert believed.shape == (2, size)
    scores.sum().backward()
    assert judge.camera.projector.weight.grad is None  # as published: the belief itself learns nothing


def test_the_camera_conditions_the_score_through_its_own_layers() -> None:
    judge = _loud(Discriminator(replace(TINY_D, camera="angles")).double())
    images = _pictures(2).double()
    scores, believed = judge.judge(images)
    assert believed is not None
    condition = plain.dense(judge.camera.embed, believed)
    condition = condition / condition.square().mean(1, keepdim=True).sqrt()
    assert len(judge.camera.layers) == 8
    for layer in judge.camera.layers:
        assert isinstance(layer, EqualLinear)
        condition = plain.rectified(plain.dense(layer, condition))
    found = plain.scored(judge, images)
    expected = (found * condition).sum(1, keepdim=True) / math.sqrt(found.shape[1])
    torch.testing.assert_close(scores, expected)


def test_a_loss_on_the_believed_camera_teaches_it() -> None:
    judge = Discriminator(replace(TINY_D, camera="angles")).eval()
    _, believed = judge.judge(_pictures(2))
    assert believed is not None
    believed.square().sum().backward()
    assert judge.camera.projector.weight.grad is not None
    assert float(judge.camera.projector.weight.grad.abs().max()) > 0


def test_unconditioned_judges_believe_in_no_camera(judge: Discriminator) -> None:
    scores, believed = judge.judge(_pictures(2))
    assert believed is None
    assert torch.equal(scores, judge(_pictures(2)))


def test_the_slope_at_real_pictures_is_finite_and_can_be_lowered(judge: Discriminator) -> None:
    images = _pictures(2).requires_grad_()
    (slope,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    penalty = slope.square().sum()
    learned = [p for name, p in judge.named_parameters() if name.endswith("weight")]
    gradients = torch.autograd.grad(penalty, [images, *learned])
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients[1:])


def test_the_slope_at_equal_pictures_is_finite(judge: Discriminator) -> None:
    images = torch.zeros(4, 3, 32, 32, requires_grad=True)  # no variety at all, and flat
    (slope,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
