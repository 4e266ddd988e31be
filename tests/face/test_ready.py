"""What is made ready gives the same as the plain network, wherever tiles are used and where they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from phiz.face import parse, ready, regress, tiles
from phiz.face.parse import Parser
from phiz.face.ready import TiledConvolution
from phiz.face.regress import Regressor
from phiz.layers.folding import Folded

WIDE = replace(parse.TINY, widths=(64, 64, 64, 64), context=64, fusion=64, size=128)


def settled(network: nn.Module) -> nn.Module:
    """Return a network with statistics as if it had learned."""
    chance = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith(("running_var", "running_mean", "bn1.bias", "bn2.bias", "bn.bias")):
            value.copy_(0.3 + 0.4 * torch.rand(value.shape, generator=chance))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def parser() -> Parser:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(0).get_state())
        made = settled(Parser(WIDE))
    assert isinstance(made, Parser)
    return made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of tiles of each convolution that goes by tiles from now on."""
    seen: list[int] = []
    convolve = tiles.convolve

    def noting(*arguments: object, plus: Tensor | None = None) -> None:
        seen.append(int(arguments[4]))  # type: ignore[call-overload]
        convolve(*arguments, plus=plus)  # type: ignore[arg-type]

    monkeypatch.setattr(tiles, "convolve", noting)
    return seen


def pictures(size: int = 128, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def assert_near(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def test_a_parser_made_ready_gives_the_same_by_tiles(parser: Parser, counted: list[int]) -> None:
    made = ready.ready(parser)
    assert isinstance(made.conv_out.conv.conv, TiledConvolution)
    assert isinstance(made.cp.resnet.conv1, Folded)  # no 3 x 3 convolution
    for found, expected in zip(made.all_scores(pictures()), parser.all_scores(pictures()), strict=True):
        assert_near(found, expected)
    assert {tiles.LARGE, tiles.SMALL} <= set(counted)
    shown = pictures(128, 1).clamp(-1, 1)
    assert (parse.parse(made, shown) != parse.parse(parser, shown)).float().mean() < 1e-3


def test_sums_and_rectifiers_go_by_tiles(counted: list[int]) -> None:
    chance = torch.Generator().manual_seed(0)
    conv = nn.Conv2d(64, 64, 3, 1, 1).requires_grad_(False)
    made = TiledConvolution(Folded(conv, None))
    x, plus = (torch.randn(1, 64, 30, 33, generator=chance) for _ in range(2))
    for is_rectified in (False, True):
        for around in (None, plus):
            expected = conv(x) if around is None else conv(x) + around
            expected = expected.relu() if is_rectified else expected
            assert_near(made(x, around, is_rectified), expected)
    assert counted == [tiles.LARGE] * 4
    assert torch.equal(plus, torch.randn(2, 1, 64, 30, 33, generator=torch.Generator().manual_seed(0))[1])


def test_small_maps_and_narrow_ones_go_as_a_whole(counted: list[int]) -> None:
    narrow = settled(Regressor(regress.TINY))
    assert isinstance(narrow, Regressor)
    crops = pictures(32).sigmoid()
    assert_near(ready.ready(narrow)(crops), narrow(crops) + 0)
    made = TiledConvolution(Folded(nn.Conv2d(64, 64, 3, 1, 1).requires_grad_(False), None))
    made(torch.randn(1, 64, 5, 5))
    assert counted == []


def test_with_more_threads_more_channels_are_needed(counted: list[int]) -> None:
    conv = nn.Conv2d(64, 64, 3, 1, 1).requires_grad_(False)
    made = TiledConvolution(Folded(conv, None))
    x = torch.randn(1, 64, 32, 32, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert_near(made(x), conv(x))
        assert counted == []
    finally:
        torch.set_num_threads(threads)
    made(x)
    assert counted == [tiles.LARGE]


def test_gradients_and_half_precision_go_as_a_whole(parser: Parser, counted: list[int]) -> None:
    made = ready.ready(parser)
    grads = []
    for network in (parser, made):
        leaf = pictures().requires_grad_(True)
        network(leaf).square().mean().backward()
        assert leaf.grad is not None
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[1], grads[0], atol=1e-4 * float(grads[0].abs().max()), rtol=0)
    assert counted == []
