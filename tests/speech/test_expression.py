"""Expressions: half of each is fed back, in one pass over the sound or in many, as frame after frame."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.speech import expression
from phiz.speech.expression import TINY, ExpressionConfig, ExpressionNet, Feedback, express, express_from


@pytest.fixture(scope="module")
def network() -> ExpressionNet:
    return made(TINY)


def made(config: ExpressionConfig) -> ExpressionNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ExpressionNet(config).eval().requires_grad_(False)
        torch.nn.init.normal_(net.mapping1.weight, std=0.4)
        return net


def windows(count: int) -> Tensor:
    return torch.randn(count, 1, 80, 16, generator=torch.Generator().manual_seed(1))


REST = torch.tensor([0.3, -0.2, 0.5])


def frame_by_frame(network: ExpressionNet, heard: Tensor, rest: Tensor, blink: Tensor) -> Tensor:
    """Return expressions as published: the whole network for each frame, half of its result fed back."""
    reference, told = rest[None], []
    for window, ratio in zip(heard, blink, strict=True):
        y = network(window[None], reference, ratio.reshape(1, 1))
        reference = 0.5 * rest[None] + 0.5 * y
        told.append(y)
    return 1.5 * torch.cat(told)


def test_one_pass_tells_what_the_published_loop_tells(network: ExpressionNet) -> None:
    blink = torch.rand(23, generator=torch.Generator().manual_seed(2))
    found = express(network, windows(23), REST, blink)
    expected = frame_by_frame(network, windows(23), REST, blink)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    plain = express(network, windows(23), REST)
    torch.testing.assert_close(plain, frame_by_frame(network, windows(23), REST, torch.zeros(23)))
    assert (found - plain).abs().max() > 0.01


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_any_share_may_be_fed_back(share: float) -> None:
    network = made(replace(TINY, feedback=share, scale=1.0))
    last, told = REST, []
    for window in windows(7):
        reference = (1 - share) * REST + share * last
        last = network(window[None], reference[None], torch.zeros(1, 1))[0]
        told.append(last)
    torch.testing.assert_close(express(network, windows(7), REST), torch.stack(told), atol=1e-5, rtol=1e-5)


def test_sound_may_come_in_pieces(network: ExpressionNet) -> None:
    feedback, whole = Feedback(network, REST), express(network, windows(23), REST)
    pieces = [feedback(some) for some in torch.split(windows(23), [1, 0, 9, 13])]
    torch.testing.assert_close(torch.cat(pieces), whole, atol=1e-5, rtol=1e-5)


def test_each_frame_may_start_from_its_own_reference(network: ExpressionNet) -> None:
    reference = torch.rand(12, 3, generator=torch.Generator().manual_seed(3))
    ratio = torch.linspace(0, 1, 12)
    found = express_from(network, windows(12), reference, ratio)
    for number in (0, 5, 11):
        alone = network(windows(12)[number][None], reference[number][None], ratio[number].reshape(1, 1))
        torch.testing.assert_close(found[number][None], alone, atol=1e-5, rtol=1e-5)


def test_clips_start_again_when_they_are_over() -> None:
    clip = torch.tensor([[1.0], [2.0], [3.0]])
    assert expression.looped(clip, 7).flatten().tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert expression.looped(clip, 2).flatten().tolist() == [1, 2]
    with pytest.raises(ValueError, match="without frames"):
        expression.looped(clip[:0], 2)


def test_other_bases_have_other_numbers_and_names() -> None:
    names = ("jawOpen", "mouthClose")
    config = replace(TINY, basis="phiz", expressions=2, names=names, feedback=0.5, scale=1.0)
    found = express(made(config), windows(4), torch.zeros(2))
    assert found.shape == (4, 2)
    with pytest.raises(ValueError, match="3 expressions cannot have 2 names"):
        replace(config, expressions=3)
    with pytest.raises(ValueError, match="feedback is a share"):
        replace(config, feedback=1.5)


def test_learning_reaches_every_parameter() -> None:
    network = ExpressionNet(TINY).train()
    network(windows(4), torch.zeros(4, 3), torch.zeros(4, 1)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.mapping1.weight.grad is not None
    assert network.mapping1.weight.grad.abs().sum() > 0
