"""Compiled loops and work in pieces equal plain torch, on any number of threads."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from phiz.generator import fast, growing, pieces, poses
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.generator.growing import Adapter, Kind
from phiz.generator.upsample import Upsampler
from phiz.layers.activation import leaky, leaky_scaled
from phiz.layers.equalized import Affine
from phiz.layers.modulated import Folded, apply

CHANNELS, NARROW = 8, 3


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _adapter(kind: Kind) -> Adapter | None:
    inputs = {"nn_cat": 2 * CHANNELS, "pixelshuffle": CHANNELS}.get(kind)
    if inputs is None:
        return None
    outputs = CHANNELS if kind == "nn_cat" else 4 * CHANNELS
    return Adapter(
        Affine(_noise(NARROW, inputs, seed=1), _noise(NARROW, seed=2)),
        Affine(_noise(outputs, NARROW, seed=3), _noise(outputs, seed=4)),
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", fast.KINDS)
def test_maps_grow_as_in_plain_torch(kind: Kind, threads: int) -> None:
    x, bias, adapter = _noise(2, 5, 4, CHANNELS), _noise(CHANNELS, seed=5), _adapter(kind)
    plain = leaky(growing.grow(x, kind, adapter, is_blurred=True) + bias, 1.5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            found = fast.grown(fast.start(x, kind, adapter, bias, 1.5))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, plain, atol=2e-6, rtol=1e-5)


def test_a_map_is_activated_in_place() -> None:
    x, bias = _noise(2, 3, 4, CHANNELS), _noise(CHANNELS, seed=5)
    plain = leaky(x + bias)
    assert fast.activated(x, bias, 2**0.5, 0.0) is x
    torch.testing.assert_close(x, plain)


def test_loops_are_used_only_where_they_may() -> None:
    x = torch.zeros(1)
    assert not fast.is_ready(x)  # a gradient may be wanted
    with torch.no_grad():
        assert fast.is_ready(x)
        assert not fast.is_ready(x.double())
        assert fast.is_ready(x.bfloat16())


@pytest.mark.parametrize("kind", fast.KINDS)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("is_training", [False, True])
def test_pictures_are_the_same_with_and_without_loops(kind: Kind, kernel: int, is_training: bool) -> None:
    network = Upsampler(replace(TINY, upsampling=kind, kernel=kernel)).train(is_training)
    features, image = _noise(2, TINY.features, 8, 8), _noise(2, 3, 8, 8, seed=1)
    styles = _noise(2, 2 * len(network.blocks) + 1, TINY.w_size, seed=2)
    exact = copy.deepcopy(network).double()  # no loop knows double precision
    plain = exact(exact.prepare(styles.double()), features.double(), image.double()).float()
    with torch.no_grad():
        quick = copy.deepcopy(network)(network.prepare(styles), features, image)
    taught = network(network.prepare(styles), features, image)
    torch.testing.assert_close(quick, plain, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(taught, plain, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", fast.KINDS)
def test_strips_leave_no_seams(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    x, adapter = _noise(2, 6, 4, CHANNELS), _adapter(kind)
    second = Folded(_noise(2, 5, CHANNELS, seed=6), _noise(5, seed=7))
    colour = Folded(_noise(1, 3, 5, seed=8), _noise(3, seed=9))
    bias = _noise(CHANNELS, seed=5)
    large = leaky(growing.grow(x, kind, adapter, is_blurred=True) + bias, 1.5)
    features = leaky_scaled(apply(second, large.flatten(1, 2)), 1.5)
    shown = apply(colour, features).clamp(-1.5, 1.5)
    for numbers in (2 * 8 * CHANNELS, 5 * 8 * CHANNELS, 2**20):
        monkeypatch.setattr(pieces, "STRIP", numbers)
        with torch.no_grad():
            start = fast.start(x, kind, adapter, bias, 1.5)
            kept, seen = fast.doubled(start, second, colour, is_kept=True)
            nothing, again = fast.doubled(start, second, colour, is_kept=False)
        assert kept is not None
        assert nothing is None
        torch.testing.assert_close(kept.flatten(1, 2), features, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(seen.flatten(1, 2), shown, atol=1e-5, rtol=1e-5)
        assert seen.equal(again)


@pytest.mark.parametrize("kind", fast.KINDS)
@pytest.mark.parametrize("kernel", [1, 3])
def test_loops_in_bfloat16_are_as_near_as_it_allows(kind: Kind, kernel: int) -> None:
    generator = Generator(replace(TINY, upsampling=kind, kernel=kernel)).eval().requires_grad_(False)
    styles, camera = generator.styles(_noise(2, TINY.z_size)), poses.at(TINY, (0.4, 0.6))
    exact = generator.render(styles, camera).image
    with torch.autocast("cpu", torch.bfloat16):
        taught = generator.render(styles, camera).image
        with torch.no_grad():
            quick = generator.render(styles, camera).image
    for image in (taught, quick):
        assert (image - exact).square().mean() < 5e-3 * exact.var()


def test_loops_step_aside_while_torch_records() -> None:
    class Asked(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + int(pieces.fits(x))

    x = torch.zeros(1)
    assert Asked()(x).tolist() == [1]
    assert torch.export.export(Asked(), (x,), strict=False).module()(x).tolist() == [0]


def test_bits_of_bfloat16_are_rounded_as_torch_rounds() -> None:
    x, bias = _noise(1, 9, 7, CHANNELS), _noise(CHANNELS, seed=5)
    found = fast.activated(x.bfloat16(), bias, 1.0, 1.5)
    want = torch.nn.functional.leaky_relu(x.bfloat16().float() + bias, 0.2).clamp(-1.5, 1.5)
    assert found.equal(want.bfloat16())
