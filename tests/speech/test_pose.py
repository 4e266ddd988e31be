"""How heads turn: block after block, seeded, smoothed by parabolas, for films of any length."""

from __future__ import annotations

import pytest
import torch
from scipy.signal import savgol_filter
from torch import Tensor

from phiz.speech import pose
from phiz.speech.pose_network import TINY, PoseNet

START = torch.tensor([0.1, -0.2, 0.05, 0.0, 0.01, -0.6])
LENGTH = TINY.frames


@pytest.fixture(scope="module")
def network() -> PoseNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PoseNet(TINY).eval().requires_grad_(False)


def windows(count: int) -> Tensor:
    return torch.randn(count, 1, 80, 16, generator=torch.Generator().manual_seed(1))


def codes(network: PoseNet, frames: int, seed: int = 0) -> Tensor:
    return pose.draw(network, frames, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frames", [1, 2, 3, LENGTH, LENGTH + 1, LENGTH + 2, 3 * LENGTH + 6])
def test_films_of_any_length_have_a_pose_for_each_frame(network: PoseNet, frames: int) -> None:
    found = pose.poses(network, windows(frames), START, style=1, codes=codes(network, frames))
    assert found.shape == (frames, 6)
    assert found.isfinite().all()
    rough = pose.poses(
        network, windows(frames), START, style=1, codes=codes(network, frames), is_smooth=False
    )
    assert torch.equal(rough[0], START)


def test_blocks_are_those_of_the_published_loop(network: PoseNet) -> None:
    frames = 2 * LENGTH + 4  # two whole blocks, and three frames of a block that overlaps the second
    drawn, heard = codes(network, frames), windows(frames)
    found = pose.motions(network, heard, START, style=2, codes=drawn)

    def block(first: int, code: Tensor) -> Tensor:
        sounds = network.audio_encoder(heard[None, first : first + LENGTH])
        return network.netG.decoder(code[None], START[None], sounds, torch.tensor([2]))[0]

    expected = [block(1, drawn[0]), block(1 + LENGTH, drawn[1]), block(frames - LENGTH, drawn[2])[-3:]]
    torch.testing.assert_close(found, torch.cat([torch.zeros(1, 6), *expected]), atol=1e-6, rtol=0)


def test_short_films_repeat_the_first_sound_in_front(network: PoseNet) -> None:
    heard, drawn = windows(4), codes(network, 4)
    found = pose.motions(network, heard, START, style=0, codes=drawn)
    longer = torch.cat([heard[1:2].expand(LENGTH - 3, -1, -1, -1), heard[1:]])
    sounds = network.audio_encoder(longer[None])
    expected = network.netG.decoder(drawn, START[None], sounds, torch.tensor([0]))[0, -3:]
    torch.testing.assert_close(found[1:], expected, atol=1e-6, rtol=0)


def test_the_same_seed_turns_the_same_way_and_another_one_differently(network: PoseNet) -> None:
    one, same, other = (codes(network, 20, seed) for seed in (0, 0, 1))
    assert one.shape == (pose.blocks(network, 20), TINY.latent)
    assert torch.equal(one, same)
    turned = [pose.poses(network, windows(20), START, style=0, codes=each) for each in (one, same, other)]
    assert torch.equal(turned[0], turned[1])
    assert not torch.equal(turned[0], turned[2])


def test_styles_and_codes_that_are_not_there_are_refused(network: PoseNet) -> None:
    with pytest.raises(ValueError, match="styles are numbered from 0 to 2"):
        pose.poses(network, windows(9), START, style=3, codes=codes(network, 9))
    with pytest.raises(ValueError, match="take 2 codes, not 1"):
        pose.poses(network, windows(LENGTH + 2), START, style=0, codes=codes(network, 9))


@pytest.mark.parametrize("count", [3, 4, 9, 12, 13, 14, 50])
def test_curves_are_smoothed_as_savitzky_and_golay_did(count: int) -> None:
    curves = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    size = min(13, count - 1 + count % 2)
    expected = torch.from_numpy(savgol_filter(curves.double().numpy(), size, 2, axis=0)).float()
    torch.testing.assert_close(pose.smoothed(curves), expected, atol=1e-6, rtol=0)


def test_parabolas_stay_as_they_are_and_so_do_two_points() -> None:
    times = torch.linspace(-1, 1, 20)[:, None]
    curves = torch.cat([times, times.square() - 3 * times], dim=1)
    torch.testing.assert_close(pose.smoothed(curves), curves)
    for count in (0, 1, 2):
        assert torch.equal(pose.smoothed(curves[:count]), curves[:count])


def test_poses_follow_a_clip_again_and_again() -> None:
    clip = torch.arange(3.0)[:, None].expand(3, 6) + 5
    found = pose.follow(START.expand(7, 6), clip)
    torch.testing.assert_close((found - START)[:, 0], torch.tensor([0.0, 1, 2, 0, 1, 2, 0]))
    with pytest.raises(ValueError, match="without frames"):
        pose.follow(START.expand(7, 6), clip[:0])
