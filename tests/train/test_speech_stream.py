"""Windows and truth belong together, however late the truth is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from speech_fixtures import write_footage, write_voices

from phiz.speech import windows
from phiz.train import speech_stream, voice_sources
from phiz.train.ordered_stream import Order
from phiz.train.voice_changes import NONE


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> voice_sources.Voices:
    return voice_sources.open_voices([write_voices(tmp_path_factory.mktemp("voices") / "data")], frames=5)


def test_windows_are_those_of_the_sound(voices: voice_sources.Voices) -> None:
    one = speech_stream.piece(voices, (0,), NONE, 3, np.random.default_rng(0))
    speech = voices.read(3, np.random.default_rng(0))
    assert torch.equal(one.windows, windows.cut(speech.mel, len(speech.expression)))
    assert torch.equal(one.labels, speech.labels)
    assert one.is_labelled


def test_a_piece_of_footage_hears_its_own_part(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = voice_sources.open_voices([write_footage(tmp_path / "data")], frames=8)
    speech = found.read(1, np.random.default_rng(4))
    one = speech_stream.prepared(speech, speech.mel, 0)
    every = windows.cut(speech.mel, 25)
    assert speech.first > 0
    assert torch.equal(one.windows, every[speech.first : speech.first + 8])
    assert not one.is_labelled


def test_the_truth_comes_late_and_is_unknown_before(voices: voice_sources.Voices) -> None:
    stream = speech_stream.speech_stream(voices, (0, 3), NONE, Order(count=6, batch=6, seed=1))
    batch = next(stream)
    assert set(batch.delay.tolist()) == {0, 3}
    for row, delay in enumerate(batch.delay.tolist()):
        known = batch.is_known[row]
        assert known.tolist() == [frame >= delay for frame in range(len(known))]
    again = next(speech_stream.speech_stream(voices, (0,), NONE, Order(count=6, batch=6, seed=1)))
    late = int((batch.delay == 3).nonzero()[0])
    assert torch.equal(batch.windows[late], again.windows[late])
    assert torch.equal(batch.expression[late, 3:], again.expression[late, :-3])
    assert torch.equal(batch.labels[late, 3:], again.labels[late, :-3])
