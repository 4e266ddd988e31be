"""Sounds that are not speech, and during which a mouth does nothing: noise, music, hum, breath, laughter.

All are made from chance and sines, at 16 kHz, about as loud as speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.world.voices.engines import Samples

RATE = 16_000
Noise = Callable[[int, np.random.Generator], Samples]


def ground(count: int, rng: np.random.Generator) -> Samples:
    """Return the noise of a place: its colour between white and deep brown, steady or in gusts."""
    steep = float(rng.uniform(0, 2))
    return _gusty(_coloured(count, steep, rng), rng) if rng.random() < 0.4 else _coloured(count, steep, rng)


def mains(count: int, rng: np.random.Generator) -> Samples:
    """Return the hum of a badly shielded cable: 50 or 60 Hz and what is above them."""
    base = float(rng.choice([50.0, 60.0]))
    clock = np.arange(count) / RATE
    sound = np.zeros(count)
    for number in range(1, 9):
        sound += (
            float(rng.uniform(0, 1))
            / number
            * np.sin(2 * np.pi * base * number * clock + float(rng.uniform(0, 6)))
        )
    return sound.astype(np.float32)


def music(count: int, rng: np.random.Generator) -> Samples:
    """Return chords and a melody on an instrument made for the occasion, with or without a drum."""
    beat = int(RATE * float(rng.uniform(0.22, 0.6)))
    root = float(rng.uniform(65, 200))
    scale = (0, 2, 4, 5, 7, 9, 11) if rng.random() < 0.5 else (0, 2, 3, 5, 7, 8, 10)
    overtones = rng.uniform(0, 1, 8) / np.arange(1, 9) ** float(rng.uniform(0.5, 2))
    decay = float(rng.uniform(1.5, 9))
    has_drum = rng.random() < 0.6
    sound = np.zeros(count + 4 * beat)
    for start in range(0, count, beat):
        degrees = (
            [int(rng.integers(0, 7))]
            if rng.random() < 0.6
            else [int(rng.integers(0, 7)) + k for k in (0, 2, 4)]
        )
        for degree in degrees:
            pitch = root * 2 ** (scale[degree % 7] / 12 + degree // 7 + int(rng.integers(0, 3)))
            note = _note(pitch, min(3 * beat, RATE), overtones, decay)
            sound[start : start + len(note)] += note
        if has_drum:
            knock = rng.standard_normal(1600) * np.exp(-np.arange(1600) / float(rng.choice([120, 400])))
            sound[start : start + 1600] += 0.8 * knock
    return _level(sound[:count])


def humming(count: int, rng: np.random.Generator) -> Samples:
    """Return somebody humming a tune with closed lips: a voice with next to nothing above 500 Hz."""
    sound = np.zeros(count)
    pitch = float(rng.uniform(90, 260))
    start = 0
    while start < count:
        length = int(RATE * float(rng.uniform(0.25, 0.9)))
        note = pitch * 2 ** (int(rng.integers(-5, 8)) / 12)
        clock = np.arange(min(length, count - start)) / RATE
        wobble = note * (1 + 0.008 * np.sin(2 * np.pi * 5.2 * clock))
        phase = 2 * np.pi * np.cumsum(wobble) / RATE
        voice = np.zeros(len(clock))
        for number in range(1, 9):
            place = number * note
            gain = np.exp(-place / 350.0) + 0.03 * np.exp(-(((place - 1000) / 300) ** 2))
            voice += gain * np.sin(number * phase)
        edge = np.minimum(np.minimum(clock / 0.05, (clock[-1] - clock) / 0.06 + 1e-3), 1)
        sound[start : start + len(clock)] = voice * edge
        start += length + (int(RATE * float(rng.uniform(0.05, 0.4))) if rng.random() < 0.3 else 0)
    return _level(sound)


def breath(count: int, rng: np.random.Generator) -> Samples:
    """Return breathing through the nose: noise that swells and fades, with a pause after each breath."""
    noise = _shaped(rng.standard_normal(count), float(rng.uniform(600, 1800)), float(rng.uniform(500, 1500)))
    envelope = np.zeros(count)
    start = int(RATE * float(rng.uniform(0, 0.3)))
    while start < count:
        length = min(int(RATE * float(rng.uniform(0.3, 1.1))), count - start)
        envelope[start : start + length] = np.hanning(length + 2)[1:-1] ** float(rng.uniform(0.5, 1.5))
        start += length + int(RATE * float(rng.uniform(0.2, 1.2)))
    return _level(noise * envelope)


def laughter(count: int, rng: np.random.Generator) -> Samples:
    """Return bursts of breathy voice, four to six a second, as somebody laughs behind closed lips."""
    clock = np.arange(count) / RATE
    rate = float(rng.uniform(4, 6))
    pitch = float(rng.uniform(130, 380)) * np.exp(-0.15 * (clock % 1.6))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = np.zeros(count)
    for number in range(1, 7):
        voice += np.exp(-number * float(np.median(pitch)) / 500) * np.sin(number * phase)
    bursts = np.maximum(np.sin(2 * np.pi * rate * clock), 0) ** 2
    fits = (np.sin(2 * np.pi * clock / float(rng.uniform(2, 4)) + float(rng.uniform(0, 6))) > -0.3).astype(
        float
    )
    fits = np.convolve(fits, np.full(800, 1 / 800), mode="same")
    noise = _shaped(rng.standard_normal(count), 1500, 900)
    return _level((voice + 0.4 * noise / (noise.std() + 1e-9)) * bursts * fits)


def knocks(count: int, rng: np.random.Generator) -> Samples:
    """Return clicks, knocks, keys and doors: short, anywhere, each ringing in its own way."""
    sound = np.zeros(count + RATE)
    for _ in range(int(rng.integers(1, max(2, count // 3000)))):
        start = int(rng.integers(0, count))
        length = int(RATE * float(np.exp(rng.uniform(np.log(0.005), np.log(0.3)))))
        clock = np.arange(length) / RATE
        ring = np.sin(2 * np.pi * float(np.exp(rng.uniform(np.log(80), np.log(5000)))) * clock)
        hit = (ring + float(rng.uniform(0, 1.5)) * rng.standard_normal(length)) * np.exp(
            -5 * clock / clock[-1]
        )
        sound[start : start + length] += float(rng.uniform(0.1, 1)) * hit
    return _level(sound[:count])


def silence(count: int, rng: np.random.Generator) -> Samples:
    """Return nearly nothing: what a microphone hears in an empty room."""
    return (_coloured(count, 1.0, rng) * 10 ** (-float(rng.uniform(45, 80)) / 20)).astype(np.float32)


def wind(count: int, rng: np.random.Generator) -> Samples:
    """Return gusts: noise of one colour that comes and goes, as wind, rain and traffic do."""
    return _gusty(_coloured(count, float(rng.uniform(0.5, 2)), rng), rng)


MUTE: Mapping[str, Noise] = {
    "silence": silence, "breath": breath, "laughter": laughter, "humming": humming, "music": music,
    "knocks": knocks, "wind": wind, "ground": ground,
}  # fmt: skip
"""Sounds to which a mouth stays closed."""


def _coloured(count: int, steep: float, rng: np.random.Generator) -> Samples:
    """Return noise whose power falls with this power of the frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.maximum(np.linspace(0, RATE / 2, len(spectrum)), 40.0)
    return _level(np.fft.irfft(spectrum * (frequency / 40.0) ** (-steep / 2), count))


def _gusty(sound: Samples, rng: np.random.Generator) -> Samples:
    points = rng.uniform(0.05, 1.0, max(len(sound) // 4000, 2))
    return _level(
        sound * np.interp(np.linspace(0, len(points) - 1, len(sound)), np.arange(len(points)), points)
    )


def _shaped(
    noise: Float[NDArray[np.float64], " n"], centre: float, width: float
) -> Float[NDArray[np.float64], " n"]:
    spectrum = np.fft.rfft(noise)
    frequency = np.linspace(0, RATE / 2, len(spectrum))
    shaped: NDArray[np.float64] = np.fft.irfft(
        spectrum * np.exp(-(((frequency - centre) / width) ** 2)), len(noise)
    )
    return shaped


def _note(
    pitch: float, count: int, overtones: Float[NDArray[np.float64], " k"], decay: float
) -> Float[NDArray[np.float64], " n"]:
    clock = np.arange(count) / RATE
    numbers = np.arange(1, len(overtones) + 1)[:, None]
    fits = (numbers * pitch < RATE / 2) * overtones[:, None]
    note: NDArray[np.float64] = (fits * np.sin(2 * np.pi * pitch * numbers * clock)).sum(axis=0)
    note *= np.exp(-decay * clock) * np.minimum(clock / 0.008, 1) * np.minimum((clock[-1] - clock) / 0.02, 1)
    return note


def _level(sound: NDArray[np.float64]) -> Samples:
    """Return a sound as loud as speech usually is: a root mean square of 0.07."""
    return (sound * (0.07 / (float(np.sqrt(np.mean(sound**2))) + 1e-9))).astype(np.float32)
