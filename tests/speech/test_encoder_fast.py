"""The audio encoder in less time: the same for few and for many windows, nearly so in whole numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.speech import encoder_fast, expression, pose_network
from phiz.speech.encoder import audio_encoder, heard
from phiz.speech.encoder_fast import MANY, FastEncoder, counts_whole, fast
from phiz.speech.expression import ExpressionNet, express
from phiz.speech.pose_network import PoseNet

WIDTHS = (8, 8, 16, 16, 16)


def windows(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 1, 80, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> ExpressionNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ExpressionNet(expression.TINY)
        net.audio_encoder = audio_encoder(WIDTHS)
    for name, value in net.audio_encoder.state_dict().items():
        if name.endswith(("running_mean", "conv_block.1.bias")):
            value.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(len(name)))
        if name.endswith("conv_block.0.weight"):
            value.mul_(3)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("count", [0, 1, 33, MANY, 100])
def test_any_number_of_windows_is_heard_alike(network: ExpressionNet, count: int) -> None:
    ready = fast(network)
    assert isinstance(ready.audio_encoder, FastEncoder)
    plain, found = (heard(one.audio_encoder, windows(count)) for one in (network, ready))
    scale = 1.0 if not count else float(plain.abs().max())
    torch.testing.assert_close(found / scale, plain / scale, atol=1e-5, rtol=0)


def test_expressions_and_poses_find_their_encoder() -> None:
    spoken, turned = ExpressionNet(expression.TINY).eval(), PoseNet(pose_network.TINY).eval()
    rest = torch.zeros(3)
    torch.testing.assert_close(
        express(fast(spoken), windows(60), rest), express(spoken, windows(60), rest), atol=1e-5, rtol=1e-5
    )
    made = fast(turned)
    assert isinstance(made.audio_encoder.audio_encoder, FastEncoder)
    shape = (2, 30, 1, 80, 16)
    with torch.no_grad():
        plain = turned.audio_encoder(windows(60).reshape(shape))
    torch.testing.assert_close(made.audio_encoder(windows(60).reshape(shape)), plain, atol=1e-5, rtol=1e-5)
    assert not any(parameter.requires_grad for parameter in made.parameters())


@pytest.mark.skipif(not counts_whole(), reason="this processor is slow at whole numbers")
def test_whole_numbers_are_near(network: ExpressionNet) -> None:
    ready = fast(network, windows(40, seed=2))
    plain = heard(network.audio_encoder, windows(70))
    found = ready.audio_encoder(windows(70))
    assert found.dtype == torch.float32
    assert 0 < (found - plain).norm() < 0.05 * plain.norm()
    few = ready.audio_encoder(windows(70)[:5])
    torch.testing.assert_close(few, found[:5], atol=1e-5, rtol=1e-5)


def test_examples_change_nothing_on_processors_that_are_slow_at_whole_numbers(
    network: ExpressionNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_fast, "counts_whole", lambda: False)
    ready = fast(network, windows(40))
    assert torch.equal(ready.audio_encoder(windows(9)), fast(network).audio_encoder(windows(9)))


def test_steps_leave_room_and_are_never_zero() -> None:
    maps = torch.full((1, 1, 2, 2), 255.0)
    assert encoder_fast.step_of(maps) == pytest.approx(1.1)
    assert encoder_fast.step_of(0 * maps) > 0
