"""Synthesisers that tell when each phone begins: what they have in common, and which are here.

None of them is required. `found` returns those that work on this machine; `named` complains about one
that does not. The last, `phiz.world.voices.formant`, is our own and always there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int16
from numpy.typing import NDArray

from phiz.errors import DataError, MissingError

PATIENCE_S = 120
"""A synthesiser that takes longer for a few sentences hangs."""

Samples = Float[NDArray[np.float32], " n"]
Resized = Float[NDArray[np.float32], " m"]
"""A waveform that need not be as long as another one beside it."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """Somebody who can speak."""

    engine: str
    name: str
    """What the engine calls it."""
    language: str
    """A key of the texts (`phiz.world.voices.texts`)."""
    speaker: str
    """Whose throat it is: held out as one, whatever it speaks."""


@dataclass(frozen=True, kw_only=True)
class Phone:
    """One sound of speech and when it is heard, in seconds."""

    symbol: str
    """In IPA; nothing is silence."""
    start: float
    end: float
    stress: int | None = None
    """0, 1 or 2 (the word's main stress); None where the engine does not tell."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word and when it is heard."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What was said: sound, and phones that fill all of it, silence included."""

    samples: Samples
    rate: int
    phones: tuple[Phone, ...]
    words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@runtime_checkable
class Engine(Protocol):
    """Something that turns text into sound and tells when each phone begins."""

    name: str

    def voices(self) -> tuple[Voice, ...]:
        """Return who can speak; nobody where the engine is not installed."""
        ...

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        """Return what is heard; `rng` picks pace and pitch. The same draws give the same samples."""
        ...


def filled(phones: Sequence[Phone], seconds: float) -> tuple[Phone, ...]:
    """Return the phones in order, without empty ones, with silence wherever there is none."""
    whole: list[Phone] = []
    clock = 0.0
    for phone in sorted(phones, key=lambda one: one.start):
        start, end = max(phone.start, clock), min(phone.end, seconds)
        if end - start < 1e-4:
            continue
        if start - clock > 1e-4:
            whole.append(Phone(symbol="", start=clock, end=start))
        whole.append(replace(phone, start=start if whole else max(start, 0.0), end=end))
        clock = end
    if seconds - clock > 1e-4 or not whole:
        whole.append(Phone(symbol="", start=clock, end=seconds))
    return _joined(whole)


def _joined(phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """Return phones with neighbouring silences made one."""
    joined: list[Phone] = []
    for phone in phones:
        if joined and not phone.symbol and not joined[-1].symbol:
            joined[-1] = replace(joined[-1], end=phone.end)
        else:
            joined.append(phone)
    return tuple(joined)


def to_float(samples: Int16[NDArray[np.int16], " n"]) -> Samples:
    """Return 16-bit sound as numbers within -1 and 1."""
    return (samples / 32768).astype(np.float32)


def run(program: str, words: Sequence[str], *, text: bytes = b"") -> bytes:
    """Return what a program prints that is given these words, and this text as its input."""
    try:
        done = subprocess.run(
            [program, *words], input=text, capture_output=True, check=False, timeout=PATIENCE_S
        )
    except FileNotFoundError as error:
        raise MissingError(f"{program} is not installed. Install it, or choose another engine.") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{program} said nothing within {PATIENCE_S} s. Choose another engine.") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise DataError(f"{program} failed (exit code {done.returncode}): {told}. Choose another engine.")
    return done.stdout
