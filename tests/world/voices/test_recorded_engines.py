"""Flite and Festival: what they tell is understood, and what they say fits."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from phiz.errors import MediaError, MissingError
from phiz.world.voices import festival, flite, waves
from phiz.world.voices.engines import Voice

needs_flite = pytest.mark.skipif(not flite.Flite().voices(), reason="flite is not installed")
needs_festival = pytest.mark.skipif(not festival.Festival().voices(), reason="festival is not installed")


def test_flites_phones_are_read_and_a_new_sentence_starts_anew() -> None:
    said = flite.understood("pau:0.2 m:0.3 ay:0.5 \nm:0.1 iy:0.3 pau:0.5", 1.0)
    assert [(p.symbol, round(p.start, 3), round(p.end, 3)) for p in said] == [
        ("", 0.0, 0.2), ("m", 0.2, 0.3), ("a\u026a", 0.3, 0.5), ("m", 0.5, 0.6), ("i", 0.6, 0.8),
        ("", 0.8, 1.0),
    ]  # fmt: skip


def test_festivals_phones_are_read_with_stress() -> None:
    said = festival.understood(
        "pau\t0.1\t0\nm\t0.2\t1\naa\t0.4\t1\nsomething else\npau\t0.6\t0\n", "radio", 0.6
    )
    assert [(p.symbol, p.stress) for p in said] == [("", 0), ("m", 2), ("\u0251", 2), ("", 0)]


def test_wave_files_are_read_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([[16384, 0], [0, -16384]], np.int16).tobytes())
    samples, rate = waves.read(path)
    assert rate == 8000
    assert samples.tolist() == [0.25, -0.25]
    path.write_bytes(b"no sound at all")
    with pytest.raises(MediaError, match="no wave file"):
        waves.read(path)


def test_an_engine_that_is_not_here_has_no_voices_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    nobody = Voice(engine="", name="slt", language="en", speaker="")
    for engine in (flite.Flite(), festival.Festival()):
        assert engine.voices() == ()
        with pytest.raises(MissingError, match="is not installed"):
            engine.speak("a", nobody, np.random.default_rng(0))


@needs_flite
@pytest.mark.parametrize("number", [0, 3])
def test_flite_speaks(number: int) -> None:
    engine = flite.Flite()
    voice = engine.voices()[number]
    one, other = (engine.speak("My map.", voice, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(one.samples, other.samples)
    assert "m" in [phone.symbol for phone in one.phones]
    assert one.phones[-1].end == pytest.approx(one.seconds, abs=1e-3)


@needs_festival
def test_festival_speaks() -> None:
    engine = festival.Festival()
    voice = engine.voices()[0]
    said = engine.speak('A "map" (of) mama.', voice, np.random.default_rng(1))
    assert [phone.symbol for phone in said.phones].count("m") >= 2 or voice.language != "en"
    assert 0.5 < said.seconds < 6
