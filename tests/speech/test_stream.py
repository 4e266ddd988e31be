"""A stream tells what the whole sound tells, as late as it was asked to, in memory that does not grow."""

from __future__ import annotations

import dataclasses
import gc

import pytest
import torch
from talk_fixtures import known, mouth_net, murmur, published_net, studio
from torch import Tensor

from phiz.errors import MediaError, MissingError, UsageError
from phiz.face.coeffs import Motion, Sizes, concatenate, neutral
from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import stream
from phiz.speech.dials import Dials
from phiz.speech.speak import speak
from phiz.speech.stream import Neighbours, SpeechStream
from phiz.studio import Studio

VOICE = murmur(2.5)
PARTS = ("expression", "rotation", "translation", "gaze", "blink")


def pushed(talker: SpeechStream, sound: Tensor, size: int) -> Motion:
    motions = [talker.push(piece) for piece in torch.split(sound, size)]
    return concatenate([*motions, talker.finish()])


def far(one: Motion, other: Motion) -> float:
    assert len(one) == len(other)
    return max(float((getattr(one, part) - getattr(other, part)).abs().max()) for part in PARTS)


@pytest.mark.parametrize(("latency", "size"), [(120, 377), (220, 640), (300, 20_000), (300, 1111)])
def test_pieces_tell_what_the_whole_tells(latency: float, size: int) -> None:
    whole = speak(VOICE, None, studio(), latency_ms=latency)
    assert len(whole) == -(-len(VOICE) // 640)
    assert far(pushed(SpeechStream(studio(), latency_ms=latency), VOICE, size), whole) < 1e-5


@pytest.mark.parametrize("size", [377, 20_000])
def test_published_networks_stream_as_well(size: int) -> None:
    published = Studio(expression=published_net())
    rest = neutral(Sizes(identity=2, expression=3, texture=2))
    whole = speak(VOICE, rest, published)
    assert whole.basis == "tiny"
    assert far(pushed(SpeechStream(published, rest=rest), VOICE, size), whole) < 1e-5
    assert whole.expression.std(0).min() > 0.005


@pytest.mark.parametrize(("latency", "frames"), [(120, 0), (240, 2), (250, 2), (260, 3), (480, 3)])
def test_a_frame_comes_no_later_than_asked_for(latency: float, frames: int) -> None:
    talker = SpeechStream(studio(), latency_ms=latency)
    assert talker.latency_s <= max(latency, stream.WINDOW_MS) / 1000
    given = [len(talker.push(piece)) for piece in torch.split(VOICE[: 60 * 640], 640)]
    first = next(number for number, count in enumerate(given) if count)
    assert first == 3 + frames + (latency >= 300)  # 3: the window; with much time one is for smoothing
    assert set(given[first:]) == {1}


def test_memory_does_not_grow() -> None:
    talker = SpeechStream(studio())
    sizes = []
    for _ in range(3):
        for piece in torch.split(VOICE, 640):
            talker.push(piece)
        gc.collect()
        sizes.append(sum(t.numel() for t in gc.get_objects() if type(t) is Tensor))
    assert sizes[2] <= sizes[1] + 4000  # a block of chance more or less


def test_dials_leave_alone_what_the_others_move() -> None:
    usual = speak(VOICE, None, studio())
    lips, brows = (ARKIT_NAMES.index(name) for name in ("jawOpen", "browInnerUp"))
    parts = {
        "lips": lambda m: m.expression[:, lips],
        "brows": lambda m: m.expression[:, brows],
        "blink": lambda m: m.blink,
        "gaze": lambda m: m.gaze + m.rotation[:, None, [1, 0]] * (m.gaze.abs().max() > 0),
        "head": lambda m: m.rotation,
    }
    for dial in parts:
        still = speak(VOICE, None, studio(), dials=Dials(**{dial: 0.0}))
        for name, part in parts.items():
            if name != dial:
                torch.testing.assert_close(part(still), part(usual), atol=1e-6, rtol=0)
        moved = parts[dial](still)
        assert moved.abs().max() == 0 or dial == "gaze"
        assert dial != "gaze" or still.gaze.abs().max() == 0


def test_seeds_differ_in_what_is_chance_alone() -> None:
    one, other = speak(VOICE, None, studio(), seed=1), speak(VOICE, None, studio(), seed=2)
    assert far(one, speak(VOICE, None, studio(), seed=1)) == 0
    assert not torch.equal(one.rotation, other.rotation)
    assert not torch.equal(one.gaze, other.gaze)
    assert torch.equal(one.expression, other.expression)


def test_silence_noise_and_clipping_are_survived() -> None:
    chance = torch.Generator().manual_seed(0)
    for sound in (
        torch.zeros(32_000),
        torch.ones(32_000),
        0.3 * torch.randn(32_000, generator=chance),
        (30 * VOICE).clamp(-1, 1),
        30 * VOICE,
    ):
        motion = speak(sound, None, studio())
        assert all(bool(getattr(motion, part).isfinite().all()) for part in PARTS)
        assert 0 <= motion.expression.min() <= motion.expression.max() <= 1


def test_published_networks_are_still_in_silence_and_in_steady_noise() -> None:
    rest = dataclasses.replace(
        neutral(Sizes(identity=2, expression=3, texture=2)), expression=torch.tensor([[0.3, -0.2, 0.5]])
    )
    noise = 0.05 * torch.randn(16_000 * 5, generator=torch.Generator().manual_seed(0))
    for sound, first in ((torch.zeros(32_000), 0), (noise, 90)):
        motion = speak(sound, rest, Studio(expression=published_net()))
        expected = rest.expression.expand(len(motion) - first, -1)
        torch.testing.assert_close(motion.expression[first:], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (torch.tensor([0.0] * 1600 + [float("nan")]), "not a number at 0.100 s"),
        (torch.tensor([float("inf")]), "not a number at 0.000 s"),
        (torch.full((1000,), 12_000.0), "Divide 16-bit"),
    ],
)
def test_broken_sound_is_refused(sound: Tensor, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        SpeechStream(studio()).push(sound)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(MissingError, match="phiz train speech"):
        SpeechStream(Studio())
    with pytest.raises(UsageError, match="latency of -1"):
        SpeechStream(studio(), latency_ms=-1)
    rest = neutral(Sizes(identity=2, expression=7, texture=2))
    with pytest.raises(UsageError, match=r"\(1, 7\); one face with the 52 of 'phiz'"):
        SpeechStream(studio(), rest=rest)


def test_a_motion_may_be_learned_from() -> None:
    motion = speak(VOICE[:16_000], None, studio())
    scale = torch.ones(52, requires_grad=True)
    (motion.expression * scale).sum().backward()
    assert scale.grad is not None


def test_nothing_heard_is_no_frame() -> None:
    talker = SpeechStream(studio())
    assert len(talker.push(torch.zeros(0))) == 0
    assert talker.finish().expression.shape == (0, 52)


class Turning:
    """A head that turns by how many frames it has heard, and tells so late."""

    def __init__(self, delay: int) -> None:
        self.delay = delay
        self._heard = 0

    def push(self, windows: Tensor) -> Tensor:
        first = max(0, self._heard - self.delay)
        self._heard += len(windows)
        return torch.arange(first, max(first, self._heard - self.delay))[:, None] / 1000 * torch.ones(1, 6)

    def finish(self) -> Tensor:
        found = torch.arange(max(0, self._heard - self.delay), self._heard)
        return found[:, None] / 1000 * torch.ones(1, 6)


@pytest.mark.parametrize("delay", [0, 3])
def test_a_head_that_is_told_keeps_time_with_the_lips(delay: int) -> None:
    motion = pushed(SpeechStream(studio(), head=Turning(delay)), VOICE, 640)
    expected = (torch.arange(len(motion)) / 1000)[:, None].expand(-1, 3)
    torch.testing.assert_close(motion.rotation, expected)
    torch.testing.assert_close(motion.translation, expected)


def test_a_head_that_knows_later_comes_later() -> None:
    motion = pushed(SpeechStream(studio(), latency_ms=120, head=Turning(2)), VOICE, 640)
    expected = (torch.arange(len(motion)) / 1000 - 0.002).clamp(min=0)[:, None].expand(-1, 3)
    torch.testing.assert_close(motion.rotation, expected)


def test_mouths_close_when_told_and_in_silence() -> None:
    closed, talking = torch.zeros(50), torch.ones(50)
    closed[20:22], talking[35:] = 1.0, 0.0
    source = known(50, jawOpen=0.4, mouthLowerDownLeft=0.2, closed=closed, talking=talking)
    motion = speak(torch.zeros(32_000), None, Studio(), source=source)
    jaw, close, down = (
        motion.expression[:, ARKIT_NAMES.index(name)]
        for name in ("jawOpen", "mouthClose", "mouthLowerDownLeft")
    )
    assert torch.equal(close[20:22], jaw[20:22])
    assert down[20:22].max() == 0 < down[19]
    assert motion.expression[42:].abs().max() == 0
    torch.testing.assert_close(jaw[10:34], torch.full((24,), 0.4))


def test_a_network_that_takes_a_hum_for_a_voice_is_overruled() -> None:
    source = dataclasses.replace(known(125, jawOpen=0.4), is_certain=False)
    hum = 0.2 * torch.sin(torch.arange(80_000) / 16_000 * 2 * torch.pi * 600)
    motion = speak(hum, None, Studio(), source=source)
    assert motion.expression[:10].max() > 0.3
    assert motion.expression[100:].max() == 0


@pytest.mark.parametrize("ahead", [0, 1])
def test_neighbours_are_those_of_the_whole(ahead: int) -> None:
    rows = torch.arange(5.0)[:, None]
    stream_ = Neighbours(ahead)
    found = [stream_.push(piece) for piece in torch.split(rows, 1)] + [stream_.push(rows[:0], is_end=True)]
    before, now, after = (torch.cat(parts)[:, 0].tolist() for parts in zip(*found, strict=True))
    assert before == [0, 0, 1, 2, 3]
    assert now == [0, 1, 2, 3, 4]
    assert after == ([1, 2, 3, 4, 4] if ahead else now)


def test_a_real_network_is_late_by_its_longest_at_most() -> None:
    longest = mouth_net().config.sizes.longest
    talker = SpeechStream(studio(), latency_ms=5000)
    assert talker.latency_s == pytest.approx((stream.WINDOW_MS + 40 * (longest + 1)) / 1000)
