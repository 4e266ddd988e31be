"""Blocks equal the published order of operations; pictures grow block by block and fade without a jump."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import upsample
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.upsample import Block, Upsampler

KINDS = [
    replace(TINY, upsampling=kind, kernel=kernel, is_blurred=is_blurred)  # type: ignore[arg-type]
    for kind, is_blurred in (
        ("nn_cat", True), ("nn_cat", False), ("pixelshuffle", True), ("pixelshuffle", False),
        ("nearest", True), ("nearest", False), ("bilinear", True), ("fir", True),
    )
    for kernel in (1, 3)
]  # fmt: skip


def _name(config: GeneratorConfig) -> str:
    blurred = "" if config.is_blurred else "-sharp"
    return f"{config.upsampling}{blurred}-{config.kernel}"


def _loud(network: torch.nn.Module) -> None:
    """Give a network biases, and magnitudes unlike one."""
    for seed, (name, tensor) in enumerate([*network.named_parameters(), *network.named_buffers()]):
        if name.endswith("bias") and "style" not in name:
            tensor.data.copy_(0.5 * plain.noise(*tensor.shape, seed=seed))
        if name.endswith("magnitude"):
            tensor.fill_(0.5 + seed % 3)


def _block(config: GeneratorConfig = TINY) -> Block:
    block = Block(6, 8, config).double().eval()
    _loud(block)
    return block


def _upsampler(config: GeneratorConfig = TINY) -> Upsampler:
    network = Upsampler(config).double().eval()
    _loud(network)
    return network


def _styles(count: int, config: GeneratorConfig = TINY) -> Tensor:
    return plain.noise(count, 2 * len(config.block_resolutions) + 1, config.w_size, seed=1)


@pytest.mark.parametrize("config", KINDS, ids=_name)
@pytest.mark.parametrize("people", [1, 2])
def test_a_block_equals_the_published_order_of_operations(config: GeneratorConfig, people: int) -> None:
    block, styles = _block(config), plain.noise(people, 3, TINY.w_size)
    x = plain.noise(2, 6, 4, 5, seed=2)
    prepared = block.prepare(styles)
    found = block(prepared, x.permute(0, 2, 3, 1))
    expected, shown = plain.upsampled(block, x, styles.expand(2, -1, -1))
    torch.testing.assert_close(found.permute(0, 3, 1, 2), expected)
    coloured = _upsampler().coloured(prepared, found)
    torch.testing.assert_close(coloured.permute(0, 3, 1, 2), shown)


@pytest.mark.parametrize("config", KINDS, ids=_name)
def test_weights_that_wait_for_the_magnitude_give_the_same(config: GeneratorConfig) -> None:
    block, x = _block(config), plain.noise(2, 4, 5, 6)
    settled, open_ = block.prepare(plain.noise(2, 3, TINY.w_size)), None
    block.train()
    open_ = block.prepare(plain.noise(2, 3, TINY.w_size))
    block.eval()
    assert (settled.is_settled, open_.is_settled) == (True, False)
    torch.testing.assert_close(block(open_, x), block(settled, x))


@pytest.mark.parametrize("config", KINDS, ids=_name)
def test_blocks_draw_the_same_where_no_gradient_is_wanted(config: GeneratorConfig) -> None:
    block, x = _block(config).float(), plain.noise(2, 4, 5, 6).float()
    prepared = block.prepare(plain.noise(2, 3, TINY.w_size).float())
    kept, slow = x.clone(), block(prepared, x).detach()
    with torch.no_grad():
        quick = block(prepared, x)
    torch.testing.assert_close(quick, slow, atol=1e-5, rtol=1e-4)
    assert torch.equal(x, kept)  # what works in place does so on maps of its own


@pytest.mark.parametrize("kernel", [1, 3])
def test_without_magnitudes_there_are_none(kernel: int) -> None:
    block = _block(replace(TINY, magnitude_rate=0.0, kernel=kernel))
    assert not any("magnitude" in name for name in block.state_dict())
    x, styles = plain.noise(2, 6, 4, 5), plain.noise(2, 3, TINY.w_size)
    found = block(block.prepare(styles), x.permute(0, 2, 3, 1))
    torch.testing.assert_close(found.permute(0, 3, 1, 2), plain.upsampled(block, x, styles)[0])


def test_magnitudes_follow_the_inputs_of_both_convolutions_in_training() -> None:
    block, x = _block(), 5 * plain.noise(2, 4, 5, 6)
    block.first.magnitude.fill_(1.0)
    block.train()
    block(block.prepare(plain.noise(2, 3, TINY.w_size)), x)
    assert float(block.first.magnitude) == pytest.approx(0.999 + 0.001 * float(x.square().mean()))
    before = float(block.second.magnitude)
    block.eval()
    block(block.prepare(plain.noise(2, 3, TINY.w_size)), x)
    assert float(block.second.magnitude) == before


def test_no_feature_and_no_colour_is_larger_than_the_limit() -> None:
    config = replace(TINY, clamp=0.3)
    block, x, styles = _block(config), 9 * plain.noise(1, 6, 4, 4), plain.noise(1, 3, TINY.w_size)
    prepared = block.prepare(styles)
    found = block(prepared, x.permute(0, 2, 3, 1))
    expected, shown = plain.upsampled(block, x, styles)
    torch.testing.assert_close(found.permute(0, 3, 1, 2), expected)
    assert float(found.detach().abs().max()) == pytest.approx(0.3)
    assert float(_upsampler(config).coloured(prepared, 99 * found).detach().abs().max()) == pytest.approx(0.3)
    assert float(shown.detach().abs().max()) <= 0.3


@pytest.mark.parametrize("clamp", [256.0, 0.3])
def test_a_point_is_a_pixel_that_has_no_neighbours(clamp: float) -> None:
    """Growing by repetition leaves every quarter what its pixel was, so the block is a map of points."""
    block = _block(replace(TINY, upsampling="nearest", is_blurred=False, clamp=clamp))
    x, prepared = plain.noise(2, 3, 4, 6), block.prepare(plain.noise(2, 3, TINY.w_size))
    points = block.point(prepared, x.flatten(1, 2)[:, :, None])
    torch.testing.assert_close(block(prepared, x)[:, ::2, ::2].flatten(1, 2), points[:, :, 0])


def test_a_picture_is_the_small_one_refined_block_by_block() -> None:
    network, styles = _upsampler(), _styles(2)
    features, image = plain.noise(2, TINY.features, 8, 8), plain.noise(2, 3, 8, 8, seed=5)
    x, expected = features, image
    for k, block in enumerate(network.blocks):
        x, shown = plain.upsampled(cast(Block, block), x, styles[:, 2 * k : 2 * k + 3])
        expected = plain.doubled(expected) + shown
    found = network(network.prepare(styles), features, image)
    torch.testing.assert_close(found, expected)
    assert found.shape == (2, 3, 32, 32)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_pictures_grow_without_a_jump(start: float) -> None:
    network = _upsampler()
    ready = network.prepare(_styles(1))
    features, image = plain.noise(1, TINY.features, 8, 8), plain.noise(1, 3, 8, 8, seed=5)

    def drawn(progress: float) -> Tensor:
        return network(ready, features, image, progress)

    early, late, middle = drawn(start + 1e-9), drawn(start + 0.5 - 1e-9), drawn(start + 0.25)
    torch.testing.assert_close(middle, (early + late) / 2)
    if start == 0:
        size = early.shape[-1]
        plain_picture = torch.nn.functional.interpolate(
            image, size=size, mode="bilinear", align_corners=False
        )
        torch.testing.assert_close(early, plain_picture, atol=1e-6, rtol=0)
        assert torch.equal(drawn(0.0), image)
    else:
        torch.testing.assert_close(late, drawn(1.0), atol=1e-6, rtol=0)
        assert torch.equal(drawn(-1.0), drawn(1.0))


def test_a_flat_scene_has_no_frame_where_edges_are_repeated() -> None:
    """Only the kind that is ours repeats them; zeros beyond the edge show in the published kinds."""
    features, image = torch.ones(1, TINY.features, 8, 8).double(), torch.ones(1, 3, 8, 8).double()
    for kind, is_flat in (("nearest", True), ("pixelshuffle", False), ("nn_cat", False)):
        config = replace(TINY, upsampling=kind)  # type: ignore[arg-type]
        network = _upsampler(config)
        shown = network(network.prepare(_styles(1, config)), features, image)
        spread = shown.amax((2, 3)) - shown.amin((2, 3))
        assert bool((spread < 1e-9).all()) == is_flat


def test_progress_says_how_many_blocks_are_in_use() -> None:
    found = [upsample.stage(p, 4) for p in (-1, 0, 0.1, 0.25, 0.375, 0.99, 1, 7)]
    expected = [(4, 1.0), (0, 1.0), (1, 0.4), (2, 0.0), (2, 0.5), (4, 0.96), (4, 1.0), (4, 1.0)]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)


def test_gradients_reach_features_picture_and_styles() -> None:
    network, styles = _upsampler(), _styles(1).requires_grad_()
    features = plain.noise(1, TINY.features, 8, 8).requires_grad_()
    image = plain.noise(1, 3, 8, 8, seed=5).requires_grad_()
    network(network.prepare(styles), features, image).square().sum().backward()
    assert styles.grad is not None
    assert bool((styles.grad.abs().sum((0, 2)) > 0).all())
    for tensor in (features, image):
        assert tensor.grad is not None
        assert bool((tensor.grad != 0).all())


def test_points_are_limited_as_maps_are() -> None:
    block = Block(8, 12, replace(TINY, clamp=0.5)).double().eval().requires_grad_(False)
    styles, points = plain.noise(2, 3, TINY.w_size), 9 * plain.noise(2, 6, 1, 8, seed=1)
    found = block.point(block.prepare(styles), points)
    free = Block(8, 12, replace(TINY, clamp=1e6)).double().eval().requires_grad_(False)
    free.load_state_dict(block.state_dict())
    assert float(free.point(free.prepare(styles), points).abs().max()) > 0.5
    assert float(found.abs().max()) == 0.5
