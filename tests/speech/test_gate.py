"""A gate opens for voices, closes in silence, and does not flutter; loudness stands in for a network."""

from __future__ import annotations

import pytest
import torch
from talk_fixtures import murmur

from phiz.speech import gate
from phiz.speech.gate import Emphasis, Gate, Queue, VoiceActivity
from phiz.speech.windows import of_waveform


def test_the_gate_opens_within_two_frames_and_closes_entirely_within_a_quarter_of_a_second() -> None:
    talking = torch.cat([torch.zeros(5), torch.ones(10), torch.zeros(12)])
    opened = Gate().push(talking)
    assert opened[:5].max() == 0
    assert opened[6:15].min() == 1
    assert 0 < opened[16] < 1
    assert opened[21:].max() == 0
    assert (opened[14:21].diff() <= 0).all()


def test_small_changes_around_the_border_do_not_arrive() -> None:
    wobbling = 0.5 + 0.15 * torch.tensor([1.0, -1.0]).repeat(20)
    assert Gate().push(torch.cat([torch.zeros(3), wobbling]))[8:].std() < 1e-6


def test_the_gate_is_as_exact_as_what_it_hears() -> None:
    talking = torch.rand(200, generator=torch.Generator().manual_seed(0))
    change = (Gate().push(talking) - Gate().push(talking + 1e-6)).abs().max()
    assert change < 1e-5


def test_cuts_change_nothing() -> None:
    talking = torch.rand(60, generator=torch.Generator().manual_seed(1))
    for make in (Gate, VoiceActivity):
        whole, pieces = make(), make()
        parts = [pieces.push(piece) for piece in torch.split(talking, 7)]
        assert torch.equal(whole.push(talking), torch.cat(parts))
    stress = Emphasis()
    parts = [stress.push(piece, piece) for piece in torch.split(talking, 7)]
    assert torch.equal(Emphasis().push(talking, talking), torch.cat(parts))


@pytest.mark.parametrize("level", [0.003, 0.1])
def test_a_voice_is_activity_and_a_steady_noise_is_none_for_long(level: float) -> None:
    noise = level * torch.randn(16_000 * 6, generator=torch.Generator().manual_seed(0))
    found = VoiceActivity().push(gate.loudness(of_waveform(noise)))
    assert found[100:].max() < 0.2
    silence = torch.zeros(32_000)
    spoken = gate.loudness(of_waveform(torch.cat([silence, murmur(2.0)])))
    heard = VoiceActivity().push(spoken)
    assert heard[:45].max() < 0.05
    assert heard[55:].mean() > 0.6


def test_beside_a_network_hums_are_stopped_and_voices_in_noise_are_not() -> None:
    time = torch.arange(16_000 * 5) / 16_000
    hum = 0.2 * torch.sin(2 * torch.pi * 600 * time)
    found = VoiceActivity(is_beside=True).push(gate.loudness(of_waveform(hum)))
    assert found[90:].max() < 0.05
    voice = murmur(5.0)
    noise = torch.randn(len(voice), generator=torch.Generator().manual_seed(0))
    noisy = voice + 0.3 * voice.std() * noise
    heard = VoiceActivity(is_beside=True).push(gate.loudness(of_waveform(noisy)))
    assert heard[5:].mean() > 0.9


def test_emphasis_follows_what_is_louder_than_the_rest() -> None:
    loud = torch.full((120,), 0.4)
    loud[80:88] = 0.9
    found = Emphasis().push(loud, torch.ones(120))
    assert 80 < int(found[60:].argmax()) + 60 < 92
    assert found[60:].max() > 0.5
    assert found[:80].abs().max() < 0.35
    assert found.abs().max() <= 1


def test_a_pause_is_no_emphasis() -> None:
    talk = torch.cat([torch.ones(50), torch.zeros(50)])
    found = Emphasis().push(0.8 * talk, talk)
    assert found[75:].abs().max() < 0.05
    assert Emphasis().push(torch.ones(50), torch.zeros(50)).abs().max() == 0


def test_a_queue_gives_what_was_put_first_and_no_more() -> None:
    queue = Queue(torch.zeros(0, 2))
    queue.put(torch.arange(6.0).reshape(3, 2))
    assert queue.take(2).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="1 rows are waiting, not 2"):
        queue.take(2)
