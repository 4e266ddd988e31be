"""Our own network that hears: nothing of what comes later, and the same in pieces as in one piece."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.speech import mouth_network
from phiz.speech.mouth_network import TINY, MouthConfig, MouthNet, moved_late
from phiz.speech.windows import silence

CONFIG = MouthConfig(basis="tiny", modes=5, told=(1, 3), names=tuple("abcde"), sizes=TINY)


@pytest.fixture
def network() -> MouthNet:
    torch.manual_seed(0)
    return MouthNet(CONFIG).eval().requires_grad_(False)


def test_sizes_are_those_of_the_config() -> None:
    network = MouthNet(CONFIG)
    told, past = network(torch.randn(2, 6, 1, 80, 16), torch.tensor([0, 3]))
    assert told.modes.shape == (2, 6, 2)
    assert told.visemes.shape == (2, 6, TINY.visemes)
    assert told.closed.shape == told.talking.shape == (2, 6)
    assert [one.shape for one in past] == [(2, 8, 2), (2, 8, 4)]
    wide = MouthNet(replace(CONFIG, sizes=replace(TINY, mapping=7)))
    assert wide.modes.in_features == 7


def test_nothing_is_heard_of_what_comes_later(network: MouthNet) -> None:
    windows = torch.randn(1, 12, 1, 80, 16)
    late = torch.zeros(1, dtype=torch.long)
    before, _ = network(windows, late)
    other = windows.clone()
    other[:, 7:] = 0
    after, _ = network(other, late)
    torch.testing.assert_close(before.modes[:, :7], after.modes[:, :7])
    assert not torch.allclose(before.modes[:, 7:], after.modes[:, 7:])


def test_pieces_tell_what_the_whole_tells(network: MouthNet) -> None:
    windows = torch.randn(1, 11, 1, 80, 16)
    late = torch.tensor([2])
    whole, _ = network(windows, late)
    past, found = None, []
    for piece in torch.split(windows, [1, 4, 1, 5], dim=1):
        told, past = network(piece, late, past)
        found.append(told)
    for name in whole._fields:
        pieces = torch.cat([getattr(one, name) for one in found], dim=1)
        torch.testing.assert_close(pieces, getattr(whole, name), atol=1e-5, rtol=1e-5)


def test_the_past_reaches_as_far_as_the_config_says(network: MouthNet) -> None:
    assert TINY.past == 6
    windows = torch.randn(1, 9, 1, 80, 16)
    late = torch.zeros(1, dtype=torch.long)
    last = network(windows, late)[0].modes[0, -1]
    for first, is_same in ((9 - 1 - TINY.past, False), (9 - 2 - TINY.past, True)):
        other = windows.clone()
        other[:, : first + 1] += 5
        assert torch.allclose(network(other, late)[0].modes[0, -1], last, atol=1e-6) is is_same


def test_a_delay_changes_what_is_told(network: MouthNet) -> None:
    windows = torch.randn(1, 5, 1, 80, 16)
    one, other = (network(windows, torch.tensor([d]))[0].modes for d in (0, 3))
    assert not torch.allclose(one, other)


def test_many_windows_are_heard_as_few_are(network: MouthNet) -> None:
    windows = torch.randn(mouth_network.AT_ONCE + 3, 1, 80, 16)
    with torch.no_grad():
        many = network.heard(windows)
        few = torch.cat([network.heard(one) for one in torch.split(windows, 5)])
    torch.testing.assert_close(many, few, atol=1e-5, rtol=1e-5)


def test_modes_take_their_places_among_all(network: MouthNet) -> None:
    told = torch.tensor([[-0.5, 1.5]])
    assert network.among_all(told).tolist() == [[0, 0, 0, 1, 0]]
    free = MouthNet(replace(CONFIG, is_weights=False))
    assert free.among_all(told).tolist() == [[0, -0.5, 0, 1.5, 0]]


def test_what_is_late_is_that_of_the_frame_before() -> None:
    values = torch.arange(8.0).reshape(2, 4)
    assert moved_late(values, [0, 2]).tolist() == [[0, 1, 2, 3], [4, 4, 4, 5]]
    assert silence(2).unique().tolist() == [-4.0]


def test_configs_that_make_no_sense_are_refused() -> None:
    for wrong in ({"told": ()}, {"told": (5,)}, {"names": ("a",)}):
        with pytest.raises(ValueError, match=r"told are|cannot have"):
            replace(CONFIG, **wrong)
    with pytest.raises(ValueError, match="at least"):
        replace(TINY, width=0)


def test_few_rows_are_found_as_many_are() -> None:
    torch.manual_seed(3)
    block = mouth_network.Back(8, 2).requires_grad_(False)
    x, past = torch.randn(2, 8, 3), torch.randn(2, 8, block.kept)
    many, kept = block(x, past)
    with torch.no_grad():
        few, same = block(x, past)
    torch.testing.assert_close(few, many, atol=1e-6, rtol=1e-6)
    assert torch.equal(kept, same)


def test_delays_that_are_too_long_are_refused() -> None:
    with pytest.raises(ValueError, match="delays are from 0"):
        replace(CONFIG, delays=(0, 4))
