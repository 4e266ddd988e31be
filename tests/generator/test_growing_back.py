"""Growing with gradients in compiled loops equals plain torch, to the second gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.generator import fast, growing, growing_back, growing_back_loops, pieces
from phiz.generator.growing import Adapter, Kind
from phiz.generator.rectifier_loops import plainly_rectified
from phiz.layers.equalized import Affine

CHANNELS, NARROW = 8, 3
GAIN = 2**0.5


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _numbers(size: tuple[int, int]) -> list[Tensor]:
    """Return a map, a bias and an adapter's numbers."""
    shapes = [(2, *size, CHANNELS), (CHANNELS,), (NARROW, 2 * CHANNELS), (NARROW,), (CHANNELS, NARROW)]
    return [_noise(*shape, seed=k).requires_grad_() for k, shape in enumerate([*shapes, (CHANNELS,)])]


def _adapter(kind: Kind, numbers: list[Tensor]) -> Adapter | None:
    if kind == "nearest":
        return None
    return Adapter(Affine(numbers[2], numbers[3]), Affine(numbers[4], numbers[5]))


def _quickly(kind: Kind, numbers: list[Tensor], clamp: float) -> Tensor:
    return growing_back.grown(fast.start(numbers[0], kind, _adapter(kind, numbers), numbers[1], clamp))


def _plainly(kind: Kind, numbers: list[Tensor], clamp: float) -> Tensor:
    large = growing.grow(numbers[0], kind, _adapter(kind, numbers), is_blurred=True)
    return plainly_rectified(large, numbers[1], GAIN, clamp)


def _results(y: Tensor, numbers: list[Tensor]) -> list[Tensor]:
    """Return what was found, its gradients, and those of the gradients' squares."""
    total = (y * _noise(*y.shape, seed=9).to(y)).sum()
    plain = torch.autograd.grad(total, numbers, retain_graph=True)
    kept = torch.autograd.grad(total, numbers, create_graph=True)
    squares = torch.stack([grad.square().sum() for grad in kept]).sum()
    second = torch.autograd.grad(squares, numbers, materialize_grads=True)
    return [y, *plain, *kept, *second]


@pytest.mark.parametrize("strip", [1, 2 * 8 * CHANNELS, 2**20])
@pytest.mark.parametrize("size", [(5, 4), (2, 3)])
def test_maps_with_an_adapter_learn_as_in_plain_torch(
    strip: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "STRIP", strip)
    numbers = _numbers(size)
    found = _results(_quickly("nn_cat", numbers, 2.0), numbers)
    for one, other in zip(found, _results(_plainly("nn_cat", numbers, 2.0), numbers), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strip", [1, 2 * 8 * CHANNELS, 2**20])
@pytest.mark.parametrize("size", [(5, 4), (1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("clamp", [0.0, 0.7])
def test_maps_alone_learn_as_in_plain_torch(
    strip: int, size: tuple[int, int], clamp: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "STRIP", strip)
    numbers = _numbers(size)[:2]
    found = []
    for way in (_quickly, _plainly):
        y = way("nearest", numbers, clamp)
        x = numbers[0].square()  # so that there is a second gradient
        again = way("nearest", [x, numbers[1]], clamp)
        first = torch.autograd.grad(again.square().sum(), x, create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), numbers[0])
        found.append(
            [y, *torch.autograd.grad((y * _noise(*y.shape, seed=9)).sum(), numbers), *first, *second]
        )
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_gradients_of_any_layout_are_read_right() -> None:
    numbers = _numbers((3, 4))
    grad = _noise(2, CHANNELS, 8, 6, seed=3).permute(0, 3, 2, 1)
    found = [torch.autograd.grad(way("nn_cat", numbers, 0.0), numbers, grad) for way in (_quickly, _plainly)]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", growing_back.KINDS)
def test_gradients_in_bfloat16_are_as_near_as_it_allows(kind: Kind) -> None:
    numbers = _numbers((5, 4))[: 2 if kind == "nearest" else 6]
    with torch.autocast("cpu", torch.bfloat16):
        y = _quickly(kind, numbers, 0.0)
    assert y.dtype == torch.bfloat16
    half = torch.autograd.grad(y.float().square().sum(), numbers)
    exact = torch.autograd.grad(_plainly(kind, numbers, 0.0).square().sum(), numbers)
    for one, other in zip(half, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).square().mean() < 2e-3 * other.square().mean()


def test_an_adapter_that_does_not_learn_gets_no_gradient() -> None:
    numbers = _numbers((2, 3))
    for fixed in numbers[1:]:
        fixed.requires_grad_(False)
    _quickly("nn_cat", numbers, 0.0).sum().backward()
    assert numbers[0].grad is not None
    assert all(fixed.grad is None for fixed in numbers[1:])


@pytest.mark.parametrize("is_repeated", [True, False])
def test_shrinking_is_growing_transposed(is_repeated: bool) -> None:
    """The inner products <grow x, y> and <x, shrink y> are the same, edges repeated or zero."""
    x, y = _noise(3, 4, CHANNELS), _noise(6, 8, CHANNELS, seed=1)
    out = torch.empty_like(x)
    growing_back_loops.shrink(pieces.bits(y), 0, pieces.bits(out), 0, 3, is_repeated, pieces.shift(x))
    large = growing.grow_nearest_blurred(x, (0, 1), is_repeated=is_repeated)
    torch.testing.assert_close((x * out).sum(), (large * y).sum())
