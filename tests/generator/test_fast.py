"""Compiled loops of the upsampler equal plain torch, on any number of threads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import fast, growing, growing_loops, poses
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.generator.growing import Adapter, Kind
from phiz.layers.activation import leaky
from phiz.layers.equalized import Affine

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
@pytest.mark.parametrize("kind", ["nn_cat", "pixelshuffle", "nearest"])
def test_maps_grow_as_in_plain_torch(kind: Kind, threads: int) -> None:
    x, bias, adapter = _noise(2, 5, 4, CHANNELS), _noise(CHANNELS, seed=5), _adapter(kind)
    plain = leaky(growing.grow(x, kind, adapter, is_blurred=True) + bias, 1.5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            found = fast.grown(x, kind, adapter, bias, 1.5)
    finally:
        torch.set_num_threads(before)
    assert found is not None
    torch.testing.assert_close(found, plain, atol=2e-6, rtol=1e-5)


def test_other_ways_of_growing_are_left_to_torch() -> None:
    assert fast.grown(_noise(1, 4, 4, CHANNELS), "bilinear", None, torch.zeros(CHANNELS), 0.0) is None


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
        with torch.autocast("cpu", torch.bfloat16):
            assert not fast.is_ready(x)


@pytest.mark.parametrize("kind", ["nn_cat", "pixelshuffle", "nearest"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_pictures_are_the_same_with_and_without_loops(kind: Kind, kernel: int) -> None:
    generator = Generator(replace(TINY, upsampling=kind, kernel=kernel)).eval()
    styles, camera = generator.styles(_noise(2, TINY.z_size)), poses.at(TINY, (0.4, 0.6))
    plain = generator.render(styles, camera).image.detach()
    with torch.no_grad():
        quick = generator.render(styles, camera).image
    torch.testing.assert_close(quick, plain, atol=1e-5, rtol=1e-4)


def test_a_band_of_rows_is_all_that_a_loop_touches() -> None:
    x = _noise(6, 3, CHANNELS)
    plain = leaky(x)
    found = x.numpy().copy()
    growing_loops.activate(found, torch.zeros(CHANNELS).numpy(), 2**0.5, 1e30, 2, 4)
    torch.testing.assert_close(torch.from_numpy(found[2:4]), plain[2:4])
    assert (found[:2] == x[:2].numpy()).all()
    assert (found[4:] == x[4:].numpy()).all()
