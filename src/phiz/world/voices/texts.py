"""Things to say, in twenty languages: sentences from a small grammar, numbers, and words that are none.

The phrases (``words.json``) are our own. What counts is not what is said but that all sounds meet in
all orders; made-up words of each language's syllables see to the rare ones. Chance picks everything.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from phiz.world.voices import ipa

FILE = Path(__file__).with_name("words.json")

KINDS = {"sentence": 0.62, "list": 0.1, "number": 0.1, "babble": 0.18}
"""How often each kind of text is drawn."""
CLOSING_SHARE = 0.3
"""Of made-up syllables: those that begin with closed lips, which ordinary text has too few of."""
IPA_STRANGE = 0.25
"""How often a language of our own synthesiser's takes a sound from anywhere in the table."""


def languages() -> tuple[str, ...]:
    """Return all languages there are texts in; "ipa" is that of our own synthesiser."""
    return (*_words(), "ipa")


def compose(language: str, rng: np.random.Generator) -> str:
    """Return something to say, a few seconds long."""
    if language == "ipa":
        return _in_ipa(rng)
    if language not in _words():
        raise ValueError(f"there are no texts in {language!r}; there are in {', '.join(languages())}")
    words = _words()[language]
    kind = list(KINDS)[int(rng.choice(len(KINDS), p=list(KINDS.values())))]
    if kind == "list":
        parts = [_one(rng, words["what"]) for _ in range(int(rng.integers(2, 5)))]
        return _sentence(", ".join(parts) + ".")
    if kind == "number":
        return _sentence(f"{_one(rng, words['who'])}: {_number(rng)}, {_number(rng)}.")
    if kind == "babble":
        return _sentence(" ".join(_babble(words, rng) for _ in range(int(rng.integers(3, 8)))) + ".")
    pattern = _one(rng, words["order"])
    return _sentence(re.sub(r"\{(\w+)\}", lambda slot: _one(rng, words[slot[1]]), pattern))


def plain(text: str) -> str:
    """Return a text without what an engine might take for a command: brackets, slashes, control signs."""
    return re.sub(r"[<>\[\]{}\\/\x00-\x1f]+", " ", text).strip().lstrip("-")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one(rng: np.random.Generator, choices: list[str]) -> str:
    return choices[int(rng.integers(0, len(choices)))]


def _number(rng: np.random.Generator) -> str:
    digits = int(rng.integers(1, 6))
    return str(int(rng.integers(0, 10**digits)))


def _babble(words: dict[str, list[str]], rng: np.random.Generator) -> str:
    """Return a word that is none, of two to four syllables."""
    syllables = []
    for _ in range(int(rng.integers(2, 5))):
        onset = _one(rng, words["onsets"])
        if rng.random() < CLOSING_SHARE:
            onset = _one(rng, words["onsets"][:3])  # b, p and m, however the language writes them
        syllables.append(onset + _one(rng, words["cores"]))
    end = _one(rng, words["ends"]) if rng.random() < 0.5 or words["ends"][0].isdecimal() else ""
    return "".join(syllables) + end


def _in_ipa(rng: np.random.Generator) -> str:
    """Return phrases in IPA: a language of a dozen sounds or so, made for this occasion."""
    vowels = [_one(rng, ["i", "e", "a", "o", "u", "\u0259"]) for _ in range(6)]
    consonants = [_one(rng, list("pbmtdknslfvwjrzh")) for _ in range(12)]
    for _ in range(6):
        if rng.random() < IPA_STRANGE:
            vowels.append(_one(rng, list(ipa.vowels())))
            consonants.append(_one(rng, list(ipa.consonants())))
    phrases = []
    for _ in range(int(rng.integers(2, 4))):
        words = [_ipa_word(vowels, consonants, rng) for _ in range(int(rng.integers(2, 5)))]
        phrases.append(" ".join(words))
    return ", ".join(phrases) + _one(rng, [".", "!", "?"])


def _ipa_word(vowels: list[str], consonants: list[str], rng: np.random.Generator) -> str:
    count = int(rng.integers(1, 4))
    stressed = int(rng.integers(0, count))
    word = ""
    for place in range(count):
        word += "\u02c8" if place == stressed else ""
        onset = _one(rng, ["p", "b", "m"]) if rng.random() < CLOSING_SHARE else _one(rng, consonants)
        word += onset if rng.random() < 0.9 else ""
        word += _one(rng, vowels) + ("\u02d0" if rng.random() < 0.15 else "")
        word += _one(rng, consonants) if rng.random() < 0.3 else ""
    return word


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
