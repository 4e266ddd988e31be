"""What happens to a voice on its way to a file: another throat, a room, noise, a telephone, loudness, music.

Everything takes and gives waveforms at 16 kHz and draws its numbers from a generator of chance.
Whatever moves the sound in time (`throat`) says by how much, so that phones can move along; all the
rest (`spoil`) leaves every sample where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.world.voices import noises
from phiz.world.voices.engines import Resized, Samples

RATE = 16_000
SIZE, HOP = 512, 128
SMOOTH, ROUNDS = 30, 4
"""Cepstral coefficients of an envelope, and how often it is lifted onto the peaks."""

SHORTEST, LONGEST = 0.86, 1.18
"""Length of a throat beside the one it is made from: resonances move by the inverse."""
PACE = (0.9, 1.12)
LOUDNESS_DB = (-42.0, -17.0)
"""Root mean square of the whole, full scale being 0."""
SHARES = {
    "room": 0.55, "noise": 0.65, "music": 0.12, "band": 0.35, "tilt": 0.5, "squeeze": 0.35, "clip": 0.06,
    "coarse": 0.12, "holes": 0.15, "hum": 0.08,
}  # fmt: skip
"""How often each of these happens to a clip."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a voice is made another's: first its resonances move, then all of it runs faster or slower."""

    formants: float = 1.0
    """Factor on the resonances alone; the pitch stays."""
    speed: float = 1.0
    """Factor on speed, pitch and resonances together."""


def draw_change(rng: np.random.Generator) -> Change:
    """Return another throat and another pace."""
    formants = 1 / float(rng.uniform(SHORTEST, LONGEST)) if rng.random() < 0.6 else 1.0
    return Change(formants=formants, speed=float(rng.uniform(*PACE)))


def throat(samples: Samples, change: Change) -> Resized:
    """Return a voice from another throat; it lasts ``1 / speed`` times as long."""
    if abs(change.formants - 1) > 0.01:
        samples = move_formants(samples, change.formants)
    return resample(samples, 1.0 / change.speed) if change.speed != 1 else samples


def resample(samples: Samples, factor: float) -> Resized:
    """Return `factor` times as many samples of the same sound; what would not fit is filtered out."""
    count = max(round(len(samples) * factor), 1)
    if factor < 1:
        samples = low_pass(samples, 0.95 * factor)
    return _between(samples, np.arange(count) / factor)


def at_rate(samples: Samples, rate: int) -> Resized:
    """Return a sound of another rate at 16 kHz."""
    return samples if rate == RATE else resample(samples, RATE / rate)


def low_pass(samples: Samples, share: float) -> Samples:
    """Return a sound without what lies above this share of the highest frequency it can hold."""
    taps = 63
    place = np.arange(taps) - taps // 2
    kernel = np.sinc(place * share) * share * np.hamming(taps)
    return convolve(samples, (kernel / kernel.sum()).astype(np.float32))[taps // 2 :][: len(samples)]


def convolve(samples: Samples, kernel: Resized) -> Float[NDArray[np.float32], " k"]:
    """Return the full convolution, by way of frequencies."""
    count = len(samples) + len(kernel) - 1
    size = 1 << (count - 1).bit_length()
    product = np.fft.rfft(samples, size) * np.fft.rfft(kernel, size)
    return np.fft.irfft(product, size)[:count].astype(np.float32)


def move_formants(samples: Samples, factor: float) -> Samples:
    """Return a voice whose resonances lie `factor` times as high, at the same pitch.

    The envelope of each short spectrum is stretched, what lies under it stays.
    """
    frames, window = _frames(samples)
    spectrum = np.fft.rfft(frames * window)
    envelope = _envelope(np.log(np.abs(spectrum) + 1e-5))
    place = (np.arange(SIZE // 2 + 1) / factor).clip(0, SIZE // 2)
    below = place.astype(int).clip(max=SIZE // 2 - 1)
    part = place - below
    moved = envelope[:, below] * (1 - part) + envelope[:, below + 1] * part
    gain = np.exp((moved - envelope).clip(-4, 4))
    return _overlapped(spectrum * gain, window, len(samples))


def _envelope(height: Float[NDArray[np.floating], "t f"]) -> Float[NDArray[np.floating], "t f"]:
    """Return smooth curves over the peaks of logarithmic spectra ("true envelope"; Imai and Abe, 1979)."""
    smooth = height
    for _ in range(ROUNDS):
        cepstrum = np.fft.irfft(np.maximum(height, smooth))
        cepstrum[:, SMOOTH : SIZE - SMOOTH + 1] = 0
        smooth = np.fft.rfft(cepstrum).real
    return smooth


def spoil(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a recording of a voice as rooms, microphones, telephones and people make them."""
    happens = {name: rng.random() < share for name, share in SHARES.items()}
    sound = samples
    if happens["tilt"]:
        sound = tilt(sound, rng)
    if happens["room"]:
        sound = room(sound, rng)
    power = float(np.sqrt(np.mean(sound**2))) or 1e-3
    if happens["noise"]:
        sound = sound + _below(noises.ground(len(sound), rng), power, float(rng.uniform(5, 40)))
    if happens["hum"]:
        sound = sound + _below(noises.mains(len(sound), rng), power, float(rng.uniform(10, 35)))
    if happens["music"]:
        sound = sound + _below(noises.music(len(sound), rng), power, float(rng.uniform(4, 25)))
    if happens["squeeze"]:
        sound = squeeze(sound, rng)
    if happens["band"]:
        sound = band(sound, rng)
    if happens["holes"]:
        sound = holes(sound, rng)
    sound = louder(sound, rng)
    if happens["clip"]:
        sound = clip(sound, rng)
    return coarse(sound, rng) if happens["coarse"] else sound.clip(-1, 1)


def room(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a voice in a room: early echoes, then noise that dies away (Moorer, 1979)."""
    seconds = float(np.exp(rng.uniform(np.log(0.12), np.log(0.9))))
    count = int(seconds * RATE)
    clock = np.arange(count) / RATE
    tail = rng.standard_normal(count) * 10 ** (-3 * clock / seconds)
    tail[: int(0.004 * RATE)] = 0
    for _ in range(int(rng.integers(2, 8))):
        place = int(rng.uniform(0.001, 0.03) * RATE)
        tail[min(place, count - 1)] += float(rng.choice([-1, 1])) * float(rng.uniform(2, 8))
    tail = np.convolve(tail, np.full(4, 0.25), mode="same")  # walls swallow the highest first
    near = float(rng.uniform(0.15, 1.2))
    kernel = (near * tail / (np.sqrt((tail**2).sum()) + 1e-9)).astype(np.float32)
    kernel[0] += 1.0  # the direct sound stays where it was
    return convolve(samples, kernel)[: len(samples)]


def tilt(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound through a microphone that likes some frequencies better: a few smooth hills."""
    frequency = np.linspace(0, 1, len(samples) // 2 + 1)
    decibels = float(rng.uniform(-9, 6)) * frequency
    for _ in range(3):
        centre, width = float(rng.uniform(0, 1)), float(rng.uniform(0.03, 0.3))
        decibels = decibels + float(rng.uniform(-8, 8)) * np.exp(-(((frequency - centre) / width) ** 2))
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (decibels / 20), len(samples)).astype(np.float32)


def band(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return what a telephone, an old codec or a cheap microphone leaves of a sound."""
    bands = ((300.0, 3400.0), (80.0, 4000.0), (50.0, 7000.0), (150.0, 5500.0), (20.0, 6000.0))
    low, high = bands[int(rng.integers(0, len(bands)))]
    frequency = np.linspace(0, RATE / 2, len(samples) // 2 + 1)
    high = high * float(rng.uniform(0.9, 1.1))
    gain = 1 / (1 + (frequency / high) ** 24) / (1 + (low / np.maximum(frequency, 1)) ** 8)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def holes(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound without the quieter parts of each short spectrum, as thrifty codecs leave it."""
    frames, window = _frames(samples)
    spectrum = np.fft.rfft(frames * window)
    size = np.abs(spectrum)
    floor = size.max(axis=1, keepdims=True) * 10 ** (-float(rng.uniform(28, 50)) / 20)
    return _overlapped(spectrum * (size > floor), window, len(samples))


def squeeze(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound whose loud parts are less loud: what broadcasters and telephones do."""
    block = RATE // 100
    count = -(-len(samples) // block)
    padded = np.pad(samples, (0, count * block - len(samples))).reshape(count, block)
    level = np.sqrt((padded**2).mean(axis=1) + 1e-8)
    smooth = np.convolve(
        np.pad(level, 5, mode="edge"), np.hanning(13)[1:-1] / np.hanning(13).sum(), mode="valid"
    )
    gain = (smooth / smooth.max() + 0.02) ** (-float(rng.uniform(0.2, 0.6)))
    fine = np.interp(np.arange(len(samples)), (np.arange(count) + 0.5) * block, gain)
    squeezed: Samples = (samples * fine).astype(np.float32)
    return squeezed


def louder(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound as loud as somebody happened to record it."""
    power = float(np.sqrt(np.mean(samples**2))) + 1e-6
    wanted = 10 ** (float(rng.uniform(*LOUDNESS_DB)) / 20)
    return (samples * (wanted / power)).astype(np.float32)


def clip(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound that was too loud for its recorder."""
    limit = float(np.abs(samples).max()) * float(rng.uniform(0.25, 0.7)) + 1e-9
    clipped: Samples = samples.clip(-limit, limit)
    return clipped


def coarse(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return a sound in few steps, as the mu-law of telephones has them (G.711)."""
    steps = float(rng.choice([31, 127]))
    squashed = np.sign(samples) * np.log1p(255 * np.abs(samples.clip(-1, 1))) / np.log(256)
    rounded = np.round(squashed * steps) / steps
    out: Samples = (np.sign(rounded) * (256 ** np.abs(rounded) - 1) / 255).astype(np.float32)
    return out


def _below(noise: Samples, power: float, decibels: float) -> Samples:
    """Return a noise so many decibels below a voice."""
    own = float(np.sqrt(np.mean(noise**2))) + 1e-9
    return (noise * (power / own * 10 ** (-decibels / 20))).astype(np.float32)


def _between(samples: Samples, places: Float[NDArray[np.float64], " m"]) -> Resized:
    """Return a sound between its samples (cubic, through four neighbours)."""
    padded = np.pad(samples, (1, 3))
    below = np.minimum(places.astype(np.int64), len(samples) - 1)
    part = (places - below).astype(np.float32)
    a, b, c, d = (padded[below + k] for k in range(4))
    bend = 2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)
    curve: Resized = (b + 0.5 * part * (c - a + part * bend)).astype(np.float32)
    return curve


def _frames(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    window = np.sqrt(np.hanning(SIZE + 1)[:-1]).astype(np.float32)
    padded = np.pad(samples, (SIZE, 2 * SIZE))
    return np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP], window


def _overlapped(spectrum: NDArray[np.complexfloating], window: NDArray[np.float32], count: int) -> Resized:
    """Return the sound of short spectra that overlap by three quarters."""
    frames = np.fft.irfft(spectrum, SIZE) * window
    out = np.zeros((len(frames) + SIZE // HOP) * HOP)
    for part in range(SIZE // HOP):
        out[part * HOP :][: len(frames) * HOP] += frames[:, part * HOP : (part + 1) * HOP].ravel()
    sound: Resized = (out[SIZE:][:count] / 2).astype(np.float32)
    return sound
