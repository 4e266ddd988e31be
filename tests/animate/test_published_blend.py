"""Mouths are put in as published, with as little work as it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.animate import published_blend
from phiz.animate.published_blend import blended, enlarged, picked, plain
from phiz.avatar.published_quirks import MENDED, PUBLISHED
from phiz.generator.generator import Features


def maps(channels: int = 40, size: int = 8) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(0)
    return (
        torch.randn(2, channels, size, size, generator=chance),
        torch.randn(2, channels, size, size, generator=chance),
    )


def left_half(size: int) -> Tensor:
    mask = torch.zeros(2, 1, size, size)
    mask[..., : size // 2] = 1
    return mask


@pytest.mark.parametrize(("size", "large"), [(8, 128), (16, 64), (16, 32), (12, 100), (16, 16), (16, 8)])
def test_what_is_never_looked_at_need_not_be_made(size: int, large: int) -> None:
    own, other = maps(size=size)
    mask = torch.rand(2, 1, large, large, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(picked(own, other, mask), enlarged(own, other, mask), atol=1e-4, rtol=0)


def test_a_sixteenth_of_the_enlarged_map_is_made() -> None:
    used = published_blend.kernels(32, 512)[2]
    assert int(used.sum()) == 4 * 32


@pytest.mark.parametrize("blend", [plain, enlarged, picked])
def test_a_mask_of_one_value_takes_one_of_the_two(blend: object) -> None:
    own, other = maps()
    one = torch.ones(2, 1, 64, 64)
    assert callable(blend)
    torch.testing.assert_close(blend(own, own, one), blend(own, other, 0 * one))
    torch.testing.assert_close(blend(other, other, one), blend(own, other, one))


def test_a_mouth_is_put_in_where_its_mask_is_one() -> None:
    own, other = maps()
    found = plain(own, other, left_half(64))
    assert torch.equal(found[..., :4], other[..., :4])
    assert torch.equal(found[..., 4:], own[..., 4:])
    rough = picked(own, other, left_half(64))
    torch.testing.assert_close(rough[..., :3], picked(other, other, left_half(64))[..., :3])
    torch.testing.assert_close(rough[..., 5:], picked(own, own, left_half(64))[..., 5:])
    # parity: there and back again blurs even where nothing is blended.
    assert float((picked(own, own, left_half(64)) - own).abs().max()) > 1e-3


def test_the_small_picture_keeps_its_closed_mouth_as_published() -> None:
    (own, other), (picture, mouth) = maps(), maps(channels=3)
    face, inside = Features(own, picture), Features(other, mouth)
    assert torch.equal(blended(face, inside, left_half(64)).image, picture)
    mended = blended(face, inside, left_half(64), MENDED).image
    assert torch.equal(mended[..., :4], mouth[..., :4])
    told = replace(PUBLISHED, blends_features_alone=False)
    assert torch.equal(
        blended(face, inside, left_half(64), told).image, picked(picture, mouth, left_half(64))
    )
