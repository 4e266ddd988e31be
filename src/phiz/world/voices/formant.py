"""A small synthesiser of our own, so that there is always one: a source, a filter, exact times.

Pulses and noise go through resonances whose places move from phone to phone (the acoustic theory of
speech production; Fant, 1960; Klatt, 1980). It reads IPA, not spelling, and is no pleasure to listen
to, but its throats differ more in length, pitch and breath than recorded voices do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.world.voices import engines, ipa
from phiz.world.voices.engines import Phone, Samples, Spoken, Voice
from phiz.world.voices.ipa import Sound

RATE = 16_000
HOP, SIZE = 80, 512
"""Samples from frame to frame (5 ms) and in each frame."""
BEFORE = (SIZE - 4 * HOP) // 2
"""Samples by which a filtered frame begins before the frame itself."""
SPEAKERS = 48
FORMANTS = 5
BANDWIDTHS = (70.0, 90.0, 130.0, 200.0, 260.0)
PAUSES = {",": 0.22, ".": 0.45, "?": 0.45, "!": 0.4, " ": 0.0}
GLIDE_FRAMES = 5
"""Over how many frames resonances move from one sound to the next."""
FADE = np.array([1, 2, 3, 2, 1]) / 9
"""How fast a sound becomes louder or quieter, in frames."""
HISS = {
    "hiss": (6200.0, 1500.0), "hush": (3300.0, 1200.0), "tuck": (5000.0, 4000.0), "dental": (5500.0, 3500.0),
    "kiss": (2500.0, 3000.0), "palatal": (3500.0, 1000.0), "back": (1600.0, 600.0), "deep": (1200.0, 500.0),
    "breath": (1500.0, 2500.0),
}  # fmt: skip
"""Where the noise of a fricative lies and how wide it is, in hertz."""
LOCUS = {
    "closed": 900.0, "tuck": 1100.0, "brush": 1100.0, "kiss": 900.0, "round": 750.0, "dental": 1400.0,
    "rhotic": 1250.0, "palatal": 2200.0, "back": 1900.0, "deep": 1100.0, "side": 1300.0, "hush": 1900.0,
}  # fmt: skip
"""The second resonance of a consonant; 1700 Hz where the tongue's tip makes it."""
STOPS = frozenset("pbtdkgqc\u0261\u0256\u0288\u025f\u0262\u0253\u0257\u0294")


@dataclass(frozen=True, kw_only=True)
class Throat:
    """Who speaks, and how this time."""

    length: float
    """Factor on all resonances; shorter throats have higher ones."""
    pitch: float
    lively: float
    breath: float
    tilt: float
    """Decibels an octave by which the source falls."""
    pace: float


class Formant:
    """Our own synthesiser; its texts are IPA, with a mark before a stressed syllable."""

    name = "formant"

    def voices(self) -> tuple[Voice, ...]:
        """Return who can speak: always the same."""
        names = (f"throat{number:02}" for number in range(SPEAKERS))
        return tuple(Voice(engine=self.name, name=n, language="ipa", speaker=f"formant {n}") for n in names)

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        """Return what is heard, and when."""
        throat = _throat(int(voice.name.removeprefix("throat")), rng)
        phones = times(text, throat, rng)
        samples = synthesise(phones, throat, rng)
        return Spoken(samples=samples, rate=RATE, phones=engines.filled(phones, len(samples) / RATE))


def times(text: str, throat: Throat, rng: np.random.Generator) -> tuple[Phone, ...]:
    """Return when each sound of a text in IPA begins and ends; vowels before a pause are longer."""
    phones: list[Phone] = []
    clock, stress = 0.12, 0
    for place, sign in enumerate(text):
        if sign in PAUSES:
            clock += PAUSES[sign] * float(rng.uniform(0.7, 1.4))
            continue
        if sign == "\u02c8":
            stress = 2
            continue
        sounds = ipa.take_apart(sign)
        if not sounds:
            continue
        is_last = text[place + 1 : place + 3].strip("\u02d0 ")[:1] in (",", ".", "?", "!")
        seconds = _length(sounds[0], stress) * (1.5 if is_last else 1.0) * float(rng.uniform(0.8, 1.25))
        seconds *= throat.pace * (ipa.LONG if text[place + 1 : place + 2] == "\u02d0" else 1.0)
        phones.append(Phone(symbol=sign, start=clock, end=clock + seconds, stress=stress))
        clock += seconds
        stress = 0 if sounds[0].vowel is not None else stress
    return (*phones, Phone(symbol="", start=clock, end=clock + 0.2))


def synthesise(phones: tuple[Phone, ...], throat: Throat, rng: np.random.Generator) -> Samples:
    """Return the sound of phones that say when they begin and end."""
    count = int(phones[-1].end * RATE / HOP) + 1
    tracks = _tracks(phones, count)
    pitch = _pitch(phones, count, throat, rng)
    pulses = _pulses(pitch, rng)
    noise = rng.standard_normal(count * HOP).astype(np.float32) * 0.3
    resonance = _resonances(tracks[:, :FORMANTS] * throat.length, throat.tilt)
    hiss = _bells(tracks[:, 5] * throat.length**0.5, tracks[:, 6])
    voiced = resonance * (tracks[:, 7:8] * (1 - 0.3 * throat.breath))
    rough = hiss * tracks[:, 8:9] + resonance * (tracks[:, 9:10] + 0.25 * throat.breath * tracks[:, 7:8])
    sound = _filtered(pulses, voiced) + _filtered(noise, rough)
    loudest = float(np.abs(sound).max()) or 1.0
    return (0.5 * sound / loudest).astype(np.float32)


def _throat(number: int, rng: np.random.Generator) -> Throat:
    """Return a speaker: what they are by their number, how they speak this time by chance."""
    own = np.random.default_rng([number, 20])
    length = float(own.uniform(0.9, 1.28))
    pitch = 90.0 * (length / 0.95) ** 2.6 * float(own.uniform(0.8, 1.25))
    return Throat(
        length=length,
        pitch=pitch * float(rng.uniform(0.9, 1.15)),
        lively=float(own.uniform(0.05, 0.2)) * float(rng.uniform(0.7, 1.4)),
        breath=float(own.uniform(0, 1)) ** 2,
        tilt=float(own.uniform(3, 9)),
        pace=float(own.uniform(0.85, 1.15)) * float(rng.uniform(0.75, 1.3)),
    )


def _length(sound: Sound, stress: int) -> float:
    """Return the usual length of a sound in seconds (after Klatt, 1976)."""
    if sound.vowel is not None:
        return 0.075 + 0.03 * sound.vowel[0] + 0.035 * (stress > 0)
    if sound.look in ("hiss", "hush", "tuck"):
        return 0.095 if not sound.is_voiced else 0.075
    if sound.symbol in STOPS:
        return 0.09 if not sound.is_voiced else 0.07
    return 0.065


def _tracks(phones: tuple[Phone, ...], count: int) -> Float[NDArray[np.float64], "t 10"]:
    """Return five resonances, place and width of the hiss, and how loud voice, hiss and breath are."""
    tracks = np.zeros((count, 10))
    tracks[:, :7] = (500, 1500, 2500, 3500, 4500, 4000, 2000)
    for phone in phones:
        first, last = round(phone.start * RATE / HOP), max(round(phone.end * RATE / HOP), 1)
        for sound in ipa.take_apart(phone.symbol)[:1]:
            tracks[first:last] = _target(sound, phone.stress or 0)
            if sound.symbol in STOPS:
                _stop(tracks, first, last, sound)
    for column in range(FORMANTS):
        padded = np.pad(tracks[:, column], GLIDE_FRAMES, mode="edge")
        smooth = np.convolve(padded, np.ones(2 * GLIDE_FRAMES + 1) / (2 * GLIDE_FRAMES + 1), mode="valid")
        tracks[:, column] = smooth
    for column in range(7, 10):
        tracks[:, column] = np.convolve(tracks[:, column], FADE, mode="same")
    return tracks


def _target(sound: Sound, stress: int) -> Float[NDArray[np.float64], " 10"]:
    """Return where a sound wants the tracks to be."""
    if sound.vowel is not None:
        height, back, round_ = sound.vowel
        second = 2300 - 500 * height - back * (1300 - 700 * height) - round_ * (250 - 100 * back)
        third = 2500 + 500 * (1 - back) * (1 - height) - 150 * round_
        is_rhotic = 0 < round_ < 0.5
        third = 1750.0 if is_rhotic else third
        loud = 0.8 + 0.2 * (stress > 0)
        return np.array([270 + 480 * height, second, third, 3400, 4400, 4000, 2000, loud, 0, 0.01])
    place, width = HISS.get(sound.look, (4000.0, 2000.0))
    is_noisy = sound.look in HISS and not sound.is_hum and sound.look != "breath"
    first = 280.0 if sound.is_hum else 320.0
    third = 1700.0 if sound.look == "rhotic" else 2550.0
    voice = 0.0 if not sound.is_voiced else (0.3 if sound.is_hum or is_noisy else 0.55)
    hiss = 0.0 if not is_noisy else {"hiss": 0.045, "hush": 0.05, "back": 0.02}.get(sound.look, 0.012)
    breath = 0.2 if sound.look == "breath" else 0.0
    resonances = [first, LOCUS.get(sound.look, 1700.0), third, 3400, 4400]
    return np.array([*resonances, place, width, voice, hiss, breath])


def _stop(tracks: NDArray[np.float64], first: int, last: int, sound: Sound) -> None:
    """Change frames to a stop, in place: silence or a murmur, then a burst."""
    burst = max(last - (2 if sound.is_voiced else 5), first + 1)
    tracks[first:burst, 7] = 0.08 if sound.is_voiced else 0.0
    tracks[first:burst, 8:10] = 0.0
    tracks[burst:last, 7] = 0.1 if sound.is_voiced else 0.0
    tracks[burst:last, 8] = 0.0
    tracks[burst : burst + 2, 8] = 0.05
    tracks[burst:last, 5:7] = {"closed": (1000.0, 900.0), "front": (4200.0, 1500.0)}.get(
        sound.look, (2000.0, 700.0)
    )
    tracks[burst:last, 9] = 0.0 if sound.is_voiced else 0.12


def _pitch(
    phones: tuple[Phone, ...], count: int, throat: Throat, rng: np.random.Generator
) -> Float[NDArray[np.float64], " t"]:
    """Return the pitch in hertz: it falls through a phrase and rises on what is stressed."""
    clock = np.arange(count) * HOP / RATE
    rise = np.zeros(count)
    for phone in phones:
        if phone.stress:
            middle = (phone.start + phone.end) / 2
            rise += throat.lively * float(rng.uniform(0.4, 1.6)) * np.exp(-(((clock - middle) / 0.12) ** 2))
    drift = np.cumsum(rng.standard_normal(count)) * 0.004
    fall = -0.15 * (clock % 3.0) / 3.0
    pitch: NDArray[np.float64] = throat.pitch * np.exp(np.clip(rise + fall + drift - drift.mean(), -0.6, 0.6))
    return pitch


def _pulses(pitch: Float[NDArray[np.float64], " t"], rng: np.random.Generator) -> Samples:
    """Return pulses at this pitch, each between two samples, a little irregular."""
    wobble = np.repeat(pitch, HOP) * (1 + 0.008 * np.repeat(rng.standard_normal(len(pitch)), HOP))
    phase = np.cumsum(wobble / RATE)
    places = np.flatnonzero(np.diff(np.floor(phase))) + 1
    back = (phase[places] - np.floor(phase[places])) / (wobble[places] / RATE)
    sound = np.zeros(len(phase))
    height = np.sqrt(RATE / wobble[places])
    sound[places] += height * (1 - back.clip(0, 1))
    sound[places - 1] += height * back.clip(0, 1)
    return sound.astype(np.float32)


def _resonances(places: Float[NDArray[np.float64], "t 5"], tilt: float) -> Float[NDArray[np.float64], "t f"]:
    """Return how much of each frequency comes through, at most 1."""
    frequency = np.linspace(0, RATE / 2, SIZE // 2 + 1) + 1.0
    gain = np.ones((len(places), len(frequency)))
    for number, width in enumerate(BANDWIDTHS):
        centre = places[:, number, None]
        gain *= centre**2 / np.sqrt((centre**2 - frequency**2) ** 2 + (width * frequency) ** 2)
    gain *= (np.maximum(frequency, 150) / 150) ** (-tilt / 6.02)
    gain[:, frequency < 60] = 0
    return gain / 30


def _bells(
    places: Float[NDArray[np.float64], " t"], widths: Float[NDArray[np.float64], " t"]
) -> Float[NDArray[np.float64], "t f"]:
    """Return how much of each frequency comes through a narrow gap."""
    frequency = np.linspace(0, RATE / 2, SIZE // 2 + 1)
    bells: NDArray[np.float64] = np.exp(-0.5 * ((frequency - places[:, None]) / widths[:, None]) ** 2)
    return bells


def _filtered(sound: Samples, gain: Float[NDArray[np.float64], "t f"]) -> Samples:
    """Return a sound of which frame by frame another part comes through."""
    window = np.hanning(4 * HOP + 1)[:-1]
    padded = np.pad(sound, (2 * HOP, 4 * HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 4 * HOP)[::HOP][: len(gain)]
    shaped = np.fft.irfft(np.fft.rfft(frames * window, SIZE) * gain, SIZE)
    shaped = np.roll(shaped, BEFORE, axis=1)  # the filter has no phase: it rings before and after
    out = np.zeros(len(padded) + SIZE)
    for start in range(0, SIZE, HOP):  # each slice of all frames at once
        part = shaped[:, start : start + HOP]
        out[start : start + len(gain) * HOP].reshape(len(gain), HOP)[:, : part.shape[1]] += part
    return (out[2 * HOP + BEFORE :][: len(sound)] / 2).astype(np.float32)
