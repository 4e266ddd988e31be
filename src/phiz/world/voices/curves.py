"""From phones and when they are heard to curves of ARKit's 52 expressions, twenty-five times a second.

Every sound pulls at the mouth with a strength that fades with the distance in time, and at each moment
the mouth is the weighted mean of what all want: dominance functions (Cohen and Massaro, 1993; the idea
of gestures that overlap is Lofqvist's, 1990). Dominance alone never closes lips fully between two open
vowels, so that closures are laid over it as gates that always reach their end, and that no frame rate
can miss. Lips round earlier than they unround (Perkell and Matthies, 1992), louder vowels are more open
(Schulman, 1989), and faster talk blurs more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import ipa, phones
from phiz.world.voices.engines import Phone
from phiz.world.voices.ipa import Sound

FPS = 25.0
FINE = 200
"""Steps a second at which mouths are computed, before frames are taken."""
BEFORE_S = (0.070, 0.120, 0.110, 0.090, 0.060, 0.040)
AFTER_S = (0.060, 0.075, 0.070, 0.080, 0.055, 0.035)
"""How fast each channel's pull fades before a sound begins, and after it ends: to a third."""
CORE = 0.25
"""Share of a sound at each end in which its pull already fades."""
USUAL_S = 0.075
"""Length of a sound in ordinary talk."""
RAMP_S = 0.042
"""How long lips take to meet and to part, at most; less in fast talk."""
SEEN_S = 0.046
"""The shortest closure: one that the middle of a frame falls into at 25 frames a second."""
QUIET_S = 0.12
"""A silence shorter than this is a hesitation: the mouth stays about as it is."""

Curve = Float[NDArray[np.float64], " n"]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A sound and when it is heard, after phones have been taken apart."""

    sound: Sound | None
    start: float
    end: float
    stress: int | None
    effort: float = 1.0
    """How large its movements are."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is known about each frame besides the curves."""

    viseme: Int[NDArray[np.int64], " t"]
    """Class of the sound in the frame's middle: a number in `phiz.world.voices.phones.VISEMES`."""
    closed: Bool[NDArray[np.bool_], " t"]
    """Whether a /p/, /b/ or /m/ keeps the lips together."""
    talking: Bool[NDArray[np.bool_], " t"]


def segments(said: Sequence[Phone], efforts: Sequence[float] | None = None) -> tuple[Segment, ...]:
    """Return the sounds of phones; a diphthong's or an affricate's sounds share its time."""
    found: list[Segment] = []
    for number, phone in enumerate(said):
        parts = ipa.take_apart(phone.symbol)
        effort = 1.0 if efforts is None else efforts[number]
        if not parts:
            found.append(Segment(sound=None, start=phone.start, end=phone.end, stress=None))
            continue
        shares = np.cumsum([0.0, *(part.share for part in parts)])
        times = phone.start + (phone.end - phone.start) * shares / shares[-1]
        for part, start, end in zip(parts, times[:-1], times[1:], strict=True):
            found.append(
                Segment(sound=part, start=float(start), end=float(end), stress=phone.stress, effort=effort)
            )
    return tuple(found)


def frame_count(seconds: float, fps: float = FPS) -> int:
    """Return how many frames begin while a sound lasts."""
    return max(1, int(np.ceil(seconds * fps - 1e-6)))


def mouth(
    said: Sequence[Phone], seconds: float, *, efforts: Sequence[float] | None = None, fps: float = FPS
) -> Float[NDArray[np.float32], "t 52"]:
    """Return the mouth's curves; a frame shows its middle, ``(k + 0.5) / fps``.

    `efforts` tells for each phone how large its movements are, 1 being usual.
    """
    parts = segments(said, efforts)
    clock = (np.arange(int(np.ceil(seconds * FINE)) + 1) + 0.5) / FINE
    channels = _blend(parts, clock)
    close, tuck = (_gates(parts, clock, kind) for kind in ("close", "tuck"))
    frames = (np.arange(frame_count(seconds, fps)) + 0.5) / fps
    fine = shapes(channels, close, tuck)
    out = np.zeros((len(frames), len(ARKIT_NAMES)), np.float32)
    for name, curve in fine.items():
        out[:, ARKIT_NAMES.index(name)] = np.interp(frames, clock, curve).clip(0, 1)
    return out


def shapes(channels: Float[NDArray[np.float64], "n 6"], close: Curve, tuck: Curve) -> dict[str, Curve]:
    """Return ARKit's weights for a mouth given by its channels and by how far lips touch.

    Lips meet in two ways at once: the jaw rises half-way, and ``mouthClose`` takes back the rest, which
    in ARKit's words is an amount equal to ``jawOpen``.
    """
    jaw, round_, funnel, spread, part, tongue = channels.T
    jaw = jaw * (1 - 0.45 * close) * (1 - 0.35 * tuck)
    loose = 1 - close
    apart = part * loose * (1 - 0.5 * np.maximum(round_, funnel))
    both = {
        "mouthSmile": 0.16 * spread,
        "mouthStretch": 0.42 * spread * (1 - 0.4 * close),
        "mouthDimple": 0.10 * spread,
        "mouthLowerDown": 0.85 * apart * (1 - tuck) + 0.22 * jaw * loose * (1 - tuck),
        "mouthUpperUp": 0.45 * apart + 0.22 * tuck * loose,
        "mouthPress": 0.30 * close**2,
    }
    whole = {
        "jawOpen": jaw,
        "mouthClose": jaw * close,
        "mouthFunnel": funnel * (1 - 0.7 * close) * (1 - 0.5 * tuck),
        "mouthPucker": round_ * (1 - 0.3 * close) * (1 - 0.4 * tuck),
        "mouthRollLower": 0.14 * close**2 + 0.45 * tuck * loose,
        "mouthRollUpper": 0.12 * close**2,
        "mouthShrugLower": 0.10 * close + 0.16 * tuck * loose,
        "tongueOut": tongue * loose * (jaw > 0.02) * 0.4,
    }
    return whole | {name + side: curve for name, curve in both.items() for side in ("Left", "Right")}


def labels(said: Sequence[Phone], seconds: float, fps: float = FPS) -> Labels:
    """Return what is known about each frame from the phone in its middle."""
    parts = segments(said)
    frames = (np.arange(frame_count(seconds, fps)) + 0.5) / fps
    starts = np.array([part.start for part in parts])
    which = (np.searchsorted(starts, frames, side="right") - 1).clip(0)
    classes = np.array([phones.viseme(part.sound) for part in parts])
    clock = (np.arange(int(np.ceil(seconds * FINE)) + 1) + 0.5) / FINE
    touching = np.interp(frames, clock, _gates(parts, clock, "close"))
    return Labels(
        viseme=classes[which],
        closed=touching > 0.95,
        talking=np.array([part.sound is not None for part in parts])[which],
    )


def _blend(parts: Sequence[Segment], clock: Curve) -> Float[NDArray[np.float64], "n 6"]:
    """Return each channel as the weighted mean of what all sounds want of it."""
    total = np.full((len(clock), len(phones.CHANNELS)), 1e-9)
    weighted = np.zeros_like(total)
    tempo = _tempo(parts)
    for part in parts:
        wanted = phones.target(part.sound, part.stress)
        strengths = np.array(wanted.strengths)
        if part.sound is None:
            strengths = strengths * min(part.seconds / QUIET_S, 1.0) ** 2
        places = np.array(wanted.places)
        places[[0, 4]] *= part.effort
        places[[1, 2, 3]] *= 1 + 0.4 * (part.effort - 1)
        near = _near(part, clock, tempo)
        pull = _dominance(part, clock[near], tempo) * strengths
        total[near] += pull
        weighted[near] += pull * places
    return _smooth(weighted / total, 0.012)


def _near(part: Segment, clock: Curve, tempo: float) -> slice:
    """Return the moments at which a sound pulls noticeably: until its pull has faded to a thousandth."""
    reach = 7 * tempo * max(*BEFORE_S, *AFTER_S)
    first, last = np.searchsorted(clock, (part.start - reach, part.end + reach))
    return slice(int(first), int(last))


def _dominance(part: Segment, clock: Curve, tempo: float) -> Float[NDArray[np.float64], "n 6"]:
    """Return how strongly a sound pulls at each channel over time: 1 in its middle, fading on both sides."""
    edge = CORE * part.seconds
    if part.sound is None:
        edge = min(edge, 0.06)  # a long silence is silent up to its ends
    early = np.maximum(part.start + edge - clock, 0)[:, None]
    late = np.maximum(clock - part.end + edge, 0)[:, None]
    before, after = (np.array(times) * tempo for times in (BEFORE_S, AFTER_S))
    pull: NDArray[np.float64] = np.exp(-early / before - late / after)
    return pull


def _tempo(parts: Sequence[Segment]) -> float:
    """Return by how much gestures shrink or stretch: with the root of how long sounds are."""
    lengths = [part.seconds for part in parts if part.sound is not None]
    if not lengths:
        return 1.0
    return float(np.clip(np.sqrt(np.median(lengths) / USUAL_S), 0.7, 1.3))


def _gates(parts: Sequence[Segment], clock: Curve, kind: str) -> Curve:
    """Return how far lips touch over time, 0 to 1; every closure reaches its depth."""
    curve = np.zeros(len(clock))
    ramp = RAMP_S * min(_tempo(parts), 1.0)
    for part in parts:
        gate = phones.gate(part.sound) if part.sound is not None else None
        if gate is None or gate.kind != kind:
            continue
        start = part.start + gate.first * part.seconds
        end = part.start + gate.last * part.seconds
        missing = max(SEEN_S - (end - start), 0) / 2
        start, end = start - missing, end + missing
        outside = np.maximum(np.maximum(start - clock, clock - end), 0) / ramp
        bell = gate.depth * (0.5 + 0.5 * np.cos(np.pi * outside.clip(0, 1)))
        curve = np.maximum(curve, bell)
    return curve


def _smooth(curves: Float[NDArray[np.float64], "n c"], width_s: float) -> Float[NDArray[np.float64], "n c"]:
    """Return curves blurred by a bell; muscles have no corners."""
    reach = int(np.ceil(3 * width_s * FINE))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (width_s * FINE)) ** 2)
    padded = np.pad(curves, ((reach, reach), (0, 0)), mode="edge")
    out = np.zeros_like(curves)
    for place, weight in enumerate(bell / bell.sum()):
        out += weight * padded[place : place + len(curves)]
    return out
