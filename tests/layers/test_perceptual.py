"""Perceptual distances: laws of the built-in one, the published network against a slow twin."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.layers import filters, perceptual
from phiz.layers.perceptual import Lpips, PerceptualDistance, perceptual_distance


@pytest.fixture
def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = functional.interpolate(torch.randn(3, 3, 9, 9, generator=generator), size=40, mode="bicubic")
    return (0.5 * coarse + 0.05 * torch.randn(3, 3, 40, 40, generator=generator)).clamp(-1, 1)


def _grows(distances: list[Tensor]) -> bool:
    return all(bool((after > before).all()) for before, after in itertools.pairwise(distances))


def test_equal_pictures_are_no_distance_apart(pictures: Tensor) -> None:
    assert float(perceptual_distance(pictures, pictures).abs().max()) == 0


def test_distance_is_the_same_both_ways(pictures: Tensor) -> None:
    other = pictures.flip(0)
    torch.testing.assert_close(perceptual_distance(pictures, other), perceptual_distance(other, pictures))


def test_distance_grows_with_noise(pictures: Tensor) -> None:
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    assert _grows(
        [perceptual_distance(pictures, pictures + by * noise) for by in (0.0, 0.02, 0.05, 0.1, 0.3)]
    )


def test_distance_grows_with_blur(pictures: Tensor) -> None:
    found, blurred = [], pictures
    for _ in range(4):
        found.append(perceptual_distance(pictures, blurred))
        blurred = filters.blur(blurred)
    assert _grows(found)


def test_distance_grows_with_shift(pictures: Tensor) -> None:
    wide = functional.interpolate(pictures, size=80, mode="bicubic")
    assert _grows([perceptual_distance(wide[..., :64], wide[..., s : s + 64]) for s in (0, 1, 2, 4, 8)])


def test_distance_grows_with_a_colour_cast(pictures: Tensor) -> None:
    cast = torch.tensor([1.0, 0, -1])[:, None, None]
    assert _grows([perceptual_distance(pictures, pictures + by * cast) for by in (0.0, 0.05, 0.1, 0.3)])


def test_a_fault_in_a_smooth_place_counts_more_than_in_a_busy_one() -> None:
    generator = torch.Generator().manual_seed(2)
    smooth, busy = torch.zeros(1, 3, 32, 32), 0.4 * torch.randn(1, 3, 32, 32, generator=generator)
    fault = 0.05 * torch.randn(1, 3, 32, 32, generator=generator)
    assert float(perceptual_distance(smooth, smooth + fault)) > 2 * float(
        perceptual_distance(busy, busy + fault)
    )


def test_gradients_are_finite_and_lead_towards_the_other_picture(pictures: Tensor) -> None:
    at_rest = pictures.clone().requires_grad_()
    (slope,) = torch.autograd.grad(perceptual_distance(at_rest, pictures).sum(), at_rest)
    assert float(slope.abs().max()) == 0
    moved = filters.blur(pictures).requires_grad_()
    distance = perceptual_distance(moved, pictures)
    (slope,) = torch.autograd.grad(distance.sum(), moved)
    assert bool(torch.isfinite(slope).all())
    assert 0.05 < float(slope.norm()) / float(slope.new_ones(()) / 40) < 5  # about one a picture, if pixels
    nearer = perceptual_distance(moved.detach() - 20 * slope, pictures)
    assert bool((nearer < 0.9 * distance).all())


def test_gradient_agrees_with_differences(pictures: Tensor) -> None:
    a, b = pictures[:1].double().requires_grad_(), pictures[1:2].double()
    (slope,) = torch.autograd.grad(perceptual_distance(a, b).sum(), a)
    way = torch.randn(a.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    up, down = (perceptual_distance(a.detach() + by * way, b) for by in (1e-5, -1e-5))
    torch.testing.assert_close((up - down)[0] / 2e-5, (slope * way).sum(), rtol=1e-5, atol=1e-8)


def test_a_look_that_was_kept_gives_the_same_distance(pictures: Tensor) -> None:
    kept = perceptual.look(pictures)
    again = perceptual.between(kept, perceptual.look(pictures.flip(0)))
    torch.testing.assert_close(again, perceptual_distance(pictures, pictures.flip(0)))


def test_both_distances_keep_the_protocol() -> None:
    assert isinstance(perceptual_distance, PerceptualDistance)
    assert isinstance(Lpips("alex"), PerceptualDistance)


def _random_lpips(trunk: str) -> dict[str, Tensor]:
    """Return the published names with random weights of the right shapes."""
    generator = torch.Generator().manual_seed(4)
    with torch.device("meta"):
        network = Lpips(trunk)
    slices = {
        "alex": {0: 1, 3: 2, 6: 3, 8: 4, 10: 5},
        "vgg": {0: 1, 2: 1, 5: 2, 7: 2, 10: 3, 12: 3, 14: 3, 17: 4, 19: 4, 21: 4, 24: 5, 26: 5, 28: 5},
    }[trunk]
    tensors = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1), "scaling_layer.scale": torch.ones(1, 3, 1, 1)}
    for name, parameter in network.named_parameters():
        value = torch.empty(parameter.shape).normal_(0, 0.05, generator=generator)
        group, number, rest = name.split(".")
        if group == "features":
            tensors[f"net.slice{slices[int(number)]}.{number}.{rest}"] = value
        else:
            tensors[f"lin{number}.model.1.{rest}"] = value.abs()
            tensors[f"lins.{number}.model.1.{rest}"] = value.abs()
    return tensors


def _slow_alex(tensors: dict[str, Tensor], a: Tensor, b: Tensor) -> float:
    """Return LPIPS of one pair by the letter of the paper, pixel after pixel."""
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    layers = [("net.slice1.0", 4, 2), ("net.slice2.3", 1, 2), ("net.slice3.6", 1, 1)]
    layers += [("net.slice4.8", 1, 1), ("net.slice5.10", 1, 1)]
    x = [(p - shift[:, None, None]) / scale[:, None, None] for p in (a, b)]
    total = 0.0
    for k, (name, stride, padding) in enumerate(layers):
        if k in (1, 2):
            x = [functional.max_pool2d(one, 3, 2) for one in x]
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        x = [functional.conv2d(one[None], weight, bias, stride, padding)[0].relu() for one in x]
        lin = tensors[f"lin{k}.model.1.weight"].flatten()
        h, w = x[0].shape[1:]
        for i in range(h):
            for j in range(w):
                one, other = (p[:, i, j] / (p[:, i, j].norm() + 1e-10) for p in x)
                total += float((lin * (one - other).square()).sum()) / (h * w)
    return total


def test_the_published_alexnet_distance_equals_a_slow_twin() -> None:
    tensors = _random_lpips("alex")
    network = perceptual.from_published(tensors)
    a, b = torch.rand(2, 2, 3, 40, 40, generator=torch.Generator().manual_seed(5)) * 2 - 1
    slow = torch.tensor([_slow_alex(tensors, a[i], b[i]) for i in range(2)])
    torch.testing.assert_close(network(a, b), slow, rtol=1e-4, atol=1e-7)
    assert float(network(a, a).abs().max()) == 0


def test_vgg16_is_tapped_after_the_last_rectifier_of_each_size() -> None:
    with torch.device("meta"):
        network = Lpips("vgg")
        shapes = [tuple(found.shape[1:]) for found in network.tapped(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4)]
    assert sum(p.numel() for p in network.features.parameters()) == 14_714_688  # torchvision's VGG16 trunk


def test_gradient_of_the_published_distance_is_finite_for_equal_and_for_dead_pictures() -> None:
    network = perceptual.from_published(_random_lpips("alex"))
    for picture in (torch.zeros(1, 3, 40, 40), torch.full((1, 3, 40, 40), 0.3)):
        a = picture.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(a, picture).sum(), a)
        assert bool(torch.isfinite(slope).all())


def test_trunk_and_linear_layers_may_come_in_two_files(tmp_path: Path) -> None:
    tensors = _random_lpips("alex")
    trunk = {f"features.{n.split('.', 2)[2]}": t for n, t in tensors.items() if n.startswith("net.")}
    trunk["classifier.1.weight"] = torch.zeros(2, 2)
    save_file(trunk, tmp_path / "alexnet.safetensors")
    save_file({n: t for n, t in tensors.items() if n.startswith("lin")}, tmp_path / "lin.safetensors")
    loaded = perceptual.load_lpips(tmp_path / "alexnet.safetensors", tmp_path / "lin.safetensors")
    network = perceptual.from_published(tensors)
    checkpoint.save(
        tmp_path / "ours.safetensors", kind=perceptual.KIND, config={}, tensors=network.state_dict()
    )
    ours = perceptual.load_lpips(tmp_path / "ours.safetensors")
    for name, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
        assert torch.equal(value, ours.state_dict()[name])
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_trunk_alone_is_not_enough() -> None:
    tensors = _random_lpips("alex")
    with pytest.raises(CheckpointError, match=r"lack lins\.0\.weight"):
        perceptual.from_published({n: t for n, t in tensors.items() if not n.startswith("lin")})
    with pytest.raises(CheckpointError, match="trunk"):
        perceptual.from_published({n: t for n, t in tensors.items() if n.startswith("lin")})
