"""Distances between sets: closed forms, plain twins, and rendered people in the right order."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.layers import filters
from phiz.metrics import fidelity, moments
from phiz.metrics.moments import Moments


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _cloud(count: int, seed: int, *, size: int = 8, shift: float = 0.0) -> Tensor:
    return torch.randn(count, size, generator=_generator(seed)) + shift


def _normal(mean: Tensor, covariance: Tensor) -> Moments:
    return Moments(count=11, mean=mean, scatter=covariance * 10)


def test_frechet_distance_of_a_set_with_itself_is_zero_also_with_few_pictures() -> None:
    for count in (100, 5):
        found = moments.of(_cloud(count, 0, size=40))
        assert fidelity.frechet_distance(found, found) < 1e-9 * float(found.covariance.trace())


def test_frechet_distance_of_normals_that_share_axes_is_the_closed_form() -> None:
    axes, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=_generator()))
    a, b = (torch.rand(2, 6, dtype=torch.float64, generator=_generator(1)) + 0.1).unbind(0)
    shift = torch.randn(6, dtype=torch.float64, generator=_generator(2))
    closed = shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    first = _normal(torch.zeros(6, dtype=torch.float64), axes @ a.diag() @ axes.T)
    second = _normal(shift, axes @ b.diag() @ axes.T)
    assert fidelity.frechet_distance(first, second) == pytest.approx(float(closed), rel=1e-9)


def test_frechet_distance_equals_that_by_the_root_of_the_product_and_is_symmetric() -> None:
    a, b = (
        moments.of(_cloud(50, 0)),
        moments.of(2 * _cloud(60, 1, shift=0.5) @ torch.randn(8, 8, generator=_generator())),
    )
    roots = torch.linalg.eigvals(a.covariance @ b.covariance).real.clamp(min=0).sqrt().sum()
    slow = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * roots
    assert fidelity.frechet_distance(a, b) == pytest.approx(float(slow), rel=1e-8)
    assert fidelity.frechet_distance(a, b) == pytest.approx(fidelity.frechet_distance(b, a), rel=1e-8)


def _slow_kernel_distance(a: Tensor, b: Tensor) -> float:
    """Return the unbiased distance of two whole sets from full matrices."""
    within = 0.0
    for x in (a, b):
        matrix = (x.double() @ x.double().T / x.shape[1] + 1) ** 3
        within += float(matrix.sum() - matrix.trace()) / (len(x) * (len(x) - 1))
    return within - 2 * float(((a.double() @ b.double().T / a.shape[1] + 1) ** 3).mean())


def test_kernel_distance_equals_full_matrices_over_the_same_subsets() -> None:
    a, b = _cloud(30, 0, shift=1), _cloud(21, 1, shift=1.3)
    found = fidelity.kernel_distance(a, b, _generator(), subsets=7, block=4)
    generator = _generator()
    in_a, in_b = (fidelity._choices(len(x), 10, 7, generator).bool() for x in (a, b))
    each = [_slow_kernel_distance(a[one], b[other]) for one, other in zip(in_a, in_b, strict=True)]
    assert found.value == pytest.approx(sum(each) / 7, rel=1e-4)
    spread = torch.tensor(each).var().item()
    assert found.error == pytest.approx(math.sqrt(spread * (1 / 7 + 10 / 11)), rel=1e-3)


def test_kernel_distance_does_not_depend_on_the_blocks() -> None:
    a, b = _cloud(50, 0), _cloud(60, 1, shift=0.2)
    one, other = (fidelity.kernel_distance(a, b, _generator(), block=block) for block in (7, 1000))
    assert one.value == pytest.approx(other.value, rel=1e-4)


def _many(shift: float) -> tuple[Tensor, Tensor]:
    """Return the values and the errors of KID for many pairs of small sets."""
    found = []
    for seed in range(80):
        a, b = _cloud(40, 2 * seed), _cloud(40, 2 * seed + 1, shift=shift)
        found.append(fidelity.kernel_distance(a, b, _generator(seed), subsets=40))
    return torch.tensor([e.value for e in found]), torch.tensor([e.error for e in found])


def test_kernel_distance_of_equal_distributions_is_zero_on_average() -> None:
    values, errors = _many(0.0)
    assert abs(float(values.mean())) < 3 * float(values.std()) / math.sqrt(len(values))
    assert bool((values < 0).any())
    assert 1 < float(errors.square().mean().sqrt() / values.std()) < 2  # too careful by the root of three


def test_the_error_of_the_kernel_distance_is_how_much_it_varies() -> None:
    values, errors = _many(0.7)
    assert bool((values > 0).all())
    assert 0.75 < float(errors.square().mean().sqrt() / values.std()) < 1.33


def test_of_a_large_set_a_random_part_is_used() -> None:
    a, b = _cloud(400, 0), _cloud(400, 1, shift=1)
    part = fidelity.kernel_distance(a, b, _generator(), most=100)
    whole = fidelity.kernel_distance(a, b, _generator())
    assert abs(part.value - whole.value) < 4 * (part.error + whole.error)
    assert part.error > whole.error


def _slow_share(x: Tensor, among: Tensor, nearest: int) -> float:
    inside = 0
    for point in x:
        for centre in among:
            reach = sorted(float((centre - other).norm()) for other in among)[nearest]
            if float((point - centre).norm()) <= reach:
                inside += 1
                break
    return inside / len(x)


def test_precision_and_recall_equal_slow_loops() -> None:
    real, made = _cloud(25, 0, size=2), 0.8 * _cloud(20, 1, size=2, shift=1.6)
    precision, recall = fidelity.precision_recall(real, made, block=6)
    assert precision == pytest.approx(_slow_share(made, real, 3))
    assert recall == pytest.approx(_slow_share(real, made, 3))
    assert 0 < precision < 1
    assert 0 < recall < 1


def test_precision_and_recall_are_one_for_equal_sets_and_zero_for_distant_ones() -> None:
    real = _cloud(50, 0, shift=100)
    assert fidelity.precision_recall(real, real.flip(0)) == (1, 1)
    assert fidelity.precision_recall(real, real + 1000) == (0, 0)


def test_one_picture_over_and_over_is_precise_and_recalls_little() -> None:
    real = _cloud(60, 0)
    precision, recall = fidelity.precision_recall(real, real[:1] + 1e-3 * _cloud(60, 1))
    assert precision == 1
    assert recall < 0.1


def test_too_few_pictures_are_refused() -> None:
    few = _cloud(3, 0)
    with pytest.raises(ValueError, match="four or more"):
        fidelity.kernel_distance(few, few, _generator())
    with pytest.raises(ValueError, match="neighbours"):
        fidelity.precision_recall(few, few)


def _pictures(count: int, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=_generator(count)) * 2 - 1


def test_numbers_from_built_in_features_say_so_in_their_names() -> None:
    features = fidelity.extract(_pictures(8).split(3), fidelity.choose_extractor(None))
    found = fidelity.compare(features, features, _generator())
    assert set(found.numbers()) == {
        f"{name}_builtin" for name in ("fid", "kid", "kid_error", "precision", "recall")
    }
    assert filters.BUILT_IN_FEATURES in found.words()
    assert "fid_builtin 0" in found.words()
    assert "8 made against 8 real" in found.words()
    assert (found.precision, found.recall) == (1, 1)


def test_features_of_two_kinds_or_pictures_of_two_sizes_are_never_mixed() -> None:
    ours = fidelity.extract([_pictures(5)], fidelity.BUILT_IN)
    others = fidelity.Features(label="others", suffix="", values=ours.values)
    with pytest.raises(ValueError, match="two kinds"):
        fidelity.compare(ours, others, _generator())
    with pytest.raises(ValueError, match="resize"):
        fidelity.extract([_pictures(2), _pictures(2, 48)], fidelity.BUILT_IN)
    with pytest.raises(ValueError, match="no pictures"):
        fidelity.extract([], fidelity.BUILT_IN)


def test_pictures_are_rounded_to_bytes_before_they_are_compared() -> None:
    picture = _pictures(2)
    stored = fidelity.as_stored(picture)
    assert float((stored - picture).abs().max()) <= 0.5 / 127.5 + 1e-6
    assert torch.equal(fidelity.as_stored(stored), stored)
    assert float(fidelity.as_stored(3 * picture).abs().max()) == 1


def test_weights_that_are_not_there_are_an_error_and_never_the_built_in_features(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file"):
        fidelity.choose_extractor(tmp_path / "inception.safetensors")


def test_rendered_people_are_nearest_to_other_renderings_then_blurred_then_noise(
    portraits: tuple[Tensor, Tensor],
) -> None:
    here, other = portraits
    noise = torch.randn(here.shape, generator=_generator())
    blurred = other
    for _ in range(3):
        blurred = filters.blur(blurred)
    sets = [other, blurred, (other + 0.5 * noise).clamp(-1, 1), noise.clamp(-1, 1)]
    real = fidelity.extract([here], fidelity.BUILT_IN)
    found = [fidelity.compare(real, fidelity.extract([s], fidelity.BUILT_IN), _generator()) for s in sets]
    for name in ("fid", "kid"):
        values = [getattr(one, name) for one in found]
        assert values == sorted(values), name
        assert values[1] > values[0] + found[0].kid_error, name
    assert found[0].precision > found[1].precision
    assert found[3].precision == found[3].recall == 0
