"""A head follows a sound: in any pieces, as chance, style and amount say, and never too far."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from phiz import trained
from phiz.speech import head_motion
from phiz.speech.head_motion import HEAD, HeadStream, follow
from phiz.speech.head_network import TINY, HeadConfig, HeadNet
from phiz.speech.stream import HeadStream as Wanted

CONFIG = HeadConfig(styles=("plain", "lively"), sizes=TINY)


@pytest.fixture(scope="module")
def network() -> HeadNet:
    torch.manual_seed(0)
    found = HeadNet(CONFIG).eval().requires_grad_(False)
    found.spread.fill_(0.05)
    return found


def windows(frames: int) -> torch.Tensor:
    return torch.randn(frames, 1, 80, 16, generator=torch.Generator().manual_seed(4))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def all_of(head: HeadStream, sound: torch.Tensor, sizes: tuple[int, ...] = ()) -> torch.Tensor:
    pieces = torch.split(sound, list(sizes)) if sizes else (sound,)
    return torch.cat([*(head.push(piece) for piece in pieces), head.finish()])


def test_where_the_sound_is_cut_changes_nothing(network: HeadNet) -> None:
    sound = windows(150)
    whole = all_of(follow(network, "plain", seeded(0)), sound)
    assert whole.shape == (150, 6)
    pieces = all_of(follow(network, "plain", seeded(0)), sound, (1, 0, 2, 63, 64, 1, 19))
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-5)


def test_poses_come_late_by_the_delay(network: HeadNet) -> None:
    head = follow(network, "plain", seeded(0), delay=2)
    assert isinstance(head, Wanted)
    assert head.delay == 2
    assert [len(head.push(windows(count))) for count in (1, 1, 3)] == [0, 0, 3]
    assert len(head.finish()) == 2


def test_chance_style_and_amount_say_how(network: HeadNet) -> None:
    sound = windows(60)
    usual = all_of(follow(network, "plain", seeded(0)), sound)
    assert torch.equal(usual, all_of(follow(network, "", seeded(0)), sound))
    assert torch.equal(usual, all_of(follow(network, {"plain": 2.0}, seeded(0)), sound))
    for other in (follow(network, "plain", seeded(1)), follow(network, "lively", seeded(0))):
        assert (all_of(other, sound) - usual).abs().max() > 1e-3
    assert not all_of(follow(network, "plain", seeded(0), 0.0), sound).any()
    half = all_of(follow(network, "plain", seeded(0), 0.5), sound)
    small = usual.abs() < 0.02
    torch.testing.assert_close(half[small], 0.5 * usual[small], rtol=1e-2, atol=1e-4)


def test_no_head_goes_too_far(network: HeadNet) -> None:
    wild = all_of(follow(network, "plain", seeded(0), 3.0), 40 * windows(60))
    assert wild[:, :3].abs().max() <= math.radians(head_motion.FARTHEST_DEG)
    assert wild[:, 3:].abs().max() <= head_motion.FARTHEST_M
    limit = torch.ones(6)
    near = head_motion.limited(torch.full((1, 6), 0.5), limit)
    assert 0.49 < float(near[0, 0]) < 0.5


def test_where_nobody_talks_a_head_comes_to_rest(network: HeadNet) -> None:
    head = follow(network, "plain", seeded(0))
    assert head._calmed(torch.full((25,), 0.9))[-1] > 0.99
    left = head._calmed(torch.full((100,), 0.05))
    assert left.diff().le(0).all()
    assert 0.6 < left[22] < 0.65  # to a third in 0.9 s
    assert left[-1] < head_motion.IN_SILENCE + 0.02


def test_memory_does_not_grow(network: HeadNet) -> None:
    head = follow(network, "plain", seeded(0))

    def held() -> list[int]:
        return [one.numel() for one in (*(head._heard or ()), *(head._moved or ()), head._state)]

    head.push(windows(200))
    before = held()
    for _ in range(5):
        head.push(windows(64))
    assert held() == before
    assert head._drawn.shape[1] < head_motion.BLOCK
    assert head._drawn.untyped_storage().nbytes() <= head_motion.BLOCK * TINY.chance * 4


def test_what_cannot_be_is_refused(network: HeadNet) -> None:
    with pytest.raises(ValueError, match="0 to 4 frames, not 5"):
        follow(network, delay=5)
    for amount in (-0.1, 3.5, math.nan):
        with pytest.raises(ValueError, match="amount"):
            follow(network, amount=amount)
    with pytest.raises(ValueError, match="choose from plain, lively"):
        follow(network, "angry")


def test_a_network_comes_back_from_its_file(network: HeadNet, tmp_path: Path) -> None:
    trained.save(tmp_path / "head.safetensors", HEAD, network)
    found = trained.load(HEAD, tmp_path / "head.safetensors")
    assert found.config == CONFIG
    sound = windows(20)
    assert torch.equal(all_of(follow(found), sound), all_of(follow(network), sound))
