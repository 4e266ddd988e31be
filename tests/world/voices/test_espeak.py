"""espeak-ng: what it tells is understood, and what it says fits."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from phiz.world.voices import espeak, espeak_child, ipa, texts

needs_espeak = pytest.mark.skipif(espeak.library() is None, reason="the espeak-ng library is not installed")


def test_events_become_phones_and_words() -> None:
    events: list[list[object]] = [
        [1, 100, 1, 2, ""], [7, 100, 1, 0, "\u02c8a"], [7, 300, 1, 0, "(en)"], [7, 300, 1, 0, "b"],
        [1, 500, 4, 3, ""], [7, 500, 4, 0, "\u02ccu\u02d0"], [7, 900, 4, 0, ""],
    ]  # fmt: skip
    sound = np.full(1000, 9000, np.int16).tobytes()
    said = espeak.understood(1000, events, sound, "ab uuu")
    assert [(p.symbol, p.start, p.end, p.stress) for p in said.phones] == [
        ("", 0, 0.1, None), ("a", 0.1, 0.3, 2), ("b", 0.3, 0.5, 0), ("u\u02d0", 0.5, 0.9, 1),
        ("", 0.9, 1.0, None),
    ]  # fmt: skip
    assert [(w.text, w.start, w.end) for w in said.words] == [("ab", 0.1, 0.5), ("uuu", 0.5, 1.0)]


def test_a_silent_stop_begins_where_the_silence_does() -> None:
    sound = np.full(2000, 9000, np.int16)
    sound[500:560] = 0
    events: list[list[object]] = [[7, 0, 1, 0, "a"], [7, 560, 1, 0, "p"], [7, 600, 1, 0, "a"]]
    said = espeak.understood(1000, events, sound.tobytes(), "apa")
    assert said.phones[1].symbol == "p"
    assert said.phones[1].start == pytest.approx(0.5, abs=0.004)
    assert said.phones[0].end == said.phones[1].start


def test_a_child_without_a_library_says_so() -> None:
    wish = json.dumps({"library": "libnothing.so", "data": "", "voice": "", "text": ""}).encode()
    done = subprocess.run([sys.executable, "-I", str(espeak.CHILD)], input=wish, check=False)
    assert done.returncode == espeak_child.NO_LIBRARY


def test_a_library_that_marks_no_stress_tells_none_and_soft_signs_belong_to_what_they_soften() -> None:
    events: list[list[object]] = [[7, 0, 1, 0, "t"], [7, 300, 1, 0, "\u02b2"], [7, 500, 1, 0, "a"]]
    said = espeak.understood(1000, events, np.full(900, 9000, np.int16).tobytes(), "ta")
    assert [(p.symbol, p.start, p.end, p.stress) for p in said.phones] == [
        ("t", 0, 0.5, None),
        ("a", 0.5, 0.9, None),
    ]


@needs_espeak
@pytest.mark.parametrize("language", espeak.LANGUAGES)
def test_every_language_speaks_in_sounds_that_we_know(language: str) -> None:
    engine, rng = espeak.Espeak(), np.random.default_rng(0)
    voice = next(voice for voice in engine.voices() if voice.language == language)
    said = engine.speak(texts.compose(language, rng), voice, rng)
    spoken = [phone for phone in said.phones if phone.symbol]
    assert len(spoken) > 8
    assert all(ipa.take_apart(phone.symbol) for phone in spoken)
    assert said.phones[-1].end == pytest.approx(said.seconds, abs=1e-3)


@needs_espeak
def test_the_same_chance_gives_the_same_samples_and_another_another() -> None:
    engine = espeak.Espeak()
    voice = engine.voices()[0]
    one, other, third = (engine.speak("My map.", voice, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.samples, other.samples)
    assert one.phones == other.phones
    assert len(one.samples) != len(third.samples)
    assert [word.text for word in one.words] == ["My", "map"]
