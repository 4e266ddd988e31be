"""All networks are listened to in one way: windows in, frames out, some of them later."""

from __future__ import annotations

import pytest
import torch

from phiz.speech import expression, hearing
from phiz.speech.expression import ExpressionNet, express
from phiz.speech.hearing import Hearing
from phiz.speech.mouth_network import TINY, MouthConfig, MouthNet
from phiz.speech.windows import silence

CONFIG = MouthConfig(basis="tiny", modes=4, told=(0, 2), sizes=TINY)


@pytest.fixture
def mouth() -> MouthNet:
    torch.manual_seed(1)
    return MouthNet(CONFIG).eval().requires_grad_(False)


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_each_frame_is_told_once_however_late(mouth: MouthNet, delay: int) -> None:
    windows = torch.randn(9, 1, 80, 16)
    one = hearing.listen(mouth, delay=delay)
    assert isinstance(one, Hearing)
    whole = hearing.joined([one.push(windows), one.finish()])
    assert len(whole) == 9
    assert whole.expression.shape == (9, 4)
    other = hearing.listen(mouth, delay=delay)
    pieces = [other.push(part) for part in torch.split(windows, [1, 0, 2, 5, 1])]
    assert [len(part) for part in pieces] == [
        max(0, end - delay) - max(0, end - n - delay) for n, end in ((1, 1), (0, 1), (2, 3), (5, 8), (1, 9))
    ]
    cut = hearing.joined([*pieces, other.finish()])
    torch.testing.assert_close(cut.expression, whole.expression, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(cut.closed, whole.closed, atol=1e-5, rtol=1e-5)
    assert float(whole.talking.min()) >= 0
    assert float(whole.talking.max()) <= 1


def test_what_comes_after_the_end_is_silence(mouth: MouthNet) -> None:
    windows = torch.randn(6, 1, 80, 16)
    one, other = hearing.listen(mouth, delay=2), hearing.listen(mouth, delay=2)
    ended = hearing.joined([one.push(windows), one.finish()])
    longer = other.push(torch.cat([windows, silence(2)]))
    torch.testing.assert_close(ended.expression, longer.expression, atol=1e-5, rtol=1e-5)


def test_delays_beyond_the_longest_are_refused(mouth: MouthNet) -> None:
    with pytest.raises(ValueError, match="0 to 3 frames, not 4"):
        hearing.listen(mouth, delay=4)


def test_the_published_network_is_heard_as_it_is_used() -> None:
    torch.manual_seed(2)
    network = ExpressionNet(expression.TINY).eval().requires_grad_(False)
    windows, rest = torch.randn(7, 1, 80, 16), torch.randn(3)
    one = hearing.listen(network, rest, delay=5)
    assert one.delay == 0
    told = hearing.joined([one.push(windows[:3]), one.push(windows[3:]), one.finish()])
    torch.testing.assert_close(told.expression, express(network, windows, rest), atol=1e-5, rtol=1e-5)
    assert not told.closed.any()
    quiet = hearing.listen(network).push(silence(2)).talking
    loud = hearing.listen(network).push(torch.zeros(2, 1, 80, 16)).talking
    assert float(quiet.max()) < 0.1 < 0.9 < float(loud.min())
