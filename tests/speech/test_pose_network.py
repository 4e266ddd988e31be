"""The pose networks: sizes, names, and the published quirk of the variance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.speech.pose_network import PUBLISHED, TINY, PoseNet, ResUnet


@pytest.fixture(scope="module")
def network() -> PoseNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PoseNet(TINY).eval().requires_grad_(False)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_published_network_has_the_published_values() -> None:
    with torch.device("meta"):
        values = PoseNet(PUBLISHED).state_dict()
    assert sum(v.numel() for n, v in values.items() if "tracked" not in n) == pytest.approx(11.27e6, rel=2e-3)
    assert next(iter(values)) == "audio_encoder.audio_encoder.0.conv_block.0.weight"
    assert list(values)[-1] == "netD_motion.seq.3.bias"
    assert values["netG.decoder.MLP.L0.weight"].shape == (128, 262)
    assert values["netG.encoder.MLP.L0.weight"].shape == (128, 454)


def test_a_motion_goes_down_to_an_eighth_and_comes_back() -> None:
    net = ResUnet((2, 3, 4, 5)).eval()
    found = net(drawn(2, 1, 16, 6))
    assert found.shape == (2, 1, 16, 6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_motions_depend_on_code_start_sound_and_style(network: PoseNet) -> None:
    code, start, sounds, style = drawn(1, 4), drawn(1, 6), drawn(1, 8, 6), torch.tensor([0])
    decoder = network.netG.decoder
    first = decoder(code, start, sounds, style)
    assert first.shape == (1, 8, 6)
    others = [
        decoder(code + 1, start, sounds, style),
        decoder(code, start + 1, sounds, style),
        decoder(code, start, sounds + 1, style),
        decoder(code, start, sounds, style + 1),
    ]
    assert all((other - first).abs().max() > 1e-6 for other in others)


def test_the_published_variance_is_that_of_the_means_unless_told_otherwise(network: PoseNet) -> None:
    inputs = drawn(2, 8, 6), drawn(2, 6), drawn(2, 8, 6), torch.tensor([0, 2])
    mean, variance = network.netG.encoder(*inputs)
    assert torch.equal(mean, variance)
    same, own = network.netG.encoder(*inputs, is_exact=False)
    assert torch.equal(mean, same)
    assert not torch.equal(mean, own)


def test_the_judge_sees_four_frames_at_a_time(network: PoseNet) -> None:
    assert network.netD_motion(drawn(3, 8, 6)).shape == (3, 2)


def test_several_sounds_are_heard_as_each_alone(network: PoseNet) -> None:
    windows = drawn(2, 5, 1, 80, 16)
    found = network.audio_encoder(windows)
    assert found.shape == (2, 5, 6)
    torch.testing.assert_close(found[1:], network.audio_encoder(windows[1:]), atol=1e-6, rtol=0)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        replace(TINY, frames=12)
    with pytest.raises(ValueError, match="both ends"):
        replace(TINY, spread=(5, 40))
