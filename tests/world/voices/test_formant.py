"""Our own synthesiser: exact times, silence in stops, resonances where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.world.voices import formant
from phiz.world.voices.engines import Engine, Spoken


def _said(text: str, speaker: int = 3, seed: int = 0) -> Spoken:
    engine = formant.Formant()
    return engine.speak(text, engine.voices()[speaker], np.random.default_rng(seed))


def _power(said: Spoken, start: float, end: float) -> float:
    piece = said.samples[int(start * said.rate) : int(end * said.rate)]
    return float(np.mean(piece**2))


def test_it_is_an_engine_that_is_always_there() -> None:
    engine = formant.Formant()
    assert isinstance(engine, Engine)
    assert len(engine.voices()) == formant.SPEAKERS
    assert len({voice.speaker for voice in engine.voices()}) == formant.SPEAKERS


def test_the_same_chance_gives_the_same_samples() -> None:
    one, other = _said("\u02c8mapa"), _said("\u02c8mapa")
    assert np.array_equal(one.samples, other.samples)
    assert one.phones == other.phones
    assert not np.array_equal(one.samples[:4000], _said("\u02c8mapa", seed=1).samples[:4000])


def test_phones_are_heard_when_it_says() -> None:
    said = _said("\u02c8apa, \u02c8asa.")
    vowels = [phone for phone in said.phones if phone.symbol == "a"]
    stop = next(phone for phone in said.phones if phone.symbol == "p")
    hiss = next(phone for phone in said.phones if phone.symbol == "s")
    loud = np.mean([_power(said, v.start + 0.02, v.end - 0.02) for v in vowels])
    assert _power(said, stop.start + 0.02, stop.start + 0.04) < 0.01 * loud
    spectrum = np.abs(np.fft.rfft(said.samples[int(hiss.start * 16_000) :][:1200])) ** 2
    assert spectrum[300:].sum() > spectrum[:150].sum()  # above 4 kHz against below 2 kHz
    assert said.phones[0].symbol == ""
    assert said.phones[-1].symbol == ""


@pytest.mark.parametrize(("low", "high"), [("i", "a"), ("u", "\u0251")])
def test_open_vowels_have_a_higher_first_resonance(low: str, high: str) -> None:
    def centre(sign: str) -> float:
        said = _said(f"{sign}\u02d0{sign}\u02d0.")
        vowel = next(phone for phone in said.phones if phone.symbol == sign)
        piece = said.samples[int((vowel.start + 0.03) * 16_000) :][:1600]
        power = np.abs(np.fft.rfft(piece * np.hanning(1600))) ** 2
        frequency = np.arange(len(power)) * 10.0
        inside = (frequency > 150) & (frequency < 1300)
        return float((power * frequency)[inside].sum() / power[inside].sum())

    assert centre(high) > centre(low) + 100


def test_stress_lengthens() -> None:
    said = _said("\u02c8tata")
    first, second = (phone for phone in said.phones if phone.symbol == "a")
    assert first.stress == 2
    assert second.stress == 0
