"""What the mouth does for each sound: places it strives for, and how hard, in a few plain channels.

Vowels follow the IPA's chart: the more open, the lower the jaw; front vowels spread the lips, round
ones push them forward. Consonants come in classes that look alike on the lips (visemes; Fisher, 1968).
How hard a sound strives says who wins where neighbours disagree: a /b/ cares about nothing but closed
lips, an /s/ insists on a high jaw, an /h/ takes whatever mouth it meets (Recasens et al., 1997, on
degrees of resistance to co-articulation; jaw heights after Keating et al., 1994).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phiz.world.voices.ipa import Sound

CHANNELS = ("jaw", "round", "funnel", "spread", "part", "tongue")
"""Jaw opening; lips forward and narrow; forward and open; corners apart; lips off the teeth; tongue seen."""

VISEMES = (
    "silence", "closed", "tuck", "brush", "kiss", "dental", "front", "hiss", "hush", "side", "rhotic",
    "trill", "palatal", "back", "deep", "breath", "round", "open", "mid", "spread", "rounded", "schwa",
)  # fmt: skip
"""Classes of sounds by what one sees; the last five are vowels."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a sound wants of each channel (`CHANNELS`), and how hard (0 to 1)."""

    places: tuple[float, ...]
    strengths: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The part of a sound during which lips (or lip and teeth) surely touch, as shares of its length."""

    kind: str
    """``close`` or ``tuck``."""
    first: float
    last: float
    depth: float = 1.0


REST = Target(places=(0.0,) * 6, strengths=(0.55, 0.5, 0.5, 0.5, 0.5, 0.5))
"""A silent mouth is closed, not tight."""

_CONSONANTS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    #            jaw  round funn spread part tongue     how hard
    "closed": ((0.08, 0.00, 0.00, 0.00, 0.00, 0.0), (0.35, 0.10, 0.10, 0.10, 0.60, 0.5)),
    "tuck": ((0.08, 0.00, 0.00, 0.05, 0.20, 0.0), (0.60, 0.20, 0.20, 0.20, 0.60, 0.5)),
    "brush": ((0.10, 0.05, 0.05, 0.00, 0.10, 0.0), (0.40, 0.20, 0.20, 0.20, 0.40, 0.5)),
    "kiss": ((0.08, 0.25, 0.05, 0.00, 0.00, 0.0), (0.50, 0.40, 0.30, 0.30, 0.60, 0.5)),
    "dental": ((0.13, 0.00, 0.00, 0.10, 0.30, 0.35), (0.60, 0.20, 0.20, 0.20, 0.60, 0.9)),
    "front": ((0.11, 0.00, 0.00, 0.10, 0.22, 0.0), (0.50, 0.08, 0.08, 0.10, 0.35, 0.4)),
    "hiss": ((0.05, 0.00, 0.00, 0.28, 0.36, 0.0), (1.00, 0.30, 0.30, 0.35, 0.80, 0.5)),
    "hush": ((0.07, 0.20, 0.55, 0.00, 0.25, 0.0), (0.95, 0.60, 0.80, 0.50, 0.70, 0.5)),
    "side": ((0.20, 0.00, 0.00, 0.08, 0.22, 0.1), (0.40, 0.10, 0.10, 0.10, 0.40, 0.5)),
    "rhotic": ((0.13, 0.30, 0.30, 0.00, 0.15, 0.0), (0.50, 0.45, 0.45, 0.30, 0.40, 0.4)),
    "trill": ((0.14, 0.02, 0.02, 0.05, 0.20, 0.0), (0.50, 0.10, 0.10, 0.10, 0.35, 0.4)),
    "palatal": ((0.10, 0.00, 0.00, 0.40, 0.25, 0.0), (0.50, 0.25, 0.25, 0.40, 0.40, 0.4)),
    "back": ((0.16, 0.00, 0.00, 0.05, 0.15, 0.0), (0.25, 0.05, 0.05, 0.05, 0.15, 0.3)),
    "deep": ((0.24, 0.00, 0.00, 0.00, 0.12, 0.0), (0.25, 0.05, 0.05, 0.05, 0.15, 0.3)),
    "breath": ((0.18, 0.00, 0.00, 0.00, 0.12, 0.0), (0.08, 0.03, 0.03, 0.03, 0.08, 0.2)),
    "round": ((0.08, 0.85, 0.15, 0.00, 0.00, 0.0), (0.70, 1.00, 0.80, 0.80, 0.60, 0.5)),
}
_GATES: Mapping[str, Gate] = {
    "p": Gate(kind="close", first=0.0, last=0.7),
    "b": Gate(kind="close", first=0.0, last=0.85),
    "m": Gate(kind="close", first=0.0, last=1.0),
    "\u0253": Gate(kind="close", first=0.0, last=0.85),
    "\u0299": Gate(kind="close", first=0.0, last=0.6),
    "\u0278": Gate(kind="close", first=0.1, last=0.9, depth=0.6),
    "\u03b2": Gate(kind="close", first=0.1, last=0.9, depth=0.6),
    "f": Gate(kind="tuck", first=0.05, last=0.95),
    "v": Gate(kind="tuck", first=0.05, last=0.95),
    "\u0271": Gate(kind="tuck", first=0.05, last=0.95),
    "\u028b": Gate(kind="tuck", first=0.1, last=0.9, depth=0.5),
}
"""Lips stay shut until the burst of a /p/, whose last part is breath, and through all of an /m/."""


def target(sound: Sound | None, stress: int | None) -> Target:
    """Return what a sound wants; None is silence. Unstressed schwas hardly want anything."""
    if sound is None:
        return REST
    if sound.vowel is None:
        places, strengths = _CONSONANTS[sound.look]
        if sound.is_rounded:
            places = (places[0], max(places[1], 0.6), *places[2:])
            strengths = (strengths[0], max(strengths[1], 0.7), *strengths[2:])
        return Target(places=places, strengths=strengths)
    return _vowel(*sound.vowel, stress=stress)


def gate(sound: Sound) -> Gate | None:
    """Return when lips touch for a sound, None if they need not."""
    return _GATES.get(sound.symbol)


def viseme(sound: Sound | None) -> int:
    """Return the number of a sound's class in `VISEMES`."""
    if sound is None:
        return 0
    if sound.vowel is None:
        return VISEMES.index(sound.look)
    height, back, round_ = sound.vowel
    if round_ >= 0.5 and height < 0.9:
        return VISEMES.index("rounded")
    if height >= 0.8:
        return VISEMES.index("open")
    if 0.3 <= back <= 0.7 and height > 0.05:
        return VISEMES.index("schwa")
    return VISEMES.index("spread" if height < 0.3 and back < 0.5 else "mid")


def _vowel(height: float, back: float, round_: float, *, stress: int | None) -> Target:
    """Return what a vowel wants, from how open, how far back and how round it is."""
    front = 1 - back
    jaw = (0.13 + 0.47 * height) * (1 - 0.12 * round_)
    places = (
        jaw,
        round_ * (0.85 - 0.75 * height),
        round_ * (0.2 + 0.5 * min(height / 0.67, 1.0)) * (1 if height < 0.9 else 0.6),
        (1 - round_) * (0.15 + 0.75 * front * (1 - 0.6 * height)) * (1 if back < 0.9 else 0.3),
        0.12 + (1 - round_) * (0.16 + 0.08 * front),
        0.0,
    )
    is_schwa = 0.3 <= back <= 0.7 and 0.3 < height < 0.7
    hard = 0.4 if is_schwa else 0.75
    if stress is not None:
        hard *= (0.85, 1.0, 1.1)[stress]
    lips = 0.95 if round_ > 0.4 else 0.55 * hard
    return Target(places=places, strengths=(hard, lips, lips, 0.6 * hard, 0.5 * hard, 0.4))
