"""Phones in IPA taken apart: which sounds, one after the other, and what is known of each.

The table (``ipa.json``) sorts vowels by how open, how far back and how round they are, the axes of the
IPA's own chart, and consonants by what is seen of them on the lips.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("ipa.json")

VOWEL_SHARE, GLIDE_SHARE, CONSONANT_SHARE = 1.0, 0.75, 0.7
LONG = 1.6
"""How a phone of several sounds divides its time among them, and what a length mark adds."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A vowel or a consonant."""

    symbol: str
    vowel: tuple[float, float, float] | None
    """How open, how far back and how round; None for a consonant."""
    look: str
    """What a consonant looks like on the lips (a key of ``ipa.json``); "vowel" for a vowel."""
    is_voiced: bool
    is_hum: bool
    """A nasal: the air leaves through the nose."""
    share: float
    """Of the phone's time, relative to the other sounds in it."""
    is_rounded: bool = False
    """A consonant that is said with round lips."""


@lru_cache(maxsize=4096)
def take_apart(phone: str) -> tuple[Sound, ...]:
    """Return the sounds in a phone: one, or two in a diphthong or an affricate; none for silence.

    Marks that say nothing about the mouth (tone, syllable, breath) and signs we do not know are left out.
    """
    table = _table()
    found: list[Sound] = []
    for sign in phone:
        if sign in table["vowels"]:
            found.append(_vowel(sign, found))
        elif sign in table["looks"]:
            found.append(_consonant(sign))
        elif found and sign in table["long"]:
            found[-1] = replace(found[-1], share=found[-1].share * LONG)
        elif found and sign in table["round"]:
            found[-1] = replace(found[-1], is_rounded=True)
    return tuple(found)


def vowels() -> tuple[str, ...]:
    """Return all vowels of the table."""
    return tuple(_table()["vowels"])


def consonants() -> tuple[str, ...]:
    """Return all consonants of the table."""
    return tuple(_table()["looks"])


def _vowel(sign: str, before: list[Sound]) -> Sound:
    is_second = bool(before) and before[-1].vowel is not None
    height, back, round_ = _table()["vowels"][sign]
    share = GLIDE_SHARE if is_second else VOWEL_SHARE
    about = (float(height), float(back), float(round_))
    return Sound(symbol=sign, vowel=about, look="vowel", is_voiced=True, is_hum=False, share=share)


def _consonant(sign: str) -> Sound:
    table = _table()
    return Sound(
        symbol=sign,
        vowel=None,
        look=table["looks"][sign],
        is_voiced=sign not in table["voiceless"],
        is_hum=sign in table["hums"],
        share=CONSONANT_SHARE,
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    table["looks"] = {sign: look for look, signs in table["consonants"].items() for sign in signs}
    return table
