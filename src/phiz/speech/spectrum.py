"""From sound to mouth without a network: the shortest honest link until a trained one takes its place.

Nothing here has learned anything. The jaw follows how loud the vowels are, the lips' rounding follows
where in the spectrum their energy lies, and hiss closes the teeth. It knows no phonemes: a /p/ is only
a short silence, and /m/ a quiet hum. Blinks, glances and sway are seeded chance with human statistics.

What the sound says about the mouth, in phonetics' terms: the first formant (300 to 1000 Hz) rises as
the jaw opens; the second (600 to 3000 Hz) falls as the lips round; fricatives lie above 3500 Hz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import Motion
from phiz.speech import idle

ANALYSIS_RATE = 200
"""Looks at the sound a second."""
WINDOW_S = 0.032
"""Length of sound looked at; longer than the slowest voice's period, shorter than a syllable."""
LEAD_S = 0.035
"""By how much lips come before the sound they shape."""
ATTACK_S, RELEASE_S = 0.02, 0.04
"""Time to cover 63 % of the way when opening and closing."""
DEEPEST_DB, SHALLOWEST_DB = 45.0, 18.0
"""The noise floor lies between these below the loudest speech, whatever the clip claims."""
SILENT_DB = -65.0
"""A clip whose loudest moment is below this (full scale is 0) is silence."""


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Energy over time in the parts of the spectrum that tell about the mouth, in decibels."""

    voice: Float[Tensor, " t"]
    """300 to 3000 Hz: vowels."""
    first_low: Float[Tensor, " t"]
    """200 to 450 Hz: the first formant of a closed vowel, and the hum of /m/ and /n/."""
    first_high: Float[Tensor, " t"]
    """550 to 1100 Hz: the first formant of an open vowel."""
    second_low: Float[Tensor, " t"]
    """500 to 1200 Hz: where rounding puts the second formant."""
    second_high: Float[Tensor, " t"]
    """1600 to 3000 Hz: where spreading puts it."""
    hiss: Float[Tensor, " t"]
    """3500 to 8000 Hz."""


def mouth_curve(
    waveform: Float[Tensor, " n"], rate: int, fps: float
) -> tuple[Float[Tensor, " t"], Float[Tensor, " t"]]:
    """Return how far the lips are open (0 to 1) and how round they are (1; spread is -1) in each frame.

    There are as many frames as begin while the sound lasts. Both are zero in silence.
    """
    frames = frame_count(len(waveform), rate, fps)
    bands = _bands(waveform, rate)
    gate = _gate(bands)
    if gate.max() == 0:
        return torch.zeros(frames), torch.zeros(frames)
    hiss = _smoothstep((bands.hiss - bands.voice + 3) / 12)
    height = bands.first_high - bands.first_low
    jaw = torch.sigmoid((height - _typical(height, gate)) / 5)
    # In a hum (/m/, /n/) nothing above the first formant is left, because the mouth is shut.
    hum = _smoothstep((bands.first_low - torch.maximum(bands.first_high, bands.second_high) - 8) / 10)
    opening = gate * (0.45 + 0.75 * jaw) * (1 - 0.75 * hiss) * (1 - 0.7 * hum)
    tilt = bands.second_low - bands.second_high
    rounding = torch.tanh((tilt - _typical(tilt, gate)) / 9) * gate * (1 - hiss)
    smooth = _follow(opening.clamp(0, 1), ATTACK_S, RELEASE_S)
    return _at_frames(smooth, frames, fps), _at_frames(_follow(rounding, 0.05, 0.05), frames, fps)


def frame_count(samples: int, rate: int, fps: float) -> int:
    """Return how many frames begin while a sound lasts."""
    return max(1, math.ceil(samples / rate * fps - 1e-6))


def speak(
    waveform: Float[Tensor, " n"],
    rate: int,
    expression_names: tuple[str, ...],
    generator: torch.Generator,
    *,
    basis: str,
    fps: float = 25.0,
) -> Motion:
    """Return the motion of a face that says what the waveform says.

    `expression_names` are the modes of the head model called `basis`, in ARKit's words; names that are
    missing there are left out, but without ``jawOpen`` there is no speaking.
    """
    if "jawOpen" not in expression_names:
        raise ValueError(f"{basis!r} has no expression 'jawOpen', so its mouth cannot follow a sound")
    opening, rounding = mouth_curve(waveform, rate, fps)
    weights = mouth_shapes(opening, rounding, fps)
    frames = len(opening)
    weights["browInnerUp"] = 0.25 * idle.emphasis(opening, fps)
    expression = torch.zeros(frames, len(expression_names))
    for column, name in enumerate(expression_names):
        if name in weights:
            expression[:, column] = weights[name]
    head = idle.sway(opening, fps, generator)
    return Motion(
        expression=expression,
        basis=basis,
        rotation=head,
        translation=torch.zeros(frames, 3),
        gaze=idle.glances(head, fps, generator),
        blink=idle.blinks(frames, fps, generator),
        fps=fps,
    )


def mouth_shapes(
    opening: Float[Tensor, " t"], rounding: Float[Tensor, " t"], fps: float
) -> dict[str, Float[Tensor, " t"]]:
    """Return the weights of the ARKit expressions that make this mouth, by name.

    The jaw is heavy and follows slowly; where the lips must close sooner than the jaw can
    (/p/, /b/, /m/ inside a word), ``mouthClose`` makes up the difference.
    """
    jaw = idle.smooth(opening, 0.045 * fps)
    round_, spread = rounding.clamp(min=0), (-rounding).clamp(min=0)
    closing = (jaw - opening).clamp(min=0)
    both = {
        "mouthSmile": 0.08 + 0.22 * spread,
        "mouthStretch": 0.25 * spread * opening,
        "mouthLowerDown": 0.36 * opening * (1 - 0.6 * round_),
        "mouthUpperUp": 0.22 * opening * (1 - 0.5 * round_),
        "mouthPress": 0.30 * closing,
    }
    shapes = {
        "jawOpen": 0.45 * jaw * (1 - 0.35 * round_),
        "mouthClose": 0.42 * closing,
        "mouthFunnel": 0.50 * round_ * opening.sqrt(),
        "mouthPucker": 0.45 * round_,
    }
    return shapes | {name + side: weight for name, weight in both.items() for side in ("Left", "Right")}


def _bands(waveform: Tensor, rate: int) -> Bands:
    """Return the energies of `Bands`, `ANALYSIS_RATE` times a second."""
    size = 2 ** math.ceil(math.log2(WINDOW_S * rate))
    hop = rate / ANALYSIS_RATE
    looks = max(1, math.ceil(len(waveform) / hop))
    padded = torch.nn.functional.pad(waveform.float().cpu(), (size // 2, size))
    starts = (torch.arange(looks) * hop).round().long()
    window = torch.hann_window(size)
    frequency = torch.arange(size // 2 + 1) * (rate / size)
    parts = []
    for some in torch.split(starts, 4096):  # an hour of sound has 720 000 looks, too many at once
        pieces = padded[some[:, None] + torch.arange(size)] * window
        power = torch.fft.rfft(pieces).abs().square() / window.sum().square() * 4

        def energy(low: float, high: float, power: Tensor = power) -> Tensor:
            inside = (frequency >= low) & (frequency < high)
            return 10 * torch.log10(power[:, inside].sum(1) + 1e-10)

        edges = ((300, 3000), (200, 450), (550, 1100), (500, 1200), (1600, 3000), (3500, 8000))
        parts.append(torch.stack([energy(low, high) for low, high in edges]))
    voice, first_low, first_high, second_low, second_high, hiss = torch.cat(parts, dim=1)
    return Bands(
        voice=voice,
        first_low=first_low,
        first_high=first_high,
        second_low=second_low,
        second_high=second_high,
        hiss=hiss,
    )


def _gate(bands: Bands) -> Tensor:
    """Return how loud the voice is between the clip's own noise floor (0) and its loud vowels (1)."""
    ordered = bands.voice.sort().values
    peak = ordered[int(0.97 * (len(ordered) - 1))]
    if ordered[-1] < SILENT_DB:
        return torch.zeros_like(bands.voice)
    peak = torch.maximum(peak, ordered[-1] - 20)  # one word in a long silence is still speech
    floor = ordered[int(0.1 * (len(ordered) - 1))].clamp(min=peak - DEEPEST_DB, max=peak - SHALLOWEST_DB)
    foot = floor + 0.3 * (peak - floor)
    return _smoothstep((bands.voice - foot) / (peak - foot))


def _typical(values: Tensor, gate: Tensor) -> Tensor:
    """Return the median while the voice sounds; voices differ, and what counts is the change."""
    voiced = values[gate > 0.3]
    return voiced.median() if len(voiced) else values.median()


def _smoothstep(values: Tensor) -> Tensor:
    x = values.clamp(0, 1)
    return x * x * (3 - 2 * x)


def _follow(target: Tensor, attack_s: float, release_s: float) -> Tensor:
    """Return a curve that runs after another, at one speed away from zero and at another back."""
    rise, fall = (1 - math.exp(-1 / (ANALYSIS_RATE * s)) for s in (attack_s, release_s))
    value, curve = 0.0, []
    for goal in target.tolist():
        value += (goal - value) * (rise if abs(goal) > abs(value) else fall)
        curve.append(value)
    return torch.tensor(curve)


def _at_frames(curve: Tensor, frames: int, fps: float) -> Tensor:
    """Return the curve at the middle of each frame, a little ahead of the sound."""
    place = ((torch.arange(frames, dtype=torch.float64) + 0.5) / fps + LEAD_S) * ANALYSIS_RATE
    place = place.clamp(0, len(curve) - 1)
    before = place.long().clamp(max=max(len(curve) - 2, 0))
    after = (before + 1).clamp(max=len(curve) - 1)
    return torch.lerp(curve[before], curve[after], (place - before).float())
