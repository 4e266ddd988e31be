"""Our network for heads hears the past only, in any pieces, and makes of chance what it is told to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.speech.head_network import TINY, HeadConfig, HeadNet, at_start, coloured

CONFIG = HeadConfig(styles=("plain", "lively"), sizes=TINY)
PLAIN = torch.tensor([[1.0, 0.0]])


@pytest.fixture
def network() -> HeadNet:
    torch.manual_seed(0)
    return HeadNet(CONFIG).eval().requires_grad_(False)


def sound(frames: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    windows = torch.randn(1, frames, 1, 80, 16, generator=chance)
    return windows, torch.randn(1, frames, TINY.chance, generator=chance)


def test_pieces_give_the_same_poses_as_the_whole(network: HeadNet) -> None:
    windows, chance = sound(40)
    late = torch.tensor([1])
    whole, _ = network(windows, late, PLAIN, chance)
    assert whole.shape == (1, 40, 6)
    past, parts, place = None, [], 0
    for size in (1, 2, 1, 13, 1, 22):
        cut = slice(place, place + size)
        poses, past = network(windows[:, cut], late, PLAIN, chance[:, cut], past)
        parts.append(poses)
        place += size
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-5)


def test_what_comes_changes_nothing_and_what_is_long_past_neither(network: HeadNet) -> None:
    windows, chance = sound(60)
    late = torch.tensor([0])
    whole, _ = network(windows, late, PLAIN, chance)
    other, chances = windows.clone(), chance.clone()
    other[:, 30], chances[:, 30] = 3.0, 3.0
    changed, _ = network(other, late, PLAIN, chances)
    apart = (changed - whole).abs().amax(dim=(0, 2)) > 1e-6
    assert not apart[:30].any()
    assert apart[30:33].any()
    assert not apart[31 + TINY.past :].any()


def test_style_chance_and_delay_make_a_difference(network: HeadNet) -> None:
    windows, chance = sound(20)
    whole, _ = network(windows, torch.tensor([0]), PLAIN, chance)
    others = [
        network(windows, torch.tensor([4]), PLAIN, chance)[0],
        network(windows, torch.tensor([0]), PLAIN.flip(1), chance)[0],
        network(windows, torch.tensor([0]), PLAIN, -chance)[0],
    ]
    soon, _ = network(windows, torch.tensor([3]), PLAIN, chance)
    assert torch.equal(soon, whole)  # with less patience a head comes later, and that is all
    assert all((other - whole).abs().max() > 1e-3 for other in others)


def test_the_built_in_network_is_small() -> None:
    network = HeadNet(HeadConfig(styles=tuple("abcdefghij")))
    assert sum(one.numel() for one in network.parameters()) <= 400_000


def test_chance_keeps_its_spread_and_some_of_it_is_slow() -> None:
    white = torch.randn(64, 600, 8, generator=torch.Generator().manual_seed(0))
    rows, state = coloured(white[:, 300:], at_start(white[:, :300]))
    spread = rows.std(dim=(0, 1))
    assert (spread - 1).abs().max() < 0.12
    alike = (rows[:, 5:] * rows[:, :-5]).mean(dim=(0, 1))  # a fifth of a second later
    assert (alike[:2].abs() < 0.03).all()
    assert (alike[2:4] < 0.8).all()
    assert (alike[6:] > 0.9).all()
    first, after = coloured(white[:, 300:350], at_start(white[:, :300]))
    second, end = coloured(white[:, 350:], after)
    assert torch.equal(torch.cat([first, second], dim=1), rows)
    assert torch.equal(end, state)


def test_styles_are_mixed_by_name(network: HeadNet) -> None:
    assert network.shares("lively").tolist() == [[0.0, 1.0]]
    assert network.shares({"plain": 1.0, "lively": 3.0}).tolist() == [[0.25, 0.75]]
    for wrong in ("angry", {"plain": -1.0, "lively": 3.0}, {"plain": 0.0}):
        with pytest.raises(ValueError, match=r"choose from plain|no sign"):
            network.shares(wrong)


def test_sizes_that_make_no_sense_are_refused() -> None:
    for wrong in ({"chance": 6}, {"width": 0}, {"longest": -1}):
        with pytest.raises(ValueError, match=r"shared|at least"):
            replace(TINY, **wrong)  # type: ignore[arg-type]
    for styles in ((), ("a", "a")):
        with pytest.raises(ValueError, match="own name"):
            HeadConfig(styles=styles)
