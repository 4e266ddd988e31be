"""espeak-ng: formant speech in a hundred languages, with the moment of each phone to the sample.

The library is that of the system or the one that the package ``espeakng-loader`` brings.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import itertools
import json
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from phiz.errors import MissingError
from phiz.world.voices import engines, ipa, texts
from phiz.world.voices.engines import Phone, Samples, Spoken, Voice, Word

CHILD = Path(__file__).with_name("espeak_child.py")
LANGUAGES = {
    "en": ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-029"),
    "de": ("de",), "fr": ("fr",), "es": ("es", "es-419"), "it": ("it",), "pt": ("pt", "pt-br"),
    "nl": ("nl",), "sv": ("sv",), "pl": ("pl",), "cs": ("cs",), "ru": ("ru",), "fi": ("fi",), "tr": ("tr",),
    "hu": ("hu",), "ca": ("ca",), "hi": ("hi",), "id": ("id",), "sw": ("sw",), "zh": ("cmn-latn-pinyin",),
    "ko": ("ko",), "el": ("el",),
}  # fmt: skip
"""The engine's voices for each language that there are texts in."""
SPEAKERS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "croak", "klatt", "klatt2",
    "klatt3", "klatt4", "Alex", "Andrea", "Andy", "Annie", "anika", "belinda", "boris", "caleb", "david",
    "ed", "Gene", "Gene2", "grandma", "grandpa", "iven", "iven2", "Jacky", "john", "Lee", "linda", "Marco",
    "Mario", "Michael", "Mike", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro",
    "shelby", "steph", "steph2", "travis", "victor", "zac",
)  # fmt: skip
"""Variants of the engine: throats of their own; those that only distort are left out."""
PACE, PITCH, RANGE = (125, 235), (20, 75), (30, 85)
"""Words a minute, and what the engine calls pitch and range: the ends from which a manner is drawn."""
SILENT_STOPS = frozenset("ptkcq\u0288")
LONGEST_CLOSURE_S, HUSH = 0.09, 0.02
"""How long a stop is silent at most, and how silent, compared with the loudest sample."""
MARKS = "\u02c8\u02cc"
"""How IPA writes main and lesser stress."""


class Espeak:
    """The espeak-ng library, a process for each text."""

    name = "espeak"

    def voices(self) -> tuple[Voice, ...]:
        """Return who can speak; nobody where the library is not installed."""
        if library() is None:
            return ()
        return tuple(
            Voice(engine=self.name, name=f"{name}+{speaker}", language=language, speaker=f"espeak {speaker}")
            for language, names in LANGUAGES.items()
            for name, speaker in itertools.product(names, SPEAKERS)
        )

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        """Return what is heard, and when."""
        place = library()
        if place is None:
            raise MissingError(
                "There is no espeak-ng library here. Get one with: pip install 'phiz[voices]', "
                "or from the system's packages (espeak-ng)."
            )
        pace, pitch, spread = (int(rng.integers(low, high + 1)) for low, high in (PACE, PITCH, RANGE))
        text = texts.plain(text)
        wish: dict[str, object] = {"library": place[0], "data": place[1], "voice": voice.name, "text": text}
        wish |= {"pace": pace, "pitch": pitch, "range": spread}
        told = engines.run(sys.executable, ["-I", str(CHILD)], text=json.dumps(wish).encode())
        line, _, sound = told.partition(b"\n")
        about = json.loads(line)
        return understood(about["rate"], about["events"], sound, text)


def understood(rate: int, events: list[list[object]], sound: bytes, text: str) -> Spoken:
    """Return sound and events of the engine as what was said."""
    samples = engines.to_float(np.frombuffer(sound, np.int16))
    seconds = len(samples) / rate
    times = [int(str(e[1])) / rate for e in events if e[0] == 7] + [seconds]
    names = [str(e[4]) for e in events if e[0] == 7]
    phones: list[Phone] = []
    usual = 0 if any(mark in name for name in names for mark in MARKS) else None  # old libraries mark none
    stress = usual
    for name, (start, end) in zip(names, itertools.pairwise(times), strict=True):
        found = [2 - MARKS.index(mark) for mark in name if mark in MARKS]
        stress = found[0] if found else stress
        name = "" if name.startswith("(") else name.strip(MARKS)  # "(en)": it changes to another language
        if name and not ipa.take_apart(name) and phones:  # a mark of its own, such as a soft sign
            phones[-1] = replace(phones[-1], end=end)
            continue
        if name[:1] in SILENT_STOPS:
            start = _closing(samples, rate, start)
            if phones:
                phones[-1] = replace(phones[-1], end=max(min(phones[-1].end, start), phones[-1].start))
        phones.append(Phone(symbol=name, start=start, end=end, stress=stress if name else None))
        if any(sound.vowel for sound in ipa.take_apart(name)):
            stress = usual
    return Spoken(
        samples=samples,
        rate=rate,
        phones=engines.filled(phones, seconds),
        words=_words(events, text, rate, seconds),
    )


def _closing(samples: Samples, rate: int, burst: float) -> float:
    """Return when a silent stop began: the engine tells of its burst, but the lips closed before that."""
    step = rate // 400
    quiet = HUSH * float(np.abs(samples).max(initial=0.0))
    place = int(burst * rate)
    first = max(place - int(LONGEST_CLOSURE_S * rate), 0)
    while place - step >= first and np.abs(samples[place - step : place]).max() < quiet:
        place -= step
    return place / rate


def _words(events: list[list[object]], text: str, rate: int, seconds: float) -> tuple[Word, ...]:
    """Return the words: each lasts until the next begins."""
    told = [[int(str(value)) for value in event[1:4]] for event in events if event[0] == 1]
    ends = [*(sample / rate for sample, _, _ in told[1:]), seconds][: len(told)]
    return tuple(
        Word(text=text[place - 1 : place - 1 + length], start=sample / rate, end=max(end, sample / rate))
        for (sample, place, length), end in zip(told, ends, strict=True)
    )


@lru_cache(maxsize=1)
def library() -> tuple[str, str] | None:
    """Return the library's file and its data's folder (empty: where it looks itself), None without it."""
    own = importlib.util.find_spec("espeakng_loader")
    if own is not None and own.submodule_search_locations:
        folder = Path(next(iter(own.submodule_search_locations)))
        files = sorted(folder.glob("*espeak-ng*.*"))
        libraries = [file for file in files if file.suffix in (".so", ".dylib", ".dll")]
        if libraries:
            return str(libraries[0]), str(folder)
    name = ctypes.util.find_library("espeak-ng")
    return (name, "") if name else None
