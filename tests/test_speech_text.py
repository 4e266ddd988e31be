"""Texts are read by what is installed, and phones make a mouth without anybody listening."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from phiz import speech_text
from phiz.errors import MissingError, UsageError
from phiz.face.morphable import ARKIT_NAMES
from phiz.speech.speak import speak
from phiz.speech_text import InstalledVoice, TextVoice
from phiz.studio import Studio
from phiz.world.voices import installed
from phiz.world.voices.engines import Engine
from phiz.world.voices.formant import Formant

VOICE = InstalledVoice(Formant())
IPA = "\u02c8mama \u02c8baba."


def test_a_voice_reads_the_same_for_the_same_seed() -> None:
    assert isinstance(VOICE, TextVoice)
    one, other = VOICE.speak(IPA, "ipa", 1), VOICE.speak(IPA, "ipa", 1)
    assert torch.equal(one.waveform, other.waveform)
    assert not torch.equal(one.waveform[:8000], VOICE.speak(IPA, "ipa", 2).waveform[:8000])
    assert one.waveform.abs().max() == speech_text.LEVEL
    assert one.waveform[:3000].abs().max() == one.waveform[-6000:].abs().max() == 0


def test_phones_close_the_lips_for_each_m_and_b() -> None:
    said = VOICE.speak(IPA, "ipa", 1)
    assert said.phones is not None
    source = speech_text.told_by(said.phones, said.waveform)
    motion = speak(said.waveform, None, Studio(), source=source)
    jaw, close = (motion.expression[:, ARKIT_NAMES.index(n)] for n in ("jawOpen", "mouthClose"))
    for phone in said.phones:
        middle = int((phone.start + phone.end) / 2 * 25)
        if phone.symbol in ("m", "b"):
            around = slice(middle - 1, middle + 2)
            assert float((jaw[around] - close[around]).min()) == 0
        elif phone.symbol == "a":
            assert float(jaw[middle] - close[middle]) > 0.1
    assert jaw[:3].max() == jaw[-3:].max() == 0


def test_languages_that_nobody_speaks_and_empty_texts_are_refused() -> None:
    with pytest.raises(UsageError, match="does not speak 'en'; it speaks ipa"):
        VOICE.speak(IPA, "en", 0)
    with pytest.raises(UsageError, match="no text to speak"):
        VOICE.speak("  ", "ipa", 0)


def test_without_a_reader_the_message_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone() -> tuple[Engine, ...]:
        return (Formant(),)

    monkeypatch.setattr(installed, "found", alone)
    with pytest.raises(MissingError, match=r"espeak: pip install 'phiz\[voices\]'"):
        speech_text.voice_named()
    assert speech_text.voice_named("formant").name == "formant"
    with pytest.raises(MissingError, match="Did you mean 'flite'"):
        speech_text.voice_named("flit")


def test_the_best_reader_that_is_here_reads() -> None:
    here = [engine.name for engine in installed.found() if engine.name in speech_text.PREFERRED]
    if not here:
        pytest.skip("no synthesiser that reads text is installed")
    voice = speech_text.voice_named()
    said = voice.speak("Hello.", "en", 0)
    assert voice.name == next(name for name in speech_text.PREFERRED if name in here)
    assert 0.8 < len(said.waveform) / 16_000 < 3
    assert np.isfinite(said.waveform.numpy()).all()
