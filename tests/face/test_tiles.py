"""Convolutions by tiles are convolutions: of any size, in any shares, with what comes before and after."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from phiz.face import tile_loops, tiles
from phiz.face.tiles import LARGE, SMALL, Tiled, convolve, count, parts, tile_for, transform

KINDS = ("plain", "rectified", "added to")


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(inner: int, outer: int, kind: str, *, has_gain: bool, seed: int = 0) -> Tiled:
    draw = chance(seed)
    return Tiled(
        weight=torch.randn(outer, inner, 3, 3, generator=draw) / (9 * inner) ** 0.5,
        bias=torch.randn(outer, generator=draw),
        gain=torch.rand(inner, generator=draw) + 0.5 if has_gain else None,
        shift=torch.randn(inner, generator=draw) if has_gain else None,
        slope=torch.rand(outer, generator=draw) - 0.3 if kind == "rectified" else None,
    )


def plainly(conv: Tiled, x: torch.Tensor, plus: torch.Tensor | None) -> torch.Tensor:
    """Return the same in double precision and plain torch."""
    given_ = x.double()
    if conv.gain is not None and conv.shift is not None:
        given_ = given_ * conv.gain.double() + conv.shift.double()
    weight, bias = conv.weight.double(), conv.bias.double()
    y = functional.conv2d(given_.permute(0, 3, 1, 2), weight, bias, padding=1).permute(0, 2, 3, 1)
    if conv.slope is not None:
        y = torch.where(y >= 0, y, y * conv.slope.double())
    return y if plus is None else y + plus.double()


@settings(max_examples=25)
@given(
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    inner=st.sampled_from([1, 3, 16, 130]),
    outer=st.sampled_from([1, 5, 32, 130]),
    kind=st.sampled_from(KINDS),
    tile=st.sampled_from([LARGE, SMALL]),
    has_gain=st.booleans(),
    threads=st.integers(1, 3),
)
def test_a_convolution_by_tiles_is_a_convolution(
    height: int, width: int, inner: int, outer: int, kind: str, tile: int, has_gain: bool, threads: int
) -> None:
    conv = made(inner, outer, kind, has_gain=has_gain)
    x = torch.randn(2, height, width, inner, generator=chance(1))
    plus = torch.randn(2, height, width, outer, generator=chance(2)) if kind == "added to" else None
    y = torch.full((2, height, width, outer), float("nan"))
    for part in parts(conv, x, tile, threads):
        convolve(conv, x, y, part, tile, plus=plus)
    expected = plainly(conv, x, plus)
    assert float((y - expected).norm() / expected.norm()) < 3e-6


def test_many_tiles_are_worked_on_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "AT_ONCE", 7)
    conv = made(4, 6, "rectified", has_gain=True)
    x = torch.randn(3, 18, 10, 4, generator=chance(1))
    y = torch.full((3, 18, 10, 6), float("nan"))
    for part in parts(conv, x, LARGE, 2):
        convolve(conv, x, y, part, LARGE)
    assert torch.allclose(y.double(), plainly(conv, x, None), atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.sampled_from([LARGE, SMALL]))
def test_shares_cover_everything_once(height: int, outer: int, threads: int, tile: int) -> None:
    conv, x = made(2, outer, "plain", has_gain=False), torch.zeros(1, height, 30, 2)
    seen = torch.zeros(count(x, tile), outer)
    for part in parts(conv, x, tile, threads):
        seen[part.first : part.last, part.begin : part.end] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("tile", [LARGE, SMALL])
def test_weights_at_points_give_back_products_of_polynomials(tile: int) -> None:
    points = transform(tile)
    assert points.shape == (tile + 2, 3)
    finite = torch.tensor(tiles.POINTS[tile], dtype=torch.float64)
    weight = torch.randn(3, generator=chance(0), dtype=torch.float64)
    values = points[:-1] @ weight
    scale = values / (weight[0] + weight[1] * finite + weight[2] * finite**2)
    again = transform(tile)[:-1] @ torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert torch.allclose(scale, again)  # a factor of each point's own, whatever the weights
    assert points[-1].tolist() == [0, 0, 1]


def test_the_size_of_tiles_suits_the_map() -> None:
    assert tile_for(torch.zeros(1, 28, 28, 1)) == LARGE
    assert tile_for(torch.zeros(1, 14, 14, 1)) == SMALL
    assert tile_for(torch.zeros(3, 14, 14, 1)) == LARGE
    assert tile_for(torch.zeros(1, 7, 7, 1)) == 0


def test_large_tiles_lose_no_more_digits_than_they_have_to() -> None:
    conv = made(256, 256, "plain", has_gain=False)
    x = torch.randn(1, 14, 14, 256, generator=chance(1))
    expected = plainly(conv, x, None)
    plain = functional.conv2d(x.permute(0, 3, 1, 2), conv.weight, conv.bias, padding=1).permute(0, 2, 3, 1)
    errors = {}
    for tile in (LARGE, SMALL):
        y = torch.empty(1, 14, 14, 256)
        for part in parts(conv, x, tile, 1):
            convolve(conv, x, y, part, tile)
        errors[tile] = float((y - expected).norm())
    direct = float((plain - expected).norm())
    assert errors[LARGE] < 4 * direct
    assert errors[SMALL] < 2 * direct
    assert tile_loops.CHUNK < 256  # several chunks of channels were joined
